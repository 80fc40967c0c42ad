"""Whether a model is, on the last rows of the data, at least as good as a baseline."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.config import BASELINES, require
from tsattn.data.frequency import seasonality
from tsattn.data.rows import group_rows
from tsattn.data.windows import find_origins
from tsattn.errors import DataError, QualityGateError
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import point_and_quantiles
from tsattn.metrics import is_no_worse
from tsattn.pipeline.known_rows import split_known, with_gaps
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST


@dataclass(kw_only=True)
class GateScore:
    """Squared errors of the model and a baseline, scaled, added up over windows."""

    model: float = 0.0
    baseline: float = 0.0
    num_values: int = 0
    num_windows: int = 0

    def add(self, other: "GateScore") -> None:
        """Add the errors of other windows."""
        self.model += other.model
        self.baseline += other.baseline
        self.num_values += other.num_values
        self.num_windows += other.num_windows


@dataclass(frozen=True)
class Gate:
    """Scores the model on the last known `horizon` rows of each series, beside a baseline."""

    baseline: str

    def __post_init__(self) -> None:
        require(
            self.baseline in BASELINES,
            "A gate must be a baseline.",
            repr(self.baseline),
            f"Use {', '.join(BASELINES)}.",
        )

    def rows_read(self, fitted: FittedForecaster) -> int:
        """Return how many of the last known rows the scores need."""
        season = seasonality(fitted.schema.freq) if self.baseline == "seasonal_naive" else 0
        return max(fitted.lookback, season) + fitted.horizon

    def score(
        self, fitted: FittedForecaster, known: pd.DataFrame, source: str, series_ids: set[str]
    ) -> GateScore:
        """Score some series of known rows; those with too few, or gaps in them, do not count."""
        schema = fitted.schema
        groups = group_rows(known, schema, source)
        rows = np.sort(np.concatenate([groups[name] for name in groups if name in series_ids]))
        last = None if schema.fill else self.rows_read(fitted)
        read = split_known(known.iloc[rows], schema, source, last).known
        series = with_gaps(read, schema, source)
        ends = series.borders[1:].tolist()
        origins = find_origins(
            series,
            [slice(end - fitted.horizon, end) for end in ends],
            lookback=fitted.lookback,
            horizon=fitted.horizon,
        ).origins
        score = GateScore(num_windows=len(origins))
        if not len(origins):
            return score
        windows = fitted.windows(series, origins)
        compile_for(fitted.model, len(windows))
        baseline = fitted.baselines(series)[self.baseline]
        for index, batch, outputs in run_batches(fitted.model, windows):
            point, _ = point_and_quantiles(outputs[FORECAST], fitted.quantile_levels)
            errors = [point - batch.targets, baseline(windows, index, batch) - batch.targets]
            squared = [float(np.sum(np.square(error, dtype=np.float64))) for error in errors]
            score.add(
                GateScore(model=squared[0], baseline=squared[1], num_values=batch.targets.size)
            )
        return score

    def check(self, score: GateScore, source: str) -> None:
        """Raise unless the model is at least as good as the baseline.

        Raises:
            QualityGateError: it is worse.
            DataError: nothing could be scored.
        """
        if not score.num_windows:
            raise DataError(
                f"{source}: a gate needs the last `lookback` + `horizon` rows of a series, without "
                "gaps. Received: no series with so many. Give more rows, or leave "
                "--fail-if-worse-than out."
            )
        model, baseline = (squared / score.num_values for squared in (score.model, score.baseline))
        if not is_no_worse(model, baseline):
            raise QualityGateError(
                f"The model must be no worse than {self.baseline} on the last known rows. "
                f"Received: MSE {model:.6g} against {baseline:.6g} (scaled) over "
                f"{score.num_windows:,} windows; no forecast was written. "
                "Fit the model again on newer data."
            )
