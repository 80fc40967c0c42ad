"""The windows of train, validation and test."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsattn.config import FitOptions
from tsattn.data.inputs import scaled_windows
from tsattn.data.scaling import Scaler
from tsattn.data.series import TimeSeries
from tsattn.data.splits import Split
from tsattn.data.windows import Windows, find_origins
from tsattn.errors import DataError


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
        found = find_origins(
            series,
            parts,
            lookback=lookback,
            horizon=horizon,
            score_filled=options.score_filled,
        )
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
