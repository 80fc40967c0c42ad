import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tsattn.errors import OutputError, UsageError
from tsattn.outputs import (
    MANIFEST,
    MODEL,
    PROFILE,
    atomic_directory,
    atomic_file,
    check_output,
)


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


def test_directory_with_files_of_others_is_not_replaced(tmp_path) -> None:
    path = tmp_path / "model"
    write_model(path, json.dumps({"files": {"part": "hash"}}))
    (path / ".DS_Store").write_text("")
    write_model(path, json.dumps({"files": {"part": "hash"}}), overwrite=True)
    (path / "plots").mkdir()
    (path / "plots" / "notes.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"which holds plots/notes\.txt\. Move that elsewhere"):
        write_model(path, "new", overwrite=True)
    assert (path / "plots" / "notes.txt").read_text() == "dear"
    with atomic_directory(path, overwrite=True, is_kept=True) as directory:
        (directory / MANIFEST).write_text("{}")


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


@pytest.mark.parametrize(
    ("manifest", "kind"), [({"kind": PROFILE}, PROFILE), ({"kind": MODEL}, MODEL), ({}, MODEL)]
)
def test_directory_is_replaced_only_by_its_kind(tmp_path, manifest, kind) -> None:
    path = tmp_path / "folder"
    write_model(path, json.dumps(manifest))
    other = PROFILE if kind == MODEL else MODEL
    with pytest.raises(UsageError, match=r"may replace only a .*folder.*Name another"):
        check_output(path, overwrite=True, is_directory=True, kind=other)
    check_output(path, overwrite=True, is_directory=True, kind=kind)
    assert (path / "part").exists()


@pytest.mark.parametrize("suffix", ["{own}", "{own}-0abc", "999999999-0abc"])
def test_leftovers_are_removed(tmp_path, suffix) -> None:
    left = tmp_path / f".model.partial-{suffix.format(own=os.getpid())}"
    left.mkdir()
    (left / "part").write_text("half")
    write_model(tmp_path / "model", "new")
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def test_only_leftovers_are_removed(tmp_path) -> None:
    kept = [f".model.partial-{suffix}" for suffix in (f"{os.getppid()}-0abc", "mine", "5-0a-old")]
    for name in kept:
        (tmp_path / name).write_text("")
    write_model(tmp_path / "model", "new")
    assert sorted(child.name for child in tmp_path.iterdir()) == sorted([*kept, "model"])


def test_leftover_link_is_removed_alone(tmp_path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / ".model.partial-999999999-0abc").symlink_to(home)
    write_model(tmp_path / "model", "new")
    assert sorted(child.name for child in tmp_path.iterdir()) == ["home", "model"]


def test_link_to_a_directory_stays_a_link(tmp_path) -> None:
    write_model(tmp_path / "model", "old")
    link = tmp_path / "deep" / "link"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "model")
    write_model(link, "new", overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "model" / "part").read_text() == "new"
    assert sorted(child.name for child in tmp_path.iterdir()) == ["deep", "model"]


@pytest.mark.parametrize("name", ["a**b", "[a", "a?"])
def test_name_may_hold_any_character(tmp_path, name) -> None:
    write_model(tmp_path / name, "new")
    assert [child.name for child in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_working_directory_is_no_output(tmp_path, monkeypatch, name) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"working directory.*Received: .*Name another"):
        write_model(Path(name), "new", overwrite=True)


@pytest.mark.parametrize("length", [250, 300, 5000])
@pytest.mark.parametrize("is_directory", [True, False])
def test_name_that_is_too_long_is_an_output_error(tmp_path, length, is_directory) -> None:
    with pytest.raises(OutputError, match=r"must be writable.*too long.*name another"):
        check_output(tmp_path / ("a" * length), overwrite=False, is_directory=is_directory)


def test_only_a_regular_file_is_replaced(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(UsageError, match=r"only a file.*Name another"):
            check_output(path, overwrite=True, is_directory=False)


def test_checking_makes_no_folder(tmp_path) -> None:
    check_output(tmp_path / "deep" / "er" / "model", overwrite=False, is_directory=True)
    assert not list(tmp_path.iterdir())
    with atomic_file(tmp_path / "deep" / "er" / "file", overwrite=False) as partial:
        partial.write_text("text")
    assert (tmp_path / "deep" / "er" / "file").read_text() == "text"


def test_output_lies_apart_from_the_model(tmp_path) -> None:
    model = tmp_path / "model"
    write_model(model, "old")
    for path in (model, model / "new", tmp_path):
        with pytest.raises(UsageError, match=r"apart from the model.*Name another"):
            check_output(path, overwrite=True, is_directory=True, apart_from=model)
    check_output(tmp_path / "new", overwrite=True, is_directory=True, apart_from=model)


def test_read_only_folder_is_not_added_to(tmp_path, monkeypatch) -> None:
    write_model(tmp_path / "model", "old")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="Permission denied.*nothing was written"):
        check_output(tmp_path / "model", overwrite=True, is_directory=True, is_kept=True)


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
