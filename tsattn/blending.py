"""How much of a forecast is each network's, and how much the linear path's."""

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.forecasts import point_and_quantiles
from tsattn.linear_fitting import shares_by_error
from tsattn.models import LINEAR_PATH, MEMBER_MEAN, training_model
from tsattn.running import compile_for, model_inputs, run_batches, windows_at_once
from tsattn.tensor_names import FORECAST

MEMBER_SELECTIVITY = 4  # chosen on rows before the tests, see README


def share_among_members(
    model: keras.Model, windows: Windows, quantile_levels: tuple[float, ...] = ()
) -> np.ndarray:
    """Give each network of a forecaster the share that validation windows speak for.

    See `tsattn.linear_fitting.shares_by_error`: networks that see what matters to forecasts to come
    differ little in their errors, and their mean is better than the best of them (Stock & Watson
    2004); one that does not see it has a small share.

    Args:
        model: A forecaster.
        windows: Validation windows.
        quantile_levels: The levels of the quantiles of a forecast; () of a point forecast.

    Returns:
        (networks,) shares, first those of the first view.
    """
    names = {layer.name for layer in model.layers}
    if MEMBER_MEAN not in names:
        return np.ones(1)
    members = keras.Model(model.inputs, {FORECAST: training_model(model).output})
    compile_for(members, len(windows))
    mean = model.get_layer(MEMBER_MEAN)
    errors = np.zeros(mean.shares.shape)
    for _, batch, outputs in run_batches(members, windows, windows_at_once(model)):
        forecasts, _ = point_and_quantiles(outputs[FORECAST], quantile_levels)
        for i, forecast in enumerate(np.split(forecasts, len(errors), axis=1)):
            errors[i] += np.square(forecast - batch.targets, dtype=float).sum()
    shares = shares_by_error(errors, MEMBER_SELECTIVITY)
    mean.shares.assign(shares)
    return shares


def blend_linear_path(model: keras.Model, windows: Windows) -> np.ndarray:
    """Give the linear path of a forecaster the share that validation windows speak for.

    See `cautious_share`; the blocks are as long as a window reaches.

    Returns:
        (targets,) shares; zeros for a model without such a path.
    """
    if LINEAR_PATH not in {layer.name for layer in model.layers}:
        return np.zeros(windows.num_targets)
    path = model.get_layer(LINEAR_PATH)
    path.share.assign(np.zeros(windows.num_targets))
    num_blocks = max(len(windows) // (windows.lookback + windows.horizon), min(len(windows), 2))
    products, squares = np.zeros((2, num_blocks, windows.num_targets))
    for index, batch, outputs in run_batches(model, windows):
        inputs = model_inputs(batch)
        linear = keras.ops.convert_to_numpy(
            path.linear_forecast(inputs["inputs"], inputs.get("future_inputs"))
        )
        forecast = outputs[FORECAST]
        point = forecast[..., path.median] if forecast.ndim == 4 else forecast
        gap = (linear - point).astype(np.float64)
        block = np.arange(index.start, index.stop) * num_blocks // len(windows)
        np.add.at(products, block, (gap * (batch.targets - point)).sum(axis=1))
        np.add.at(squares, block, np.square(gap).sum(axis=1))
    share = cautious_share(products, squares)
    path.share.assign(share)
    return share


def cautious_share(products: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the share of the simpler of two forecasts.

    It is the one with the least squared error (Bates & Granger 1969, "The combination of
    forecasts") and a standard error more: what few windows say for the network may be chance
    (Breiman et al. 1984, "Classification and regression trees", section 3.4.3). The standard error
    is that of a jackknife which leaves out a block of windows at a time (Kuensch 1989, "The
    jackknife and the bootstrap for general stationary observations").

    Args:
        products: (blocks, targets) sums of gap times error: the simpler forecast less the other
            one, times the truth less the other one.
        squares: (blocks, targets) sums of the squared gap.

    Returns:
        (targets,) shares from 0 to 1.
    """
    count, least = len(products), np.finfo(float).tiny
    product, square = products.sum(axis=0), squares.sum(axis=0)
    others = (product - products) / np.maximum(square - squares, least)  # a block left out
    error = np.sqrt((count - 1) / count * np.square(others - others.mean(axis=0)).sum(axis=0))
    return np.asarray(np.clip(product / np.maximum(square, least) + error, 0, 1))
