"""The windows of some data that an explanation is about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tsattn.config import listed, require
from tsattn.data.series import NO_ID, TimeSeries
from tsattn.data.splits import split_series
from tsattn.data.windows import Windows
from tsattn.errors import DataError, UsageError
from tsattn.fitted import FittedForecaster
from tsattn.model_directory import read_json
from tsattn.option_checks import parse_split
from tsattn.outputs import PROFILE, check_output
from tsattn.pipeline.opening import Model, open_fitted, place_of
from tsattn.pipeline.sound_series import read_sound
from tsattn.pipeline.tables import Data
from tsattn.progress import Progress

SPLITS = ("train", "val", "test", "all")


@dataclass(frozen=True, kw_only=True)
class ShownWindows:
    """Windows of some data, and what is needed to read the attention in them."""

    fitted: FittedForecaster
    table: pd.DataFrame  # the known rows as they were read
    series: TimeSeries  # the same rows on their grid of times
    source: str  # what messages call the data
    windows: Windows
    skipped: tuple[str, ...]  # why, for each series of a panel that was left out

    @property
    def num_series(self) -> int:
        """Number of series that the windows are of."""
        return self.series.count_of(self.windows.origins)


def open_explainable(model: Model, runtime: str, progress: Progress) -> FittedForecaster:
    """Return a forecaster that has attention, see `open_fitted`.

    Raises:
        UsageError: it has none.
    """
    fitted = open_fitted(model, runtime, progress)
    check_attention(fitted.options.attention)
    return fitted


def check_attention(attention: str | None) -> None:
    """Raise a UsageError for a model without attention."""
    if attention == "none":
        raise UsageError(
            "A model must have attention to be explained. Received: a model with attention none. "
            "Fit one with --attention bottleneck."
        )


def check_profile_output(output: Path | None, model: Model, *, overwrite: bool) -> None:
    """Raise a UsageError for a profile folder that exists, or is the model."""
    if output is not None:
        check_output(
            output,
            overwrite=overwrite,
            is_directory=True,
            kind=PROFILE,
            apart_from=place_of(model),
        )


def check_choice(
    split: str, window: object | None = None, series: str | None = None, by: str | None = None
) -> None:
    """Raise a UsageError for a choice of windows that means nothing."""
    require(split in SPLITS, "`split` must be known.", repr(split), f"Use {', '.join(SPLITS)}.")
    require(
        window is None or by is None,
        "One window makes no groups.",
        f"window={window} and by={by}",
        "Leave one of them out.",
    )
    require(
        series is None or window is not None or by is not None,
        "`series` chooses the series of `window` or `by`.",
        f"series={series} without them",
        "Give one of them, or leave `series` out.",
    )


def shown_windows(
    fitted: FittedForecaster,
    data: Data,
    *,
    split: str = "all",
    window: object | None = None,
    series: str | None = None,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress,
) -> ShownWindows:
    """Return the windows of some data that are chosen.

    Args:
        fitted: The forecaster that will read them.
        data: A table with the columns of the training data.
        split: `"all"`, or those of `"train"`, `"val"` or `"test"` when the data is split as the
            model's training data was.
        window: The origin of the only window: the time of its first forecast step, or its row
            number where the rows carry no time. None for all.
        series: The id of the only series of a panel. None for all.
        on_skip: Of a panel: is told why a series is skipped, see `read_sound`.
        progress: Where notes go.

    Raises:
        UsageError: a time that cannot be read, a series that there is not, or one that is not said.
        DataError: there is no such window, or the series is at fault.
    """
    shares = () if split == "all" else parse_split(fitted.options.split)
    known = read_sound(fitted, data, progress, on_skip, done="explained", split=shares)
    rows, source = known.series, known.source
    found = fitted.find_origins(rows, _parts(fitted, rows, split))
    if not len(found.origins):
        raise DataError(
            f"{source}: the data must hold a window of {fitted.lookback} + {fitted.horizon} rows. "
            f"Received: {rows.num_rows} rows, split {split}. Give more data."
        )
    if series in known.skipped:
        raise DataError(known.skipped[series])
    origins = _of_series(rows, found.origins, series, source)
    if window is not None:
        origins = _at_time(rows, origins, window, source)
    return ShownWindows(
        fitted=fitted,
        table=known.table,
        series=rows,
        source=source,
        windows=fitted.windows(rows, origins),
        skipped=tuple(known.skipped.values()),
    )


def has_test_rows(fitted: FittedForecaster, directory: Path | None) -> bool:
    """Return whether test rows were set aside, which the saved profile is then about."""
    if directory is None:
        return parse_split(fitted.options.split)[2] > 0
    tested = read_json(directory / "metrics.json").get("test")
    return isinstance(tested, dict) and tested.get("num_windows", 0) != 0


def _parts(fitted: FittedForecaster, series: TimeSeries, split: str) -> list[slice]:
    if split != "all":
        return list(split_series(series, parse_split(fitted.options.split)).part(split))
    return series.parts


def _of_series(
    series: TimeSeries, origins: np.ndarray, series_id: str | None, source: str
) -> np.ndarray:
    """Return the origins in one series, all of them for None."""
    if series_id is None:
        return origins
    ids = list(series.series_ids)
    require(
        ids != [NO_ID],
        "`series` chooses among the series of a panel.",
        f"series={series_id} for data without an id column",
        "Leave it out.",
    )
    require(
        series_id in ids,
        f"{source}: `series` must be one of the data.",
        f"series={series_id}; there are {listed(ids)}",
        "Use the id of one of them.",
    )
    chosen: np.ndarray = origins[series.series_of(origins) == ids.index(series_id)]
    if not len(chosen):
        raise DataError(
            f"{source}: a series must hold a window. Received: none in series {series_id!r}. "
            "Give more of its rows, or another split."
        )
    return chosen


def _at_time(series: TimeSeries, origins: np.ndarray, window: object, source: str) -> np.ndarray:
    """Return the one origin at a time: (1,)."""
    time = _as_time(window, series.times)
    times = series.times[origins]
    found: np.ndarray = origins[np.asarray(times == time)]
    if not len(found):
        raise DataError(
            f"{source}: a window is named by its origin, the time of its first forecast step. "
            f"Received: {time}; windows are complete from {times.min()} to {times.max()}, "
            f"{len(origins):,} in all. Use the time of one of them; what follows the last row is "
            "explained by `predict --explain`."
        )
    if len(found) > 1:
        ids = [series.series_ids[i] for i in series.series_of(found)]
        raise UsageError(
            f"{source}: a window of a panel is one of a series. Received: {time}, at which "
            f"{listed(ids)} have a window. Name one with --series."
        )
    return found


def _as_time(window: object, times: pd.Index) -> object:
    """Return a time as those of a series are: in their time zone, or a number."""
    rule = "`window` must be the time of a first forecast step."
    if not isinstance(times, pd.DatetimeIndex):
        try:
            return int(str(window))
        except ValueError:
            raise UsageError(
                f"{rule} Received: {window!r} for rows that carry no time. Give a row number."
            ) from None
    try:
        time = pd.Timestamp(window)  # type: ignore[arg-type]
        if pd.isna(time):
            raise ValueError("not a time")
        if times.tz is not None:
            return time.tz_localize(times.tz) if time.tz is None else time.tz_convert(times.tz)
    except (ValueError, TypeError, OverflowError) as error:
        first = str(error).split(". ")[0]
        raise UsageError(
            f"{rule} Received: {window!r} ({first}). Write it as {times[0].isoformat()}."
        ) from None
    require(
        time.tz is None,
        "`window` must have no time zone where the data has none.",
        repr(window),
        f"Write it as {times[0].isoformat()}.",
    )
    return time
