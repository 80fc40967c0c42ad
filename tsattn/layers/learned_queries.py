"""Queries that are weights: one vector for each thing that is asked for."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tsattn")
class LearnedQueries(keras.layers.Layer):
    """Return the same trained vectors for every window, one for each part of the horizon.

    They tell the parts (or targets) of a forecast apart where one head makes them all, as the
    position embeddings of SegRNN do (Lin et al. 2023, arXiv 2308.11200, section 4.2).

    Args:
        num_queries: Number of vectors.
        units: Size of a vector.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, ...), of which only the batch size is read.

    Output shape:
        (batch, num_queries, units).

    Example:
        >>> import numpy as np
        >>> LearnedQueries(7, 5)(np.ones((2, 11, 3), "float32")).shape
        (2, 7, 5)
    """

    def __init__(self, num_queries: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_queries = num_queries
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vectors."""
        self.queries = self.add_weight(
            name="queries",
            shape=(self.num_queries, self.units),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )

    def call(self, inputs: Any) -> Any:
        """Return the vectors, once for each window."""
        ones = ops.ones((ops.shape(inputs)[0], 1, 1), self.compute_dtype)
        return ones * self.queries

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "num_queries": self.num_queries, "units": self.units}
