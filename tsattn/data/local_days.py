"""Days of local time that are written in UTC: the time zone whose clock they follow."""

from collections.abc import Iterator
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

_DAY = 86_400 * 10**9  # nanoseconds
_SHORTEST = 23 * 3600 * 10**9  # the day on which clocks are put forward
_MOST = 0.9  # of the rows; others may be at fault
_NEARLY_ALL = 0.98  # clocks may leave out the midnight of one day in a year
# Zones of one rule have many names: these are taken first.
_USUAL = (
    "Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "America/Halifax", "America/St_Johns",
    "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
)  # fmt: skip


def find_local_zone(times: pd.DatetimeIndex) -> str | None:
    """Return the zone in which rows a day or more apart are at one time of the day.

    Days that begin at 23:00Z in winter and at 22:00Z in summer begin at midnight in Berlin: then
    that is their zone. None where the rows are closer together, are at one time of the day as they
    are written, or follow the clock of no zone.

    Args:
        times: Those of all series. Without a zone they count as UTC, and as days that begin at
            midnight.
    """
    unique = times.unique().sort_values()
    if len(unique) < 3 or not are_days(unique):
        return None
    own, _ = _clock_share(unique)
    if own == 1 or _follows_clock(unique):
        return None
    best, found = (False, max(own, _MOST), True), None
    for name, moments in _readings(unique):
        share, is_midnight = _clock_share(moments)
        if share <= own or (times.tz is None and not is_midnight):
            continue
        fit = (is_midnight and share >= _NEARLY_ALL, share, is_midnight)
        if fit > best:
            best, found = fit, name
        if best == (True, 1, True):
            break
    return found


def are_days(times: pd.DatetimeIndex) -> bool:
    """Return whether times, sorted, are mostly a day or more apart."""
    return len(times) > 1 and np.median(np.diff(times.as_unit("ns").asi8)) >= _SHORTEST


def _follows_clock(times: pd.DatetimeIndex) -> bool:
    """Return whether times are written in a zone that puts its clock forward and back in them."""
    if times.tz is None:
        return False
    return bool((times.tz_localize(None) - times.tz_convert(None)).nunique() > 1)


def _readings(times: pd.DatetimeIndex) -> Iterator[tuple[str, pd.DatetimeIndex]]:
    in_utc = times.tz_localize("UTC") if times.tz is None else times
    for name in usual_zones():
        yield name, in_utc.tz_convert(name)


def usual_zones() -> list[str]:
    """Return the names of all time zones, those that stand for many others first."""
    return list(dict.fromkeys([*_USUAL, *sorted(available_timezones())]))


def _clock_share(times: pd.DatetimeIndex) -> tuple[float, bool]:
    """Return the share of the commonest time of the day, and whether it is midnight."""
    clock = times.tz_localize(None).as_unit("ns").asi8 % _DAY
    values, counts = np.unique(clock, return_counts=True)
    most = int(np.argmax(counts))
    return float(counts[most]) / len(clock), bool(values[most] == 0)


def days_of_zone(times: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex | None:
    """Return days without a zone as those of a zone: local dates, or midnights written in UTC.

    None where they are neither.
    """
    if (times == times.normalize()).all():
        return localized(times, zone)
    in_zone = times.tz_localize("UTC").tz_convert(zone)
    share, is_midnight = _clock_share(in_zone)
    return in_zone if is_midnight and share >= _MOST else None


def localized(times: pd.DatetimeIndex, zone: object) -> pd.DatetimeIndex:
    """Return times of a clock as those of a zone; an hour that the clock leaves out is the next.

    Of an hour that it shows twice the first is taken.
    """
    first = np.ones(len(times), dtype=bool)
    return times.tz_localize(zone, nonexistent="shift_forward", ambiguous=first)  # type: ignore[arg-type]
