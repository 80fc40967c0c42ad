"""What is in a table, what a fit would make of it, and why it would refuse."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsattn.data.faults import is_real, repaired_series, usable_schema
from tsattn.data.frequency import seasonality
from tsattn.data.giveaways import Giveaway, find_giveaways
from tsattn.data.scaling import check_targets, fit_scaler
from tsattn.data.schema import Schema
from tsattn.data.seasonality import find_seasonality
from tsattn.data.series import TimeSeries
from tsattn.data.splits import split_series
from tsattn.data.spreads import notes_on_spreads
from tsattn.data.time_columns import is_numeric
from tsattn.data.windows import choose_lookback_horizon, find_origins, too_short
from tsattn.errors import DataError
from tsattn.option_checks import parse_split


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `inspect_table` found; what could not be found out is None or empty."""

    source: str
    rows: int
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    time_columns: tuple[str, ...] = ()
    num_series: int | None = None
    first_time: str | None = None
    last_time: str | None = None
    frequency: str | None = None
    missing_rows: int | None = None
    first_missing_rows: tuple[str, ...] = ()
    duplicates: int | None = None
    first_duplicates: tuple[str, ...] = ()
    missing_by_column: dict[str, int]
    constant_columns: tuple[str, ...] = ()
    giveaways: tuple[Giveaway, ...] = ()
    seasonality: int | None = None  # what the frequency implies
    seasonality_found: int | None = None  # in the first target, of the longest series
    lookback: int | None = None
    horizon: int | None = None
    num_windows: dict[str, int]  # by split
    num_left_out: dict[str, int]  # windows with a missing value or a filled target, by split
    memory_bytes: int | None = None  # of the values
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # why a fit would refuse

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON-ready values."""
        return asdict(self) | {"giveaways": [each._asdict() for each in self.giveaways]}

    def to_lines(self) -> list[str]:
        """Return the findings as lines of text."""
        span = f"{self.first_time} to {self.last_time}" if self.first_time else "unknown"
        facts = {
            "rows": f"{self.rows:,}" + (f" in {self.num_series:,} series" if self.is_panel else ""),
            "time": f"{span} ({', '.join(self.time_columns) or 'rows are numbered'})",
            "frequency": self.frequency or "none",
            "missing rows": _counted(self.missing_rows, self.first_missing_rows),
            "duplicates": _counted(self.duplicates, self.first_duplicates),
            "missing values": _by_name(self.missing_by_column),
            "constant": ", ".join(self.constant_columns) or "none",
            "seasonality": f"{self.seasonality or 'unknown'} by the frequency, "
            f"{self.seasonality_found or 'none'} found in the target",
            "lookback, horizon": f"{self.lookback}, {self.horizon}",
            "windows": _by_name(self.num_windows),
            "windows left out": _by_name(self.num_left_out),
            "memory": f"{(self.memory_bytes or 0) / 2**20:,.1f} MiB of values",
        }
        lines = [f"{name:18} {text}" for name, text in facts.items()]
        for target, columns, how in self.giveaways:
            verb = "is the same as" if how == "correlation" else "add up to"
            lines.append(f"gives away         {' + '.join(columns)} {verb} {target}; use --drop")
        lines += [f"note               {note}" for note in self.notes]
        return lines + [f"problem            {problem}" for problem in self.problems]

    @property
    def is_panel(self) -> bool:
        """Whether there are several series."""
        return (self.num_series or 1) > 1


def _counted(count: int | None, first: Sequence[str]) -> str:
    if count is None:
        return "unknown"
    return f"{count:,}" + (f" (first: {', '.join(first)})" if first else "")


def _by_name(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "none"


def inspect_table(
    frame: pd.DataFrame,
    *,
    source: str,
    split: str | Sequence[float] = (0.7, 0.1, 0.2),
    lookback: int | None = None,
    horizon: int | None = None,
    score_filled: bool = False,
    notes: Sequence[str] = (),
    **columns: Any,
) -> Inspection:
    """Return what is in a table and every reason for which a fit would refuse it.

    A fault of the data is noted and repaired in a copy, so that what lies behind it is seen too.

    Args:
        frame: the table, as `checked_frame` or `read_table` return it.
        source: what messages call it.
        split: see `parse_split`.
        lookback: past steps in a window; chosen from the frequency and the rows if None.
        horizon: steps ahead to forecast; likewise.
        score_filled: keep windows with filled targets.
        notes: what reading the table has noted.
        **columns: the options of `infer_schema`.

    Raises:
        UsageError: an option is wrong, or names a column that does not exist.
    """
    parts = parse_split(split)
    found: dict[str, Any] = {
        "source": source,
        "rows": len(frame),
        "missing_by_column": _missing_by_column(frame),
        "constant_columns": _constant_columns(frame),
        "num_windows": {},
        "num_left_out": {},
    }
    said, problems = list(notes), list[str]()
    schema = usable_schema(frame, source, columns, said, problems)
    if schema is not None:
        found |= {"targets": schema.targets, "time_columns": schema.time_columns}
        found |= {"features": schema.features, "giveaways": _giveaways(frame, schema)}
        series = repaired_series(frame, schema, source, found, said, problems)
        if series is not None:
            found |= _describe(series)
            sizes = choose_lookback_horizon(series.schema.freq, _longest(series))
            found |= {"lookback": lookback or sizes[0], "horizon": horizon or sizes[1]}
            said += _count_windows(series, parts, source, score_filled, found, problems)
    return Inspection(**found, notes=tuple(said), problems=tuple(problems))


def _missing_by_column(frame: pd.DataFrame) -> dict[str, int]:
    counts = {name: int(frame[name].isna().sum()) for name in frame.columns}
    return {name: count for name, count in counts.items() if count}


def _constant_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns with one value, or none; a single row says nothing."""
    if len(frame) < 2:
        return ()
    names = []
    for name in frame.columns:
        known = frame[name].dropna()
        known = known.map(repr) if known.dtype == object else known  # such as lists of Parquet
        if len(known) == 0 or (known == known.iloc[0]).all():
            names.append(name)
    return tuple(names)


