"""`evaluate`: how good a model is on rows it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass

from tsattn.config import BASELINES, listed, require
from tsattn.data.series import TimeSeries
from tsattn.errors import DataError, QualityGateError
from tsattn.evaluation import MODEL, Evaluation, evaluate_fitted
from tsattn.fitted import FittedForecaster
from tsattn.metrics import is_no_worse
from tsattn.pipeline.opening import RUNTIME, Model, open_fitted
from tsattn.pipeline.sound_series import read_sound
from tsattn.pipeline.tables import Data
from tsattn.progress import Progress
from tsattn.running import compile_for


@dataclass(frozen=True, kw_only=True)
class NewDataResult:
    """The evaluation of a model on new data."""

    fitted: FittedForecaster
    series: TimeSeries
    evaluation: Evaluation
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that was left out

    @property
    def num_series(self) -> int:
        """Number of series that were scored."""
        return self.series.count_of(self.evaluation.windows.origins)


def evaluate(
    model: Model,
    data: Data,
    *,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> NewDataResult:
    """Score a model, beside the baselines, on the rows after those it was trained with.

    Windows count whose targets are all later than the last validation row of their series; of rows
    that carry no time, every window counts. A model directory is run by ONNX Runtime or, with
    `runtime="keras"`, by Keras.

    Args:
        model: A model directory or a fitted forecaster.
        data: A table with the columns of the training data.
        runtime: What runs a model directory: `"onnx"` or `"keras"`.
        on_skip: Of a panel: is told why a series is skipped, one that cannot be read or holds no
            window, while the others are scored; None: one that cannot be read is an error.
        progress: Where notes and progress go.

    Raises:
        SchemaMismatchError: the data differs from the training data.
        DataError: there is no such window, or a series at fault that may not be skipped.
    """
    progress = progress or Progress()
    fitted = open_fitted(model, runtime, progress)
    known = read_sound(fitted, data, progress, on_skip, done="scored")
    series, source = known.series, known.source
    if fitted.seen_until is None:
        progress.note(f"{source}: the rows carry no time; all of them are scored")
    found = fitted.find_origins(series, fitted.unseen_rows(series))
    if not len(found.origins):
        raise DataError(_nothing_unseen(fitted, series, source))
    scored = set(series.series_of(found.origins))
    left_out = [name for i, name in enumerate(series.series_ids) if i not in scored]
    if left_out:
        progress.note(f"{source}: no unseen window in series {listed(left_out)}")
    trained = {*left_out, *(fitted.seen_until or series.series_ids)}
    strange = [name for name in series.series_ids if name not in trained]
    if strange:
        progress.note(
            f"{source}: all rows are scored of series not trained with: {listed(strange)}"
        )
    windows = fitted.windows(series, found.origins)
    compile_for(fitted.model, len(windows))
    with progress.bar("evaluating") as bar:
        evaluation = evaluate_fitted(fitted, series, windows, on_batch=bar)
    return NewDataResult(
        fitted=fitted, series=series, evaluation=evaluation, skipped=tuple(known.skipped.values())
    )


def _nothing_unseen(fitted: FittedForecaster, series: TimeSeries, source: str) -> str:
    seen = f" after {max(fitted.seen_until.values())}" if fitted.seen_until else ""
    return (
        f"{source}: there must be {fitted.horizon} rows{seen} with {fitted.lookback} rows before "
        f"them. Received: {series.num_rows} rows up to {series.times.max()} without such a window. "
        "Give more data, with the rows before it."
    )


def check_gate(result: NewDataResult, baseline: str) -> None:
    """Raise a QualityGateError if the model's MSE is above that of a baseline.

    Raises:
        UsageError: the baseline is unknown, or nothing tells the rows from those of the training.
        QualityGateError: the model is worse.
    """
    require(
        baseline in BASELINES,
        "A gate must be a baseline.",
        repr(baseline),
        f"Use {', '.join(BASELINES)}.",
    )
    require(
        result.fitted.seen_until is not None,
        "A gate needs rows that the model has not seen.",
        "rows without a time, which may be those of the training",
        "Fit the model on data with a time column.",
    )
    evaluation = result.evaluation
    model = evaluation.scores[MODEL]["scaled"].mse
    bound = evaluation.scores[baseline]["scaled"].mse
    if not is_no_worse(model, bound):
        raise QualityGateError(
            f"The model must be no worse than {baseline}. Received: MSE {model:.6g} against "
            f"{bound:.6g} (scaled) over {len(evaluation.windows):,} windows. "
            "Fit the model again on newer data."
        )
