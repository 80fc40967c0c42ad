"""Forecasts of many series: kept on disk piece by piece, then written out in one go."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from tsattn.data.frequency import is_within_a_day
from tsattn.forecasts import forecast_csv, has_clock, is_parquet_name
from tsattn.outputs import atomic_file


class ForecastSpool:
    """Tables of forecasts, one after another in the order of their series.

    One table alone is kept in memory.

    Args:
        folder: Where the others wait.
        freq: That of the series; where it is less than a day, times are written with the clock.
    """

    def __init__(self, folder: Path, freq: str | None) -> None:
        self._file = folder / "forecasts.arrow"
        self._first: pd.DataFrame | None = None
        self._writer: Any = None
        self._schema: Any = None
        self._with_clock = freq is not None and is_within_a_day(freq)
        self.num_rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Add a table; all have the same columns."""
        self.num_rows += len(frame)
        self._with_clock = self._with_clock or has_clock(frame)
        if self._first is None:
            self._first = frame
            return
        if self._writer is None:
            self._open(self._first)
        self._write(frame)

    def _open(self, first: pd.DataFrame) -> None:
        import pyarrow

        self._schema = pyarrow.Table.from_pandas(first, preserve_index=False).schema
        self._writer = pyarrow.ipc.new_file(str(self._file), self._schema)
        self._write(first)

    def _write(self, frame: pd.DataFrame) -> None:
        import pyarrow

        table = pyarrow.Table.from_pandas(frame, preserve_index=False, schema=self._schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """End the writing of the file."""
        if self._writer is not None:
            self._writer.close()

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the tables, or parts of them."""
        if self._writer is None:
            if self._first is not None:
                yield self._first
            return
        import pyarrow

        with pyarrow.OSFile(str(self._file)) as source:
            reader = pyarrow.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                yield pyarrow.Table.from_batches([batch]).to_pandas()

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write a CSV or Parquet file, whole or not at all.

        Raises:
            UsageError: it exists and may not be overwritten.
            OutputError: it cannot be written.
        """
        with atomic_file(path, overwrite=overwrite) as partial:
            if is_parquet_name(path):
                self._write_parquet(partial)
            else:
                with partial.open("w", encoding="utf-8", newline="") as file:
                    self.write_csv(file)

    def _write_parquet(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        writer = None
        for frame in self.frames():
            table = pyarrow.Table.from_pandas(frame, preserve_index=False)
            writer = writer or parquet.ParquetWriter(str(path), table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

    def write_csv(self, file: TextIO) -> None:
        """Write CSV text, the same as of one table."""
        for number, frame in enumerate(self.frames()):
            file.write(forecast_csv(frame, with_clock=self._with_clock, with_header=number == 0))

    def write_json(self, file: TextIO, more: dict[str, Any] | None = None) -> None:
        """Write one JSON document, as of one table, with `more` after the forecast."""
        file.write('{\n  "forecast": [')
        for number, frame in enumerate(self.frames()):
            document = {"forecast": frame.to_dict("records")}
            text = json.dumps(
                document, indent=2, allow_nan=False, ensure_ascii=False, default=_as_text
            )
            body = text[text.index("[") + 1 : text.rindex("]")].rstrip()
            file.write(f"{',' if number else ''}{body}")
        file.write("\n  ]")
        for name, value in (more or {}).items():
            text = json.dumps({name: value}, indent=2, allow_nan=False, ensure_ascii=False)
            file.write(f",{text[1:-2]}")
        file.write("\n}\n")


def _as_text(value: object) -> str:
    """Return a time as ISO text, as other documents have it."""
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)
