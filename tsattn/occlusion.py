"""Running a forecaster on windows some of whose values are replaced by those of other windows."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from tsattn.data.windows import WindowBatch, Windows
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import point_and_quantiles
from tsattn.layers import WindowScaling, WindowStatistics
from tsattn.models import LINEAR_PATH
from tsattn.running import PREDICT_BATCH, compile_for, model_inputs
from tsattn.tensor_names import FORECAST

Masks = tuple[np.ndarray, np.ndarray]  # (lookback, features), (horizon, future features) booleans


class OccludedWindows:
    """Windows, each with another one whose values replace its own.

    What is replaced is what the attention reads: the level and the spread by which a window was
    normalised stay those of the window itself, and a value of a normalised feature is replaced by
    one that lies as many spreads off the level as in the other window. Otherwise each value of the
    target would also move the level of the whole forecast, which goes around the attention;
    `shifted` moves the level alone.

    With two views, level and spread are those of the first one that measures a feature: of the
    second for covariates, which the first one has as they are. Those of another season, as they
    are, would lie far from all that the second one knows.
    """

    def __init__(
        self,
        fitted: FittedForecaster,
        windows: Windows,
        *,
        with_linear_path: bool = True,
        seed: int = 0,
    ) -> None:
        self.fitted = fitted
        self.batch = windows.gather(slice(None))
        count = len(windows)
        generator = np.random.default_rng(seed)
        # a cycle through the windows in random order: nobody is replaced by itself
        order = generator.permutation(count)
        donors = np.empty(count, int)
        donors[order] = np.roll(order, 1)
        self.others = WindowBatch(*(array[donors] for array in self.batch))
        self._network = _Network(fitted.network)
        shares = fitted.linear_shares
        self.shares = shares if with_linear_path else np.zeros_like(shares)
        self.statistics = self._network.statistics(self.batch.inputs)
        theirs = self._network.statistics(self.others.inputs)
        self._scaled = self._network.num_scaled
        self.replacing = self._with_levels(self.others, theirs, self.statistics)
        self._elsewhere = self._with_levels(self.batch, self.statistics, theirs)

    def _with_levels(
        self, batch: WindowBatch, has: np.ndarray | None, gets: np.ndarray | None
    ) -> WindowBatch:
        """Return windows with the levels and spreads of other statistics."""
        if has is None or gets is None:
            return batch
        has, gets = self._network.levels(has), self._network.levels(gets)
        inputs, future = batch.inputs.copy(), batch.future_inputs.copy()
        columns = slice(0, self._scaled)
        inputs[:, :, columns] = _moved(inputs[:, :, columns], has, gets, columns)
        known = len(self.fitted.schema.future_covariates)
        if known and self._network.scales_future:
            columns = slice(inputs.shape[2] - known, inputs.shape[2])
            future[:, :, :known] = _moved(future[:, :, :known], has, gets, columns)
        return WindowBatch(inputs, future, batch.targets)

    def forecasts(self, masks: Iterable[Masks]) -> Iterator[np.ndarray]:
        """Yield, for each masks, the forecast (windows, horizon, targets) without their values."""
        count = len(self.batch.inputs)
        at_once = max(PREDICT_BATCH // count, 1)
        waiting: list[Masks] = []
        for pair in masks:
            waiting.append(pair)
            if len(waiting) == at_once:
                yield from self._run(waiting, at_once)
                waiting = []
        if waiting:
            yield from self._run(waiting, at_once)

    def _run(self, masks: list[Masks], at_once: int) -> Iterator[np.ndarray]:
        filled = masks + masks[-1:] * (at_once - len(masks))  # one size, so one compilation
        past, future = (np.stack(part)[:, None] for part in zip(*filled, strict=True))
        inputs = np.where(past, self.replacing.inputs, self.batch.inputs)
        ahead = np.where(future, self.replacing.future_inputs, self.batch.future_inputs)
        # (masks, windows, steps, features)
        total = at_once * len(self.batch.inputs)
        forecast = self._forecast(
            inputs.reshape(total, *inputs.shape[2:]),
            ahead.reshape(total, *ahead.shape[2:]),
            None if self.statistics is None else np.tile(self.statistics, (at_once, 1, 1)),
        )
        yield from forecast.reshape(at_once, -1, *forecast.shape[1:])[: len(masks)]

    def shifted(self) -> np.ndarray | None:
        """Return the forecast with the levels and spreads of the other windows; None without."""
        if self.statistics is None:
            return None
        inputs, ahead = self._elsewhere.inputs, self._elsewhere.future_inputs
        statistics = self._network.statistics(inputs)
        return self._forecast(inputs, ahead, statistics)

    def _forecast(
        self, inputs: np.ndarray, future: np.ndarray, statistics: np.ndarray | None
    ) -> np.ndarray:
        """Return forecasts (windows, horizon, targets) by network and linear path."""
        batch = WindowBatch(inputs, future, self.batch.targets)
        outputs = self._network(batch, statistics)
        network, _ = point_and_quantiles(outputs, self.fitted.quantile_levels)
        if not self.shares.any():
            return network
        linear = self.fitted.linear.forecast(batch)
        return np.asarray(network + self.shares * (linear - network))


def _moved(values: np.ndarray, has: np.ndarray, gets: np.ndarray, columns: slice) -> np.ndarray:
    """Return values (windows, steps, columns) moved from one level and spread to another."""
    relative = (values - has[:, :1, columns]) / has[:, 1:, columns]
    return np.asarray(relative * gets[:, 1:, columns] + gets[:, :1, columns])


class _Network:
    """The forecast before the linear path, as a function of a window and its statistics."""

    def __init__(self, model: keras.Model) -> None:
        self._statistics = [x for x in model.layers if isinstance(x, WindowStatistics)]
        scalings = [layer for layer in model.layers if isinstance(layer, WindowScaling)]
        inward = [layer for layer in scalings if layer.direction == "normalize"]
        self.num_scaled = len(inward[0].columns or ()) if inward else 0
        self.scales_future = len(inward) > len(self._statistics)
        names = {layer.name for layer in model.layers}
        path = model.get_layer(LINEAR_PATH) if LINEAR_PATH in names else None
        forecast: Any = path.input[0] if path else model.get_layer(FORECAST).output
        tensors = list(model.inputs)
        tensors += [layer.output for layer in self._statistics]
        self._model = keras.Model(tensors, forecast)
        self._names = [tensor.name for tensor in model.inputs]
        compile_for(self._model, 0)

    def statistics(self, inputs: np.ndarray) -> np.ndarray | None:
        """Return shift and scale of windows in one view after another: (windows, 2 n, features)."""
        if not self._statistics:
            return None
        of_views = [keras.ops.convert_to_numpy(layer(inputs)) for layer in self._statistics]
        return np.concatenate(of_views, axis=1)

    def levels(self, statistics: np.ndarray) -> np.ndarray:
        """Return shift and scale (windows, 2, features), of the first view that measures each."""
        of_views = np.split(statistics, len(self._statistics), axis=1)
        levels = of_views[0].copy()
        if len(of_views) > 1:
            others = np.setdiff1d(np.arange(levels.shape[2]), self._statistics[0].channels or [])
            levels[:, :, others] = of_views[1][:, :, others]
        return levels

    def __call__(self, batch: WindowBatch, statistics: np.ndarray | None) -> np.ndarray:
        arrays = model_inputs(batch)
        given = [arrays[name] for name in self._names]
        if statistics is not None:
            given += np.split(statistics, len(self._statistics), axis=1)
        return np.asarray(self._model.predict_on_batch(given))
