"""The data of the demonstrations, with the cells that decide the target."""

from dataclasses import dataclass

import numpy as np

from tsattn.demos import catalog
from tsattn.errors import UsageError

ORDERS = ("delayed", "reversed", "permuted")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Windows whose true cells are known."""

    inputs: np.ndarray  # (windows, steps, features), or (windows, features); float32
    targets: np.ndarray  # (windows, 1), or (windows, horizon, 1); float32
    truth: np.ndarray  # (windows, cells), or (windows, horizon, cells); bool

    def __len__(self) -> int:
        return len(self.inputs)


def make_hello_dense(num_windows: int, seed: int) -> Problem:
    """Make 32 standard normal numbers, of which number 1 is replaced by a coin flip, the target.

    It is the dense example of P. Rémy's keras-attention-mechanism (2017).
    """
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(num_windows, catalog.DENSE_FEATURES))
    flips = random.integers(0, 2, size=num_windows)
    inputs[:, catalog.DENSE_FEATURE] = flips
    truth = np.zeros(inputs.shape, dtype=bool)
    truth[:, catalog.DENSE_FEATURE] = True
    return _problem(inputs, flips[:, None], truth)


def make_hello_recurrent(num_windows: int, seed: int) -> Problem:
    """Make 20 steps of standard normal features; at step 10 all of them are the binary target.

    It is the recurrent example of P. Rémy's keras-attention-mechanism (2017).
    """
    random = np.random.default_rng(seed)
    shape = (num_windows, catalog.RECURRENT_STEPS, catalog.RECURRENT_FEATURES)
    inputs = random.normal(size=shape)
    flips = random.integers(0, 2, size=num_windows)
    inputs[:, catalog.RECURRENT_STEP] = flips[:, None]
    truth = np.zeros(shape[:2], dtype=bool)
    truth[:, catalog.RECURRENT_STEP] = True
    return _problem(inputs, flips[:, None], truth)


def make_after_delimiter(num_windows: int, seed: int) -> Problem:
    """Make uniform numbers with two zeros; the target is half the sum of what follows them.

    The zeros are at least two steps apart, so that neither of the two numbers is a zero. It is the
    example of the keras-attention package (2017 to 2020), after the adding problem of Hochreiter &
    Schmidhuber 1997, *Long short-term memory*, section 5.4, where a second feature marks the two.
    """
    random = np.random.default_rng(seed)
    steps = catalog.DELIMITER_STEPS
    inputs = random.uniform(size=(num_windows, steps))
    pairs = np.array([(p, q) for p in range(steps - 1) for q in range(p + 2, steps - 1)])
    zeros = pairs[random.integers(len(pairs), size=num_windows)]  # (windows, 2)
    np.put_along_axis(inputs, zeros, 0.0, axis=1)
    truth = np.zeros(inputs.shape, dtype=bool)
    np.put_along_axis(truth, zeros + 1, True, axis=1)
    return _problem(inputs[..., None], (inputs * truth).sum(axis=1, keepdims=True) / 2, truth)


def make_find_maximum(num_windows: int, seed: int) -> Problem:
    """Make T numbers that are Beta(1/T, 1) distributed; the target is their maximum.

    Each is below m with the probability m^(1/T), so all T are with m: the maximum is uniform. It is
    an example of the keras-attention package (2017 to 2020).
    """
    random = np.random.default_rng(seed)
    steps = catalog.MAXIMUM_STEPS
    inputs = random.beta(1 / steps, 1, size=(num_windows, steps))
    truth = np.arange(steps) == inputs.argmax(axis=1, keepdims=True)
    return _problem(inputs[..., None], inputs.max(axis=1, keepdims=True), truth)


def make_reordered_sequence(num_windows: int, seed: int, order: str) -> Problem:
    """Make uniform numbers, whose target is the same sequence in another order.

    The inputs are the number of each step and the position of the step, one-hot. Where the target
    is the number of 7 steps before, the horizon is 7 steps, which the last 7 of the window answer.

    Args:
        num_windows: Windows to make.
        seed: Seed of the numbers.
        order: `"delayed"` by 7 steps, `"reversed"`, or `"permuted"` by `catalog.PERMUTATION`.
    """
    steps = catalog.REORDERED_STEPS
    numbers = np.random.default_rng(seed).uniform(size=(num_windows, steps))
    positions = np.broadcast_to(np.eye(steps), (num_windows, steps, steps))
    inputs = np.concatenate([numbers[..., None], positions], axis=2)  # (windows, steps, 1 + steps)
    sources = np.array(source_steps(order))  # (horizon,)
    truth = sources[:, None] == np.arange(steps)  # (horizon, steps)
    targets = np.einsum("wt,ht->wh", numbers, truth.astype(float))
    return _problem(inputs, targets[..., None], np.repeat(truth[None], len(inputs), axis=0))


def source_steps(order: str) -> list[int]:
    """Return the input step that each step of the horizon repeats."""
    steps = range(catalog.REORDERED_STEPS)
    if order == "delayed":
        return list(steps[-catalog.DELAY :])
    if order == "reversed":
        return list(reversed(steps))
    if order == "permuted":
        return list(catalog.PERMUTATION)
    raise UsageError(f"An order must be known. Received: {order!r}. Use {', '.join(ORDERS)}.")


def make_problem(name: str, variant: str, num_windows: int, seed: int) -> Problem:
    """Make windows of a demonstration."""
    if name == "reordered-sequence":
        return make_reordered_sequence(num_windows, seed, variant.removesuffix("-gru"))
    makers = {
        "hello-dense": make_hello_dense,
        "hello-recurrent": make_hello_recurrent,
        "after-delimiter": make_after_delimiter,
        "find-maximum": make_find_maximum,
    }
    return makers[name](num_windows, seed)


def _problem(inputs: np.ndarray, targets: np.ndarray, truth: np.ndarray) -> Problem:
    return Problem(inputs=inputs.astype("float32"), targets=targets.astype("float32"), truth=truth)
