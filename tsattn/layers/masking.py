"""Softmax, zeros and last step of sequences of which some steps are masked."""

from typing import Any

from keras import ops


def zero_masked(inputs: Any, mask: Any) -> Any:
    """Replace the masked steps by zeros.

    Args:
        inputs: (batch, ..., steps, channels).
        mask: Booleans that broadcast to (batch, ..., steps), or None.

    Returns:
        (batch, ..., steps, channels).
    """
    if mask is None:
        return inputs
    return ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))


def masked_softmax(logits: Any, mask: Any, axis: int = -1) -> Any:
    """Weigh the unmasked entries by a softmax; the masked ones get 0, all of them if need be.

    Args:
        logits: Finite numbers.
        mask: Booleans that broadcast to the logits, or None.
        axis: Axis over which the unmasked scores sum to 1.

    Returns:
        Scores in the shape of the logits.
    """
    if mask is None:
        return _softmax(logits, axis)
    # No constant is below the logits of every model and within float16; the lowest logit is both.
    lowest = ops.stop_gradient(ops.min(logits, axis=axis, keepdims=True))
    scores = _softmax(ops.where(mask, logits, lowest), axis)
    scores = ops.where(mask, scores, ops.zeros_like(scores))
    total = ops.sum(scores, axis=axis, keepdims=True)
    return scores / ops.where(total > 0, total, ops.ones_like(total))


def _softmax(logits: Any, axis: int) -> Any:
    """Return the softmax, of which Keras warns where there is only one entry.

    There it is 1 with a gradient of 0, since Keras warns of weights without a gradient too.
    """
    return 0 * logits + 1 if logits.shape[axis] == 1 else ops.softmax(logits, axis=axis)


def last_step(inputs: Any, mask: Any) -> Any:
    """Take the last unmasked step, or zeros where every step is masked.

    Args:
        inputs: (batch, ..., steps, channels).
        mask: Booleans that broadcast to (batch, ..., steps), or None.

    Returns:
        (batch, ..., channels).
    """
    if mask is None:
        return inputs[..., -1, :]
    count = ops.cumsum(ops.cast(mask, "int32"), axis=-1)
    is_last = ops.logical_and(mask, ops.equal(count, count[..., -1:]))
    return ops.sum(zero_masked(inputs, is_last), axis=-2)
