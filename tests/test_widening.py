"""The intervals of a forecast follow the last known rows, as those of test rows do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import SMALL, load_frame, panel_frame, rebuilt

import tsattn
from tsattn import FitOptions
from tsattn.errors import UsageError
from tsattn.following import RATE
from tsattn.model_directory import load_fitted
from tsattn.pipeline.fitting import fit
from tsattn.pipeline.predicting import predict

BOUNDS = ["lower_80", "lower_95", "upper_80", "upper_95"]


def _widths(forecast: pd.DataFrame) -> np.ndarray:
    return forecast[["upper_80", "upper_95"]].sub(forecast["forecast"], axis=0).to_numpy()


def _known_and_ahead(known: int) -> dict[str, pd.DataFrame]:
    frame = load_frame()
    return {"data": frame[:known], "future": frame[known:]}


def test_intervals_of_a_forecast_are_those_of_a_test_window(result, model_directory) -> None:
    test = result.evaluations["test"].forecast
    for number in (-1, -9, 0):
        given = _known_and_ahead(int(test.origins[number]))
        forecast = predict(model_directory, **given, follow=250)
        expected = np.hstack([test.lower[number, :, 0], test.upper[number, :, 0]])
        found = forecast[BOUNDS].to_numpy()
        assert found == pytest.approx(expected, rel=1e-4)
        as_calibrated = predict(model_directory, **given, follow=0)
        assert np.allclose(as_calibrated[BOUNDS], found, rtol=1e-6) == (number == 0)
        assert (as_calibrated["forecast"] == forecast["forecast"]).all()


def test_only_so_many_rows_are_followed(result) -> None:
    calibration = result.fitted.calibration
    narrow = replace(calibration, radii=np.full_like(calibration.radii, 1e-9))  # all miss
    forecaster = replace(result.fitted, calibration=narrow)
    given = _known_and_ahead(result.series.num_rows - 3)
    as_calibrated = _widths(predict(forecaster, **given, follow=0))
    for rows in (1, 2, 5):
        factors = _widths(predict(forecaster, **given, follow=rows)) / as_calibrated
        expected = np.exp(RATE * rows * np.array([0.8, 0.95]))
        assert factors == pytest.approx(np.tile(expected, (3, 1)), rel=1e-4)


def test_far_ahead_not_every_row_is_an_origin() -> None:
    frame = load_frame()
    result = fit(frame[:-9], FitOptions(**{**SMALL, "epochs": 1, "horizon": 9}), check=False)
    calibration, known = result.fitted.calibration, len(frame) - 9
    wide = replace(calibration, radii=np.full_like(calibration.radii, 1e6))
    forecaster = replace(result.fitted, calibration=wide)
    plain = _widths(predict(forecaster, frame[:known], follow=0))
    # Origins are 3 rows apart, counted from the end; of fewer rows, the first one is the only one.
    for rows, num_known in ((8, 6), (4, 3), (2, 2)):
        narrower = _widths(predict(forecaster, frame[:known], follow=rows)) / plain
        expected = np.exp(-RATE * num_known * np.array([0.2, 0.05]))
        assert narrower == pytest.approx(np.tile(expected, (9, 1)), rel=1e-6)


def test_by_default_there_are_enough_forecasts_and_not_more(result, model_directory) -> None:
    given = _known_and_ahead(result.series.num_rows - 3)
    default = predict(model_directory, **given)
    # 3 steps ahead 750 rows, an origin every 3 of them; 250 rows have one every row.
    pd.testing.assert_frame_equal(default, predict(model_directory, **given, follow=750))
    assert not default.equals(predict(model_directory, **given, follow=250))


def test_rows_that_the_model_has_seen_are_not_followed(result, model_directory) -> None:
    given = _known_and_ahead(result.evaluations["test"].windows.origins[0])
    plain = predict(model_directory, **given, follow=0)
    pd.testing.assert_frame_equal(predict(model_directory, **given), plain)


@pytest.mark.parametrize("rows_at_once", [50, 1000])
def test_series_of_a_panel_follow_on_request(rows_at_once, panel_model, latest, tmp_path) -> None:
    frame, output = panel_frame(), tmp_path / "forecast.csv"
    assert run("predict", panel_model, latest, "-o", output).exit_code == 0
    plain = pd.read_csv(output)
    pd.testing.assert_frame_equal(plain[BOUNDS], predict(panel_model, frame, follow=0)[BOUNDS])
    given = ["predict", panel_model, latest, "-o", output, "--overwrite", "--follow", "20"]
    done = run(*given, "--rows-at-once", rows_at_once)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(output)
    ratios = (_widths(found) / _widths(plain))[::3]
    # All rows of a and b in the file are of the training; c, d and e were not in it.
    assert ratios[:2] == pytest.approx(1)
    assert (abs(ratios[2:, 0] - 1) > 1e-4).all()
    one = predict(panel_model, frame[frame.town == "d"], follow=20)
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True)[BOUNDS],
        found[found.series_id == "d"].reset_index(drop=True)[BOUNDS],
        rtol=1e-6,
    )


def test_gaps_before_the_lookback_are_stepped_over(result, model_directory) -> None:
    given = _known_and_ahead(result.series.num_rows - 3)
    followed, plain = predict(model_directory, **given), predict(model_directory, **given, follow=0)
    given["data"] = given["data"].drop(index=given["data"].index[-20:-18])
    with_gap = predict(model_directory, **given)
    assert (with_gap["forecast"] == followed["forecast"]).all()
    assert not np.allclose(_widths(with_gap), _widths(followed), rtol=1e-5)
    assert not np.allclose(_widths(with_gap), _widths(plain), rtol=1e-5)


def test_series_whose_rows_cannot_be_read_are_told_in_one_note(panel_model, tmp_path) -> None:
    frame = panel_frame("cde")
    last = pd.concat([frame, frame[frame.groupby("town").cumcount() == 30]])
    last.to_csv(tmp_path / "last.csv", index=False)
    for rows in ("50", "1000"):
        done = run("predict", panel_model, tmp_path / "last.csv", "--follow", "40",
                   "--rows-at-once", rows)  # fmt: skip
        assert done.exit_code == 0, done.output
        assert done.stderr.count("do not follow the last rows") == 1
        assert "intervals of 3 series do not follow" in done.stderr
        assert "'c'" in done.stderr


def test_rows_that_cannot_be_read_are_not_followed_and_it_is_said(
    model_directory, tmp_path
) -> None:
    frame = load_frame()
    repeated = pd.concat([frame[:280], frame[279:]])  # one row twice, before the lookback
    repeated.loc[repeated.index[-3:], ["load", "wind"]] = np.nan
    repeated.to_csv(tmp_path / "new.csv", index=False)
    done = run("predict", model_directory, tmp_path / "new.csv", "-o", tmp_path / "forecast.csv")
    assert done.exit_code == 0, done.output
    assert "intervals do not follow the last rows, which cannot be read: new.csv" in done.stderr
    assert "Remove them, or fit a model with --id-col" in done.stderr  # as of all new data
    given = ["predict", model_directory, tmp_path / "new.csv", "--fail-if-worse-than", "linear"]
    assert run(*given).exit_code in (0, 6)  # the gate reads no further back than it must
    plain = predict(model_directory, repeated, follow=0)
    assert pd.read_csv(tmp_path / "forecast.csv")[BOUNDS].to_numpy() == pytest.approx(
        plain[BOUNDS].to_numpy()
    )


def test_filled_targets_are_not_followed() -> None:
    frame = load_frame()
    frame.loc[285:290, "load"], frame.loc[295, "wind"] = np.nan, np.nan
    result = fit(frame, FitOptions(**{**SMALL, "epochs": 1}, fill="ffill"), check=False)
    test = result.evaluations["test"].forecast
    assert len(test.origins) == 59 - 8  # less those with a filled target
    known = int(test.origins[-1])
    found = _widths(predict(result.fitted, frame[:known], follow=250))
    expected = test.upper[-1, :, 0] - test.forecast[-1]
    assert found == pytest.approx(expected, rel=1e-4)
    assert found != pytest.approx(_widths(predict(result.fitted, frame[:known], follow=0)))


def test_both_runtimes_follow_alike(result, model_directory) -> None:
    given = {**_known_and_ahead(result.series.num_rows - 3), "follow": 250}
    first, second = (predict(model_directory, **given, runtime=r) for r in ("onnx", "keras"))
    assert not np.allclose(first[BOUNDS], predict(model_directory, **given | {"follow": 0})[BOUNDS])
    assert first[BOUNDS].to_numpy() == pytest.approx(second[BOUNDS].to_numpy(), rel=1e-4)


def test_following_needs_intervals_and_times(result, model_directory, tmp_path) -> None:
    fitted = load_fitted(model_directory)
    with pytest.raises(UsageError, match="without intervals"):
        predict(replace(fitted, calibration=None), load_frame(), follow=5)
    timeless = rebuilt(result.fitted, time_columns=(), freq=None, calendar=())
    timeless = replace(timeless, calibration=fitted.calibration, seen_until=None)
    with pytest.raises(UsageError, match="rows without a time"):
        predict(timeless, load_frame(61).drop(columns="time"), follow=5)
    for wrong in (-1, 2.5, "5", True, 10**20):
        with pytest.raises(UsageError, match=r"Use 0 to 1,000,000") as caught:
            tsattn.predict_file(model_directory, tmp_path / "x", tmp_path / "y.csv", follow=wrong)
        assert f"follow={wrong!r}" in str(caught.value)
