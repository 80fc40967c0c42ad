"""Choosing the backend of Keras, which a process can do once, before Keras is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tsattn.config import BACKENDS, require


def select_backend(name: str | None) -> None:
    """Make Keras use a backend; None keeps `KERAS_BACKEND`, or TensorFlow.

    Raises:
        UsageError: the name is unknown, or Keras already runs on another backend.
    """
    if name is None:
        name, what = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
        if not name or "keras" in sys.modules:
            return
    else:
        what = "backend"
    require(
        name in BACKENDS,
        f"`{what}` must be known.",
        f"{what}={name!r}",
        f"Use {', '.join(BACKENDS)}.",
    )
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = name
        return
    import keras

    require(
        keras.config.backend() == name,
        "The backend is chosen before Keras is imported.",
        f"backend={name}, while Keras runs on {keras.config.backend()}",
        f"Set KERAS_BACKEND={name} before the program starts.",
    )


def start_keras(name: str | None = None, *, seed: int | None = None) -> None:
    """Select a backend and import Keras without the start-up messages TensorFlow writes to stderr.

    A failing import still raises. With a seed the random generators are seeded here, since Keras
    imports TensorFlow for that on every backend.
    """
    select_backend(name)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr():
        import keras

        if keras.config.backend() == "tensorflow":
            keras.distribution.list_devices("gpu")  # finding the devices is as talkative
        if seed is not None:
            keras.utils.set_random_seed(seed)


def is_tensorflow_on_cpu() -> bool:
    """Return whether Keras runs on TensorFlow, which sees no GPU."""
    import keras

    if keras.config.backend() != "tensorflow":
        return False
    return not keras.distribution.list_devices("gpu")


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep what libraries write to stderr from the user.

    They write it below Python, and no setting turns it off, so the file descriptor is pointed
    elsewhere meanwhile.
    """
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # closed by the caller; a file that took its number would be written into
        stderr = os.open(os.devnull, os.O_WRONLY)
        if stderr == 2:
            stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
