"""Splitting series into train, validation and test rows, in the order of time."""

import math
from dataclasses import dataclass

from tsattn.data.series import TimeSeries
from tsattn.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Split:
    """The rows of train, val and test: one slice per series in each, over the stacked rows."""

    train: tuple[slice, ...]
    val: tuple[slice, ...]
    test: tuple[slice, ...]

    def part(self, name: str) -> tuple[slice, ...]:
        """Return the slices of 'train', 'val' or 'test'."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]


def split_series(
    series: TimeSeries, split: tuple[float, float, float] | tuple[int, int, int]
) -> Split:
    """Split the rows of each series by fractions or by row counts.

    With fractions, train is floor(a * rows), test floor(c * rows) and validation the rest (if the
    fractions sum to less than 1: floor(b * rows), the last rows being unused). With counts, rows
    beyond the last are unused.

    Raises:
        DataError: a series has fewer rows than the counts.
    """
    slices = [
        _split_rows(int(start), int(end), split, series.series_ids[i])
        for i, (start, end) in enumerate(zip(series.borders[:-1], series.borders[1:], strict=True))
    ]
    train, val, test = zip(*slices, strict=True)
    return Split(train=train, val=val, test=test)


def _split_rows(
    start: int, end: int, split: tuple[float, float, float], series_id: str
) -> tuple[slice, slice, slice]:
    rows = end - start
    if sum(split) <= 1 + 1e-9:
        # A hair is added because 0.7 * 10 is 6.999… in binary.
        num_train = math.floor(split[0] * rows + 1e-9)
        num_test = math.floor(split[2] * rows + 1e-9)
        whole = sum(split) > 1 - 1e-9
        num_val = rows - num_train - num_test if whole else math.floor(split[1] * rows + 1e-9)
    else:
        num_train, num_val, num_test = map(int, split)
        if num_train + num_val + num_test > rows:
            name = f"series {series_id!r}" if series_id else "the data"
            raise DataError(
                f"`split` must not ask for more rows than there are. Received: "
                f"{num_train}+{num_val}+{num_test} for {rows} rows of {name}. "
                "Lower the counts or use fractions such as 0.7,0.1,0.2."
            )
    borders = [start, start + num_train, start + num_train + num_val]
    borders.append(borders[-1] + num_test)
    return slice(*borders[0:2]), slice(*borders[1:3]), slice(*borders[2:4])
