"""Decimal marks: the one of a CSV file, and columns of numbers that are written with marks."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import pandas as pd

_SPACES = "' \u00a0\u202f"  # between thousands
_UNIT = re.compile(r"^([-+]?)([$€£¥])?\s?([-+]?)(.*?)\s?([$€£¥%])?$")  # one of two: of money, %
_UNCLEAR = re.compile(r"^[-+]?[1-9]\d{0,2}([.,])\d{3}$", re.ASCII)  # a decimal, or thousands
_HUNDREDS = re.compile(r"^[-+]?[1-9]\d\d$", re.ASCII)


def _one_way(mark: str, other: str) -> re.Pattern[str]:
    """Return the pattern of the numbers that cannot be read but with this decimal mark."""
    ways = (
        rf"\d{{1,3}}(?:[{other}{_SPACES}]\d{{3}})+\{mark}\d+",  # thousands, and a decimal mark
        rf"[1-9]\d{{0,2}}(?:\{other}\d{{3}}){{2,}}",  # thousands, more than once
        rf"(?:0\d*|\d{{4,}})?\{mark}\d+",  # no thousands before the mark
        rf"\d+\{mark}(?:\d{{1,2}}|\d{{4,}})",  # nor after it
        rf"\d*\{mark}\d+[eE][-+]?\d+",
    )
    return re.compile(rf"^[-+]?(?:{'|'.join(ways)})$", re.ASCII)


_ONE_WAY = {",": _one_way(",", "."), ".": _one_way(".", ",")}


class Decimal(NamedTuple):
    """The decimal mark of a table."""

    mark: str
    is_told: bool  # by its numbers
    doubt: str = ""  # about a number that reads both ways


def find_decimal(
    header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str, known: str | None
) -> Decimal:
    """Return the decimal mark of all columns of a table.

    It is told by the numbers that read one way only, such as 3,18 or 1.234,5. Where there are none,
    or of both kinds, it is the known one, or a guess.

    Args:
        header: The names of the columns.
        rows: The cells below them.
        delimiter: What is between cells.
        known: The mark, where the numbers do not tell it.
    """
    columns = [
        [_without_unit(cell)[0] for cell in cells] for cells in zip_longest(*rows, fillvalue="")
    ]
    marked = [cell for cells in columns for cell in cells if "," in cell or "." in cell]
    if not marked:
        return Decimal(known or ".", False)
    counts = {mark: sum(map(bool, map(way.match, marked))) for mark, way in _ONE_WAY.items()}
    usual = "," if counts[","] > counts["."] and delimiter != "," else "."
    told = [mark for mark, count in counts.items() if count]
    if len(told) == 1:
        return Decimal(told[0], True)
    if known is not None:
        return Decimal(known, False)
    mark = usual if told else _guessed(columns, delimiter)
    return Decimal(mark, False, _doubt(header, columns, delimiter, mark))


def _guessed(columns: Sequence[Sequence[str]], delimiter: str) -> str:
    """Return the likely decimal mark of numbers such as 1.018, which may be thousands."""
    if delimiter == ",":
        return "."
    found = set()
    for cells in columns:
        marks = {match[1] for match in map(_UNCLEAR.match, cells) if match}
        if len(marks) == 1 and any(map(_HUNDREDS.match, cells)):
            return "," if marks == {"."} else "."  # 917 and then 1.018: thousands
        found |= marks
    return "," if "," in found and (delimiter == ";" or "." not in found) else "."


def _doubt(
    header: Sequence[str], columns: Sequence[Sequence[str]], delimiter: str, mark: str
) -> str:
    for name, text in _unclear_cells(header, columns):
        if delimiter == "," and "," in text:  # within quotes: thousands
            continue
        other = "." if mark == "," else ","
        return (
            f"{text!r} in column {name!r} read as {text.replace(other, '').replace(mark, '.')}, "
            f"which no other number confirms; write thousands without marks, decimals with {mark!r}"
        )
    return ""


def _unclear_cells(
    header: Sequence[str], columns: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str]]:
    for name, cells in zip(header, columns, strict=False):
        yield from ((name, cell) for cell in cells if _UNCLEAR.match(cell))


def read_marks(column: pd.Series, decimal: str) -> pd.Series | None:
    """Return a text column of numbers with thousands marks, or a decimal comma, as numbers.

    All of them may have the same unit: a sign of money, or %. None where a text is anything else.
    """
    thousands = ("," if decimal == "." else ".") + _SPACES
    whole = rf"(?:\d{{1,3}}|[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+)"
    patterns = [(rf"^[-+]?{whole}(?:\{decimal}\d+)?$", decimal)]
    if decimal == ".":
        patterns.append((r"^[-+]?\d+(?:,\d+)?$", ","))
    text = column.dropna().astype(str)
    unit = _common_unit(text)
    if unit:
        text = text.map(lambda cell: _without_unit(cell)[0])
        patterns.insert(0, (rf"^[-+]?(?:\d+(?:\{decimal}\d*)?|\{decimal}\d+)$", decimal))
    text = text.str.strip()
    for pattern, mark in patterns:
        matched = (part.str.match(pattern, flags=re.ASCII).all() for part in (text.head(100), text))
        if len(text) and all(matched):
            others = "".join({*thousands, ".", ","} - {mark})
            plain = text.str.replace(f"[{others}]", "", regex=True)
            numbers = pd.to_numeric(plain.str.replace(mark, ".", regex=False))
            return numbers.astype(np.float64).reindex(column.index)
    return None


def _without_unit(cell: str) -> tuple[str, str]:
    """Return a number without its sign of money or %, and that sign; a text as it is."""
    match = _UNIT.match(cell.strip())
    if match is None or not (match[2] or match[5]) or (match[2] and match[5]):
        return cell.strip(), ""
    return match[1] + match[3] + match[4], match[2] or match[5]


def _common_unit(text: pd.Series) -> str:
    """Return the sign that all texts have; empty without."""
    units = {_without_unit(cell)[1] for cell in text.head(1)}
    unit = units.pop() if units else ""
    return unit if unit and text.str.contains(unit, regex=False).all() else ""
