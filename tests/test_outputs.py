import multiprocessing
import os
import signal
import time

import pytest

from tsattn.errors import OutputError, UsageError
from tsattn.outputs import MANIFEST, atomic_directory, atomic_file, check_output


def write_model(path, text, *, overwrite=False) -> None:
    with atomic_directory(path, overwrite=overwrite) as directory:
        (directory / MANIFEST).write_text(text)
        (directory / "part").write_text(text)


def test_directory_appears_whole(tmp_path) -> None:
    path = tmp_path / "deep" / "model"
    with atomic_directory(path, overwrite=False) as directory:
        (directory / MANIFEST).write_text("{}")
        assert not path.exists()
    assert [child.name for child in path.iterdir()] == [MANIFEST]
    assert [child.name for child in path.parent.iterdir()] == ["model"]


def test_directory_is_replaced_only_on_request(tmp_path) -> None:
    path = tmp_path / "model"
    write_model(path, "old")
    with pytest.raises(UsageError, match=r"must not exist.*model.*--overwrite"):
        write_model(path, "new")
    assert (path / "part").read_text() == "old"
    write_model(path, "new", overwrite=True)
    assert (path / "part").read_text() == "new"
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def test_directory_that_is_not_ours_is_never_replaced(tmp_path) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"only a model directory.*Name another"):
        write_model(precious, "new", overwrite=True)
    assert (precious / "letter.txt").read_text() == "dear"


def break_while_writing(path) -> None:
    with atomic_directory(path, overwrite=True) as directory:
        (directory / "part").write_text("half")
        raise RuntimeError("broken")


def test_failed_write_leaves_the_old_directory(tmp_path) -> None:
    path = tmp_path / "model"
    write_model(path, "old")
    with pytest.raises(RuntimeError, match="broken"):
        break_while_writing(path)
    assert (path / "part").read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def write_to_a_full_disk(path) -> None:
    with atomic_file(path, overwrite=False), open("/dev/full", "w") as full:
        full.write("text")


def test_full_disk_is_an_output_error(tmp_path) -> None:
    with pytest.raises(OutputError, match=r"must be writable.*No space left.*Free space"):
        write_to_a_full_disk(tmp_path / "forecast.csv")
    assert not list(tmp_path.iterdir())


def test_file_is_replaced_only_on_request(tmp_path) -> None:
    path = tmp_path / "forecast.csv"
    for text, overwrite in (("old", False), ("new", True)):
        with atomic_file(path, overwrite=overwrite) as partial:
            partial.write_text(text)
    assert path.read_text() == "new"
    with pytest.raises(UsageError, match="must not exist"):
        check_output(path, overwrite=False, is_directory=False)
    with pytest.raises(UsageError, match="only a model directory"):
        check_output(path, overwrite=True, is_directory=True)


def test_folder_that_cannot_be_made_is_an_output_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="must be writable"):
        check_output(tmp_path / "file" / "model", overwrite=False, is_directory=True)


def rewrite_forever(path) -> None:
    for i in range(1_000_000):
        write_model(path, str(i), overwrite=True)


@pytest.mark.slow
def test_killed_writer_leaves_one_whole_directory(tmp_path) -> None:
    path = tmp_path / "model"
    write_model(path, "first")
    for i in range(20):
        process = multiprocessing.get_context("spawn").Process(target=rewrite_forever, args=(path,))
        process.start()
        time.sleep(0.4 + 0.013 * i)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert (path / MANIFEST).read_text() == (path / "part").read_text()
    write_model(path, "last", overwrite=True)
    assert [child.name for child in tmp_path.iterdir()] == ["model"]
