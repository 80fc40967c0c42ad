"""Values that lie far from all others."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsattn.data.series import TimeSeries
from tsattn.errors import DataError

_FAR, _TOO_FAR = 50.0, 1e5  # times the spread of the middle half of the rows
_LEAST_CODE = 9.0  # -1 and 0 are seldom codes for what is missing
_CODE = re.compile(r"-?9+(\.9+|\.0)?")
_OF_NORMAL = 1.349  # quartiles of a normal distribution are so many standard deviations apart


def notes_on_spreads(series: TimeSeries, rows: Sequence[slice], source: str) -> list[str]:
    """Return notes on values far from all others of their series, over the given rows.

    So are numbers that stand for missing values, such as -200 or 9999.

    Where the middle half of a series is one value, what is far from it is not known.

    Args:
        series: What is forecast.
        rows: The train rows, one slice per series.
        source: What messages call the data.

    Raises:
        DataError: a value of a target is so far away that float32 tells the others apart no more.
    """
    notes = []
    lengths = [part.stop - part.start for part in rows]
    number = np.repeat(np.arange(len(rows)), lengths)
    names = series.series_ids if len(rows) > 1 else ()
    for i, name in enumerate(series.schema.features):
        column = np.concatenate([series.values[part, i] for part in rows]).astype(np.float64)
        if np.isnan(column).all():
            continue
        groups = pd.Series(column).groupby(number)
        stds = groups.std(ddof=0)
        numbers = stds.index.to_numpy()  # a series may have no train rows
        spreads = (groups.quantile(0.75) - groups.quantile(0.25)) / _OF_NORMAL
        times = (stds / spreads).where(spreads > 0, 0.0).to_numpy()
        is_target = name in series.schema.targets
        if times.max() > _FAR:
            worst = int(numbers[times.argmax()])
            values = series.original(rows[worst], i)
            found = _far_value(values, f" of series {names[worst]!r}" if names else "", name)
            if is_target and times.max() > _TOO_FAR:
                raise DataError(
                    f"{source}: the values of a target must be of one size. Received: {found}. "
                    "Correct it, or leave it empty with --fill."
                )
            notes.append(f"{source}: {found}; correct it, or leave it empty with --fill")
        elif code := _placeholder(column + series.offsets[i]):
            notes.append(
                f"{source}: {code} of column {name!r}, far from all others; if it stands for "
                "missing values, leave them empty and use --fill"
            )
    return notes


def _placeholder(values: np.ndarray) -> str:
    """Return a repeated number that may stand for missing values, and in how many rows it is.

    It is the only negative one, or nines such as 9999, and further from the others than a quarter
    of what lies between these; or any negative one that is further away than all of that.
    """
    for code in (np.nanmin(values), np.nanmax(values)):
        others = values[~np.isnan(values) & (values != code)]
        count = int((values == code).sum())
        if len(others) < 2 or count < 2 or abs(code) < _LEAST_CODE:
            continue
        low, high = others.min(), others.max()
        distance = max(low - code, code - high) / (high - low or np.inf)
        is_code = _CODE.fullmatch(f"{code:.7g}") or code < 0 <= low
        if (is_code and distance > 0.25) or (code < 0 and distance > 1):
            return f"{code:.7g} in {count:,} rows"
    return ""


def _far_value(values: np.ndarray, of_series: str, name: str) -> str:
    low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75))
    far = values[np.nanargmax(np.abs(values - middle))]
    return (
        f"{far:g} in column {name!r}{of_series}, where half of the values lie between {low:g} and "
        f"{high:g}"
    )
