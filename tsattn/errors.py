"""The errors a user can cause, each with the exit code the command line ends with."""

SOME_SKIPPED = 9  # exit code of a run that left series at fault out, and did the rest


class TsattnError(Exception):
    """Base of every error a user can cause.

    The message states the rule, what was received and the remedy, in one line.
    """

    exit_code = 1


class UsageError(TsattnError):
    """Options that are unknown, out of range or do not fit together."""

    exit_code = 2


class DataError(TsattnError):
    """A file or table that cannot be used as it is."""

    exit_code = 3

    def replaced(self, old: str, new: str) -> "DataError":
        """Return the error with another remedy, or another text."""
        return type(self)(str(self).replace(old, new))


class RowError(DataError):
    """A row of a table that cannot be used as it is, counted from 0."""

    def __init__(self, before: str, row: int, after: str) -> None:
        super().__init__(f"{before}row {row}{after}")
        self.row = row
        self._before, self._after = before, after

    def __reduce__(self) -> tuple[type["RowError"], tuple[str, int, str]]:
        return RowError, (self._before, self.row, self._after)

    def moved(self, row: int, *, label: str = "") -> "RowError":
        """Return the error for the same row of another table, with a label in front."""
        return RowError(label + self._before, row, self._after)

    def replaced(self, old: str, new: str) -> "RowError":
        """Return the error with another text; it keeps its row."""
        return RowError(self._before.replace(old, new), self.row, self._after.replace(old, new))

    def at(self, place: str) -> DataError:
        """Return the error with another name of the row, such as `row 3 of b.csv`."""
        return DataError(f"{self._before}{place}{self._after}")


class TrainingDivergedError(TsattnError):
    """The loss became NaN or infinite."""

    exit_code = 4


class SchemaMismatchError(TsattnError):
    """New data that lacks what the model was trained on."""

    exit_code = 5


class QualityGateError(TsattnError):
    """A forecast worse than the gate the user set."""

    exit_code = 6


class ModelDirectoryError(TsattnError):
    """A model directory that is missing, altered or written by a newer version."""

    exit_code = 7


class OutputError(TsattnError):
    """An output that exists, is locked or cannot be written."""

    exit_code = 8


class WorkersLostError(OutputError):
    """Workers on this or other machines that are gone, so that there is no output to write."""


class TrainingInterruptedError(TsattnError):
    """Training stopped by the user before there was a model to keep."""

    exit_code = 130


def error_with(exit_code: int, message: str) -> TsattnError:
    """Return the error of an exit code, as another process ended with it."""
    kinds = {kind.exit_code: kind for kind in TsattnError.__subclasses__()}
    return kinds.get(exit_code, TsattnError)(message)
