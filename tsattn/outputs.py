"""Outputs that are complete or absent: built beside their place, then moved into it."""

import ctypes
import ctypes.util
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsattn.errors import OutputError, UsageError

MANIFEST = "MANIFEST.json"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_output(path: Path, *, overwrite: bool, is_directory: bool) -> None:
    """Check that an output may be written, before any work is done for it.

    Raises:
        UsageError: it exists, and may not or must not be overwritten.
        OutputError: its folder cannot be written.
    """
    if path.exists():
        is_ours = path.is_dir() == is_directory
        if is_ours and is_directory:
            is_ours = (path / MANIFEST).exists() or not any(path.iterdir())
        if not is_ours:
            what = "a model directory" if is_directory else "a file"
            raise UsageError(
                f"An output may replace only {what}. Received: {path}. Name another output."
            )
        if not overwrite:
            raise UsageError(
                f"An output must not exist yet. Received: {path}. "
                "Name another one, or use --overwrite."
            )
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = _partial(path)
        probe.mkdir()
        probe.rmdir()


@contextmanager
def atomic_directory(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a new folder to fill; it takes the place of `path` if the block ends well."""
    check_output(path, overwrite=overwrite, is_directory=True)
    partial = _partial(path)
    try:
        with _output_errors(path):
            partial.mkdir()
            yield partial
            if path.exists():
                _exchange(partial, path)
            else:
                partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the path of a file to write; it takes the place of `path` if the block ends well."""
    check_output(path, overwrite=overwrite, is_directory=False)
    partial = _partial(path)
    try:
        with _output_errors(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """Return a name beside `path`, after removing what killed processes left under such names."""
    for left in path.parent.glob(f".{path.name}.partial-*"):
        process = left.name.rpartition("-")[2]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    # The ending is kept, since writers choose their format by it.
    return path.with_name(f".{path.name}.partial-{os.getpid()}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The output must be writable. Received: {path} ({error.strerror or error}). "
            "Free space or permissions, or name another output; nothing was written."
        ) from error


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step where the system can; afterwards `new` holds the old one."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        if hasattr(libc, "renameat2"):
            names = (os.fsencode(new), os.fsencode(old))
            if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
                return
            code = ctypes.get_errno()
            if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
                raise OSError(code, os.strerror(code))
    aside = new.with_name(f"{new.name}-old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)