def _giveaways(frame: pd.DataFrame, schema: Schema) -> tuple[Giveaway, ...]:
    others = [
        name
        for name in schema.columns
        if name not in schema.targets and is_numeric(frame[name]) and is_real(frame[name])
    ]
    targets = [name for name in schema.targets if is_numeric(frame[name]) and is_real(frame[name])]
    return tuple(find_giveaways(frame, targets, others))


def _longest(series: TimeSeries) -> int:
    return int(np.diff(series.borders).max())


def _describe(series: TimeSeries) -> dict[str, Any]:
    longest = int(np.argmax(np.diff(series.borders)))
    rows = slice(*series.borders[longest : longest + 2])
    return {
        "num_series": len(series.series_ids),
        "first_time": str(series.times.min()),
        "last_time": str(series.times.max()),
        "frequency": series.schema.freq,
        "seasonality": seasonality(series.schema.freq),
        "seasonality_found": find_seasonality(series.values[rows, 0]),
        "memory_bytes": series.values.nbytes,
    }


def _count_windows(
    series: TimeSeries,
    parts: tuple[float, float, float] | tuple[int, int, int],
    source: str,
    score_filled: bool,
    found: dict[str, Any],
    problems: list[str],
) -> list[str]:
    """Count the windows of each split; a fit needs some of each that has rows. Return notes."""
    lookback, horizon = found["lookback"], found["horizon"]
    try:
        split = split_series(series, parts)
        check_targets(
            fit_scaler(series.values, split.train, series.schema.features, offsets=series.offsets),
            series.schema.targets,
            source,
        )
        notes = notes_on_spreads(series, split.train, source)
    except DataError as error:
        problems.append(str(error))
        return []
    if _longest(series) < lookback + horizon:
        problems.append(f"{source}: {too_short(lookback, horizon, _longest(series))}")
        return notes
    for name in ("train", "val", "test"):
        rows = split.part(name)
        origins, num_missing, num_filled = find_origins(
            series, rows, lookback=lookback, horizon=horizon, score_filled=score_filled
        )
        found["num_windows"][name] = len(origins)
        found["num_left_out"][name] = num_missing + num_filled
        if not len(origins) and (name != "test" or any(part.stop > part.start for part in rows)):
            problems.append(
                f"{source}: every split must hold a window. Received: none in {name} with "
                f"lookback={lookback}, horizon={horizon}. Use shorter ones, another --split, "
                "--fill for gaps, or more data."
            )
    return notes
