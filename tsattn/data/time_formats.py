"""The ways in which a timestamp is written: as text, as a whole number, with an offset."""

import re

import numpy as np
import pandas as pd

OFFSET = r"(?:Z|[+-]\d{2}(?::?\d{2})?)$"
MAX_FORMAT_SAMPLE = 1000

_EPOCH_UNITS = ((1e8, 1e10, "s"), (1e11, 1e13, "ms"), (1e14, 1e16, "us"), (1e17, 9e18, "ns"))
_DIGIT_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 6: "%Y%m"}
_DATES = (  # each pattern of the date part with the formats it may mean
    (re.compile(r"^\d{4}([-/.])\d{1,2}\1\d{1,2}"), ("%Y{0}%m{0}%d",)),
    (re.compile(r"^\d{1,2}([-/.])\d{1,2}\1\d{4}"), ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
    (
        re.compile(r"^\d{2}([-/])\d{2}\1\d{2}(?!\d)"),
        ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d"),
    ),
    (re.compile(r"^\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d)"), ("%d{0}%m{0}%y", "%m{0}%d{0}%y")),
    (re.compile(r"^\d{1,2}([- ])[A-Za-z]{3,9}\1\d{4}"), ("%d{0}%b{0}%Y", "%d{0}%B{0}%Y")),
    (re.compile(r"^\d{1,2}([- ])[A-Za-z]{3}\1\d{2}(?!\d)"), ("%d{0}%b{0}%y",)),
    (re.compile(r"^[A-Za-z]{3,9}( )\d{1,2}, \d{4}"), ("%b %d, %Y", "%B %d, %Y")),
    (re.compile(r"^[A-Za-z]{3,9}([- ])\d{4}$"), ("%b{0}%Y", "%B{0}%Y")),
    (re.compile(r"^[A-Za-z]{3}([- ])\d{2}$"), ("%b{0}%y",)),
    (re.compile(r"^\d{8}()(?!\d)"), ("%Y%m%d",)),
    (re.compile(r"^\d{4}([-/])\d{2}$"), ("%Y{0}%m",)),
    (re.compile(r"^\d{2}([-/])\d{4}$"), ("%m{0}%Y",)),
)
_TIME = re.compile(
    r"^(?P<gap>T| +)(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?(?P<fraction>[.]\d+)?"
    r"(?P<half> ?[AaPp][Mm])?(?P<offset> ?(?:Z|[+-]\d{2}(?::?\d{2})?))?$"
)
_CLOCK = re.compile(r"^\d{1,2}([:.])\d{2}(\1\d{2})?( ?[AaPp][Mm])?$")
_ZONE, _UNTIL = r" ?\([A-Z]{3,4}\)", r"(?: - | ?[–—/] ?| to | bis )\d.*"
_INTERVAL = (  # its beginning, and its end or the letters of a zone
    r"^(\d\S*[ T]\d{1,2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:?\d{2})?)"
    rf"(?:{_ZONE}(?:{_UNTIL})?|{_UNTIL})$"
)
_QUARTER = re.compile(r"^(\d{4})[- ]?Q([1-4])$")
_WEEK = re.compile(r"^(\d{4})-?W(\d{2})(?:-?1)?$")  # of ISO 8601, or its Monday


def candidate_formats(text: str) -> list[str]:
    """Return the strptime formats that one timestamp may be written in."""
    if _QUARTER.match(text):
        return ["%Y-%m"]  # what `plain_text` makes of it
    if _WEEK.match(text):
        return ["%G-W%V-%u"]
    for pattern, formats in _DATES:
        match = pattern.match(text)
        if not match:
            continue
        rest = text[match.end() :]
        tail = "" if not rest else _time_format(rest)
        if tail is not None:
            return [date.format(match.group(1)) + tail for date in formats]
    return []


def _time_format(rest: str) -> str | None:
    match = _TIME.match(rest)
    if not match:
        return None
    seconds = (":%S" if match["second"] else "") + (".%f" if match["fraction"] else "")
    half = match["half"]
    half_format = "" if not half else half.replace(half.strip(), "%p")
    offset = match["offset"]
    offset_format = "" if not offset else offset.replace(offset.strip(), "%z")
    hour = "%I" if half else "%H"
    return f"{match['gap']}{hour}:%M{seconds}{half_format}{offset_format}"


def is_clock(text: str) -> bool:
    """Return whether a text is a time of day, such as 18:30, 6:30 PM or 18.00.00."""
    return _CLOCK.match(text) is not None


def plain_clock(text: pd.Series) -> pd.Series:
    """Return times of day with colons where they have dots."""
    return text.str.replace(r"^(\d{1,2})\.(\d{2})(?:\.(\d{2}))?", _with_colons, regex=True)


def _with_colons(match: re.Match[str]) -> str:
    return ":".join(part for part in match.groups() if part)


def plain_text(text: pd.Series) -> tuple[pd.Series, pd.Series | None]:
    """Return timestamps in a form strptime knows, and which are at hour 24, if any.

    A quarter becomes its first month, a week its Monday, an interval of hours its beginning, the
    names UTC and GMT become Z, and hour 24 becomes hour 0, to which the caller adds a day.
    """
    text = text.astype(str).str.strip()
    sample = text.head(MAX_FORMAT_SAMPLE)
    if sample.str.match(_QUARTER.pattern).all():
        quarter = text.str.extract(_QUARTER.pattern)
        month = pd.to_numeric(quarter[1]) * 3 - 2
        # Rows that are no quarter keep their text, for the error that locates them.
        known = quarter[0] + "-" + month.astype("Int64").astype(str).str.zfill(2)
        return text.where(quarter[0].isna(), known), None
    if sample.str.match(_WEEK.pattern).all():
        return text.str.replace(_WEEK.pattern, r"\1-W\2-1", regex=True), None
    if sample.str.contains(r" ?\((?:UTC|GMT)\)").any():
        text = text.str.replace(r" ?\((?:UTC|GMT)\)", "Z", regex=True)
    if text.head(MAX_FORMAT_SAMPLE).str.match(_INTERVAL).all():
        text = text.str.replace(_INTERVAL, r"\1", regex=True)
    if sample.str.contains(r" ?(?:UTC|GMT)$").any():
        text = text.str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True)
    is_late = text.str.contains(r"[T ]24:00", regex=True)
    if not is_late.any():
        return text, None
    return text.str.replace(r"([T ])24:00", r"\g<1>00:00", regex=True), is_late


def numeric_kind(column: pd.Series) -> str | None:
    """Return what whole numbers in a time column are.

    A strptime format for numbers such as 20131231 or 2013123123, the unit of an epoch time, or
    "number" for a counter. None where a number is not whole.
    """
    values = column.dropna().to_numpy(dtype=np.float64)
    if len(values) == 0 or not np.all(np.isfinite(values)) or np.any(values != np.round(values)):
        return None
    low, high = values.min(), values.max()
    for digits, written in _DIGIT_FORMATS.items():
        if 10 ** (digits - 1) <= low and high < 10**digits and _are_dates(values, digits, written):
            return written
    for start, end, unit in _EPOCH_UNITS:
        if start <= low and high < end:
            return unit
    return "number"


def _are_dates(values: np.ndarray, digits: int, written: str) -> bool:
    """Return whether all numbers are dates between 1900 and 2100 in a format of digits."""
    years = values // 10 ** (digits - 4)
    months = values // 10 ** (digits - 6) % 100
    if years.min() < 1900 or years.max() > 2100 or months.min() < 1 or months.max() > 12:
        return False
    text = pd.Series(values.astype(np.int64).astype(str))
    return bool(pd.to_datetime(text, format=written, errors="coerce").notna().all())
