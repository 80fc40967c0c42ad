"""The demo data set is what its script writes, and holds the causes its README states."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
TOWN = ROOT / "datasets" / "town_load.csv"
DRIVERS = ("orders", "temperature", "shift_plan")
DISTRACTORS = ("river_level", "web_visits", "coin_flips")


@pytest.fixture(scope="module")
def town():
    return pd.read_csv(TOWN, parse_dates=["time"], index_col="time")


def causes(town, orders_lag=6, heating_lag=3, shift_lag=0):
    """Return what drives the load, each at its lag; the first and last day are left out."""
    heating = (15.0 - town["temperature"]).clip(lower=0.0)
    lagged = {
        "orders": town["orders"].shift(orders_lag),
        "temperature": heating.shift(heating_lag),
        "shift_plan": town["shift_plan"].shift(shift_lag),
    }
    calendar = pd.get_dummies(
        pd.DataFrame(
            {"hour": town.index.hour, "weekday": town.index.day_of_week}, index=town.index
        ),
        columns=["hour", "weekday"],
        dtype=float,
    )
    return pd.concat([pd.DataFrame(lagged), calendar], axis=1).iloc[24:-24]


def explained(town, features):
    """Return the share of the load's variance a linear regression on the features explains."""
    load = town.loc[features.index, "load"].to_numpy()
    design = np.column_stack([np.ones(len(features)), features.to_numpy()])
    coefficients = np.linalg.lstsq(design, load, rcond=None)[0]
    return 1.0 - np.var(load - design @ coefficients) / np.var(load)


def test_town_load_is_what_the_script_writes(tmp_path):
    written = tmp_path / "town_load.csv"
    subprocess.run([sys.executable, ROOT / "scripts" / "make_town_load", written], check=True)
    assert written.read_bytes() == TOWN.read_bytes()


def test_town_load_is_two_whole_years_of_hours(town):
    assert len(town) == 17_520
    assert town.index.equals(pd.date_range("2022-01-01", "2023-12-31 23:00", freq="h", name="time"))
    assert list(town) == ["load", *DRIVERS, *DISTRACTORS]
    assert not town.isna().any(axis=None)
    assert TOWN.stat().st_size < 1_500_000


def test_town_load_is_explained_by_its_causes(town):
    assert explained(town, causes(town)) > 0.97


@pytest.mark.parametrize("driver", DRIVERS)
def test_town_load_driver_carries_a_sizeable_share(town, driver):
    features = causes(town)
    assert explained(town, features) - explained(town, features.drop(columns=driver)) > 0.05


@pytest.mark.parametrize("distractor", DISTRACTORS)
@pytest.mark.parametrize("lag", [0, 1, 7])
def test_town_load_distractor_adds_nothing(town, distractor, lag):
    features = causes(town)
    with_distractor = features.assign(distractor=town[distractor].shift(lag))
    assert explained(town, with_distractor) - explained(town, features) < 0.001


@pytest.mark.parametrize("name", ["orders_lag", "heating_lag", "shift_lag"])
@pytest.mark.parametrize("error", [-1, 1])
def test_town_load_lags_are_exact(town, name, error):
    right = {"orders_lag": 6, "heating_lag": 3, "shift_lag": 0}
    wrong = {**right, name: right[name] + error}
    assert explained(town, causes(town)) - explained(town, causes(town, **wrong)) > 0.01
