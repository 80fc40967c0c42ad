"""A price that makes attention scores sharp where the data alone would not."""

from typing import Any

from keras import layers, ops


class EntropyPrice(layers.Layer):
    """Add a price of the entropy of scores, averaged over their channels, to the loss.

    The average makes the channels agree: where one is enough for the forecast, the others would
    each be sharp at a step of their own.

    The price grows from 0, batch by batch: if it were there at once, it would sharpen the scores
    wherever they happen to point before the forecast has moved them.

    Args:
        price: Of a nat of the mean entropy of windows.
        warm_up: Batches until the price is reached.

    Call arguments:
        attended: What the scores gave, of any shape.
        scores: (batch, steps, channels), which sum to 1 over the steps.
        training: Whether there is a price.

    Output shape:
        `attended`, unchanged.
    """

    def __init__(self, price: float, warm_up: int) -> None:
        super().__init__()
        self.price = price
        self.warm_up = warm_up
        self.batches = self.add_weight(
            name="batches", shape=(), initializer="zeros", trainable=False
        )

    def call(self, attended: Any, scores: Any, training: bool = False) -> Any:
        """Return what was attended to, after adding the price to the loss."""
        if training:
            price = self.price * ops.minimum(self.batches / self.warm_up, 1.0)
            profile = ops.mean(scores, axis=-1)  # (batch, steps)
            logs = ops.log(profile + 1e-7)  # a score of 0 counts 0
            self.add_loss(-price * ops.mean(ops.sum(profile * logs, axis=1)))
            self.batches.assign_add(1.0)
        return attended
