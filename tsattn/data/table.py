"""What is read of a table, whether it is in memory or its columns stay in files."""

from typing import Protocol

import pandas as pd


class Table(Protocol):
    """What is read of a table: a DataFrame, or one whose columns stay in its files."""

    @property
    def columns(self) -> pd.Index:
        """The names of the columns."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, name: str, /) -> pd.Series:
        """Return a column."""
