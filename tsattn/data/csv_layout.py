"""Which lines of a CSV file are its table: titles stand above the header, units below it."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from tsattn.data.time_formats import candidate_formats

_LOOKED_AT = 50  # rows
_NUMBER = re.compile(r"[-+]?[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?")


class Layout(NamedTuple):
    """The rows of a file that are no data, by their numbers."""

    header: int  # the rows above it are titles or comments
    units: int | None  # a row below it


def find_layout(rows: Sequence[Sequence[str]], missing: Sequence[str]) -> Layout:
    """Return where the header is, and the row of units below it if there is one.

    The header is the first row, unless that is a comment or narrower than most rows are: then it is
    the first one as wide as these that is neither a comment nor holds a number or a time. In a row
    of units nothing is a number or a time, and one of the columns is numbers from there on.

    Args:
        rows: The cells of the first rows.
        missing: What stands for missing values.
    """
    head = rows[:_LOOKED_AT]
    header = _find_header(head)
    units = header + 1
    columns = list(zip_longest(*head[units:], fillvalue=""))
    has_units = len(head) > units + 1 and any(_is_unit(cells, missing) for cells in columns)
    if not has_units or any(_is_value(cells[0]) for cells in columns):
        return Layout(header, None)
    return Layout(header, units)


def _find_header(head: Sequence[Sequence[str]]) -> int:
    widths = [width_of(row) for row in head]
    usual = max(Counter(widths).items(), key=lambda item: item[::-1])[0]
    if usual < 2 or not (widths[0] < usual or _is_comment(head[:2])):
        return 0
    return next(
        (
            number
            for number, row in enumerate(head)
            if widths[number] == usual
            and not any(map(_is_value, row))
            and not _is_comment(head[number : number + 2])
        ),
        0,
    )


def _is_comment(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first of two rows is a comment; `# time` above data is a name."""
    return rows[0][0].lstrip().startswith("#") and not any(map(_is_value, rows[-1]))


def width_of(row: Sequence[str]) -> int:
    """Return the number of cells of a row, without empty ones at its end."""
    return max((i for i, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _is_value(cell: str) -> bool:
    text = cell.strip()
    return bool(_NUMBER.fullmatch(text)) or bool(candidate_formats(text))


def _is_unit(cells: Sequence[str], missing: Sequence[str]) -> bool:
    """Return whether the first cell of a column is text, and those below are numbers."""
    first, *others = (cell.strip() for cell in cells)
    known = [text for text in others if text not in missing]
    return first not in missing and bool(known) and all(map(_NUMBER.fullmatch, known))
