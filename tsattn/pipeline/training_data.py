"""The data a model was trained on, as long as it is still the same."""

from pathlib import Path

import pandas as pd

from tsattn.data.series import TimeSeries
from tsattn.data.skipping import Faults
from tsattn.data.splits import Split, split_series
from tsattn.errors import UsageError
from tsattn.fitted import FittedForecaster, time_text
from tsattn.hashing import file_sha256
from tsattn.option_checks import parse_split
from tsattn.pipeline.sound_series import screened_frame
from tsattn.pipeline.tables import Data, as_table


def training_data(fitted: FittedForecaster, data: Data | None, *, rule: str, option: str) -> Data:
    """Return the data a model was trained on: where it was, or where it is said to be.

    Series that a fit skips are left out.

    Args:
        fitted: The model.
        data: The data; None for the file that the model was trained on.
        rule: What a message begins with.
        option: The option that gives the place of the data.

    Raises:
        UsageError: the data is not given, gone, or has changed.
    """
    if data is not None and not isinstance(data, str | Path):
        return without_faults(fitted, data)  # a table, which has no hash to compare
    path = Path(data) if data is not None else Path(fitted.data_path or "")
    if data is None and fitted.data_path is None:
        received, remedy = (
            "a model that was not trained on one file",
            f"Give the same data with {option}.",
        )
    elif not (path.is_file() or path.is_dir()) or (data is None and not fitted.data_sha256):
        received, remedy = f"{path}, which does not exist", f"Give its new place with {option}."
    elif fitted.data_sha256 and file_sha256(path) != fitted.data_sha256:
        received = f"{path}, which has changed since"
        remedy = f"Give a copy of the old data with {option}, or fit the model again."
    else:
        return without_faults(fitted, path)
    raise UsageError(f"{rule} Received: {received}. {remedy}")


def seen_until(series: TimeSeries, split: Split) -> dict[str, str] | None:
    """Return the last time used of each series; None where rows carry no time."""
    if not series.schema.time_columns:
        return None
    return {
        series_id: time_text(series.times[part.stop - 1])
        for series_id, part in zip(series.series_ids, split.val, strict=True)
        if part.stop > part.start
    }


def check_same_rows(fitted: FittedForecaster, series: TimeSeries, *, rule: str) -> None:
    """Check that rows of which no hash was kept end, without the test rows, where the model's do.

    Args:
        fitted: The model.
        series: The rows.
        rule: What a message begins with.

    Raises:
        UsageError: they do not.
    """
    if fitted.data_sha256 or fitted.seen_until is None:
        return
    found = seen_until(series, split_series(series, parse_split(fitted.options.split))) or {}
    for name, time in fitted.seen_until.items():
        if found.get(name) != time:
            raise UsageError(
                f"{rule} Received: rows of which those to learn from end at {found.get(name)}, not "
                f"at {time}. Give the same data, with all of its rows."
            )


def without_faults(fitted: FittedForecaster, data: Data) -> Data:
    """Return the data a model was trained on without the series that `fit` skips by their rows.

    Where there are none, this is the data itself.
    """
    if not fitted.options.id_col:
        return data
    frame, source, _ = as_table(data, fitted.schema.csv_hints)
    sound = sound_frame(fitted, frame, source)
    return data if sound is frame else sound


def sound_frame(fitted: FittedForecaster, frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the table a model was trained on without the series that `fit` skips by their rows."""
    faults = Faults.of_panel(fitted.options.id_col, lambda _: None)
    return frame if faults is None else screened_frame(frame, source, fitted.options, faults)
