"""A trained network as ONNX Runtime runs it: without Keras, which takes seconds to start."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np


class OnnxForecaster:
    """Calls a network in ONNX as a Keras model is called.

    It runs in one thread, on the CPU: that starts at once, is the fastest for networks this small
    while other programs run, and gives the same numbers on every run.

    Args:
        content: The bytes of the file.
        windows_at_once: How many windows a batch may have, for memory to suffice.
        linear_shares: (targets,) share of the linear path in the forecast of each target.

    Raises:
        ValueError: ONNX Runtime cannot read the network, or does not know an operation in it.
    """

    def __init__(self, content: bytes, *, windows_at_once: int, linear_shares: np.ndarray) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Those beyond are of one kind of processor, whose last digits would differ.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = _FATAL
        # Never its own format, whose graphs were not checked when they were written.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = _FATAL
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no class in common
            raise ValueError(f"ONNX Runtime cannot read it: {error}") from None
        self._content = content
        self.windows_at_once = windows_at_once
        self.linear_shares = linear_shares

    def __reduce__(self) -> tuple[Callable[..., "OnnxForecaster"], tuple[bytes]]:
        """Make copies and pickles open the network anew, since its session cannot be copied."""
        opened = partial(
            OnnxForecaster,
            windows_at_once=self.windows_at_once,
            linear_shares=self.linear_shares,
        )
        return opened, (self._content,)

    @property
    def inputs(self) -> dict[str, tuple[str, tuple[int | str | None, ...]]]:
        """Type and shape of each input; sizes that are free are a text or None."""
        values = self._session.get_inputs()
        return {value.name: (value.type, tuple(value.shape)) for value in values}

    def predict_on_batch(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a batch by name.

        Raises:
            ValueError: the network fails on the inputs.
        """
        names = [value.name for value in self._session.get_outputs()]
        try:
            outputs = self._session.run(names, dict(inputs), self._run_options)
        except Exception as error:  # as above
            raise ValueError(f"ONNX Runtime cannot run it: {error}") from None
        return dict(zip(names, outputs, strict=True))


_FATAL = 4  # what ONNX Runtime says of a network is in its errors too
