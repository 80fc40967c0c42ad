"""From a table and options to the windows that a forecaster is trained and tested on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from tsattn.building import most_views
from tsattn.config import NUM_BATCHES, FitOptions, listed, require
from tsattn.data.calendar import check_calendar, choose_calendar
from tsattn.data.inputs import scaled_windows
from tsattn.data.scaling import Scaler, check_targets, fit_scaler
from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.series_scales import fit_series_scales
from tsattn.data.skipping import Faults
from tsattn.data.splits import Split, split_series
from tsattn.data.spreads import notes_on_spreads
from tsattn.data.windows import Windows, choose_lookback_horizon, origins_of_fit
from tsattn.errors import DataError
from tsattn.option_checks import parse_split, settled_linear_path, settled_preset, settled_structure
from tsattn.pipeline.reading_series import read_series, with_enough_rows, with_windows
from tsattn.pipeline.tables import Data, source_of
from tsattn.schedules import (
    choose_batch_size,
    choose_epochs,
    choose_num_batches,
    most_windows_per_epoch,
    windows_per_epoch,
)
from tsattn.segments import choose_segment


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A table as it is learnt from."""

    options: FitOptions  # settled: nothing is left to choose
    series: TimeSeries
    split: Split
    scaler: Scaler
    windows: dict[str, Windows]  # "train", "val", and "test" if rows were set aside
    notes: tuple[str, ...]
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that is not learnt from


def prepare(
    data: Data, options: FitOptions, on_skip: Callable[[str], None] | None = None
) -> Prepared:
    """Read, split and scale a table, choose what is not given, and find the windows.

    Args:
        data: A file, a folder of files or a table.
        options: What is given.
        on_skip: Of a panel: is told why a series is skipped; None: one at fault is an error.

    Raises:
        UsageError: options that do not fit together or to the data.
        DataError: data that cannot be used.
    """
    faults = Faults.of_panel(options.id_col, on_skip)
    series, notes = read_series(data, options, faults)
    shares = parse_split(options.split)
    source = source_of(data)
    if faults is not None:
        series = with_enough_rows(series, shares, faults, source)
    split = split_series(series, shares)
    series = _with_calendar(series, split)
    given = options
    options, chosen = _settle(given, series)
    if faults is not None:
        series = with_windows(series, split, options, faults, source)
        split = split_series(series, shares)
        notes += _skipped_notes(series, faults, source)
    scaler = _fit_scaler(series, split, options)
    options.views = _views(options, series.schema, scaler)
    constant = _check_constant(scaler, series)
    spreads = notes_on_spreads(series, split.train, source)
    windows, left_out = split_windows(series, split, scaler, options)
    options = _settle_training(given, options, len(series.schema.targets), len(windows["train"]))
    return Prepared(
        options=options,
        series=series,
        split=split,
        scaler=scaler,
        windows=windows,
        notes=(*notes, *chosen, *constant, *spreads, *left_out),
        skipped=() if faults is None else tuple(faults.reasons.values()),
    )


def _skipped_notes(series: TimeSeries, faults: Faults, source: str) -> list[str]:
    if not faults.reasons:
        return []
    total = len(series.series_ids) + len(faults.reasons)
    names = listed(list(faults.reasons))
    return [f"{source}: {len(faults.reasons):,} of {total:,} series skipped: {names}"]


def _views(options: FitOptions, schema: Schema, scaler: Scaler) -> int:
    """Return the number of views of a window; all that have something to add if it is not given."""
    most = most_views(options, schema, scaler)
    require(
        options.views is None or options.views <= most,
        "A second view needs a target and a covariate whose levels carry over from window to "
        "window.",
        f"views=2, carrying over: {listed(list(scaler.drifting)) or 'none'}",
        "Use --views 1, or leave it out.",
    )
    return options.views or most


