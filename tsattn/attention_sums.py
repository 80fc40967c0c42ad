"""The attention alone in one pass over windows, without scoring the forecasts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsattn.data.windows import WindowBatch, Windows, evenly_spaced
from tsattn.fitted import FittedForecaster
from tsattn.profiles import ProfileSum, num_kept
from tsattn.running import run_batches
from tsattn.tensor_names import ATTENTION_SCORES, FUTURE_SCORES


@dataclass(frozen=True, kw_only=True)
class AttentionSums:
    """What a profile is made of; see the fields of `Evaluation` with the same names."""

    attention: ProfileSum
    future_attention: ProfileSum | None = None
    linear_inputs: ProfileSum | None = None


def sum_attention(
    fitted: FittedForecaster,
    windows: Windows,
    levels: np.ndarray,
    *,
    batch_size: int | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> AttentionSums:
    """Add up the attention scores of windows, and the sizes of what a linear path reads.

    Args:
        fitted: A forecaster with attention.
        windows: The windows; memory does not grow with their number.
        levels: (features,) see `LinearBaseline.sizes_read` and `mean_values`.
        batch_size: See `run_batches`.
        on_batch: Called with the windows done and their number.
    """
    sums: dict[str, ProfileSum] = {}
    for index, batch, outputs in run_batches(fitted.model, windows, batch_size):
        add_parts(sums, parts_of_batch(fitted, batch, outputs, levels), len(windows))
        if on_batch:
            on_batch(index.stop, len(windows))
    return AttentionSums(**sums)


def add_parts(
    sums: dict[str, ProfileSum],
    parts: dict[str, np.ndarray],
    num_windows: int,
    blocks: np.ndarray | None = None,
) -> None:
    """Add the parts of the next windows to their sums; one that is not there yet begins empty.

    Args:
        sums: By name; they are changed.
        parts: By name, the windows first.
        num_windows: Of all batches.
        blocks: The blocks of windows that are added up apart, see `ProfileSum`.
    """
    for name, part in parts.items():
        if name not in sums:
            kept = evenly_spaced(num_windows, num_kept(part.shape[1:]))
            sums[name] = ProfileSum(kept, blocks)
        sums[name].add(part)


def parts_of_batch(
    fitted: FittedForecaster,
    batch: WindowBatch,
    outputs: dict[str, np.ndarray],
    levels: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return what a batch adds to each field of `AttentionSums`, the windows first."""
    parts = {}
    if ATTENTION_SCORES in outputs:
        parts["attention"] = one_profile(outputs[ATTENTION_SCORES], fitted.options.decoder)
    if FUTURE_SCORES in outputs:
        parts["future_attention"] = outputs[FUTURE_SCORES]
    if fitted.linear_shares.any():
        parts["linear_inputs"] = fitted.linear.sizes_read(batch, levels)
    return parts


def one_profile(scores: np.ndarray, decoder: str) -> np.ndarray:
    """Return scores as a profile has them: of a recurrent decoder the mean over horizon steps."""
    # (batch, horizon, lookback) becomes (batch, lookback, 1)
    return scores.mean(axis=1)[..., None] if decoder == "recurrent" else scores


def mean_values(windows: Windows) -> np.ndarray:
    """Return the mean of each feature over the rows that the windows read: (features,)."""
    begins_and_ends = np.zeros(len(windows.values) + 1, np.int64)
    np.add.at(begins_and_ends, windows.origins - windows.lookback, 1)
    np.add.at(begins_and_ends, windows.origins, -1)
    is_read = np.cumsum(begins_and_ends[:-1]) > 0
    means = np.asarray(np.nanmean(windows.values[is_read], axis=0))
    if windows.has_new_series:  # of which each window has a scale of its own
        means[: windows.num_targets] = 0.0
    return means
