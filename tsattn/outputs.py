"""Outputs that are complete or absent: built beside their place, then moved into it."""

import contextlib
import ctypes
import ctypes.util
import errno
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsattn.errors import OutputError, UsageError

MANIFEST = "MANIFEST.json"
# The kinds of folders, kept in their manifests.
MODEL, PROFILE, DEMO, COMPARISON = "model", "profile", "demo", "comparison"
BACKTEST, FOLD, CHECKPOINT = "backtest", "fold", "checkpoint"
_KIND_NAMES = {
    MODEL: "a model directory",
    PROFILE: "a profile folder written by explain",
    DEMO: "a demonstration",
    COMPARISON: "a comparison",
    BACKTEST: "a backtest",
    FOLD: "a fold of a backtest",
    CHECKPOINT: "a checkpoint of a fit",
}
# One per process: the same process number with another token is what an earlier process left.
_TOKEN = secrets.token_hex(4)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_output(
    path: Path,
    *,
    overwrite: bool,
    is_directory: bool,
    kind: str = MODEL,
    apart_from: Path | None = None,
    is_kept: bool = False,
) -> None:
    """Check that an output may be written, before any work is done for it.

    Args:
        path: The output.
        overwrite: Whether it may exist.
        is_directory: Whether it is a folder or a file.
        kind: Of a folder, which kind it may replace, such as `MODEL`.
        apart_from: A folder that the output must neither be, nor hold, nor be in.
        is_kept: Whether all files of the old folder will be in the new one.

    Raises:
        UsageError: it exists, and may not or must not be overwritten.
        OutputError: its folder cannot be written.
    """
    with _output_errors(path):
        _check_place(path, is_directory, apart_from)
        if path.exists():
            _check_replaceable(path, overwrite, kind if is_directory else None)
            if is_directory and not is_kept:
                _check_own(path)
            if is_kept and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        path = _resolved(path)
        parent = next(folder for folder in path.parents if folder.exists())
        probe = _partial(parent / path.name)
        probe.mkdir()
        probe.rmdir()


def _check_place(path: Path, is_directory: bool, apart_from: Path | None) -> None:
    place = _resolved(path)
    if is_directory and Path.cwd().is_relative_to(place):
        raise UsageError(
            f"An output must not be the working directory or a folder around it. Received: {path}. "
            "Name another output."
        )
    if apart_from is not None:
        other = _resolved(apart_from)
        if place.is_relative_to(other) or other.is_relative_to(place):
            raise UsageError(
                f"An output must lie apart from the model directory. Received: {path}, with the "
                f"model {apart_from}. Name another output."
            )


def _check_replaceable(path: Path, overwrite: bool, kind: str | None) -> None:
    """Raise a UsageError unless what exists may be replaced by a folder of a kind, or a file."""
    if kind is None:
        is_ours = path.is_file()  # no folder, device or pipe
    else:
        is_ours = path.is_dir() and (not any(path.iterdir()) or _kind_of(path) == kind)
    if not is_ours:
        what = _KIND_NAMES[kind] if kind else "a file"
        raise UsageError(
            f"An output may replace only {what}. Received: {path}. Name another output."
        )
    if not overwrite:
        raise UsageError(
            f"An output must not exist yet. Received: {path}. Name another one, or use --overwrite."
        )


def _kind_of(directory: Path) -> object:
    """Return the kind of a folder, `MODEL` if its manifest does not say; None without manifest."""
    content = _manifest_of(directory)
    return None if content is None else content.get("kind", MODEL)


def _manifest_of(directory: Path) -> dict[str, Any] | None:
    """Return what the manifest of a folder says, nothing if it cannot be read; None without one."""
    manifest = directory / MANIFEST
    if not manifest.is_file():
        return None
    try:
        content = json.loads(manifest.read_text("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_own(directory: Path) -> None:
    """Raise a UsageError for a file that the manifest does not list, such as a note of the user."""
    own = (_manifest_of(directory) or {}).get("files")
    if not isinstance(own, dict):
        return
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        is_hidden = path.name.startswith(".")  # such as what a file browser leaves
        if name not in (MANIFEST, *own) and not is_hidden and not path.is_dir():
            raise UsageError(
                "An output may replace only files that were written with it. Received: "
                f"{directory}, which holds {name}. Move that elsewhere, or name another output."
            )


@contextmanager
def atomic_directory(
    path: Path, *, overwrite: bool, kind: str = MODEL, is_kept: bool = False
) -> Iterator[Path]:
    """Yield a new folder to fill; it takes the place of `path` if the block ends well.

    The arguments are those of `check_output`.
    """
    check_output(path, overwrite=overwrite, is_directory=True, kind=kind, is_kept=is_kept)
    path = _resolved(path)
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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


def explanation_path(forecast: Path) -> Path:
    """Return the place of the explanation of a forecast: `forecast.explanation.json`."""
    return forecast.with_name(f"{forecast.stem}.explanation.json")


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the path of a file to write; it takes the place of `path` if the block ends well."""
    check_output(path, overwrite=overwrite, is_directory=False)
    path = _resolved(path)
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
    try:
        with _output_errors(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def working_folder(path: Path | None) -> Iterator[Path]:
    """Yield a folder for what does not fit into memory: beside an output, or the system's place.

    It is removed at the end; what a killed process leaves of it, the next run for the output does.
    """
    if path is None:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        path = Path(tempfile.gettempdir()) / f"tsattn-{user}"
    path = _resolved(path)
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = _partial(path, "work")
        folder.mkdir(mode=0o700)
    try:
        with _output_errors(path):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder so that a kill leaves it whole or gone; one that cannot be is left.

    What a killed process leaves has a hidden name beside it, see `remove_leftovers`.
    """
    with contextlib.suppress(OSError):
        path = _resolved(path)
        gone = _partial(path)
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def remove_leftovers(path: Path, what: str = "partial") -> None:
    """Remove what killed processes left beside an output; another run may be doing the same."""
    path = _resolved(path)
    prefix = _prefix(path, what)
    for left in path.parent.iterdir():
        if left.name.startswith(prefix) and _is_leftover(left.name.removeprefix(prefix)):
            is_folder = left.is_dir() and not left.is_symlink()
            with contextlib.suppress(OSError):
                shutil.rmtree(left) if is_folder else left.unlink()


def _resolved(path: Path) -> Path:
    # Unlike Path.resolve, this raises nothing for a loop of links.
    return Path(os.path.realpath(path))


def _partial(path: Path, what: str = "partial") -> Path:
    """Return a name beside `path`, after removing what killed processes left under such names."""
    remove_leftovers(path, what)
    return path.with_name(f"{_prefix(path, what)}{os.getpid()}-{_TOKEN}")


def _prefix(path: Path, what: str) -> str:
    return f".{path.name}.{what}-"


def _is_leftover(suffix: str) -> bool:
    """Return whether the process that chose a suffix is gone."""
    parts = re.fullmatch(r"([0-9]{1,9})(?:-([0-9a-f]+))?", suffix)
    if parts is None:
        return False
    process, token = int(parts[1]), parts[2]
    return token != _TOKEN if process == os.getpid() else not _is_running(process)


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
    except BrokenPipeError:  # of stdout: nobody wants more of it
        raise
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
