"""`fit`: from a table to a trained, evaluated and saved forecaster."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from tsattn.backend import select_backend
from tsattn.blending import blend_linear_path, share_among_members
from tsattn.building import build_model
from tsattn.checkpoints import Checkpoint
from tsattn.config import FitOptions
from tsattn.data.calendar import calendar_names
from tsattn.data.frequency import seasonality
from tsattn.data.series import TimeSeries
from tsattn.data.skipping import skipped_json
from tsattn.data.windows import Windows
from tsattn.evaluation import Evaluation, evaluate_fitted
from tsattn.exporting import export_fitted
from tsattn.fitted import FittedForecaster
from tsattn.gate_closing import close_needless_gates
from tsattn.gate_signals import measure_signals
from tsattn.hashing import file_sha256
from tsattn.json_files import write_json
from tsattn.linear_fitting import fit_linear
from tsattn.losses import make_loss
from tsattn.memory import within_memory
from tsattn.metrics import seasonal_naive_mae
from tsattn.model_directory import save_fitted, write_manifest
from tsattn.optimizers import choose_optimizer
from tsattn.option_checks import check_options
from tsattn.outputs import atomic_directory
from tsattn.page import write_page
from tsattn.pipeline.calibrating import calibrated
from tsattn.pipeline.checkpointing import training_checkpoint
from tsattn.pipeline.measuring import measure
from tsattn.pipeline.preparing import Prepared, prepare
from tsattn.pipeline.tables import Data
from tsattn.pipeline.training_data import seen_until
from tsattn.profile_frames import profile_frame
from tsattn.progress import Progress
from tsattn.report import split_metrics, write_report
from tsattn.saved_attention import FAITHFULNESS
from tsattn.schedules import windows_per_epoch
from tsattn.training import History, train

TRAIN_OPTIONS = (
    "loss", "learning_rate", "batch_size", "epochs", "patience", "clip_norm", "windows_per_epoch",
    "seed",
)  # fmt: skip
LEAST_SECONDS = 2.0  # of a quick test of the profile: what compiling takes


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """How a network that was trained before is trained further."""

    epochs: int
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained forecaster and how it did."""

    fitted: FittedForecaster
    series: TimeSeries
    history: History
    evaluations: dict[str, Evaluation]  # "val", and "test" if rows were set aside
    notes: tuple[str, ...]
    faithfulness: dict[str, Any] | None = None  # None where the profile was not tested
    checkpoint: Checkpoint | None = None  # what is left of the training, until it is saved
    # The model whose weights were the start, epochs and learning rate; None without one.
    updated_from: dict[str, Any] | None = None
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that was not learnt from

    def to_json(self) -> dict[str, Any]:
        """Return the metrics of every split, and the notes, as JSON-ready values."""
        metrics = {
            name: split_metrics(evaluation, self.series)
            for name, evaluation in self.evaluations.items()
        }
        tested = {} if self.faithfulness is None else {"faithfulness": self.faithfulness}
        skipped = skipped_json(self.skipped)
        return {"metrics": metrics, "notes": list(self.notes), **tested, **skipped}


