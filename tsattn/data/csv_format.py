"""How a CSV file is written: its encoding, delimiter, decimal mark and header."""

import csv
import gzip
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from tsattn.data.csv_layout import find_layout, width_of
from tsattn.data.decimal_marks import Decimal, find_decimal
from tsattn.data.time_columns import COMPONENT_NAMES
from tsattn.data.time_formats import candidate_formats
from tsattn.errors import DataError

_SAMPLE_BYTES = 65_536
_MOST_FILES = 100
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_MISSING = (  # what pandas takes for a missing value, what statistics and spreadsheets write
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    "?", "-", "--", "---", ".", "..", "...", ":", "n.a.", "N.A.", "n/d", "na",
    "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
)  # fmt: skip
_CONTROL_BYTES = bytes({*range(1, 9), *range(14, 26), *range(28, 32)})


@dataclass(frozen=True, kw_only=True)
class CsvHints:
    """What is known of CSV files before they are read."""

    id_column: str | None = None  # whose texts are kept as they are written
    decimal: str | None = None  # the mark, where the numbers of a file do not tell it


NO_HINTS = CsvHints()


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """What has to be known to read a CSV file."""

    encoding: str
    delimiter: str
    decimal: Decimal
    header: tuple[str, ...]
    id_column: str | None = None
    padded: tuple[str, ...] = ()  # columns of numbers with leading zeros
    left_out: tuple[int, ...] = ()  # lines that are not of the table, from 0
    title: str = ""  # what stands above the header
    units: str = ""  # what stands below it

    def notes(self) -> list[str]:
        """Return what is unusual."""
        notes = []
        if self.title:
            notes.append(f"lines above the header left out ({self.title})")
        if self.units:
            notes.append(f"a line of units below the header left out ({self.units})")
        if self.encoding == "cp1252":
            notes.append("read as Windows-1252 text, since it is not UTF-8")
        if self.decimal.mark == ",":
            notes.append(f"read with delimiter {self.delimiter!r} and decimal comma")
        if self.decimal.doubt:
            notes.append(self.decimal.doubt)
        names = ", ".join(repr(name) for name in self.padded if name != self.id_column)
        if names:
            notes.append(f"{names} with leading zeros read as numbers; write codes as text: c07")
        return notes


def find_csv_format(path: Path, hints: CsvHints = NO_HINTS) -> CsvFormat:
    """Return how a file is written, judged by its first 64 KiB.

    Raises:
        DataError: the file is empty, binary or has no header.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    encoding = _find_encoding(path, sample)
    text = sample.decode(encoding, errors="replace")
    lines = {i: line for i, line in enumerate(_LINE_ENDS.split(text)) if line.strip()}
    if len(sample) == _SAMPLE_BYTES and len(lines) > 1:
        lines.popitem()  # it may be cut short
    if not lines:
        raise DataError(f"{path}: the file must hold a table. Received: an empty file. Check it.")
    delimiter = _find_delimiter(list(lines.values()))
    rows, places = _read_rows(path, lines, delimiter)
    layout = find_layout(rows, _MISSING)
    above, units = rows[: layout.header], [rows[row] for row in layout.units]
    left_out = [*range(places[layout.header] if above else 0), *(places[i] for i in layout.units)]
    rows = [row for i, row in enumerate(rows) if i >= layout.header and i not in layout.units]
    header = _names(rows)
    _check_header(header, str(path))
    _check_widths(rows, str(path))
    id_column = hints.id_column if hints.id_column in header else None
    cells = rows[1:]
    if id_column is not None:  # such as 1.10, which is a text
        place = header.index(id_column)
        cells = [["" if i == place else cell for i, cell in enumerate(row)] for row in cells]
    return CsvFormat(
        encoding=encoding,
        delimiter=delimiter,
        decimal=find_decimal(header, cells, delimiter, hints.decimal),
        header=header,
        id_column=id_column,
        padded=_find_padded(header, rows[1:]),
        left_out=tuple(left_out),
        title=_shown(above[0]) if above else "",
        units=_shown([cell for row in units for cell in row]),
    )


def find_common_decimal(files: Sequence[Path], hints: CsvHints = NO_HINTS) -> Decimal:
    """Return the decimal mark of the first file whose numbers tell it, or else of the first file.

    Of many files, the first hundred are looked at.

    Raises:
        DataError: as `find_csv_format`.
    """
    marks = (find_csv_format(file, hints).decimal for file in files[:_MOST_FILES])
    first = next(marks)
    return first if first.is_told else next((mark for mark in marks if mark.is_told), first)


def with_common_decimal(hints: CsvHints, files: Sequence[Path]) -> CsvHints:
    """Return the hints with the decimal mark that a file tells, for those that do not."""
    decimal = find_common_decimal(files, hints) if len(files) > 1 else None
    return replace(hints, decimal=decimal.mark) if decimal and decimal.is_told else hints


def csv_reading(form: CsvFormat, text: Collection[str] = ()) -> dict[str, Any]:
    """Return how pandas is to read a CSV file.

    The columns `text` are read as text. So are ids, which are missing only where they are empty.
    """
    ids = {form.id_column} - {None}
    return {
        "sep": form.delimiter,
        "decimal": form.decimal.mark,
        "encoding": form.encoding,
        "header": 0,
        "names": list(form.header),
        "skiprows": list(form.left_out),
        "skipinitialspace": True,
        "low_memory": False,
        "index_col": False,
        "dtype": dict.fromkeys({*text, *ids} & {*form.header}, str),
        "na_values": {name: [""] if name in ids else _MISSING for name in form.header},
        "keep_default_na": False,
    }


def _read_rows(
    path: Path, lines: dict[int, str], delimiter: str
) -> tuple[list[list[str]], list[int]]:
    """Return the cells of the rows, and their numbers; blank lines have some too, as in pandas."""
    rows, places, numbers = [], [], list(lines)
    reader = csv.reader(io.StringIO("\n".join(lines.values())), delimiter=delimiter)
    first = within = 0  # lines within quotes have none
    try:
        for row in reader:
            rows.append(row)
            places.append(numbers[first] - within)
            within += numbers[reader.line_num - 1] - numbers[first]
            first = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path}: the file must hold a table. Received: {error}. Check its quotes."
        ) from None
    return rows, places


def _names(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of the columns; where rows end with a delimiter, one more has no name."""
    width = max(map(len, rows))
    cells = [*rows[0], *[""] * (width - len(rows[0]))]
    return tuple(name.strip() or f"Unnamed: {i}" for i, name in enumerate(cells))


