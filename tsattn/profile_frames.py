"""A profile as a table: what the attention looks at, and what a linear path adds."""

from typing import TYPE_CHECKING

import pandas as pd

from tsattn.fitted import FittedForecaster
from tsattn.linear_profiles import linear_frame

if TYPE_CHECKING:  # a forecast does without
    from tsattn.attention_sums import AttentionSums
    from tsattn.evaluation import Evaluation


def profile_frame(
    fitted: FittedForecaster, evaluation: "Evaluation | AttentionSums"
) -> pd.DataFrame:
    """Return the rows of `attention/profile.csv`: of the attention, then of a linear path."""
    if evaluation.attention is None:
        raise ValueError("The model must have attention. Received: no scores. Check before.")
    frames = [fitted.profile(evaluation.attention).to_frame()]
    if evaluation.future_attention is not None:
        frames.append(fitted.future_profile(evaluation.future_attention).to_frame())
    if evaluation.linear_inputs is None:
        return pd.concat(frames, ignore_index=True)
    linear = linear_frame(
        evaluation.linear_inputs,
        fitted.linear,
        fitted.linear_shares,
        fitted.schema,
        lookback=fitted.lookback,
        horizon=fitted.horizon,
    )
    return pd.concat([*frames, linear], ignore_index=True)
