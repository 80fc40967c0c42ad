"""One writer at a time: a lock beside every output.

The lock is the kernel's, on an open file (`flock`). It goes with the process that holds it, however
that ends, so a lock of a dead process cannot be left behind: the file may be, but it is free.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tsattn.errors import OutputError

try:
    import fcntl
except ImportError:  # not a Unix system
    fcntl = None  # type: ignore[assignment]

_POLL = 0.1  # seconds
_NO_LOCKS = (
    "this system has no file locks, so that nothing keeps two runs from writing the same output; "
    "the later one wins"
)


@contextmanager
def output_lock(
    path: Path, *, wait: float = 0.0, note: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock of an output; `.NAME.lock` lies beside it for that time.

    Args:
        path: The output, whether it exists or not.
        wait: How many seconds to wait for another process.
        note: Told where the system has no locks, and nothing is locked.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """
    if fcntl is None:
        if note is not None:
            note(_NO_LOCKS)
        yield
        return
    place = Path(os.path.realpath(path))
    lock = place.with_name(f".{place.name}.lock")
    made = _make_folders(place.parent, path)
    try:
        descriptor = _acquire(lock, path, time.monotonic() + wait)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()  # while it is held: nobody else can have it
            os.close(descriptor)
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds the output now
                folder.rmdir()


def _make_folders(folder: Path, path: Path) -> list[Path]:
    """Make a folder with those around it; return the new ones, the innermost first."""
    with _lock_errors(path):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    return made


def _acquire(lock: Path, path: Path, until: float) -> int:
    """Return the descriptor of the locked file."""
    while True:
        with _lock_errors(path):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            if time.monotonic() >= until:
                raise OutputError(
                    f"An output is written by one run at a time. Received: {path}, which "
                    f"{holder} is writing. Wait for it with --wait, or name another output."
                ) from None
            time.sleep(_POLL)
            continue
        except OSError as error:
            os.close(descriptor)
            raise _cannot_lock(path, error) from error
        # The one that held it may have removed the file before this process locked it.
        if _is_same(lock, descriptor):
            with _lock_errors(path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps({"process": os.getpid()}).encode())
            return descriptor
        os.close(descriptor)


def _is_same(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    try:
        process = json.loads(os.pread(descriptor, 100, 0))["process"]
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"process {process}"


@contextmanager
def _lock_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_lock(path, error) from error


def _cannot_lock(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The output must be writable. Received: {path} ({error.strerror or error}; its lock could "
        "not be taken). Free space or permissions, or name another output; nothing was written."
    )