def _shown(row: Sequence[str]) -> str:
    return ", ".join(filter(None, map(str.strip, row)))[:60]


def _find_encoding(path: Path, sample: bytes) -> str:
    if sample.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "utf-32"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    codes = np.frombuffer(sample, dtype=np.uint8)
    if b"\x00" in sample:
        # Every second byte of plain text in UTF-16 is zero.
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if (codes[first::2] == 0).mean() > 0.9 and (codes[1 - first :: 2] != 0).all():
                return encoding
    if b"\x00" in sample or sample.translate(None, _CONTROL_BYTES) != sample:
        raise DataError(
            f"{path}: the data must be text or Parquet. Received: a binary file. "
            "Export it as CSV or Parquet."
        )
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut at the end of the sample is not another encoding.
        if len(sample) < _SAMPLE_BYTES or error.end < len(sample) - 4:
            return "cp1252"
    return "utf-8-sig"


def _find_delimiter(lines: list[str]) -> str:
    """Return the delimiter that splits the lines, from a header on, into the same many columns."""

    def columns(delimiter: str) -> tuple[int, int]:
        try:
            counts = [len(row) for row in csv.reader(lines[:50], delimiter=delimiter)]
        except csv.Error:
            return 0, 0
        usual = max(counts, key=lambda count: (counts.count(count), count))
        table = counts[counts.index(usual) :]
        consistent = 2 * table.count(usual) - len(table)  # less those that are not
        return (consistent, usual) if usual > 1 else (0, usual)

    return max(_DELIMITERS, key=columns)


def _find_padded(header: Sequence[str], rows: list[list[str]]) -> tuple[str, ...]:
    """Return the columns of whole numbers with leading zeros that are no part of a time."""
    columns = zip(header, zip_longest(*rows, fillvalue=""), strict=False)
    padded = (name for name, cells in columns if _is_padded(cells))
    return tuple(name for name in padded if name.lower() not in COMPONENT_NAMES)


def _is_padded(cells: Sequence[str]) -> bool:
    texts = [cell.strip() for cell in cells]
    is_padded = any(len(text) > 1 and text.startswith("0") for text in texts)
    return is_padded and all(map(str.isdecimal, filter(None, texts)))


def _check_header(header: Sequence[str], source: str) -> None:
    if all(_NUMBER.match(name) for name in header) or any(map(candidate_formats, header)):
        raise DataError(
            f"{source}: the first row must name the columns. Received: {', '.join(header[:5])}. "
            "Add a header row."
        )


def _check_widths(rows: list[list[str]], source: str) -> None:
    """Raise a DataError for a row with more cells than the header; empty ones do not count."""
    for number, row in enumerate(rows, start=1):
        width = width_of(row)
        if width > len(rows[0]):
            raise DataError(
                f"{source}: every row must have the header's columns. Received: {width} cells in "
                f"row {number}, {len(rows[0])} in the header ({', '.join(rows[0])[:60]}). "
                "Correct the row, or remove the lines above the header."
            )
