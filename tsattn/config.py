"""What a fit can be asked for: its options, their defaults and the rules between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_args, get_origin

from tsattn.errors import UsageError

PLACEMENTS = ("before", "after")
# Where each attention may stand relative to the recurrent layers, its usual place first.
ATTENTION_PLACEMENTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "per-dimension": ("before", "after"),
    "shared": ("before", "after"),
    "luong": ("after",),
    "feed-forward": ("after",),
    "additive": ("after",),
    "self": ("after", "before"),
    "multi-head": ("after", "before"),
    "input": ("before",),
    "variable": ("after",),
    "bottleneck": ("before",),
}
ATTENTIONS = tuple(ATTENTION_PLACEMENTS)
CELLS = ("gru", "lstm")
NORMALIZATIONS = ("last", "standard", "none")
LOSSES = ("mae", "mse", "huber", "quantile")
FILLS = ("ffill", "seasonal")
CALENDAR_FIELDS = ("minute", "hour", "weekday", "day", "month", "dayofyear")
BASELINES = ("last_value", "seasonal_naive", "linear")
BACKENDS = ("tensorflow", "jax", "torch")

SCHEMA_OPTIONS = (
    "target", "time_col", "time_format", "id_col", "past_covariates", "future_covariates", "drop",
    "calendar", "fill",
)  # fmt: skip
_COUNTS = (
    "lookback", "horizon", "units", "num_layers", "batch_size", "epochs", "patience",
    "windows_per_epoch",
)  # fmt: skip
DEFAULT_QUANTILE_LEVELS = (0.1, 0.5, 0.9)


@dataclass(kw_only=True)
class FitOptions:
    """Everything `fit` can be told; `None` means that it is chosen from the data.

    The field names are the long options of the command line and the keys of a `--config` file.
    It is mutable and without `__post_init__` because scikit-learn sets and clones parameters by
    attribute; call `check_options` before use.
    """

    target: str | Sequence[str] = ()
    time_col: str | Sequence[str] = ()
    time_format: str | None = None
    id_col: str | None = None
    past_covariates: str | Sequence[str] | None = None
    future_covariates: str | Sequence[str] = ()
    drop: str | Sequence[str] = ()
    calendar: str = "auto"
    fill: str | None = None
    score_filled: bool = False

    lookback: int | None = None
    horizon: int | None = None
    split: str | Sequence[float] = (0.7, 0.1, 0.2)

    attention: str = "per-dimension"
    placement: str | None = None
    cell: str = "gru"
    units: int = 64
    num_layers: int = 1
    dropout: float = 0.1
    normalization: str = "standard"

    loss: str = "mae"
    quantile_levels: str | Sequence[float] | None = None
    learning_rate: float = 0.001
    batch_size: int = 128
    epochs: int = 30
    patience: int = 5
    clip_norm: float = 1.0
    windows_per_epoch: int | None = None
    seed: int = 0
    backend: str | None = None


def require(condition: bool, rule: str, received: str, remedy: str) -> None:
    """Raise a UsageError unless the condition holds."""
    if not condition:
        raise UsageError(f"{rule} Received: {received}. {remedy}")


# What a value of each type of the fields above is called in a message.
_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Sequence[str]: "a list of text",
    Sequence[float]: "a list of numbers",
}


def as_type(name: str, value: object, expected: Any) -> Any:
    """Return the value of an option; what NumPy and pandas made as Python's own.

    Raises:
        UsageError: it has another type than expected; true and false are not numbers.
    """
    plain = _as_plain(value)
    allowed = get_args(expected) or (expected,)
    kinds = " or ".join(_KINDS[kind] for kind in allowed if kind is not NoneType)
    require(
        any(_has_type(plain, kind) for kind in allowed),
        f"`{name}` must be {kinds}.",
        f"{name}={value!r}",
        "Give a value of that type.",
    )
    return plain


def _as_plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(_as_plain, value))
    return value


def _has_type(value: object, kind: Any) -> bool:
    if get_origin(kind) is Sequence:
        (item,) = get_args(kind)
        return isinstance(value, list | tuple) and all(_has_type(each, item) for each in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def check_options(options: FitOptions) -> None:
    """Raise a UsageError for the first option of a wrong type, out of range or at odds with others.

    Values of NumPy and pandas, as a search over parameters sets them, become Python's own.
    """
    for field in fields(FitOptions):
        setattr(options, field.name, as_type(field.name, getattr(options, field.name), field.type))
    choices: dict[str, Sequence[str | None]] = {
        "attention": ATTENTIONS,
        "placement": (None, *PLACEMENTS),
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
    _require_between("learning_rate", options.learning_rate, 1e-8, 10.0)
    _require_between("clip_norm", options.clip_norm, 1e-8, 1e30)
    _require_between("seed", options.seed, 0, 2**31 - 1)
    parse_calendar(options.calendar)
    parse_split(options.split)
    _check_combinations(options)


def _require_count(name: str, value: int | None) -> None:
    require(
        value is None or value >= 1,
        f"`{name}` must be a whole number of at least 1.",
        f"{name}={value!r}",
        "Give a positive integer.",
    )


def _require_between(name: str, value: float, low: float, high: float) -> None:
    require(
        low <= value <= high,
        f"`{name}` must be a number from {low:g} to {high:g}.",
        f"{name}={value!r}",
        "Give a number in that range.",
    )


def _check_combinations(options: FitOptions) -> None:
    placements = ATTENTION_PLACEMENTS[options.attention]
    require(
        options.placement is None or options.placement in placements,
        "`placement` must be one that the attention can have.",
        f"attention={options.attention}, placement={options.placement}",
        f"Use {' or '.join(placements)}." if placements else "Leave --placement out.",
    )
    require(
        options.attention != "variable" or options.num_layers == 1,
        "`variable` attention has one recurrent layer, which reads each feature by itself.",
        f"attention=variable, num_layers={options.num_layers}",
        "Use --num-layers 1, or another attention.",
    )
    require(
        options.quantile_levels is None or options.loss == "quantile",
        "`quantile_levels` belong to the quantile loss.",
        f"loss={options.loss}, quantile_levels={options.quantile_levels}",
        "Use --loss quantile with them.",
    )
    parse_quantile_levels(options)


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


def as_names(value: str | Sequence[str] | None) -> list[str]:
    """Return one name or several as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def resolve_columns(requested: str | Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """Return the columns meant by names that may each be a comma-separated list.

    An exact column name wins over a split at its commas. Unknown names raise a UsageError.
    """
    columns: list[str] = []
    for entry in as_names(requested):
        parts = [entry] if entry.strip() in available else entry.split(",")
        columns.extend(part.strip() for part in parts if part.strip())
    for name in columns:
        require(
            name in available,
            "A column that is named must exist.",
            f"{name!r}",
            f"The columns are {listed(available)}.",
        )
    return list(dict.fromkeys(columns))


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names for a message, cut short where there are many."""
    more = f", … ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def option_names() -> tuple[str, ...]:
    """Return the names of all options of a fit."""
    return tuple(field.name for field in fields(FitOptions))
