"""The rules that the options of a fit must keep: types, ranges, formats and combinations."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tsattn.config import (
    ATTENTIONS,
    BACKENDS,
    CALENDAR_FIELDS,
    CELLS,
    DECODERS,
    DEFAULT_QUANTILE_LEVELS,
    ENCODERS,
    FILLS,
    LINEAR_PATHS,
    LOSSES,
    NO_LEVEL,
    NORMALIZATIONS,
    PLACEMENTS,
    PRESETS,
    STRUCTURES,
    FitOptions,
    Structure,
    chosen_structure,
    require,
)
from tsattn.errors import UsageError
from tsattn.option_types import as_type

_COUNTS = (
    "lookback", "horizon", "segment", "units", "num_layers", "batch_size", "epochs", "patience",
    "windows_per_epoch", "members",
)  # fmt: skip
_MOST = {"num_layers": 100, "members": 100}  # each takes seconds to build
# Attentions that bring their own recurrent layers.
_ONE_LAYER = {
    "variable": "one recurrent layer, which reads each feature by itself",
    "reverse-time": "one recurrent layer for the steps and one for the weights",
}


def check_options(options: FitOptions) -> None:
    """Raise a UsageError for the first option of a wrong type, out of range or at odds with others.

    Values of NumPy and pandas, as a search over parameters sets them, become Python's own.
    """
    for field in fields(FitOptions):
        setattr(options, field.name, as_type(field.name, getattr(options, field.name), field.type))
    choices: dict[str, Sequence[str | None]] = {
        "preset": tuple(PRESETS),
        "encoder": (None, *ENCODERS),
        "decoder": DECODERS,
        "attention": (None, *ATTENTIONS),
        "placement": (None, *PLACEMENTS),
        "linear_path": (None, *LINEAR_PATHS),
        "cell": CELLS,
        "normalization": NORMALIZATIONS,
        "loss": LOSSES,
        "fill": (None, *FILLS),
        "backend": (None, *BACKENDS),
    }
    for name, allowed in choices.items():
        value = getattr(options, name)
        names = ", ".join(choice for choice in allowed if choice)
        require(value in allowed, f"`{name}` must be known.", f"{name}={value!r}", f"Use {names}.")
    for name in _COUNTS:
        _require_count(name, getattr(options, name))
    _require_between("dropout", options.dropout, 0.0, 0.95)
    if options.learning_rate is not None:
        _require_between("learning_rate", options.learning_rate, 1e-8, 10.0)
    _require_between("clip_norm", options.clip_norm, 1e-8, 1e30)
    _require_between("seed", options.seed, 0, 2**31 - 1)
    parse_calendar(options.calendar)
    parse_split(options.split)
    parse_levels(options.level)
    _check_combinations(options)


def _require_count(name: str, value: int | None) -> None:
    most = _MOST.get(name, 2**31 - 1)
    require(
        value is None or 1 <= value <= most,
        f"`{name}` must be a whole number from 1 to {most:,}.",
        f"{name}={value!r}",
        "Give a number in that range.",
    )


def _require_between(name: str, value: float, low: float, high: float) -> None:
    require(
        low <= value <= high,
        f"`{name}` must be a number from {low:g} to {high:g}.",
        f"{name}={value!r}",
        "Give a number in that range.",
    )


def _check_combinations(options: FitOptions) -> None:
    _check_attention(options)
    require(
        options.quantile_levels is None or options.loss == "quantile",
        "`quantile_levels` belong to the quantile loss.",
        f"loss={options.loss}, quantile_levels={options.quantile_levels}",
        "Use --loss quantile with them.",
    )
    parse_quantile_levels(options)


def settled_structure(options: FitOptions) -> Structure:
    """Return encoder, decoder, attention and placement, chosen where they are not given.

    Raises:
        UsageError: what is given does not go together.
    """
    given = {name: getattr(options, name) for name in Structure._fields}
    structure = chosen_structure(**given)
    if structure is not None:
        return structure
    asked = {name: value for name, value in given.items() if value is not None}
    raise UsageError(
        "Encoder, decoder, attention and placement must go together. Received: "
        f"{', '.join(f'{name}={value}' for name, value in asked.items())}. {_remedy(asked)}"
    )


def settled_preset(options: FitOptions) -> dict[str, Any]:
    """Return what a preset chooses, but for what is given."""
    preset = dict(PRESETS[options.preset])
    if settled_structure(options).decoder == "recurrent":
        preset["members"] = 1
    given = {name: getattr(options, name) for name in preset}
    return preset | {name: value for name, value in given.items() if value is not None}


def settled_linear_path(options: FitOptions) -> str:
    """Return the linear path; there is one unless the contributions would be of two kinds."""
    usual = "none" if settled_structure(options).attention == "reverse-time" else "blend"
    return options.linear_path or usual


def _remedy(asked: dict[str, str]) -> str:
    """Say which other value of one option goes with the others; all of them, for the last."""
    for name in ("placement", "attention", "decoder", "encoder"):
        others = {key: value for key, value in asked.items() if key != name}
        fitting = [
            getattr(structure, name)
            for structure in STRUCTURES
            if all(getattr(structure, key) == value for key, value in others.items())
        ]
        if name in asked and fitting:
            names = [value for value in dict.fromkeys(fitting) if value]
            return f"Use --{name} {' or '.join(names)}." if names else f"Leave --{name} out."
    return "Leave all but one of them out."


def _check_attention(options: FitOptions) -> None:
    structure = settled_structure(options)
    attention = structure.attention or ""
    require(
        attention not in _ONE_LAYER or options.num_layers == 1,
        f"`{attention}` attention has {_ONE_LAYER.get(attention)}.",
        f"attention={attention}, num_layers={options.num_layers}",
        "Use --num-layers 1, or another attention.",
    )
    require(
        attention != "reverse-time" or options.cell == "gru",
        "`reverse-time` attention reads the window with GRUs.",
        f"attention=reverse-time, cell={options.cell}",
        "Use --cell gru, or another attention.",
    )
    require(
        attention != "reverse-time" or options.linear_path != "blend",
        "`reverse-time` attention has the contributions of all that the forecast rests on.",
        "attention=reverse-time, linear_path=blend",
        "Leave --linear-path out, or use another attention.",
    )
    require(
        structure.decoder != "recurrent" or options.members in (None, 1),
        "A recurrent decoder has one member.",
        f"decoder=recurrent, members={options.members}",
        "Leave --members out, or use --decoder direct.",
    )
    require(
        options.views in (None, 1, 2),
        "A window has one or two views.",
        f"views={options.views}",
        "Use --views 1 or 2, or leave it out.",
    )
    require(
        options.views != 2 or (attention == "bottleneck" and options.normalization == "auto"),
        "A second view needs `bottleneck` attention and normalization `auto`.",
        f"views=2, attention={attention}, normalization={options.normalization}",
        "Use --views 1, or leave it out.",
    )
    require(
        options.segment is None or structure.encoder == "per-feature",
        "`segment` belongs to the per-feature encoder.",
        f"encoder={structure.encoder}, segment={options.segment}",
        "Leave --segment out, or use --encoder per-feature.",
    )


def parse_quantile_levels(options: FitOptions) -> tuple[float, ...]:
    """Return the quantile levels that are forecast, () for a point forecast."""
    if options.loss != "quantile":
        return ()
    given = options.quantile_levels or DEFAULT_QUANTILE_LEVELS
    try:
        levels = [float(part) for part in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        levels = []
    require(
        all(0 < level < 1 for level in levels) and levels == sorted(set(levels)) and 0.5 in levels,
        "`quantile_levels` must rise between 0 and 1 and hold 0.5, which is the forecast.",
        f"quantile_levels={given}",
        "For example 0.1,0.5,0.9.",
    )
    return tuple(levels)


def parse_levels(level: str | Sequence[float]) -> tuple[float, ...]:
    """Return the levels of the intervals in percent, rising; () for none."""
    parts = level.split(",") if isinstance(level, str) else level
    if level in ("", NO_LEVEL):
        return ()
    try:
        levels = sorted({float(part) for part in parts})
    except (OverflowError, TypeError, ValueError):
        levels = [0.0]
    require(
        all(1 <= each <= 99.9 for each in levels),
        "`level` must be percentages from 1 to 99.9, or none.",
        f"level={level if isinstance(level, str) else ','.join(map(str, level))}",
        "For example 80,95.",
    )
    return tuple(levels)


def parse_split(split: str | Sequence[float]) -> tuple[float, float, float] | tuple[int, int, int]:
    """Return (train, val, test) as three fractions or three row counts."""
    received = f"split={split if isinstance(split, str) else ','.join(map(str, split))}"
    rule = "`split` must be three fractions of the rows that sum to at most 1, or three row counts."
    remedy = "For example 0.7,0.1,0.2 or 8640,2880,2880; the test part may be 0."
    try:
        parts = [float(part) for part in (split.split(",") if isinstance(split, str) else split)]
    except (TypeError, ValueError):
        parts = []
    is_valid = len(parts) == 3 and all(math.isfinite(part) and part >= 0 for part in parts)
    require(is_valid and parts[0] > 0 and parts[1] > 0, rule, received, remedy)
    train, val, test = parts
    if train + val + test <= 1 + 1e-9:
        return train, val, test
    require(all(part == int(part) for part in parts), rule, received, remedy)
    return int(train), int(val), int(test)


def parse_calendar(calendar: str) -> tuple[str, ...] | None:
    """Return the calendar fields asked for, () for none, or None where the data decides."""
    if calendar == "auto":
        return None
    if calendar == "none":
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in calendar.split(",")))
    for name in names:
        require(
            name in CALENDAR_FIELDS,
            "`calendar` must be auto, none or a list of fields.",
            f"calendar={calendar!r}",
            f"The fields are {', '.join(CALENDAR_FIELDS)}.",
        )
    return names