def _settle_training(
    given: FitOptions, options: FitOptions, num_targets: int, num_windows: int
) -> FitOptions:
    """Choose windows of a batch and of an epoch, and epochs, for so many train windows."""
    folded = num_targets if options.encoder == "per-feature" else 1
    views = options.views or 1
    size = given.batch_size or choose_batch_size(folded)
    batches = choose_num_batches(NUM_BATCHES[options.preset], views, folded)
    asked = options.windows_per_epoch
    if folded > 1 and given.windows_per_epoch is None:
        asked = views * most_windows_per_epoch(batches, size)
    drawn = windows_per_epoch(asked, num_windows, views)
    epochs = given.epochs or choose_epochs(drawn, size, batches, views)
    return replace(options, batch_size=size, windows_per_epoch=asked, epochs=epochs)


def _with_calendar(series: TimeSeries, split: Split) -> TimeSeries:
    """Settle the calendar features."""
    check_calendar(series.schema.calendar or (), series.schema.freq)
    if series.schema.calendar is not None:
        return series
    longest = max(split.train, key=lambda part: part.stop - part.start)
    calendar = choose_calendar(series.schema.freq, series.times[longest])
    return replace(series, schema=replace(series.schema, calendar=calendar))


def _settle(options: FitOptions, series: TimeSeries) -> tuple[FitOptions, list[str]]:
    """Choose what is not given: lookback, horizon, structure and segment; say what was chosen."""
    structure = settled_structure(options)
    rows = int(np.diff(series.borders).max())
    lookback, horizon = choose_lookback_horizon(series.schema.freq, rows)
    settled = replace(
        options,
        lookback=options.lookback or lookback,
        horizon=options.horizon or horizon,
        backend=keras.config.backend(),
        linear_path=settled_linear_path(options),
        **structure._asdict(),
        **settled_preset(options),
    )
    if structure.encoder == "per-feature":
        settled.segment = options.segment or choose_segment(settled.lookback or 1)
        require(
            settled.segment <= (settled.lookback or 0),
            "`segment` must fit into the lookback.",
            f"segment={settled.segment}, lookback={settled.lookback}",
            "Use a shorter segment or a longer lookback.",
        )
    if options.lookback and options.horizon:
        return settled, []
    step = f"frequency {series.schema.freq}" if series.schema.freq else "numbered rows"
    return settled, [
        f"chosen for {step} and {rows:,} rows: "
        f"lookback {settled.lookback}, horizon {settled.horizon}"
    ]


def _fit_scaler(series: TimeSeries, split: Split, options: FitOptions) -> Scaler:
    lookback, features = options.lookback or 1, series.schema.features
    scaler = fit_scaler(
        series.values, split.train, features, lookback=lookback, offsets=series.offsets
    )
    if series.schema.id_column is None:
        return scaler
    return replace(scaler, series=fit_series_scales(series, split.train))


def _check_constant(scaler: Scaler, series: TimeSeries) -> list[str]:
    """Return a note on constant features; a constant target is an error."""
    check_targets(scaler, series.schema.targets, "the data")
    if not scaler.constant:
        return []
    return [f"constant over the train rows, read as zeros: {listed(scaler.constant)}"]


def split_windows(
    series: TimeSeries, split: Split, scaler: Scaler, options: FitOptions
) -> tuple[dict[str, Windows], list[str]]:
    """Return the windows of train, val and, if it has rows, test; and notes on those left out."""
    lookback, horizon = options.lookback or 0, options.horizon or 0
    base = scaled_windows(series, scaler, np.empty(0, np.int64), lookback=lookback, horizon=horizon)
    windows, notes = {}, []
    for name in ("train", "val", "test"):
        parts = split.part(name)
        if name == "test" and all(part.stop == part.start for part in parts):
            continue
        found = origins_of_fit(series, parts, options)
        for count, why in ((found.num_missing, "missing"), (found.num_filled, "filled target")):
            if count:
                notes.append(f"{name}: {count:,} windows with a {why} value left out")
        if not len(found.origins):
            raise DataError(_no_windows(name, parts, lookback, horizon))
        windows[name] = replace(base, origins=found.origins)
    return windows, notes


def _no_windows(name: str, parts: Sequence[slice], lookback: int, horizon: int) -> str:
    rows = max(part.stop - part.start for part in parts)
    return (
        f"The {name} split must hold a window: its targets, {horizon} rows, in the split, and "
        f"{lookback} rows before them. Received: {rows} rows in the split. Use a shorter "
        "--horizon or --lookback, another --split, --fill for gaps, or more data."
    )
