"""Which lines of a CSV file are its table: titles stand above the header, units below it."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from tsattn.data.time_columns import is_time_name
from tsattn.data.time_formats import candidate_formats

_LOOKED_AT = 50  # rows
_NUMBER = re.compile(r"[-+]?[$€£¥]?\s?[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?\s?[$€£¥%]?")
_BEGINS_WITH_DIGIT = re.compile(r"[-+]?[$€£¥]?\s?\.?\d")


class Layout(NamedTuple):
    """The first rows of a file that are no data, by their numbers."""

    header: int  # the rows above it are titles or comments
    units: tuple[int, ...]  # rows below it, of units or of nothing


def find_layout(rows: Sequence[Sequence[str]], missing: Sequence[str]) -> Layout:
    """Return where the header is, and the rows of units below it if there are any.

    The data begin with a row that is as wide as most rows, with a number or a time in it. Of the
    rows of text right above it the header is the first one that names a time, or else the first row
    of the file, unless that is a comment or narrower than most: then it is the first as wide as
    these. The rows between header and data are units if one column has text there, and numbers in
    the data; otherwise they are data too.

    Args:
        rows: The cells of the first rows.
        missing: What stands for missing values.
    """
    head = rows[:_LOOKED_AT]
    widths = [width_of(row) for row in head]
    usual = max(Counter(widths).items(), key=lambda item: item[::-1])[0]
    has_values = [any(map(_is_value, row)) for row in head]
    data = next((i for i, row in enumerate(widths) if row == usual and has_values[i]), 0)
    if widths[0] < usual or _is_comment(head[0]):
        while not all(has_values[data : data + 3]):  # a title with a date, of two cells
            data += 1
    texts = list(range(data))  # right above the data
    while any(has_values[row] for row in texts):
        texts.pop(0)
    if usual < 2 or not texts or data == len(head):
        return Layout(0, ())
    header = _find_header(head, texts, widths, usual)
    between = tuple(range(header + 1, data))
    columns = list(zip_longest(*head[data:], fillvalue=""))
    are_units = all(_are_units(head[row], columns, missing) for row in between)
    return Layout(header, between if are_units else ())


def width_of(row: Sequence[str]) -> int:
    """Return the number of cells of a row, without empty ones at its end."""
    return max((i for i, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _find_header(
    head: Sequence[Sequence[str]], texts: Sequence[int], widths: Sequence[int], usual: int
) -> int:
    names = (row for row in texts if any(is_time_name(_plain(cell)) for cell in head[row]))
    of_time = next(names, None)
    if of_time is not None:
        return of_time
    if texts[0] == 0 and widths[0] >= usual and not _is_comment(head[0]):
        return 0
    wide = [row for row in texts if widths[row] == usual]
    return next((row for row in wide if not _is_comment(head[row])), (wide or texts)[-1])


def _is_comment(row: Sequence[str]) -> bool:
    return row[0].lstrip().startswith("#")


def _plain(cell: str) -> str:
    return cell.strip().lstrip("#").strip()


def _is_value(cell: str) -> bool:
    text = cell.strip()
    return bool(_BEGINS_WITH_DIGIT.match(text)) or bool(candidate_formats(text))


def _are_units(
    row: Sequence[str], columns: Sequence[Sequence[str]], missing: Sequence[str]
) -> bool:
    """Return whether a row is empty, or is text above one of the columns of numbers."""
    cells = zip(row, columns, strict=False)
    return not any(cell.strip() for cell in row) or any(
        cell.strip() not in missing and _are_numbers(column, missing) for cell, column in cells
    )


def _are_numbers(column: Sequence[str], missing: Sequence[str]) -> bool:
    known = [cell.strip() for cell in column if cell.strip() not in missing]
    return bool(known) and all(map(_NUMBER.fullmatch, known))
