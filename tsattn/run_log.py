"""One line of JSON for every run, for those who watch a scheduler."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tsattn.errors import OutputError, TsattnError

STDERR = "-"
INTERRUPTED = 130
TERMINATED = 143
CRASHED = 1


@dataclass(kw_only=True)
class Run:
    """What a log says of a run; what a command has nothing to say of stays None."""

    command: str
    model: str | None = None
    data: str | None = None
    output: str | None = None
    start: str = field(default_factory=lambda: datetime.now(tz=UTC).isoformat(timespec="seconds"))
    seconds: float = 0.0
    rows_written: int | None = None
    series_written: int | None = None
    series_skipped: int | None = None
    exit_code: int = 0
    error: str | None = None


@contextmanager
def logged(log: str | None, run: Run) -> Iterator[Run]:
    """Append a line on the block to a log when it ends, however it does but by `kill -9`.

    Args:
        log: A file, `-` for stderr, or None for no log.
        run: What is known before the block runs; the block adds the rest.

    Raises:
        OutputError: the file cannot be opened; before the block runs.
    """
    descriptor = None if log in (None, STDERR) else _open(str(log))
    started = time.monotonic()
    try:
        with _ended_by_sigterm():
            yield run
    except Terminated:
        run.exit_code, run.error = TERMINATED, "terminated"
        raise
    except TsattnError as error:
        run.exit_code, run.error = error.exit_code, str(error)
        raise
    except KeyboardInterrupt:
        run.exit_code, run.error = INTERRUPTED, "interrupted"
        raise
    except SystemExit as leaving:
        run.exit_code = leaving.code if isinstance(leaving.code, int) else 0
        run.error = "interrupted" if run.exit_code == INTERRUPTED else None
        raise
    except BaseException as error:
        run.exit_code, run.error = CRASHED, f"{type(error).__name__}: {error}"
        raise
    finally:
        run.seconds = round(time.monotonic() - started, 3)
        if log is not None:
            _append(json.dumps(asdict(run), ensure_ascii=False) + "\n", log, descriptor)


class Terminated(SystemExit):
    """Another program asked this one to end."""


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave the block on SIGTERM as on an error, so that what is half done is cleaned up."""
    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        yield
        return

    def end(*_: object) -> None:
        raise Terminated(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _open(log: str) -> int:
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OutputError(
            f"The log must be writable. Received: --log-json {log} ({error.strerror or error}). "
            "Free space or permissions, or name another file; nothing was done."
        ) from error


def _append(line: str, log: str, descriptor: int | None) -> None:
    """Write a line in one call, so that lines of several processes do not mix."""
    if descriptor is None:
        sys.stderr.write(line)
        sys.stderr.flush()
        return
    try:
        os.write(descriptor, line.encode("utf-8", errors="replace"))
    except OSError as error:  # the run has done its work, or has an error of its own to tell
        with contextlib.suppress(OSError):
            print(f"{log}: the line on this run is lost ({error.strerror})", file=sys.stderr)
    finally:
        os.close(descriptor)
