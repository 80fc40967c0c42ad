"""Downloads of public data sets into a cache folder, whole and verified or not at all."""

import contextlib
import hashlib
import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from tsattn.data.registry import PUBLIC_DATASETS, PublicDataset
from tsattn.errors import DataError, OutputError, UsageError

_CHUNK = 1 << 16  # bytes
# Some of the servers answer 403 to a client that does not introduce itself as a browser would.
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; tsattn)"}
_ELSEWHERE = "Try again later, or give another address of the original file."


def get_dataset(
    name: str,
    *,
    cache: str | Path | None = None,
    url: str | None = None,
    progress: bool = True,
    timeout: float = 30.0,
) -> Path:
    """Return the path of a public data set's CSV file, downloading it if it is not there yet.

    Args:
        name: A name in `PUBLIC_DATASETS`; upper and lower case do not matter.
        cache: The folder to keep the file in; `default_cache()` if not given.
        url: Another address of the same file (a mirror); the content is verified all the same.
        progress: Whether to show a progress bar on stderr, if that is a terminal.
        timeout: Seconds to wait for the server each time it is silent.

    Raises:
        UsageError: The name is not known, or the address is not one of the web.
        DataError: The file cannot be had, or is not the one it should be.
        OutputError: The cache folder cannot be written.
    """
    dataset = find_dataset(name)
    address = url or dataset.url
    if not address.startswith(("http://", "https://")):
        raise UsageError(
            f"`url` must begin with http:// or https://. Received: url={address!r}. "
            "Give the address of a web server."
        )
    path = Path(cache or default_cache()).expanduser() / dataset.filename
    try:
        if path.is_file():
            _verify(path, dataset, source=str(path), remedy="Delete it and run this again.")
        else:
            _fetch(dataset, address, path, progress=progress, timeout=timeout)
    except OSError as error:
        raise OutputError(
            f"The cache folder must be readable and writable. Received: {path.parent} ({error}). "
            "Choose another folder with the environment variable TSATTN_CACHE."
        ) from error
    return path


def find_dataset(name: str) -> PublicDataset:
    """Return the data set of that name, or raise a UsageError that lists the known names."""
    for known, dataset in PUBLIC_DATASETS.items():
        if known.lower() == name.lower():
            return dataset
    raise UsageError(
        f"The data set must be a known one. Received: {name!r}. "
        f"Use one of {', '.join(PUBLIC_DATASETS)}."
    )


def default_cache() -> Path:
    """Return the folder `TSATTN_CACHE` names, or else the platform's cache folder for tsattn."""
    if chosen := os.environ.get("TSATTN_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "tsattn" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tsattn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tsattn"


def _fetch(
    dataset: PublicDataset, address: str, path: Path, *, progress: bool, timeout: float
) -> None:
    """Put the verified file at `path` in one step; a failure leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial(path) as download, _partial(path) as extracted:
        with download.open("wb") as file:
            for chunk in _received(dataset, address, path, progress=progress, timeout=timeout):
                file.write(chunk)
        complete = download
        if dataset.member is not None:
            _extract(download, dataset.member, extracted, address)
            complete = extracted
        _verify(complete, dataset, source=address, remedy=_ELSEWHERE)
        os.replace(complete, path)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` that no one else writes to; remove the file if it is left."""
    partial = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _received(
    dataset: PublicDataset, address: str, path: Path, *, progress: bool, timeout: float
) -> Iterator[bytes]:
    """Yield the bytes of an address; raise a DataError if they do not all come."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(address, headers=_HEADERS), timeout=timeout) as response:
            length = response.length or 0  # bytes; 0 if the server does not tell
            received = 0
            with _progress_bar(dataset.name, length, shown=progress) as advance:
                while chunk := response.read(_CHUNK):
                    received += len(chunk)
                    advance(len(chunk))
                    yield chunk
            if received < length:
                raise HTTPException(f"{received} of {length} bytes came")
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise DataError(
            f"`{dataset.name}` must be downloaded once. Received: no whole file from {address} "
            f"({error}). {_by_hand(dataset, address, path)}"
        ) from error


@contextlib.contextmanager
def _progress_bar(name: str, length: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield what to call with the bytes of each chunk; draws a bar only on a terminal."""
    if not (shown and sys.stderr.isatty()):
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=length or None)
        yield lambda size: bar.advance(task, size)


def _extract(archive: Path, member: str, path: Path, address: str) -> None:
    """Write one member of a zip archive to `path`, and nothing anywhere else."""
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            opened.open(member) as source,
            path.open("wb") as file,
        ):
            shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, KeyError, RuntimeError, EOFError, zlib.error) as error:
        raise DataError(
            f"The download must be a zip archive with {member!r} in it. Received: {address} "
            f"({error}). {_ELSEWHERE}"
        ) from error


def _verify(path: Path, dataset: PublicDataset, *, source: str, remedy: str) -> None:
    """Raise a DataError unless the file has the known hash or, without one, names the target."""
    if dataset.sha256 is None:
        with path.open("rb") as file:
            header = file.readline().decode(errors="replace").strip()
        if dataset.target not in header:
            raise DataError(
                f"The first line of `{dataset.name}` must name {dataset.target!r}. "
                f"Received: {header[:80]!r} (from {source}). {remedy}"
            )
        return
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != dataset.sha256:
        raise DataError(
            f"`{dataset.name}` must have the SHA-256 {dataset.sha256}. "
            f"Received: {actual} (from {source}). {remedy}"
        )


def _by_hand(dataset: PublicDataset, address: str, path: Path) -> str:
    """Say how to do without this download."""
    if dataset.member is None:
        return f"Download {address} by hand and save it as {path}."
    return f"Download {address} by hand and save {dataset.member!r} out of it as {path}."
