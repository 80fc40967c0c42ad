"""Running out of memory, told in one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from tsattn.errors import UsageError

# In the errors of TensorFlow, JAX and PyTorch, which have no class in common.
_SIGNS = (
    "ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "can't allocate memory",
    "not enough memory",
)  # fmt: skip
_MOST_TEXT = 200


@contextmanager
def within_memory() -> Iterator[None]:
    """Turn what libraries raise where memory does not suffice for a fit into one message.

    Raises:
        UsageError: memory does not suffice.
    """
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if not isinstance(error, MemoryError) and not any(sign in text for sign in _SIGNS):
            raise
        first = text.splitlines()[0][:_MOST_TEXT]
        raise UsageError(
            f"A fit must find room in memory. Received: {first}. Use fewer --units or --members, "
            "a smaller --batch-size, or a shorter --lookback or --horizon."
        ) from error
