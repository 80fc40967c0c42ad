"""One function per verb, each a straight line through the modules below."""

from tsattn.pipeline.evaluating import NewDataResult, check_gate, evaluate
from tsattn.pipeline.explaining import explain, saved_profile
from tsattn.pipeline.fitting import FitResult, fit, save
from tsattn.pipeline.predicting import predict

__all__ = [
    "FitResult",
    "NewDataResult",
    "check_gate",
    "evaluate",
    "explain",
    "fit",
    "predict",
    "save",
    "saved_profile",
]
