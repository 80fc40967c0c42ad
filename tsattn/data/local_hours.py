"""Hours of a local clock that are written without its time zone: the zone, and when they were.

Once a year the clock shows an hour twice. In the order of the rows the first is that of summer.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tsattn.data.local_days import are_days, usual_zones

_DAY = 86_400 * 10**9  # nanoseconds
_LOOKED_AT = 1000  # rows


def find_clock_zone(times: pd.DatetimeIndex, groups: Iterable[np.ndarray]) -> str | None:
    """Return the zone whose clock shows the times; None where it cannot be told, and for days.

    Most series over a night on which the clock is put back must show an hour twice.

    Args:
        times: Those of all rows, without a zone.
        groups: The rows of each series, in the order of the table.
    """
    series = [times[rows] for rows in groups]
    twice = [part[part.duplicated()].unique() for part in series]
    counts = pd.Series(np.concatenate([part.to_numpy() for part in twice])).value_counts()
    spans = pd.DataFrame({"first": [p.min() for p in series], "last": [p.max() for p in series]})
    repeated = [
        time
        for time, count in counts.items()
        if count > 0.5 * ((spans["first"] < time) & (spans["last"] > time)).sum()
    ]
    if not repeated or are_days(times.unique().sort_values()):
        return None
    shown = pd.DatetimeIndex(repeated)
    for zone in usual_zones():
        if not (_is_shown_twice(shown[:1], zone).all() and _is_shown_twice(shown, zone).all()):
            continue
        if times.tz_localize(zone, ambiguous=np.ones(len(times), bool), nonexistent="NaT").hasnans:
            continue
        return zone
    return None


def find_zone_of_offsets(times: pd.DatetimeIndex, local: pd.DatetimeIndex) -> str | None:
    """Return the zone whose clock shows the local times at the times in UTC; None for none."""
    step = max(len(times) // _LOOKED_AT, 1)
    for zone in usual_zones():
        if all(
            times[rows].tz_convert(zone).tz_localize(None).equals(local[rows])
            for rows in (slice(None, None, step), slice(None))
        ):
            return zone
    return None


def moments_of_clock(
    times: pd.DatetimeIndex, groups: Iterable[np.ndarray], zone: str
) -> pd.DatetimeIndex:
    """Return times that a clock shows with its time zone; NaT for those that it leaves out.

    Of a time that it shows twice the second is meant where it is there already, where times have
    gone back, and at the beginning of a series, whose next time follows it then.

    Args:
        times: As `find_clock_zone`.
        groups: As `find_clock_zone`.
        zone: The time zone.
    """
    is_second = np.zeros(len(times), dtype=bool)
    is_twice = _is_shown_twice(times, zone)
    for rows in groups if is_twice.any() else ():
        if is_twice[rows].any():
            is_second[rows] = _seconds(times[rows], is_twice[rows])
    return times.tz_localize(zone, ambiguous=~is_second, nonexistent="NaT")


def _is_shown_twice(times: pd.DatetimeIndex, zone: str) -> np.ndarray:
    first, second = (
        times.tz_localize(zone, ambiguous=np.full(len(times), is_first), nonexistent="NaT")
        for is_first in (True, False)
    )
    return np.asarray((first != second) & first.notna())


def _seconds(times: pd.DatetimeIndex, is_twice: np.ndarray) -> np.ndarray:
    """Return which times of a series, in its order, are those that a clock shows again."""
    found = np.zeros(len(times), dtype=bool)
    rows = np.flatnonzero(is_twice)
    is_new_night = (np.diff(rows) > 1) & (np.abs(np.diff(times.asi8[rows])) > _DAY)
    for block in np.split(rows, np.flatnonzero(is_new_night) + 1):
        around = slice(max(block[0] - 2, 0), block[-1] + 3)
        is_falling = np.sign(np.diff(times.asi8[around])).sum() < 0
        block = block[::-1] if is_falling else block
        shown = times[block]
        is_again = np.asarray(shown.duplicated())
        is_again[1:] |= np.cumsum(np.diff(shown.asi8) < 0) > 0
        is_first = block[0] == (len(times) - 1 if is_falling else 0)
        found[block] = True if is_first and not is_again.any() else is_again
    return found
