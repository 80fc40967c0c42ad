import numpy as np
import pandas as pd
import pytest

from tsattn.config import ATTENTIONS, STRUCTURES, FitOptions, chosen_structure
from tsattn.errors import UsageError
from tsattn.option_checks import (
    check_options,
    parse_calendar,
    parse_levels,
    settled_linear_path,
    settled_structure,
)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("num_layers", None, "must be a whole number."),
        ("units", True, "must be a whole number."),
        ("units", np.float64(5.5), "must be a whole number."),
        ("epochs", 1.5, "must be a whole number."),
        ("epochs", 0, "must be a whole number from 1 to 2,147,483,647."),
        ("segment", 0, "must be a whole number from 1 to 2,147,483,647."),
        ("horizon", 10**20, "must be a whole number from 1 to 2,147,483,647."),
        ("members", 101, "must be a whole number from 1 to 100."),
        ("segment", 2.0, "must be a whole number."),
        ("encoder", ["joint"], "must be text."),
        ("linear_path", True, "must be text."),
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


TOGETHER = "Encoder, decoder, attention and placement must go together."


@pytest.mark.parametrize(
    ("given", "rule", "received", "remedy"),
    [
        (
            {"decoder": "recurrent", "attention": "shared"},
            TOGETHER,
            "decoder=recurrent, attention=shared.",
            "Use --attention additive or luong.",
        ),
        (
            {"decoder": "recurrent", "attention": "none"},
            TOGETHER,
            "decoder=recurrent, attention=none.",
            "Use --attention additive or luong.",
        ),
        (
            {"decoder": "recurrent", "placement": "before"},
            TOGETHER,
            "decoder=recurrent, placement=before.",
            "Use --placement after.",
        ),
        (
            {"decoder": "recurrent", "encoder": "per-feature"},
            TOGETHER,
            "encoder=per-feature, decoder=recurrent.",
            "Use --decoder direct.",
        ),
        (
            {"attention": "reverse-time", "placement": "after"},
            TOGETHER,
            "decoder=direct, attention=reverse-time, placement=after.",
            "Use --placement before.",
        ),
        (
            {"attention": "none", "placement": "after"},
            TOGETHER,
            "attention=none, placement=after.",
            "Leave --placement out.",
        ),
        (
            {"encoder": "per-feature", "attention": "variable"},
            TOGETHER,
            "encoder=per-feature, decoder=direct, attention=variable.",
            "Use --attention bottleneck or additive or luong or per-dimension or shared or none.",
        ),
        (
            {"encoder": "per-feature", "attention": "shared", "placement": "before"},
            TOGETHER,
            "encoder=per-feature, decoder=direct, attention=shared, placement=before.",
            "Use --placement after.",
        ),
        (
            {"decoder": "recurrent", "attention": "self", "placement": "before"},
            TOGETHER,
            "decoder=recurrent, attention=self, placement=before.",
            "Use --decoder direct.",
        ),
        (
            {
                "encoder": "per-feature", "decoder": "recurrent",
                "attention": "self", "placement": "before",
            },
            TOGETHER,
            "encoder=per-feature, decoder=recurrent, attention=self, placement=before.",
            "Leave all but one of them out.",
        ),
        (
            {"attention": "reverse-time", "num_layers": 2},
            "`reverse-time` attention has one recurrent layer for the steps",
            "attention=reverse-time, num_layers=2",
            "Use --num-layers 1, or another attention.",
        ),
        (
            {"attention": "variable", "num_layers": 2},
            "`variable` attention has one recurrent layer, which reads each feature",
            "attention=variable, num_layers=2",
            "Use --num-layers 1, or another attention.",
        ),
        (
            {"attention": "reverse-time", "cell": "lstm"},
            "`reverse-time` attention reads the window with GRUs.",
            "cell=lstm",
            "Use --cell gru, or another attention.",
        ),
        (
            {"attention": "reverse-time", "linear_path": "blend"},
            "`reverse-time` attention has the contributions of all that the forecast rests on.",
            "attention=reverse-time, linear_path=blend",
            "Leave --linear-path out, or use another attention.",
        ),
        (
            {"encoder": "joint", "segment": 5},
            "`segment` belongs to the per-feature encoder.",
            "encoder=joint, segment=5",
            "Leave --segment out, or use --encoder per-feature.",
        ),
        (
            {"attention": "self", "segment": 5},
            "`segment` belongs to the per-feature encoder.",
            "encoder=joint, segment=5",
            "Leave --segment out, or use --encoder per-feature.",
        ),
        ({"decoder": "rnn"}, "`decoder` must be known.", "'rnn'", "Use direct, recurrent."),
        ({"encoder": "both"}, "`encoder` must be known.", "'both'", "Use per-feature, joint."),
        ({"linear_path": "add"}, "`linear_path` must be known.", "'add'", "Use blend, none."),
    ],
)  # fmt: skip
def test_check_options_names_the_combinations_that_make_sense(
    given, rule: str, received: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as error:
        check_options(FitOptions(**given))
    assert str(error.value).startswith(rule)
    assert received in str(error.value)
    assert str(error.value).endswith(remedy)


@pytest.mark.parametrize(
    ("given", "structure"),
    [
        ({}, ("per-feature", "direct", "bottleneck", "before")),
        ({"placement": "after"}, ("per-feature", "direct", "additive", "after")),
        ({"encoder": "joint"}, ("joint", "direct", "per-dimension", "before")),
        ({"placement": "before"}, ("per-feature", "direct", "bottleneck", "before")),
        ({"decoder": "recurrent"}, ("joint", "recurrent", "additive", "after")),
        (
            {"decoder": "recurrent", "attention": "luong"},
            ("joint", "recurrent", "luong", "after"),
        ),
        (
            {"attention": "per-dimension", "placement": "before"},
            ("joint", "direct", "per-dimension", "before"),
        ),
        ({"encoder": "joint", "placement": "after"}, ("joint", "direct", "per-dimension", "after")),
        ({"encoder": "joint", "attention": "none"}, ("joint", "direct", "none", None)),
    ],
)
def test_structure_that_is_not_given_is_the_usual_one(given, structure) -> None:
    options = FitOptions(**given)
    check_options(options)
    assert settled_structure(options) == structure


@pytest.mark.parametrize(
    ("attention", "encoder", "placement"),
    [
        ("additive", "per-feature", "after"),
        ("luong", "per-feature", "after"),
        ("per-dimension", "per-feature", "after"),
        ("shared", "per-feature", "after"),
        ("bottleneck", "per-feature", "before"),
        ("none", "per-feature", None),
        ("feed-forward", "joint", "after"),
        ("self", "joint", "after"),
        ("multi-head", "joint", "after"),
        ("input", "joint", "before"),
        ("variable", "joint", "after"),
        ("reverse-time", "joint", "before"),
    ],
)
def test_chosen_structure_of_every_attention(attention: str, encoder: str, placement) -> None:
    structure = chosen_structure(attention=attention)
    assert structure == (encoder, "direct", attention, placement)
    check_options(FitOptions(attention=attention))


def test_chosen_structure_knows_every_structure_and_no_other() -> None:
    assert set(ATTENTIONS) == {structure.attention for structure in STRUCTURES}
    assert len(ATTENTIONS) == 12
    for structure in STRUCTURES:
        assert chosen_structure(*structure) == structure
    assert chosen_structure("per-feature", "direct", "self") is None
    assert chosen_structure(attention="reverse-time", placement="after") is None


@pytest.mark.parametrize(
    ("given", "linear_path"),
    [
        ({}, "blend"),
        ({"encoder": "joint"}, "blend"),
        ({"decoder": "recurrent"}, "blend"),
        ({"linear_path": "none"}, "none"),
        ({"attention": "bottleneck", "linear_path": "none"}, "none"),
        ({"attention": "reverse-time"}, "none"),
        ({"attention": "reverse-time", "linear_path": "none"}, "none"),
    ],
)
def test_linear_path_is_left_out_beside_contributions(given, linear_path: str) -> None:
    options = FitOptions(**given)
    check_options(options)
    assert settled_linear_path(options) == linear_path


def test_calendar_fields_count_once() -> None:
    assert parse_calendar("hour, weekday,hour") == ("hour", "weekday")


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        ("80,95", (80, 95)),
        (" 95 , 80, 95", (80, 95)),
        ([97.5], (97.5,)),
        (np.array([50, 60]), (50, 60)),
        ("none", ()),
        ("", ()),
        ((), ()),
    ],
)
def test_levels_are_read_as_percent(given, levels) -> None:
    options = FitOptions(target="load", level=given)
    check_options(options)
    assert parse_levels(options.level) == levels


@pytest.mark.parametrize(
    "given", ["0.8", "100", "80;95", "-80", [0.95], [80, 100], "nan", "80,", "all", "inf"]
)
def test_levels_out_of_range_are_refused(given) -> None:
    received = given if isinstance(given, str) else ",".join(map(str, given))
    with pytest.raises(UsageError, match=r"percentages from 1 to 99\.9") as caught:
        check_options(FitOptions(target="load", level=given))
    assert f"Received: level={received}. For example 80,95." in str(caught.value)
