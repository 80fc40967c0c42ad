"""Running a demonstration: make its data, train its model, measure its scores."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from tsattn.demos.catalog import Demo, Must, Training, check_seed, find_demo
from tsattn.demos.hits import Hits, measure_hits
from tsattn.demos.networks import build_network
from tsattn.demos.problems import Problem, make_problem

NUM_TEST_WINDOWS = 1000
NUM_SHOWN_WINDOWS = 16
# The seed of the test windows is that of the training windows plus this number.
TEST_SEED = 1_000_000
_PREDICT_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What a demonstration gave: the scores of its test windows, and how they formed."""

    name: str
    variant: str
    seed: int
    demo: Demo
    hits: Hits
    losses: tuple[float, ...]  # of each epoch
    seconds: float
    scores: np.ndarray  # (windows, cells) or (windows, horizon, cells), of the test windows
    truth: np.ndarray  # the same shape; bool
    frames: np.ndarray  # (1 + epochs, shown windows, ...): the first test windows, epoch by epoch

    @property
    def must(self) -> Must:
        """What the scores must do."""
        return self.demo.variants[self.variant]

    @property
    def is_hit(self) -> bool:
        """Whether the scores do what they must."""
        return self.must.is_met(**self.hits._asdict())

    @property
    def note(self) -> str:
        """What to know of the variant; empty for most."""
        return self.demo.notes.get(self.variant, "")

    def to_json(self) -> dict[str, Any]:
        """Return the figures, without the scores."""
        return {
            "demo": self.name,
            "variant": self.variant,
            "seed": self.seed,
            "problem": self.demo.title,
            "note": self.note,
            **self.hits._asdict(),
            "must": str(self.must),
            "is_hit": self.is_hit,
            "num_windows": len(self.scores),
            "loss": self.losses[-1],
            "seconds": round(self.seconds, 2),
            "training": asdict(self.demo.training_of(self.variant)),
        }


def run_demo(
    name: str,
    variant: str | None = None,
    *,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> DemoResult:
    """Make the windows of a demonstration, train its model, and compare its scores with the truth.

    The random generators of Python, NumPy and Keras are seeded.

    Args:
        name: One of `tsattn.demos.DEMOS`.
        variant: One of its variants; None for the first.
        seed: Seed of the windows and the weights.
        on_epoch: Called with the number of an epoch, from 1, and its loss.

    Raises:
        UsageError: name or variant are unknown, or the seed is out of range.
    """
    demo, variant = find_demo(name, variant)
    check_seed(seed)
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    training = demo.training_of(variant)
    windows = make_problem(name, variant, training.num_windows, seed)
    test = make_problem(name, variant, NUM_TEST_WINDOWS, seed + TEST_SEED)
    model, scorer = build_network(name, variant)
    recorder = _Recorder(scorer, test.inputs[:NUM_SHOWN_WINDOWS], on_epoch)
    losses = _train(model, windows, training, recorder)
    scores = scorer.predict(test.inputs, batch_size=_PREDICT_BATCH, verbose=0)
    return DemoResult(
        name=name,
        variant=variant,
        seed=seed,
        demo=demo,
        hits=measure_hits(scores, test.truth),
        losses=losses,
        seconds=time.perf_counter() - started,
        scores=scores,
        truth=test.truth,
        frames=np.stack(recorder.frames),
    )


def _train(
    model: keras.Model, windows: Problem, training: Training, recorder: keras.callbacks.Callback
) -> tuple[float, ...]:
    """Train a model; return the loss of each epoch."""
    batches = -(-len(windows) // training.batch_size)
    step_size = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, batches * training.epochs
    )
    model.compile(
        optimizer=keras.optimizers.Adam(step_size, global_clipnorm=1.0),
        loss=training.loss,
        # On TensorFlow XLA takes longer to start than these train: 7 s instead of 4 in all.
        jit_compile=keras.config.backend() == "jax",
    )
    history = model.fit(
        windows.inputs,
        windows.targets,
        batch_size=training.batch_size,
        epochs=training.epochs,
        verbose=0,
        callbacks=[recorder],
    )
    return tuple(float(loss) for loss in history.history["loss"])


class _Recorder(keras.callbacks.Callback):
    """Keeps the scores of some windows before the training and after each epoch."""

    def __init__(
        self,
        scorer: keras.Model,
        inputs: np.ndarray,
        on_epoch: Callable[[int, float], None] | None,
    ) -> None:
        super().__init__()
        self.scorer = scorer
        self.inputs = inputs
        self.on_epoch = on_epoch
        self.frames: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self._record()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._record()
        if self.on_epoch:
            self.on_epoch(epoch + 1, (logs or {}).get("loss", float("nan")))

    def _record(self) -> None:
        _ = self.model  # asking for the model settles its weights on JAX
        self.frames.append(np.asarray(self.scorer.predict_on_batch(self.inputs)))
