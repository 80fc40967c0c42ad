"""The standard streams, which may be closed, or lose their reader while a command works."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

STREAMS = {"stdout": 1, "stderr": 2}


def keep_streams() -> None:
    """Let what is written to closed streams go nowhere, now and when a pipe loses its reader."""
    for name, number in STREAMS.items():
        stream = getattr(sys, name)
        if stream is None:  # a file that is opened would take its number
            send_nowhere(number)
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, LastingStream(stream))


def send_nowhere(number: int) -> None:
    """Make the number of a stream that of the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


class LastingStream(io.TextIOWrapper):
    """A stream whose text goes nowhere once its reader has closed the pipe, such as `head`.

    The command goes on: its work, or its exit code, may matter to others.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
        )

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        with self._outliving_its_reader():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        with self._outliving_its_reader():
            super().flush()

    @contextlib.contextmanager
    def _outliving_its_reader(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            send_nowhere(self.fileno())
