"""Starting fast: what takes time beside the computing."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SEARCH_AFTER = 50_000  # new objects; Python's default is 700 to 2,000


@contextmanager
def fast_imports() -> Iterator[None]:
    """Import without the searches for garbage, which take a fifth of the time and find none.

    What was imported is left out of later searches too, among them that at the end of the program.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def start_keras(name: str | None = None, *, seed: int | None = None) -> None:
    """Start Keras, see `tsattn.backend.start_keras`, and search for garbage less often from now on.

    The graphs of a training are hundreds of thousands of objects that stay to its end: looking
    through them again and again, and once more when the program ends, takes a tenth of a fit of
    half a minute.
    """
    from tsattn import backend

    with fast_imports():
        backend.start_keras(name, seed=seed)
    gc.set_threshold(_SEARCH_AFTER, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
