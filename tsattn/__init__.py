"""From a CSV to an LSTM/GRU attention forecaster, and the profile of what it looks at.

The names below are loaded when they are first used, so that importing the package, as the command
line does, loads neither Keras nor pandas (PEP 562).
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsattn.config import FitOptions
    from tsattn.data.download import get_dataset
    from tsattn.data.reading import read_table
    from tsattn.data.windows import Windows, make_windows
    from tsattn.errors import TsattnError
    from tsattn.estimator import AttentionForecaster, load
    from tsattn.layers import (
        AttentionDecoder,
        BahdanauAttention,
        BottleneckAttention,
        DenseAttention,
        FeatureStateAttention,
        FeedForwardAttention,
        HierarchicalAttention,
        InputAttention,
        LearnedQueries,
        LinearPath,
        LuongAttention,
        MultiHeadSelfAttention,
        PerFeatureRecurrent,
        QuantileLoss,
        ReverseTimeAttention,
        ReverseTimeForecast,
        SelfAttention,
        TemporalAttention,
        VariableAttention,
        WindowScaling,
        WindowStatistics,
    )
    from tsattn.models import WindowShape, build_forecaster
    from tsattn.pipeline.backtesting import backtest
    from tsattn.pipeline.batch import predict_file
    from tsattn.pipeline.checking import check
    from tsattn.pipeline.comparing import compare
    from tsattn.pipeline.drifting import attention_drift
    from tsattn.pipeline.evaluating import evaluate
    from tsattn.pipeline.explaining import explain, explain_horizon, rank_features
    from tsattn.pipeline.fitting import fit
    from tsattn.pipeline.inspecting import inspect
    from tsattn.pipeline.predicting import predict
    from tsattn.pipeline.updating import update
    from tsattn.training import train

# TensorFlow reads this when it starts. It gives memory back to the system after every operation
# else, which costs as much time as the arithmetic of a training; what it keeps is its peak.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

_HOMES = {
    "AttentionDecoder": "layers",
    "AttentionForecaster": "estimator",
    "BahdanauAttention": "layers",
    "BottleneckAttention": "layers",
    "DenseAttention": "layers",
    "FeatureStateAttention": "layers",
    "FeedForwardAttention": "layers",
    "FitOptions": "config",
    "HierarchicalAttention": "layers",
    "InputAttention": "layers",
    "LearnedQueries": "layers",
    "LinearPath": "layers",
    "LuongAttention": "layers",
    "MultiHeadSelfAttention": "layers",
    "PerFeatureRecurrent": "layers",
    "QuantileLoss": "layers",
    "ReverseTimeAttention": "layers",
    "ReverseTimeForecast": "layers",
    "SelfAttention": "layers",
    "TemporalAttention": "layers",
    "TsattnError": "errors",
    "VariableAttention": "layers",
    "WindowScaling": "layers",
    "WindowShape": "models",
    "WindowStatistics": "layers",
    "Windows": "data.windows",
    "attention_drift": "pipeline.drifting",
    "backtest": "pipeline.backtesting",
    "build_forecaster": "models",
    "check": "pipeline.checking",
    "compare": "pipeline.comparing",
    "evaluate": "pipeline.evaluating",
    "explain": "pipeline.explaining",
    "explain_horizon": "pipeline.explaining",
    "fit": "pipeline.fitting",
    "get_dataset": "data.download",
    "inspect": "pipeline.inspecting",
    "load": "estimator",
    "make_windows": "data.windows",
    "predict": "pipeline.predicting",
    "predict_file": "pipeline.batch",
    "rank_features": "pipeline.explaining",
    "read_table": "data.reading",
    "train": "training",
    "update": "pipeline.updating",
}
__all__ = [
    "AttentionDecoder",
    "AttentionForecaster",
    "BahdanauAttention",
    "BottleneckAttention",
    "DenseAttention",
    "FeatureStateAttention",
    "FeedForwardAttention",
    "FitOptions",
    "HierarchicalAttention",
    "InputAttention",
    "LearnedQueries",
    "LinearPath",
    "LuongAttention",
    "MultiHeadSelfAttention",
    "PerFeatureRecurrent",
    "QuantileLoss",
    "ReverseTimeAttention",
    "ReverseTimeForecast",
    "SelfAttention",
    "TemporalAttention",
    "TsattnError",
    "VariableAttention",
    "WindowScaling",
    "WindowShape",
    "WindowStatistics",
    "Windows",
    "attention_drift",
    "backtest",
    "build_forecaster",
    "check",
    "compare",
    "evaluate",
    "explain",
    "explain_horizon",
    "fit",
    "get_dataset",
    "inspect",
    "load",
    "make_windows",
    "predict",
    "predict_file",
    "rank_features",
    "read_table",
    "train",
    "update",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tsattn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tsattn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
