"""Public data sets arrive whole and verified, or not at all; everything over loopback."""

import hashlib
import io
import os
import shlex
import threading
import zipfile
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tsattn.config import FitOptions
from tsattn.data.download import default_cache, find_dataset, get_dataset
from tsattn.data.registry import PUBLIC_DATASETS, PublicDataset
from tsattn.errors import DataError, OutputError, UsageError

CONTENT = b"time,load\n2022-01-01,2.5\n" * 7919


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.requested.append(self.path)
        if self.path == "/silent.csv":
            self.server.released.wait(10)
            return
        content = self.server.pages.get(self.path)
        self.send_response(404 if content is None else 200)
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.sent_bytes])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """A web server on loopback: `pages` by path, of which at most `sent_bytes` are sent."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.requested, server.sent_bytes = {}, [], None
    server.released = threading.Event()
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tiny(server, monkeypatch):
    """A data set of the server, put into the registry as `Tiny`."""
    dataset = PublicDataset(
        name="Tiny",
        description="",
        url=f"{server.address}/tiny.csv",
        licence="CC0",
        target="load",
        time_columns=("time",),
        rows=7919,
        columns=("time", "load"),
        sha256=sha256(CONTENT),
        filename="tiny.csv",
        member=None,
        read_hint="",
    )
    server.pages["/tiny.csv"] = CONTENT
    monkeypatch.setitem(PUBLIC_DATASETS, "Tiny", dataset)
    return dataset


def register(monkeypatch, dataset, **changes):
    monkeypatch.setitem(PUBLIC_DATASETS, "Tiny", replace(dataset, **changes))


def test_get_dataset_saves_the_file(tiny, tmp_path):
    path = get_dataset("tiny", cache=tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "tiny.csv"
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["tiny.csv"]


def test_get_dataset_asks_the_server_once(tiny, server, tmp_path):
    assert get_dataset("Tiny", cache=tmp_path) == get_dataset("Tiny", cache=tmp_path)
    assert server.requested == ["/tiny.csv"]


def test_get_dataset_uses_the_cache_variable(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TSATTN_CACHE", str(tmp_path))
    assert get_dataset("Tiny") == tmp_path / "tiny.csv"


def test_get_dataset_takes_a_mirror(tiny, server, tmp_path):
    server.pages["/mirror"] = CONTENT
    get_dataset("Tiny", cache=tmp_path, url=f"{server.address}/mirror")
    assert server.requested == ["/mirror"]


def test_get_dataset_rejects_an_address_outside_the_web(tiny, tmp_path):
    with pytest.raises(UsageError, match=r"url='ftp://x/y'.*Give the address of a web server"):
        get_dataset("Tiny", cache=tmp_path, url="ftp://x/y")


def test_get_dataset_refuses_another_content(tiny, server, tmp_path):
    other = server.pages["/tiny.csv"] = b"time,load"
    with pytest.raises(DataError) as raised:
        get_dataset("Tiny", cache=tmp_path)
    message = str(raised.value)
    assert sha256(CONTENT) in message
    assert f"Received: {sha256(other)}" in message
    assert f"(from {tiny.url})" in message
    assert "another address of the original file" in message
    assert not any(tmp_path.iterdir())


def test_get_dataset_refuses_an_altered_file_in_the_cache(tiny, server, tmp_path):
    path = tmp_path / "tiny.csv"
    path.write_bytes(b"altered")
    with pytest.raises(DataError, match=f"Received: {sha256(b'altered')}.*tiny.csv.*Delete it"):
        get_dataset("Tiny", cache=tmp_path)
    assert server.requested == []
    assert path.read_bytes() == b"altered"


def test_get_dataset_without_a_hash_looks_at_the_first_line(tiny, server, tmp_path, monkeypatch):
    register(monkeypatch, tiny, sha256=None)
    server.pages["/tiny.csv"] = b"<html>Please log in</html>"
    with pytest.raises(DataError, match=r"must name 'load'\. Received: '<html>.*another address"):
        get_dataset("Tiny", cache=tmp_path)
    assert not any(tmp_path.iterdir())
    server.pages["/tiny.csv"] = b"time, load\n"
    assert get_dataset("Tiny", cache=tmp_path).read_bytes() == b"time, load\n"


def assert_told_what_to_do(tiny, cache, reason, **options):
    """The download fails with one message: the reason, the address and where to put the file."""
    with pytest.raises(DataError, match=reason) as raised:
        get_dataset("Tiny", cache=cache, **options)
    assert f"Download {tiny.url} by hand and save it as {cache / 'tiny.csv'}." in str(raised.value)
    assert not any(cache.iterdir())


def test_get_dataset_not_found(tiny, server, tmp_path):
    server.pages.clear()
    assert_told_what_to_do(tiny, tmp_path, "404")


def test_get_dataset_offline(tiny, tmp_path, monkeypatch):
    register(monkeypatch, tiny, url="http://127.0.0.1:9/tiny.csv")
    offline = PUBLIC_DATASETS["Tiny"]
    assert_told_what_to_do(offline, tmp_path, "refused")


def test_get_dataset_interrupted(tiny, server, tmp_path):
    server.sent_bytes = 70_001
    assert_told_what_to_do(tiny, tmp_path, f"70001 of {len(CONTENT)} bytes")


def test_get_dataset_timed_out(tiny, server, tmp_path, monkeypatch):
    register(monkeypatch, tiny, url=f"{server.address}/silent.csv")
    silent = PUBLIC_DATASETS["Tiny"]
    assert_told_what_to_do(silent, tmp_path, "timed out", timeout=0.1)


def test_get_dataset_takes_one_member_of_an_archive(tiny, server, tmp_path, monkeypatch):
    register(monkeypatch, tiny, member="inside.csv")
    server.pages["/tiny.csv"] = zipped(**{"inside.csv": CONTENT, "../outside.csv": b"no"})
    cache = tmp_path / "cache"
    assert get_dataset("Tiny", cache=cache).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "tiny.csv"]


@pytest.mark.parametrize("archive", [zipped(other=CONTENT), b"no archive"])
def test_get_dataset_refuses_an_archive_without_the_member(
    tiny, server, tmp_path, monkeypatch, archive
):
    register(monkeypatch, tiny, member="inside.csv")
    server.pages["/tiny.csv"] = archive
    with pytest.raises(DataError, match=r"with 'inside.csv' in it\. Received: .*Try again later"):
        get_dataset("Tiny", cache=tmp_path)
    assert not any(tmp_path.iterdir())


def test_get_dataset_read_only_cache(tiny, tmp_path):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(OutputError, match=r"Received: .*TSATTN_CACHE"):
        get_dataset("Tiny", cache=tmp_path)


def test_get_dataset_cache_is_a_file(tiny, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(OutputError, match=r"Received: .*taken.*TSATTN_CACHE"):
        get_dataset("Tiny", cache=taken)


def test_get_dataset_draws_a_bar_on_a_terminal_only(tiny, tmp_path, monkeypatch, capsys):
    get_dataset("Tiny", cache=tmp_path / "pipe")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    get_dataset("Tiny", cache=tmp_path / "quiet", progress=False)
    assert capsys.readouterr() == ("", "")
    get_dataset("Tiny", cache=tmp_path / "terminal")
    output = capsys.readouterr()
    assert output.out == ""
    assert "Tiny" in output.err


def test_find_dataset_unknown_name():
    with pytest.raises(UsageError, match=r"Received: 'etth9'\. Use one of ETTh1, .*bike-sharing"):
        find_dataset("etth9")


def test_default_cache_is_a_folder_of_its_own(monkeypatch):
    monkeypatch.delenv("TSATTN_CACHE", raising=False)
    assert "tsattn" in default_cache().parts
    monkeypatch.setenv("TSATTN_CACHE", "elsewhere")
    assert default_cache() == Path("elsewhere")


@pytest.mark.parametrize("name", list(PUBLIC_DATASETS))
def test_registry_entry_is_consistent(name):
    dataset = PUBLIC_DATASETS[name]
    assert dataset.name == name
    assert {dataset.target, *dataset.time_columns} <= set(dataset.columns)
    assert len(set(dataset.columns)) == len(dataset.columns)
    assert dataset.url.startswith("https://")
    assert dataset.url.endswith(".zip") == (dataset.member is not None)
    assert dataset.sha256 is None or len(bytes.fromhex(dataset.sha256)) == 32


@pytest.mark.parametrize("dataset", PUBLIC_DATASETS.values(), ids=lambda dataset: dataset.name)
def test_registry_hint_has_options_of_fit_and_columns_of_the_file(dataset):
    words = shlex.split(dataset.read_hint)
    options = dict(zip(words[::2], words[1::2], strict=True))
    known = {f"--{field.name.replace('_', '-')}" for field in fields(FitOptions)}
    assert set(options) <= known
    assert options["--target"] == dataset.target
    assert options["--time-col"] == ",".join(dataset.time_columns)
    for option in ("--drop", "--future-covariates"):
        assert set(options.get(option, dataset.target).split(",")) <= set(dataset.columns)


def test_registry_names_and_files_are_distinct():
    assert len({name.lower() for name in PUBLIC_DATASETS}) == len(PUBLIC_DATASETS) == 13
    assert len({dataset.filename for dataset in PUBLIC_DATASETS.values()}) == 13
