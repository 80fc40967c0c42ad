"""The names of what a forecaster reads and returns, in Keras and in ONNX."""

INPUTS = "inputs"
FUTURE_INPUTS = "future_inputs"
FORECAST = "forecast"
ATTENTION_SCORES = "attention_scores"
FUTURE_SCORES = "future_scores"  # of gates on what is known ahead
