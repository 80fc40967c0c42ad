"""Lengths of time as people write them: 90s, 45min, 2h, 1d12h."""

import re

from tsattn.errors import UsageError

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|s|h|d|w)\s*")


def parse_duration(text: str, option: str) -> float:
    """Return the seconds of a length of time such as `90s`, `45min`, `2h`, `1d12h` or `1w`.

    Raises:
        UsageError: it is something else.
    """
    seconds, position = 0.0, 0
    text = text.strip()
    while match := _PART.match(text, position):
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if not text or position < len(text):
        raise UsageError(
            f"`{option}` must be a length of time in {', '.join(_SECONDS)}. Received: {text!r}. "
            "Write it like 90s, 45min, 2h or 1d12h."
        )
    return seconds


def duration_text(seconds: float) -> str:
    """Return a length of time in its two largest units, such as 1d 4h."""
    whole, parts = round(abs(seconds)), []
    for unit in ("d", "h", "min", "s"):
        count, whole = divmod(whole, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
