"""The demonstrations: what each shows, its variants, and what the scores must do."""

from dataclasses import dataclass, field, replace

from tsattn.errors import UsageError

# Where the true cells are (steps and features are numbered from 0), and the sizes of the windows.
DENSE_FEATURES, DENSE_FEATURE = 32, 1
RECURRENT_STEPS, RECURRENT_FEATURES, RECURRENT_STEP = 20, 2, 10
DELIMITER_STEPS = 20
MAXIMUM_STEPS = 10
REORDERED_STEPS, DELAY = 10, 7
PERMUTATION = (3, 7, 0, 5, 9, 1, 8, 2, 6, 4)
LAST_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Must:
    """What the scores of the test windows must do for a seed to count as a hit.

    Args:
        hit_rate: At least this share of windows (of cells, where there is a score for each step of
            the horizon) has its largest scores on the true cells.
        peaks: The mean profile has its peak in one of these cells; None for anywhere.
        mass: At least this share of the attention lies on the true cells.
        of_ten: How many of ten seeds must be hits.
    """

    hit_rate: float = 0.0
    peaks: tuple[int, ...] | None = None
    mass: float = 0.0
    of_ten: int = 10

    def is_met(self, *, hit_rate: float, peak: int, mass: float) -> bool:
        """Return whether the figures of a seed are what they must be."""
        is_there = self.peaks is None or peak in self.peaks
        return is_there and hit_rate >= self.hit_rate and mass >= self.mass

    def __str__(self) -> str:
        parts = []
        if self.peaks is not None:
            first, last = self.peaks[0], self.peaks[-1]
            parts.append(f"peak at {first}" if first == last else f"peak in {first}-{last}")
        if self.mass:
            parts.append(f"mass >= {self.mass:.0%}")
        if self.hit_rate:
            parts.append(f"hit rate >= {self.hit_rate:.0%}")
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a demonstration is trained: Adam, the step size falling to 0 along a cosine."""

    num_windows: int
    epochs: int
    learning_rate: float
    batch_size: int = 64
    loss: str = "mse"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A problem whose true cells are known.

    Args:
        title: The problem in a line, with its true cells.
        training: How it is trained.
        other_training: How the variants are trained that need something else.
        variants: What must hold for each variant; the first is the default.
        notes: What to know of single variants.
        cell_name: What the scores are over, as the axis of a figure says it.
        row_name: What a row of scores is: a window, or a step of the horizon.
    """

    title: str
    training: Training
    variants: dict[str, Must]
    cell_name: str = "step"
    row_name: str = "window"
    other_training: dict[str, Training] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def training_of(self, variant: str) -> Training:
        """Return how a variant is trained."""
        return self.other_training.get(variant, self.training)


_AT_STEP = Must(peaks=(RECURRENT_STEP,), mass=0.5)
_NEAR_STEP = Must(peaks=tuple(range(RECURRENT_STEP, RECURRENT_STEP + 3)), of_ten=9)
_DELIMITER, _MAXIMUM, _REORDERED = Must(hit_rate=0.9), Must(hit_rate=0.95), Must(hit_rate=0.95)
_RECURRENT_TRAINING = Training(
    num_windows=2000, epochs=8, learning_rate=0.05, loss="binary_crossentropy"
)
_ASKED_FOR = (
    "The sharpness is asked for, by a price of the entropy of the scores: the forecast alone would "
    "be as good with blunt scores, since the recurrent layer can pick the step out by itself."
)
_RECURRENT_KINDS = ("shared-gru", "shared-lstm", "per-dimension-gru", "per-dimension-lstm")

DEMOS = {
    "hello-dense": Demo(
        title=f"{DENSE_FEATURES} random numbers; the target is number {DENSE_FEATURE}",
        training=Training(
            num_windows=4000, epochs=12, learning_rate=0.02, loss="binary_crossentropy"
        ),
        variants={"dense": Must(peaks=(DENSE_FEATURE,), mass=0.5)},
        cell_name="feature",
    ),
    "hello-recurrent": Demo(
        title=(
            f"{RECURRENT_STEPS} steps of {RECURRENT_FEATURES} random features; the target is step "
            f"{RECURRENT_STEP}, which all features carry"
        ),
        training=_RECURRENT_TRAINING,
        variants={
            **{f"before-{kind}": _AT_STEP for kind in _RECURRENT_KINDS},
            **{f"after-{kind}": _NEAR_STEP for kind in _RECURRENT_KINDS},
            "reverse-time": Must(peaks=(RECURRENT_STEP,)),
        },
        other_training={
            **{
                f"before-{kind}": replace(_RECURRENT_TRAINING, epochs=16, learning_rate=0.03)
                for kind in _RECURRENT_KINDS
            },
            "reverse-time": replace(_RECURRENT_TRAINING, epochs=16),
        },
        notes={f"before-{kind}": _ASKED_FOR for kind in _RECURRENT_KINDS},
    ),
    "after-delimiter": Demo(
        title="uniform numbers; the target is half the sum of the two that follow a zero",
        training=Training(num_windows=8000, epochs=12, learning_rate=0.01, batch_size=128),
        variants=dict.fromkeys(
            ("bahdanau", "luong", "feed-forward", "self", "reverse-time", "shared"), _DELIMITER
        ),
    ),
    "find-maximum": Demo(
        title=f"{MAXIMUM_STEPS} Beta(1/{MAXIMUM_STEPS}, 1) numbers; the target is their maximum",
        training=Training(num_windows=6000, epochs=20, learning_rate=0.02, batch_size=128),
        variants=dict.fromkeys(("feed-forward", "feed-forward-gru", "bahdanau-gru"), _MAXIMUM),
    ),
    "reordered-sequence": Demo(
        title="the target is the sequence itself in another order, forecast step by step",
        training=Training(num_windows=4000, epochs=20, learning_rate=0.02),
        variants=dict.fromkeys(("permuted", "reversed", "delayed", "permuted-gru"), _REORDERED),
        row_name="horizon step",
    ),
}


def find_demo(name: str, variant: str | None = None) -> tuple[Demo, str]:
    """Return a demonstration, and the name of the variant: its first if None is given.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in DEMOS:
        raise UsageError(
            f"A demonstration must be known. Received: {name!r}. Use {', '.join(DEMOS)}."
        )
    variants = list(DEMOS[name].variants)
    if variant is not None and variant not in variants:
        raise UsageError(
            f"A variant of {name} must be known. Received: {variant!r}. Use {', '.join(variants)}."
        )
    return DEMOS[name], variant or variants[0]


def check_seed(seed: int) -> None:
    """Raise a UsageError unless a seed is one that Keras takes."""
    if not 0 <= seed <= LAST_SEED:
        raise UsageError(
            f"A seed must lie between 0 and {LAST_SEED}. Received: {seed}. Choose another."
        )
