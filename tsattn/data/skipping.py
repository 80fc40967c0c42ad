"""Series of a panel at fault: what is told of each, and telling them from the others."""

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from tsattn.errors import DataError, RowError, SchemaMismatchError, TsattnError

T = TypeVar("T")


class Faults:
    """The series at fault, each with the first reason that was found against it."""

    def __init__(self, on_skip: Callable[[str], None], done: str = "learnt from") -> None:
        """Begin without any; `done` says what becomes of the other series."""
        self.reasons: dict[str, str] = {}
        self._errors: list[TsattnError] = []
        self._on_skip, self._done = on_skip, done

    @classmethod
    def of_panel(
        cls, id_column: str | None, on_skip: Callable[[str], None] | None, done: str = "learnt from"
    ) -> Self | None:
        """Return the faults of a panel; None where no series is to be skipped."""
        return None if on_skip is None or not id_column else cls(on_skip, done)

    def add(self, name: str, error: TsattnError) -> None:
        """Tell of a series at fault, once.

        Whoever is told may raise a DataError, which ends the run with the error itself.
        """
        if name in self.reasons:
            return
        told = about_series(error, name)
        self.reasons[name] = str(told)
        self._errors.append(told)
        try:
            self._on_skip(str(told))
        except DataError:
            raise told from None

    def check_left(self, num_series: int, source: str) -> None:
        """Raise a DataError, or what all reasons are, where no series is left."""
        if len(self.reasons) >= num_series:
            first = next(iter(self.reasons.values()))
            raise common_kind(self._errors)(
                f"{source}: a series must be fit to be {self._done}. Received: {num_series:,} "
                f"series, all at fault, the first: {first}"
            )


def about_series(error: TsattnError, name: str) -> TsattnError:
    """Return an error that names the series it is about."""
    label, text = f"series {name!r}", str(error)
    if label in text:
        return error
    if isinstance(error, RowError):
        return error.moved(error.row, label=f"{label}: ")
    return type(error)(f"{label}: {text}")


def common_kind(errors: Sequence[TsattnError]) -> type[TsattnError]:
    """Return the kind of error that all reasons are of, and `DataError` for several kinds."""
    is_schema = all(isinstance(error, SchemaMismatchError) for error in errors)
    return SchemaMismatchError if is_schema else DataError


def skipped_json(reasons: Sequence[str]) -> dict[str, Any]:
    """Return what JSON says of skipped series: nothing where there are none."""
    return {"skipped": list(reasons)} if reasons else {}


def by_halves(
    names: Sequence[str],
    together: Callable[[Sequence[str]], T],
    at_fault: Callable[[str, TsattnError], T],
) -> list[T]:
    """Do something with all series at once, or with as many as the fault of one leaves.

    Args:
        names: The ids of the series.
        together: Does it with some of them, or raises a DataError or a SchemaMismatchError.
        at_fault: Is given a series with which it cannot be done alone, and why.

    Returns:
        What the two returned, in the order of the series.
    """
    try:
        return [together(names)]
    except (DataError, SchemaMismatchError) as error:
        if len(names) == 1:
            return [at_fault(names[0], error)]
    half = len(names) // 2
    first = by_halves(names[:half], together, at_fault)
    return first + by_halves(names[half:], together, at_fault)
