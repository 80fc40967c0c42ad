"""`evaluate`: how good a model is on rows it has not seen."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tsattn.config import BASELINES, require
from tsattn.data.series import TimeSeries, series_from_frame
from tsattn.data.windows import find_origins
from tsattn.errors import DataError, QualityGateError
from tsattn.evaluation import MODEL, Evaluation
from tsattn.fitted import FittedForecaster
from tsattn.model_directory import load_fitted
from tsattn.pipeline.fitting import evaluate_fitted
from tsattn.pipeline.tables import Data, as_table
from tsattn.progress import Progress
from tsattn.training import compile_for


@dataclass(frozen=True, kw_only=True)
class NewDataResult:
    """The evaluation of a model on new data."""

    fitted: FittedForecaster
    series: TimeSeries
    evaluation: Evaluation


def evaluate(
    model: str | Path | FittedForecaster, data: Data, *, progress: Progress | None = None
) -> NewDataResult:
    """Score a model, beside the baselines, on the rows after those it was trained with.

    Windows count whose targets are all later than the last validation row; of numbered rows, which
    tell no time, every window counts.

    Raises:
        DataError: there is no such window.
    """
    fitted = model if isinstance(model, FittedForecaster) else load_fitted(model)
    progress = progress or Progress()
    frame, source, notes = as_table(data)
    series = series_from_frame(frame, fitted.schema, source)
    notes = [*notes, *series.notes]
    if fitted.seen_until is None:
        notes.append(f"{source}: numbered rows tell no time; all of them are scored")
    for note in notes:
        progress.note(note)
    found = find_origins(
        series,
        unseen_rows(series, fitted.seen_until),
        lookback=fitted.lookback,
        horizon=fitted.horizon,
        score_filled=fitted.options.score_filled,
    )
    if not len(found.origins):
        seen = f" after {fitted.seen_until}" if fitted.seen_until else ""
        raise DataError(
            f"{source}: there must be {fitted.horizon} rows{seen} with {fitted.lookback} rows "
            f"before them. Received: {series.num_rows} rows up to {series.times[-1]} without such "
            "a window. Give more data, with the rows before it."
        )
    windows = fitted.windows(series, found.origins)
    compile_for(fitted.model, len(windows))
    with progress.bar("evaluating") as bar:
        evaluation = evaluate_fitted(fitted, series, windows, on_batch=bar)
    return NewDataResult(fitted=fitted, series=series, evaluation=evaluation)


def unseen_rows(series: TimeSeries, seen_until: str | None) -> list[slice]:
    """Return the rows of each series after a time; all rows if there is none."""
    parts = []
    for start, end in zip(series.borders[:-1], series.borders[1:], strict=True):
        first = int(start)
        if seen_until is not None:
            first += int((series.times[start:end] <= pd.Timestamp(seen_until)).sum())
        parts.append(slice(first, int(end)))
    return parts


def check_gate(evaluation: Evaluation, baseline: str) -> None:
    """Raise a QualityGateError if the model's MSE is above that of a baseline."""
    require(
        baseline in BASELINES,
        "A gate must be a baseline.",
        repr(baseline),
        f"Use {', '.join(BASELINES)}.",
    )
    model = evaluation.scores[MODEL]["scaled"].mse
    bound = evaluation.scores[baseline]["scaled"].mse
    if not model <= bound:
        raise QualityGateError(
            f"The model must be no worse than {baseline}. Received: MSE {model:.6g} against "
            f"{bound:.6g} (scaled) over {len(evaluation.windows):,} windows. "
            "Fit the model again on newer data."
        )
