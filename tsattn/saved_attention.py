"""Reading what a model directory says of its attention."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsattn.model_checks import altered, reading
from tsattn.model_directory import read_json, read_options, read_schema

FAITHFULNESS = "faithfulness.json"  # in the folder of the profile
_PROFILE_TEXTS = ("target", "feature", "kind", "role", "measure")
_PROFILE_COUNTS = ("horizon_first", "horizon_last", "lag_first", "lag_last", "num_windows")
_PROFILE_NUMBERS = ("mean", "std", "p10", "p50", "p90")
_RANKING_TEXTS = ("target", "feature", "role")
_HORIZON_COUNTS = ("horizon_step", "lag", "num_windows")


def read_profile(directory: Path) -> pd.DataFrame:
    """Return the saved attention profile; raise a ModelDirectoryError if that fails."""
    path, options = directory / "attention" / "profile.csv", read_options(directory)
    profile = _read_scores(path, _PROFILE_TEXTS, _PROFILE_COUNTS, _PROFILE_NUMBERS)
    first, last = profile["lag_first"], profile["lag_last"]
    inside = first.ge(1 - (options.horizon or 1)) & last.le(options.lookback or 1)
    if not (inside & first.le(last)).all():
        raise altered(path, "its lags are not those of a window")
    return profile


def read_horizon_profile(directory: Path) -> pd.DataFrame:
    """Return the saved profile of each horizon step; raise a ModelDirectoryError if that fails."""
    path = directory / "attention" / "horizon.csv"
    return _read_scores(path, ("target",), _HORIZON_COUNTS, ("mean", "std"))


def read_ranking(directory: Path) -> pd.DataFrame | None:
    """Return the saved ranking of features; None for a model that has none."""
    path = directory / "attention" / "ranking.csv"
    if not path.exists():
        return None
    return _read_scores(path, _RANKING_TEXTS, ("rank",), ("share",), ("low", "high"))


def read_faithfulness(directory: Path) -> dict[str, Any] | None:
    """Return what the test of the saved profile found; None where it was not tested."""
    path = directory / "attention" / FAITHFULNESS
    if not path.exists():
        return None
    content = read_json(path)
    reasons = content.get("reasons")
    if not isinstance(content.get("verdict"), str) or not isinstance(reasons, list):
        raise altered(path, "it has no verdict or no reasons")
    return content


def read_linear_shares(directory: Path) -> dict[str, float]:
    """Return the share of the linear path in the forecast of each target; none of old models."""
    path = directory / "metrics.json"
    shares = read_json(path).get("linear_path", {})
    targets = read_schema(directory).targets if shares else ()
    if not isinstance(shares, dict) or set(shares) != set(targets):
        raise altered(path, "its linear_path has no share for each target")
    if not all(isinstance(share, float | int) and 0 <= share <= 1 for share in shares.values()):
        raise altered(path, "its linear_path has shares that are not from 0 to 1")
    return shares


def _read_scores(
    path: Path,
    texts: Sequence[str],
    counts: Sequence[str],
    numbers: Sequence[str],
    may_be_missing: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a table with just these columns, of which the numbers are finite and not negative."""
    types = {
        **dict.fromkeys(texts, "str"),
        **dict.fromkeys(counts, "int64"),
        **dict.fromkeys((*numbers, *may_be_missing), "float64"),
    }
    with reading(path):
        # A feature may be called NA.
        missing = {name: [""] for name in may_be_missing}
        profile = pd.read_csv(path, keep_default_na=False, na_values=missing, dtype=types)
        if set(profile.columns) != set(types) or profile.empty:
            raise altered(path, "it has other columns, or no rows")
        scores = profile[list(numbers)].to_numpy()
        if not (np.isfinite(scores) & (scores >= 0)).all():
            raise altered(path, "its scores are not finite numbers of at least 0")
    return profile
