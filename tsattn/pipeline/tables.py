"""Taking data as a path or as a DataFrame."""

from pathlib import Path

import pandas as pd

from tsattn.data.csv_format import NO_HINTS, CsvHints
from tsattn.data.reading import checked_frame, read_table
from tsattn.errors import UsageError

Data = str | Path | pd.DataFrame
FRAME = "the DataFrame"


def as_table(data: Data, hints: CsvHints = NO_HINTS) -> tuple[pd.DataFrame, str, list[str]]:
    """Return a table, what messages call it, and notes on reading it."""
    if isinstance(data, pd.DataFrame):
        return checked_frame(data, FRAME), FRAME, []
    if isinstance(data, str | Path):
        frame, notes = read_table(data, hints)
        return frame, Path(data).name, notes
    raise UsageError(
        f"Data must be a path or a pandas DataFrame. Received: {type(data).__name__}. "
        "Convert it to one of these."
    )


def source_of(data: Data) -> str:
    """Return what messages call data."""
    return FRAME if isinstance(data, pd.DataFrame) else Path(data).name
