"""The checkpoint of a fit: what it belongs to."""

import hashlib
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from tsattn.checkpoints import Checkpoint
from tsattn.pipeline.preparing import Prepared


def training_checkpoint(folder: Path, prepared: Prepared) -> Checkpoint:
    """Return the checkpoint of a training, which belongs to its options, its data and versions.

    Raises:
        UsageError: the folder is something else.
        OutputError: it cannot be written.
    """
    key = asdict(prepared.options) | {
        "data": _digest(prepared),
        "tsattn": version("tsattn"),
        "keras": keras.__version__,
    }
    return Checkpoint(folder, key)


def _digest(prepared: Prepared) -> str:
    """Return a hash of all that is learnt from: what the model reads, and the windows."""
    digest = hashlib.sha256()
    for name in ("train", "val"):
        windows = prepared.windows[name]
        digest.update(np.ascontiguousarray(windows.origins).tobytes())
    for array in (windows.values, windows.future_values):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
