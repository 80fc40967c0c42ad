"""A forecast made step by step, by a decoder that attends to the states of the encoder."""

from typing import Any

from keras import Model, layers, ops

from tsattn.layers import AttentionDecoder
from tsattn.models.encoders import RECURRENT_LAYERS, recurrent
from tsattn.models.heads import Decoded
from tsattn.models.window_shape import WindowShape

DECODER = "decoder"
# What the decoder reads, by name, so that it can be called again on the same.
_STATES, _STATE, _FIRST, _FUTURE = "states", "initial_state_{}", "first_input", "decoder_future"


def decode_recurrently(
    sequence: Any,
    future: Any,
    shape: WindowShape,
    *,
    attention: str,
    cell: str,
    units: int,
    num_layers: int,
    dropout: float,
    num_quantiles: int | None,
) -> Decoded:
    """Encode a window (batch, lookback, features) and forecast with `AttentionDecoder`.

    The decoder starts from the state of the last recurrent layer and the last known targets.
    """
    below = sequence
    if num_layers > 1:
        below = recurrent(sequence, cell, units, num_layers - 1, return_sequences=True)
    layer = RECURRENT_LAYERS[cell](
        units, return_sequences=True, return_state=True, name=f"recurrent_{num_layers - 1}"
    )
    states, *state = layer(below)
    first = ops.repeat(sequence[:, -1, : shape.num_targets], num_quantiles or 1, axis=-1)
    arguments = {
        "states": layers.Dropout(dropout, name=_STATES)(states),
        "initial_state": [
            layers.Identity(name=_STATE.format(i))(part) for i, part in enumerate(state)
        ],
        "first_input": layers.Identity(name=_FIRST)(first),
    }
    if future is not None:
        arguments["future_inputs"] = layers.Identity(name=_FUTURE)(future)
    num_outputs = shape.num_targets * (num_quantiles or 1)
    decoder = AttentionDecoder(units, shape.horizon, num_outputs, cell, attention, name=DECODER)
    outputs, scores = decoder(**arguments, return_attention_scores=True)
    return Decoded(shape.as_forecast(outputs, num_quantiles), scores)


def decode_with_truth(model: Model, targets: Any) -> Any:
    """Call the decoder of a model again, in training with true outputs (batch, horizon, outputs).

    Returns:
        The outputs (batch, horizon, outputs).
    """
    names = {layer.name for layer in model.layers}
    states = [_STATE.format(i) for i in range(2) if _STATE.format(i) in names]
    future = model.get_layer(_FUTURE).output if _FUTURE in names else None
    return model.get_layer(DECODER)(
        model.get_layer(_STATES).output,
        [model.get_layer(name).output for name in states],
        future_inputs=future,
        first_input=model.get_layer(_FIRST).output,
        targets=targets,
    )
