"""The loss of a forecaster over windows, as it forecasts them: without noise and dropout."""

from typing import NamedTuple

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.running import run_batches
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST, FUTURE_SCORES


class ValidationLoss(NamedTuple):
    """Means over windows."""

    loss: float  # of the forecast
    scores: float  # the sum of the attention scores: of gates, the nats that pass them


def validation_loss(
    model: keras.Model, windows: Windows, loss: keras.losses.Loss
) -> ValidationLoss:
    """Return the mean loss of a forecaster over every window."""
    total = scores = 0.0
    for _, batch, outputs in run_batches(model, windows):
        of_batch = loss(batch.targets, outputs[FORECAST])
        total += float(keras.ops.convert_to_numpy(of_batch)) * len(batch.targets)
        for name in (ATTENTION_SCORES, FUTURE_SCORES):
            scores += float(outputs.get(name, np.zeros(1)).sum(dtype=np.float64))
    return ValidationLoss(total / len(windows), scores / len(windows))
