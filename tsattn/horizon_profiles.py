"""What a recurrent decoder looks at for each step of the horizon."""

import numpy as np
import pandas as pd

from tsattn.profiles import ProfileSum

HORIZON_COLUMNS = ("target", "horizon_step", "lag", "mean", "std", "num_windows")
HORIZON_MEANING = (
    "At every step of the horizon the shares over the lags sum to 1: they say when the decoder "
    "looks for that step, not at which feature."
)


def horizon_frame(scores: ProfileSum, target: str) -> pd.DataFrame:
    """Return one row per horizon step and lag, in the columns of `attention/horizon.csv`."""
    mean, std = (part[:, ::-1] for part in scores.mean_and_std())  # (horizon, lags), lag 1 first
    horizon, lags = mean.shape
    columns = {
        "target": target,
        "horizon_step": np.repeat(np.arange(1, horizon + 1), lags),
        "lag": np.tile(np.arange(1, lags + 1), horizon),
        "mean": mean.ravel(),
        "std": std.ravel(),
        "num_windows": scores.num_windows,
    }
    return pd.DataFrame(columns, index=range(horizon * lags), columns=list(HORIZON_COLUMNS))


def summarize_horizon(profile: pd.DataFrame) -> pd.DataFrame:
    """Return where the attention peaks at each horizon step, and how sharply.

    Columns: `horizon_step`; `peak_lag`; `peak_share` of the step's attention at the peak;
    `times_uniform`, that share divided by 1 / lags; `mean_lag`, weighted by the shares.
    """
    rows = []
    for step, group in profile.groupby("horizon_step"):
        shares, lags = group["mean"].to_numpy(), group["lag"].to_numpy()
        peak = int(np.argmax(shares))
        rows.append(
            {
                "horizon_step": step,
                "peak_lag": int(lags[peak]),
                "peak_share": float(shares[peak]),
                "times_uniform": float(shares[peak] * len(shares)),
                "mean_lag": float(shares @ lags),
            }
        )
    return pd.DataFrame(rows)
