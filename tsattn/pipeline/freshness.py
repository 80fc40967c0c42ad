"""How old the data of a forecast may be."""

from dataclasses import dataclass

import pandas as pd

from tsattn.durations import duration_text, parse_duration
from tsattn.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class MaxAge:
    """How long ago, from now, the last known row may lie."""

    text: str  # as it was asked for
    seconds: float
    now: pd.Timestamp  # with the time zone of this machine

    @classmethod
    def parse(cls, text: str, option: str = "max_age") -> "MaxAge":
        """Return the age that a text such as `2h` allows, from this moment on.

        Raises:
            UsageError: it is not a length of time.
        """
        seconds = parse_duration(text, option)
        return cls(text=text, seconds=seconds, now=pd.Timestamp.now("UTC"))

    def reason_against(self, last: object, name: str, source: str) -> str | None:
        """Return why a series whose last known row has this time is too old; None if it is not.

        A time without a time zone is one of the clock of this machine.

        Raises:
            UsageError: the rows are numbered: they have no age.
        """
        if not isinstance(last, pd.Timestamp):
            raise UsageError(
                f"{source}: the age of rows is known by their dates. Received: a maximal age for "
                "rows that are numbered. Leave --max-age out."
            )
        is_local = last.tz is None
        known = pd.Timestamp(last.to_pydatetime(warn=False).astimezone()) if is_local else last
        age = (self.now - known).total_seconds()
        if age <= self.seconds:
            return None
        return (
            f"{source}: the last known row may be at most {self.text} old. Received: {name}, known "
            f"until {last}{' (local time)' if is_local else ''}, {duration_text(age)} ago. "
            "Give newer data, or a larger --max-age."
        )
