"""Gates that train and validation windows are no worse without are closed."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from synthetic import SMALL

from tsattn import FitOptions
from tsattn.data.windows import make_windows
from tsattn.gate_closing import MAY_COST, CloseGates, close_needless_gates
from tsattn.losses import make_loss
from tsattn.models import WindowShape, build_forecaster, gates_of_cells
from tsattn.pipeline.fitting import fit
from tsattn.progress import Progress
from tsattn.running import run_batches
from tsattn.schedules import closing_epochs
from tsattn.training import train
from tsattn.validation_loss import validation_loss

MAE = make_loss("mae", None)
SHAPE = WindowShape(
    lookback=11, horizon=3, num_features=2, num_targets=1, num_future_covariates=1
)  # fmt: skip


def windows(seed: int, rows: int = 211):
    """The target is what the covariate was two steps before, and the covariate is noise."""
    generator = np.random.default_rng(seed)
    covariate = generator.normal(size=rows)
    values = np.stack([np.roll(covariate, 2), covariate], axis=1)[2:]
    return make_windows(values, lookback=11, horizon=3, num_targets=1, future_values=values[:, 1:])


def build(**options) -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_forecaster(
        SHAPE, attention="bottleneck", units=5, normalization="none", **options
    )  # fmt: skip


def nats_of(model: keras.Model, val) -> np.ndarray:
    """Mean nats of all cells, those of the window first."""
    found = [
        [outputs[name].mean(axis=0).ravel() for name in ("attention_scores", "future_scores")]
        for _, _, outputs in run_batches(model, val)
    ]
    assert len(found) == 1
    return np.concatenate(found[0])


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_closes_the_gates_with_the_fewest_nats_while_the_loss_stays(loss: str) -> None:
    model, val = build(encoder="per-feature"), windows(1)
    train(model, windows(0), val, loss=loss, epochs=6, batch_size=31, learning_rate=0.01)
    made, parts = make_loss(loss, None), (windows(0), val)
    before = [validation_loss(model, part, made).loss for part in parts]
    nats = nats_of(model, val)
    closed, total = close_needless_gates(model, windows(0), val, made)
    assert total == 11 * 2 + 3
    assert 0 < closed < total
    for part, of_part in zip(parts, before, strict=True):
        assert validation_loss(model, part, made).loss <= MAY_COST * of_part
    after, order = nats_of(model, val), np.argsort(nats)
    np.testing.assert_allclose(after[order[:closed]], 0, atol=1e-12)
    np.testing.assert_allclose(after[order[closed:]], nats[order[closed:]], rtol=1e-5)


def test_what_train_windows_need_stays_open_though_validation_windows_do_not() -> None:
    model, silent = build(encoder="per-feature"), windows(1)
    silent = replace(silent, values=0 * silent.values, future_values=0 * silent.future_values)
    train(model, windows(0), windows(1), epochs=6, batch_size=31, learning_rate=0.02)
    driver = nats_of(model, windows(1)).argmax()
    logits = np.full(25, 4.0)
    logits[driver] = 3.0  # it is the first to be tried
    for gate, of_gate in zip(gates_of_cells(model), np.split(logits, [22]), strict=True):
        gate.bias.assign(of_gate.reshape(gate.bias.shape) / gate.bias_learning_factor)
        gate.context_dense.kernel.assign(0 * gate.context_dense.kernel)
    assert close_needless_gates(model, windows(0), silent, MAE) == (0, 25)
    assert close_needless_gates(model, silent, silent, MAE) == (24, 25)


def test_one_gate_stays_open_where_nothing_is_read() -> None:
    model = build(encoder="joint")  # untrained: the head is zero, so that no cell matters
    assert close_needless_gates(model, windows(0), windows(1), MAE) == (24, 25)
    assert np.count_nonzero(nats_of(model, windows(1)) > 1e-6) == 1


def test_views_are_closed_together_and_levels_stay() -> None:
    model = build_forecaster(
        SHAPE, encoder="per-feature", attention="bottleneck", units=5, normalization="standard",
        normalized=[0], second_view=[0, 1],
    )  # fmt: skip
    names = {gate.name for gate in gates_of_cells(model)}
    assert names == {"attention", "future_attention", "attention_1", "future_attention_1"}
    levels = keras.ops.convert_to_numpy(model.get_layer("level_attention").bias).copy()
    assert close_needless_gates(model, windows(0), windows(1), MAE) == (49, 50)
    np.testing.assert_array_equal(model.get_layer("level_attention").bias, levels)


def test_without_gates_there_is_nothing_to_close() -> None:
    model = build_forecaster(SHAPE, encoder="per-feature", attention="none", units=5)
    weights = [np.copy(weight) for weight in model.get_weights()]
    assert close_needless_gates(model, windows(0), windows(1), MAE) == (0, 0)
    for weight, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


def test_closed_gates_stay_closed_in_training() -> None:
    model = build(encoder="per-feature")
    gate = model.get_layer("attention")
    closed = np.zeros((11, 2), dtype=bool)
    closed[3, 1] = closed[7, 0] = True
    gate.close(closed)
    train(model, windows(0), windows(1), epochs=4, batch_size=31, learning_rate=0.01)
    nats = nats_of(model, windows(1))[:22].reshape(11, 2)
    assert nats[closed].max() < 1e-12
    assert nats[~closed].min() > 1e-6


def test_gates_are_closed_in_training_and_pass_no_noise() -> None:
    model, val = build(encoder="per-feature"), windows(1)
    gate = model.get_layer("attention")
    closing = CloseGates(model, windows(0), val, MAE, {1})
    for epoch in (0, 2):
        closing.on_epoch_begin(epoch)
        assert keras.ops.convert_to_numpy(gate.bias).min() * gate.bias_learning_factor > 0
    closing.on_epoch_begin(1)  # untrained: no cell matters, and all but one are closed
    windows_passed = keras.ops.convert_to_numpy(gate(np.ones((2, 11, 2), "float32"), training=True))
    np.testing.assert_allclose(windows_passed, 0, atol=1e-12)  # the one that is open is ahead


@pytest.mark.parametrize(
    ("epochs", "warm_up", "expected"),
    [(20, 3, {10, 12, 15, 17}), (6, 3, {4, 5}), (2, 1, set()), (9, 0, {4, 5, 6, 7})],
)
def test_gates_are_closed_in_the_second_half_of_the_epochs(
    epochs: int, warm_up: int, expected: set[int]
) -> None:
    assert closing_epochs(epochs, warm_up) == expected


def test_sums_of_half_precision_scores_do_not_overflow() -> None:
    inputs = keras.Input((11, 2), name="inputs")
    ahead = keras.Input((3, 1), name="future_inputs")
    scores = keras.ops.cast(keras.ops.ones_like(inputs) * 1_000, "float16")
    model = keras.Model([inputs, ahead], {"forecast": ahead, "attention_scores": scores})
    found = validation_loss(model, windows(1), MAE)
    assert found.scores == pytest.approx(22_000)
    assert np.isfinite(found.loss)


def test_fit_closes_gates_and_says_how_many(csv_path, capsys) -> None:
    options = FitOptions(**SMALL, future_covariates="plan")
    result = fit(csv_path, options, check=False, progress=Progress(quiet=False))
    said = re.search(r"^(\d+) of (\d+) gates are closed", capsys.readouterr().err, re.MULTILINE)
    assert said is not None
    gates = gates_of_cells(result.fitted.model)
    closed = np.concatenate([keras.ops.convert_to_numpy(x.is_closed()).ravel() for x in gates])
    assert (int(said[1]), int(said[2])) == (closed.sum(), closed.size)
    assert closed.any()