@within_memory()
def fit(
    data: Data,
    options: FitOptions,
    *,
    check: bool = True,
    checkpoint: str | Path | None = None,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Train a forecaster on a table and evaluate it on its validation and test rows.

    Args:
        data: A file, a folder of files or a table.
        options: What to train.
        check: Whether to test the attention profile after a training of 20 seconds or more, in a
            tenth of its time or a little more, see `tsattn.check`.
        checkpoint: A folder in which the state of the training is kept after every epoch, until
            `save`; a training of the same options and data goes on from what is there.
        on_skip: Of a panel: is told why a series is skipped, while the others are learnt from;
            None: a series at fault is an error.
        progress: Where notes go.

    Raises:
        UsageError: options that are wrong, do not fit together or not into memory, or a checkpoint
            of others.
        DataError: data that cannot be used.
        TrainingDivergedError: the loss became NaN.
    """
    check_options(options)
    select_backend(options.backend)
    progress = progress or Progress()
    prepared = prepare(data, options, on_skip)
    series, windows, notes = prepared.series, prepared.windows, prepared.notes
    for note in notes:
        progress.note(note)
    fitted = _untrained(data, prepared)
    kept = None if checkpoint is None else training_checkpoint(Path(checkpoint), prepared)
    result = trained(fitted, series, windows, notes, checkpoint=kept, progress=progress)
    result = replace(result, skipped=prepared.skipped)
    return with_quick_check(result) if check else result


def trained(
    fitted: FittedForecaster,
    series: TimeSeries,
    windows: dict[str, Windows],
    notes: Sequence[str],
    *,
    checkpoint: Checkpoint | None = None,
    warm_start: WarmStart | None = None,
    progress: Progress,
) -> FitResult:
    """Train a forecaster, calibrate its intervals and evaluate it.

    Args:
        fitted: A forecaster with a network to train, in place.
        series: What the windows are of.
        windows: Those of `"train"`, `"val"` and, where rows are set aside, `"test"`.
        notes: What was noted so far.
        checkpoint: Where the state of the training is kept.
        warm_start: How to go on with a network that was trained before; None for a new one.
        progress: Where notes go.
    """
    history = _train(fitted, windows, checkpoint, warm_start, progress)
    noted = list(notes)
    evaluations: dict[str, Evaluation] = {}
    for name in ("val", "test"):
        if name in windows:
            with progress.bar(f"evaluating {name}") as bar:
                evaluations[name] = evaluate_fitted(fitted, series, windows[name], on_batch=bar)
        if name == "val":
            fitted, too_few = calibrated(fitted, evaluations["val"], progress)
            noted += too_few
    return FitResult(
        fitted=fitted,
        series=series,
        history=history,
        evaluations=evaluations,
        notes=tuple(noted),
        checkpoint=checkpoint,
    )


def save(
    result: FitResult, output: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write a model directory, whole or not at all.

    A network that cannot be exported to ONNX is saved without, with a note on why. The checkpoint
    of a training that was not interrupted is removed.

    Raises:
        UsageError: it exists and may not be overwritten.
        OutputError: it cannot be written.
    """
    with atomic_directory(output, overwrite=overwrite) as directory:
        save_fitted(directory, result.fitted)
        last = list(result.evaluations.values())[-1]
        reason = export_fitted(directory, result.fitted, last.windows)
        if reason:
            (progress or Progress()).note(
                f"model.onnx was left out, so that forecasts will load Keras: {reason}"
            )
        evaluated = (result.fitted, result.series, result.history, result.evaluations)
        write_report(directory, *evaluated, notes=result.notes, updated_from=result.updated_from)
        if result.faithfulness is not None:
            write_json(directory / "attention" / FAITHFULNESS, result.faithfulness)
        write_page(directory)
        write_manifest(directory, result.fitted.data_sha256)
    if result.checkpoint and not result.history.interrupted:
        result.checkpoint.remove()


def with_quick_check(result: FitResult) -> FitResult:
    """Test the profile in a tenth of the time of the training, or up to three tenths; or not."""
    fitted, series = result.fitted, result.series
    seconds = 0.1 * sum(epoch.seconds for epoch in result.history.epochs)
    name = "test" if "test" in result.evaluations else "val"
    shown = result.evaluations[name]
    if shown.attention is None or seconds < LEAST_SECONDS or result.history.interrupted:
        return result
    profile = profile_frame(fitted, shown)
    found = measure(fitted, profile, shown.windows, series=series, seconds=seconds)
    tested = None if found is None else {**found, "split": name, "is_quick": True}
    return replace(result, faithfulness=tested)


def _untrained(data: Data, prepared: Prepared) -> FittedForecaster:
    """Return a forecaster whose network is yet to be trained."""
    options, series, scaler = prepared.options, prepared.series, prepared.scaler
    schema, windows, split = series.schema, prepared.windows, prepared.split
    path = None if isinstance(data, pd.DataFrame) else Path(data)
    linear = fit_linear(
        windows["train"],
        windows["val"],
        num_calendar_features=len(calendar_names(schema.calendar or ())),
    )
    keras.utils.set_random_seed(options.seed)
    model = build_model(options, schema, scaler, linear)
    measure_signals(model, windows["train"])
    return FittedForecaster(
        options=options,
        schema=schema,
        scaler=scaler,
        model=model,
        linear=linear,
        naive_mae=seasonal_naive_mae(
            series.values, split.train, len(schema.targets), seasonality(schema.freq)
        ),
        seen_until=seen_until(series, split),
        data_path=str(path) if path else None,
        data_sha256=file_sha256(path) if path else None,
    )


def _train(
    fitted: FittedForecaster,
    windows: dict[str, Windows],
    checkpoint: Checkpoint | None,
    warm_start: WarmStart | None,
    progress: Progress,
) -> History:
    given = asdict(fitted.options) | (asdict(warm_start) if warm_start else {})
    given["windows_per_epoch"] = windows_per_epoch(
        fitted.options.windows_per_epoch, len(windows["train"]), fitted.options.views or 1
    )
    with progress.bar("training") as bar:
        history = train(
            fitted.model,
            windows["train"],
            windows["val"],
            **{name: given[name] for name in TRAIN_OPTIONS},
            quantile_levels=fitted.quantile_levels,
            optimizer=choose_optimizer(given["epochs"], len(fitted.schema.future_covariates)),
            checkpoint=checkpoint,
            is_warm=warm_start is not None,
            on_batch=bar,
            on_epoch=lambda epoch: progress.epoch(epoch, given["epochs"] or 0),
        )
    loss = make_loss(fitted.options.loss, fitted.quantile_levels)
    closed, num_gates = close_needless_gates(fitted.model, windows["train"], windows["val"], loss)
    if closed:
        progress.note(
            f"{closed:,} of {num_gates:,} gates are closed: forecasts are as good without"
        )
    of_networks = share_among_members(fitted.model, windows["val"], fitted.quantile_levels)
    if fitted.options.views == 2:
        second = 100 * of_networks[len(of_networks) // 2 :].sum()
        progress.note(f"the second view has {second:.0f} % of the forecast of the network")
    shares = blend_linear_path(fitted.model, windows["val"])
    for target, share in zip(fitted.schema.targets, shares, strict=True):
        if share:
            progress.note(f"{target}: the linear path has {100 * share:.0f} % of the forecast")
    return history
