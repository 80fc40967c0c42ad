"""Rows that messages name: those of the file, whatever part of it was read when they were found."""

import numpy as np
import pytest
from commands import run
from synthetic import load_frame, panel_frame
from test_batch import FEW, write_table

from tsattn.errors import DataError
from tsattn.pipeline.evaluating import evaluate
from tsattn.pipeline.predicting import predict


def spoilt(order: str = "series"):
    """Return a panel with a text in series b, and the row that it is in."""
    frame = panel_frame().astype({"load": object, "plan": object})
    if order == "time":
        frame = frame.sort_values(["time", "town"]).reset_index(drop=True)
    row = int(np.flatnonzero((frame.town == "b") & frame.load.notna())[-2])
    frame.loc[row, "load"] = "oops"
    return frame, row


@pytest.mark.parametrize("rows", [FEW, "1000"])
@pytest.mark.parametrize("order", ["series", "time"])
def test_skipped_series_is_located_in_its_file(order, rows, panel_model, tmp_path) -> None:
    frame, row = spoilt(order)
    write_table(frame, tmp_path / "latest.csv")
    write_table(frame, tmp_path / "folder.csv", 2)
    given = ["-o", tmp_path / "forecast.csv", "--overwrite", "--rows-at-once", rows]
    half = len(frame) // 2
    places = {
        "latest.csv": f"row {row}.",
        "folder.csv": f"row {row % half} of part{row // half}.csv.",
    }
    for name, place in places.items():
        done = run("predict", panel_model, tmp_path / name, *given)
        assert done.exit_code == 9, done.output
        assert f"series 'b': {name}: column 'load'" in done.stderr
        assert f"Received: 'oops' at {place}" in done.stderr
        done = run("predict", panel_model, tmp_path / name, *given, "--on-error", "stop")
        assert done.exit_code == 3, done.output
        assert f"'oops' at {place}" in done.stderr


@pytest.mark.parametrize("rows", [FEW, "1000"])
def test_row_of_a_future_file_is_one_of_that_file(rows, panel_model, tmp_path) -> None:
    frame = panel_frame().astype({"plan": object})
    is_ahead = frame.load.isna()
    write_table(frame[~is_ahead], tmp_path / "latest.csv")
    ahead = frame.loc[is_ahead, ["time", "plan", "town"]].reset_index(drop=True)
    ahead.loc[7, "plan"] = "oops"  # of the three rows of c
    write_table(ahead, tmp_path / "future.csv")
    given = ["--future", tmp_path / "future.csv", "--rows-at-once", rows]
    done = run("predict", panel_model, tmp_path / "latest.csv", *given)
    assert done.exit_code == 9, done.output
    assert "series 'c': future.csv: column 'plan'" in done.stderr
    assert "Received: 'oops' at row 7." in done.stderr


@pytest.mark.parametrize("rows", [FEW, "1000"])
def test_missing_id_is_located_in_its_file(rows, panel_model, tmp_path) -> None:
    frame = panel_frame()
    frame.loc[[133, 290], "town"] = None
    write_table(frame, tmp_path / "latest.csv")
    done = run("predict", panel_model, tmp_path / "latest.csv", "--rows-at-once", rows)
    assert done.exit_code == 3, done.output
    assert "(first at row 133). Drop" in done.stderr


@pytest.mark.parametrize("shuffled", [False, True])
def test_gap_in_the_last_rows_is_located_in_the_table(shuffled, model_directory, tmp_path) -> None:
    frame = load_frame(97)
    if shuffled:
        frame = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    row = int(np.flatnonzero(frame.time == "2021-03-04 18:00")[0])
    frame.loc[row, "wind"] = np.nan
    pattern = rf"\(first at row {row}, 2021-03-04 18:00:00\)\. Complete them, or fit the model with"
    known = frame.assign(load=frame.load.where(frame.time < "2021-03-04 22:00"))
    with pytest.raises(DataError, match=pattern):
        predict(model_directory, known)
    with pytest.raises(DataError, match=pattern):
        evaluate(model_directory, frame)
    write_table(frame, tmp_path / "load.csv", 2)
    place = f"row {row % 48 if row < 48 else row - 48} of part{int(row >= 48)}.csv"
    with pytest.raises(DataError, match=rf"first at {place}, 2021-03-04 18:00:00\)"):
        evaluate(model_directory, tmp_path / "load.csv")


def test_remedies_for_new_data_are_no_options_of_a_fit(model_directory) -> None:
    frame = load_frame(97)
    repeated = frame.assign(time=frame.time.where(frame.index != 90, frame.time[89]))
    with pytest.raises(DataError, match=r"1 duplicates .*\. Remove them, or fit a model with"):
        predict(model_directory, repeated)
    infinite = frame.assign(wind=frame.wind.where(frame.index != 90, np.inf))
    with pytest.raises(DataError, match=r"first inf at row 90\)\. Replace them\.$"):
        evaluate(model_directory, infinite)
