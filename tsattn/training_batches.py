"""The batches of a training, drawn anew for each epoch."""

import math
from collections.abc import Iterator

import numpy as np

from tsattn.data.windows import Windows
from tsattn.models import TARGETS
from tsattn.running import model_inputs


class TrainingBatches:
    """Shuffled batches of equal size, gathered when asked for.

    The last batch of an epoch is filled up with windows of its beginning, since a batch of another
    size would make the backend compile the model again.
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        windows_per_epoch: int | None,
        seed: int,
        *,
        with_targets: bool = False,
    ) -> None:
        self.windows = windows
        self.batch_size = min(batch_size, len(windows))
        self.num_windows = min(windows_per_epoch or len(windows), len(windows))
        self.with_targets = with_targets
        self.generator = np.random.default_rng(seed)
        self.skip(1)  # which Keras drew and never used, where the figures of the README were made

    def __len__(self) -> int:
        return math.ceil(self.num_windows / self.batch_size)

    def draw(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Draw the windows of an epoch; yield (inputs, targets) batch by batch."""
        for index in self._draw_order().reshape(len(self), self.batch_size):
            batch = self.windows.gather(index)
            inputs = model_inputs(batch)
            yield inputs | ({TARGETS: batch.targets} if self.with_targets else {}), batch.targets

    def skip(self, epochs: int) -> None:
        """Pass over epochs that are done, so that the next ones are as without a break."""
        for _ in range(epochs):
            self._draw_order()

    def _draw_order(self) -> np.ndarray:
        order = self.generator.permutation(len(self.windows))[: self.num_windows]
        return np.resize(order, len(self) * self.batch_size)
