import numpy as np
import pandas as pd
import pytest

from tsattn.config import FitOptions, check_options, parse_calendar
from tsattn.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("units", None, "must be a whole number."),
        ("units", True, "must be a whole number."),
        ("units", np.float64(5.5), "must be a whole number."),
        ("epochs", None, "must be a whole number."),
        ("epochs", 0, "must be a whole number of at least 1."),
        ("lookback", 7.0, "must be a whole number."),
        ("seed", 1.5, "must be a whole number."),
        ("dropout", "0.1", "must be a number."),
        ("clip_norm", float("inf"), "must be a number from"),
        ("clip_norm", float("nan"), "must be a number from"),
        ("score_filled", 1, "must be true or false."),
        ("calendar", None, "must be text."),
        ("calendar", ["hour"], "must be text."),
        ("attention", ["none"], "must be text."),
        ("split", None, "must be text or a list of numbers."),
        ("split", np.array([[0.7, 0.1, 0.2]]), "must be text or a list of numbers."),
        ("split", [0.7, True, 0.2], "must be text or a list of numbers."),
        ("target", 5, "must be text or a list of text."),
        ("target", [5], "must be text or a list of text."),
        ("target", {"a": 1}, "must be text or a list of text."),
    ],
)
def test_check_options_refuses_other_types_and_ranges(name: str, value: object, rule: str) -> None:
    with pytest.raises(UsageError) as error:
        check_options(FitOptions(**{name: value}))
    assert f"`{name}` {rule}" in str(error.value)
    assert f"{name}=" in str(error.value)
    assert "Give a" in str(error.value)


def test_check_options_makes_numpy_and_pandas_values_plain() -> None:
    options = FitOptions(
        target=pd.Index(["load", "wind"]),
        units=np.int64(5),
        learning_rate=np.float32(0.5),
        score_filled=np.bool_(True),
        split=np.array([0.5, 0.25, 0.25]),
        loss="quantile",
        quantile_levels=[np.float64(0.25), np.float64(0.5)],
    )
    check_options(options)
    assert options.target == ["load", "wind"]
    assert type(options.units) is int
    assert type(options.learning_rate) is float
    assert options.score_filled is True
    assert options.split == [0.5, 0.25, 0.25]
    assert [type(level) for level in options.quantile_levels] == [float, float]


def test_check_options_leaves_the_defaults_as_they_are() -> None:
    options = FitOptions()
    check_options(options)
    assert options == FitOptions()


def test_calendar_fields_count_once() -> None:
    assert parse_calendar("hour, weekday,hour") == ("hour", "weekday")
