"""`explain --against`: whether a model looks elsewhere on new data than it did before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tsattn import plots
from tsattn.attention_sums import mean_values, sum_attention
from tsattn.config import require
from tsattn.data.skipping import skipped_json
from tsattn.errors import QualityGateError
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import FLOAT_FORMAT
from tsattn.json_files import write_json
from tsattn.model_checks import altered
from tsattn.model_directory import write_manifest
from tsattn.outputs import PROFILE, atomic_directory
from tsattn.pipeline.opening import RUNTIME, Model, place_of
from tsattn.pipeline.shown_windows import (
    ShownWindows,
    check_choice,
    check_profile_output,
    has_test_rows,
    open_explainable,
    shown_windows,
)
from tsattn.pipeline.tables import FRAME, Data
from tsattn.pipeline.training_data import check_same_rows, training_data
from tsattn.profile_distance import ProfileDistance, profile_distance
from tsattn.profile_frames import profile_frame
from tsattn.progress import Progress
from tsattn.running import compile_for
from tsattn.saved_attention import read_profile

PARTS = ("train", "val", "test")


class AttentionDrift(NamedTuple):
    """How far the attention on some data lies from that on other data."""

    total: float  # from 0 to 1
    # feature, role; before, now, change where scores rank features; lags
    features: pd.DataFrame
    meaning: str
    against: str  # what `before` is
    num_windows: int
    num_windows_before: int
    skipped: tuple[str, ...] = ()  # why, for each series of the data, or the other, left out
    num_series: int = 1  # that the windows of the data are of

    def to_json(self) -> dict[str, Any]:
        """Return the drift as JSON-ready values."""
        features = self.features.astype(object).where(self.features.notna(), None)
        return {
            "total": self.total,
            "against": self.against,
            "num_windows": self.num_windows,
            "num_windows_before": self.num_windows_before,
            "meaning": self.meaning,
            "features": features.to_dict("records"),
            **skipped_json(self.skipped),
        }


def attention_drift(
    model: Model,
    data: Data,
    *,
    against: Data,
    train_data: Data | None = None,
    split: str = "all",
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> AttentionDrift:
    """Return how far the attention over windows of some data lies from that over others.

    Args:
        model: A model directory or a fitted forecaster.
        data: The new data, with the columns of the training data.
        against: `"train"`, `"val"` or `"test"`: that part of the data the model was trained on. Or
            other data.
        train_data: That data, where it is no longer where it was; its hash is compared. The profile
            that a model directory holds, over its test rows (validation rows without any), is
            used without it.
        split: Which windows of the new data, see `explain_windows`.
        runtime: What runs a model directory: `"onnx"` or `"keras"`.
        on_skip: Of a panel: is told why a series of either data is skipped, see `explain_windows`.
        output: A folder to write `drift.csv`, `drift.json` and a plot to.
        overwrite: Whether a profile folder may be replaced.
        progress: Where notes and progress go.

    Raises:
        UsageError: the model has no attention, its training data is gone or has changed, or the
            output exists or is the model.
        DataError: some of the data holds no window.
    """
    is_part = isinstance(against, str) and against in PARTS
    check_choice(split)
    require(
        train_data is None or is_part,
        "`train_data` says where the parts train, val and test of the training data are.",
        f"train_data with against={'other data' if is_part else _name(against)}",
        "Leave it out.",
    )
    check_profile_output(output, model, overwrite=overwrite)
    progress = progress or Progress()
    fitted = open_explainable(model, runtime, progress)
    skipped: tuple[str, ...] = ()
    if is_part:
        before = _profile_of_part(model, fitted, str(against), train_data, progress)
    else:
        shown = shown_windows(fitted, against, on_skip=on_skip, progress=progress)
        before, skipped = _profile(shown, progress), shown.skipped
    shown = shown_windows(fitted, data, split=split, on_skip=on_skip, progress=progress)
    now = _profile(shown, progress)
    distance = _distance(model, fitted, now, before)
    drift = AttentionDrift(
        *distance,
        against=f"the {against} rows of the model" if is_part else _name(against),
        num_windows=int(now["num_windows"].iloc[0]),
        num_windows_before=int(before["num_windows"].iloc[0]),
        skipped=(*skipped, *shown.skipped),
        num_series=shown.num_series,
    )
    if output is not None:
        _write(drift, output, overwrite)
    return drift


def check_drift(drift: AttentionDrift, max_drift: float) -> None:
    """Raise a QualityGateError if the total distance is above a bound.

    Raises:
        QualityGateError: it is.
    """
    if not drift.total <= max_drift:
        raise QualityGateError(
            f"The attention must have moved by at most {max_drift:g}. Received: a total distance "
            f"of {drift.total:.4g} from {drift.against}. Look at the features that changed, and "
            "fit the model again if the data has."
        )


def check_bound(max_drift: float) -> None:
    """Raise a UsageError for a bound that no distance can be compared with."""
    require(
        0 <= max_drift <= 1,
        "`max_drift` must lie between 0 and 1.",
        f"max_drift={max_drift}",
        "For example 0.2.",
    )


def _profile(shown: ShownWindows, progress: Progress) -> pd.DataFrame:
    """Return the profile over windows of some data."""
    fitted, windows = shown.fitted, shown.windows
    compile_for(fitted.model, len(windows))
    with progress.bar("reading the attention") as bar:
        sums = sum_attention(fitted, windows, mean_values(windows), on_batch=bar)
    return profile_frame(fitted, sums)


def _profile_of_part(
    model: Model,
    fitted: FittedForecaster,
    part: str,
    train_data: Data | None,
    progress: Progress,
) -> pd.DataFrame:
    """Return the profile over a part of the training data, the saved one where it is."""
    directory = place_of(model)
    has_test = has_test_rows(fitted, directory)
    require(
        part != "test" or has_test,
        "`against` must be a part that has rows.",
        f"test for a model with split {fitted.options.split}",
        "Use val.",
    )
    if part == ("test" if has_test else "val") and train_data is None and directory:
        return read_profile(directory)
    rule = f"The {part} rows of the model are those of the data it was trained on."
    data = training_data(fitted, train_data, rule=rule, option="--train-data")
    shown = shown_windows(fitted, data, split=part, on_skip=lambda _: None, progress=progress)
    check_same_rows(fitted, shown.series, rule=rule)
    return _profile(shown, progress)


def _distance(
    model: Model, fitted: FittedForecaster, now: pd.DataFrame, before: pd.DataFrame
) -> ProfileDistance:
    shares = fitted.shares_by_target
    try:
        return profile_distance(now, before, shares, targets_apart=fitted.targets_apart)
    except ValueError:  # what the directory holds is not the profile of its network
        raise altered(
            Path(str(model)) / "attention" / "profile.csv", "it has other cells than the model"
        ) from None


def _name(data: Data) -> str:
    return Path(data).name if isinstance(data, str | Path) else FRAME


def _write(drift: AttentionDrift, output: Path, overwrite: bool) -> None:
    with atomic_directory(output, overwrite=overwrite, kind=PROFILE) as folder:
        path = folder / "drift.csv"
        drift.features.to_csv(path, index=False, float_format=FLOAT_FORMAT)
        write_json(folder / "drift.json", drift.to_json())
        figure = plots.plot_drift(drift.features, drift.total, drift.against)
        plots.save_figure(figure, folder / "drift.png")
        write_manifest(folder, None, kind=PROFILE)
