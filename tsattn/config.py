"""What a fit can be asked for: its options, their choices and their defaults."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from tsattn.errors import UsageError

ENCODERS = ("per-feature", "joint")
DECODERS = ("direct", "recurrent")
PLACEMENTS = ("before", "after")


class Structure(NamedTuple):
    """What a model is made of; None for the placement of no attention."""

    encoder: str | None
    decoder: str | None
    attention: str | None
    placement: str | None


# Where each attention may stand relative to the recurrent layers, its usual place first.
_PLACEMENTS: dict[tuple[str, str], dict[str, tuple[str | None, ...]]] = {
    ("per-feature", "direct"): {
        "bottleneck": ("before",),
        "additive": ("after",),
        "luong": ("after",),
        "per-dimension": ("after",),
        "shared": ("after",),
        "none": (None,),
    },
    ("joint", "direct"): {
        "per-dimension": ("before", "after"),
        "shared": ("before", "after"),
        "luong": ("after",),
        "feed-forward": ("after",),
        "additive": ("after",),
        "self": ("after", "before"),
        "multi-head": ("after", "before"),
        "input": ("before",),
        "variable": ("after",),
        "reverse-time": ("before",),
        "bottleneck": ("before",),
        "none": (None,),
    },
    ("joint", "recurrent"): {"additive": ("after",), "luong": ("after",)},
}
# Every structure there is; what is not asked for is that of the first one that fits.
STRUCTURES = tuple(
    Structure(encoder, decoder, attention, placement)
    for (encoder, decoder), attentions in _PLACEMENTS.items()
    for attention, placements in attentions.items()
    for placement in placements
)
ATTENTIONS = tuple(dict.fromkeys(str(structure.attention) for structure in STRUCTURES))
CSV_ENDINGS, PARQUET_ENDINGS = (".csv", ".csv.gz"), (".parquet", ".pq")
LINEAR_PATHS = ("blend", "none")
CELLS = ("gru", "lstm")
NORMALIZATIONS = ("auto", "robust", "standard", "last", "none")
LOSSES = ("mae", "mse", "huber", "quantile")
FILLS = ("ffill", "seasonal")
CALENDAR_FIELDS = ("minute", "hour", "weekday", "day", "month", "dayofyear")
# What is chosen for each preset where it is not given; None for what the data decides.
PRESETS: dict[str, dict[str, float | None]] = {
    "fast": {
        "units": 64, "views": 1, "members": 1, "windows_per_epoch": 9_600, "learning_rate": 0.008,
    },
    "balanced": {
        "units": 128, "views": None, "members": 1, "windows_per_epoch": None,
        "learning_rate": 0.004,
    },
    "accurate": {
        "units": 128, "views": None, "members": 3, "windows_per_epoch": None,
        "learning_rate": 0.004,
    },
}  # fmt: skip
# How many batches there are in all, where the number of epochs is not given.
NUM_BATCHES = {"fast": 450, "balanced": 2_000, "accurate": 2_000}
BASELINES = ("last_value", "seasonal_naive", "linear")
BACKENDS = ("tensorflow", "jax", "torch")
RUNTIMES = ("onnx", "keras")

SCHEMA_OPTIONS = (
    "target", "time_col", "time_format", "id_col", "past_covariates", "future_covariates", "drop",
    "calendar", "fill",
)  # fmt: skip
DEFAULT_QUANTILE_LEVELS = (0.1, 0.5, 0.9)
NO_LEVEL = "none"


@dataclass(kw_only=True)
class FitOptions:
    """Everything `fit` can be told; `None` means that it is chosen from the data or the others.

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

    preset: str = "balanced"
    encoder: str | None = None
    segment: int | None = None
    decoder: str = "direct"
    attention: str | None = None
    placement: str | None = None
    linear_path: str | None = None
    cell: str = "gru"
    units: int | None = None
    num_layers: int = 1
    views: int | None = None
    members: int | None = None
    dropout: float = 0.0
    normalization: str = "auto"

    loss: str = "mae"
    quantile_levels: str | Sequence[float] | None = None
    level: str | Sequence[float] = (80, 95)
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int = 5
    clip_norm: float = 1.0
    windows_per_epoch: int | None = None
    seed: int = 0
    backend: str | None = None

    @property
    def targets_apart(self) -> bool:
        """Whether the network of a target reads none of the other targets."""
        return self.encoder == "per-feature"


def require(condition: bool, rule: str, received: str, remedy: str) -> None:
    """Raise a UsageError unless the condition holds."""
    if not condition:
        raise UsageError(f"{rule} Received: {received}. {remedy}")


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


def chosen_structure(
    encoder: str | None = None,
    decoder: str | None = None,
    attention: str | None = None,
    placement: str | None = None,
) -> Structure | None:
    """Return the usual structure with what is given, None where there is none."""
    given = (encoder, decoder, attention, placement)
    for structure in STRUCTURES:
        if all(value in (None, has) for value, has in zip(given, structure, strict=True)):
            return structure
    return None
