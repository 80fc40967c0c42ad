import os
import signal

import keras
import numpy as np
import pytest

import tsattn.running
from tsattn.data.windows import make_windows
from tsattn.errors import TrainingDivergedError, TrainingInterruptedError
from tsattn.losses import make_loss
from tsattn.models import WindowShape, build_forecaster
from tsattn.optimizers import MatrixOptimizer, choose_optimizer, make_optimizer
from tsattn.running import run_batches
from tsattn.schedules import (
    choose_epochs,
    num_warm_up_epochs,
    rising_and_falling,
    teacher_probability,
)
from tsattn.training import train
from tsattn.training_batches import TrainingBatches
from tsattn.validation_loss import validation_loss

SHAPE = WindowShape(lookback=11, horizon=3, num_features=2, num_targets=1)
AHEAD = SHAPE._replace(num_future_covariates=1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


def windows(rows: int = 211, seed: int = 0, num_future_covariates: int = 0):
    generator = np.random.default_rng(seed)
    values = np.sin(np.arange(rows)[:, None] / [3.0, 5.0]) + 0.1 * generator.normal(size=(rows, 2))
    return make_windows(
        values, lookback=11, horizon=3, num_targets=1,
        future_values=values[:, 2 - num_future_covariates :],
    )  # fmt: skip


def model(shape: WindowShape = SHAPE, **options):
    return build_forecaster(shape, units=5, **options)


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_train_lowers_the_loss_and_keeps_the_best_epoch(loss: str) -> None:
    forecaster = model()
    history = train(
        forecaster, windows(), windows(seed=1), loss=loss, epochs=4, batch_size=31,
        learning_rate=0.01,
    )  # fmt: skip
    losses = [epoch.val_loss for epoch in history.epochs]
    assert losses[-1] < losses[0]
    assert history.epochs[history.best_epoch - 1].val_loss == min(losses)
    val = windows(seed=1)
    errors = np.concatenate(
        [outputs["forecast"] - batch.targets for _, batch, outputs in run_batches(forecaster, val)]
    )
    size = np.abs(errors)
    value = {
        "mae": size,
        "mse": errors**2,
        "huber": np.where(size <= 1, errors**2 / 2, size - 0.5),
    }[loss].mean()
    np.testing.assert_allclose(value, min(losses), rtol=1e-4)


def test_train_quantiles_rise_with_their_level() -> None:
    forecaster = model(num_quantiles=3)
    train(
        forecaster, windows(), windows(seed=1), loss="quantile", quantile_levels=(0.1, 0.5, 0.9),
        epochs=6, batch_size=31, learning_rate=0.01,
    )  # fmt: skip
    forecasts = np.concatenate(
        [out["forecast"] for _, _, out in run_batches(forecaster, windows())]
    )
    assert (np.diff(forecasts.mean(axis=(0, 1, 2))) > 0).all()


def test_train_stops_without_improvement() -> None:
    val = windows(seed=1)
    val.values[:] *= 10  # harder than what is learnt from
    history = train(model(), windows(), val, epochs=50, patience=2, learning_rate=1e-12)
    assert len(history.epochs) < 50
    assert history.best_epoch >= len(history.epochs) - 2


def test_train_goes_on_without_improvement_while_train_windows_are_no_better() -> None:
    val = windows(seed=1)
    val.values[:] /= 10
    history = train(model(), windows(), val, epochs=20, patience=2, learning_rate=1e-12)
    assert len(history.epochs) == 20


def test_the_loss_of_an_epoch_is_the_mean_of_its_batches() -> None:
    forecaster, seen = model(), windows()
    expected = validation_loss(forecaster, seen, make_loss("mae", None)).loss
    history = train(
        forecaster, seen, windows(seed=1), learning_rate=1e-12, epochs=1, batch_size=11
    )  # fmt: skip
    assert len(seen) % 11 == 0
    np.testing.assert_allclose(history.epochs[0].loss, expected, rtol=1e-5)


def test_train_ends_with_the_weights_of_an_earlier_epoch_if_that_was_best() -> None:
    forecaster, seen, val = model(), windows(), windows(seed=1)
    val.values[:] = np.random.default_rng(2).normal(size=val.values.shape)  # not to be forecast
    history = train(forecaster, seen, val, learning_rate=0.1, epochs=6, batch_size=31)
    losses = [epoch.val_loss for epoch in history.epochs]
    assert 1 + int(np.argmin(losses)) == history.best_epoch < len(losses)
    found = validation_loss(forecaster, val, make_loss("mae", None)).loss
    np.testing.assert_allclose(found, min(losses), rtol=1e-5)


def test_train_with_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        forecaster = model(dropout=0.1)
        train(forecaster, windows(), windows(seed=1), epochs=2, seed=3)
        weights.append(forecaster.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize(
    ("attention", "placement"), [("bottleneck", "before"), ("additive", "after")]
)
def test_train_by_matrices_lowers_the_loss(attention: str, placement: str) -> None:
    forecaster = model(encoder="per-feature", attention=attention, placement=placement, segment=3)
    history = train(
        forecaster, windows(), windows(seed=1), optimizer="muon", epochs=7, batch_size=31,
        learning_rate=0.05,
    )  # fmt: skip
    losses = [epoch.val_loss for epoch in history.epochs]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("shape", [(6, 31), (31, 6), (8, 8), (5, 1), (1, 5)])
def test_steps_along_matrices_are_those_of_muon(shape: tuple[int, int]) -> None:
    draws = np.random.default_rng(0)
    settings = {"learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9}
    steps = []
    gradients = draws.normal(size=(3, *shape)).astype("float32")
    for optimizer in (keras.optimizers.Muon(**settings), MatrixOptimizer(**settings)):
        weights = keras.Variable(np.zeros(shape, "float32"))
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weights])
        steps.append(keras.ops.convert_to_numpy(weights))
    np.testing.assert_allclose(*steps, rtol=1e-3, atol=1e-5)
    assert np.abs(steps[0]).max() > 0.01


@pytest.mark.parametrize(
    ("epochs", "num_future_covariates", "name"),
    [(10, 1, "muon"), (11, 1, "adam"), (3, 0, "adam"), (1, 7, "muon")],
)
def test_optimizer_is_chosen_by_epochs_and_what_is_known_ahead(
    epochs: int, num_future_covariates: int, name: str
) -> None:
    assert choose_optimizer(epochs, num_future_covariates) == name


def test_a_step_by_matrices_moves_each_gate_by_itself() -> None:
    """As Adam does: all by the same, however small their gradients are."""
    forecaster = model(attention="bottleneck", placement="before")
    bias, *_ = forecaster.get_layer("attention").trainable_weights
    before = keras.ops.convert_to_numpy(bias)
    gradient = np.geomspace(1e-3, 1e3, bias.shape[0] * bias.shape[1]).reshape(bias.shape)
    optimizer = make_optimizer("muon", forecaster, 0.01, 1e9)
    optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [bias])
    np.testing.assert_allclose(before - keras.ops.convert_to_numpy(bias), 0.01, rtol=1e-2)


def test_a_step_by_matrices_moves_all_directions_alike() -> None:
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    (kernel,) = network.trainable_weights
    before = keras.ops.convert_to_numpy(kernel)
    gradient = np.array([[8.0, 0.0], [0.0, 0.5], [0.0, 0.0]], "float32")
    optimizer = make_optimizer("muon", network, 0.01, 1e9)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [kernel])
    moved = before - keras.ops.convert_to_numpy(kernel)
    # the nearest orthogonal matrix, which five iterations find to a third, 0.2 sqrt(3) as large
    np.testing.assert_allclose(moved[:2] / (0.01 * 0.2 * np.sqrt(3)), np.eye(2), atol=0.35)
    np.testing.assert_allclose(moved[2], 0, atol=1e-6)


def test_train_stops_at_nan_and_names_the_batch() -> None:
    broken = windows()
    broken.values[100] = np.nan
    with pytest.raises(TrainingDivergedError, match=r"in batch \d+ of epoch 1. Lower --learning"):
        train(model(), broken, windows(seed=1), epochs=2)


def test_train_interrupted_keeps_the_best_epoch() -> None:
    def interrupt(done: int, total: int) -> None:
        if interrupt.epochs == 2:
            raise KeyboardInterrupt

    interrupt.epochs = 0

    def count(epoch) -> None:
        interrupt.epochs += 1

    history = train(
        model(), windows(), windows(seed=1), epochs=9, on_batch=interrupt, on_epoch=count
    )
    assert history.interrupted
    assert len(history.epochs) == 2


@pytest.fixture
def heeding():
    """Heed Ctrl-C, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
def test_train_heeds_ctrl_c_between_batches_only() -> None:
    """An exception in the middle of what a backend computes may crash it."""
    seen: list[str] = []

    def interrupt(done: int, total: int) -> None:
        if seen.count("epoch") == 2:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("asked")

    def count(epoch) -> None:
        seen.append("epoch")

    history = train(
        model(), windows(), windows(seed=1), epochs=9, on_batch=interrupt, on_epoch=count
    )
    assert history.interrupted
    assert seen == ["epoch", "epoch", "asked"]


@pytest.mark.usefixtures("heeding")
def test_train_heeds_a_second_ctrl_c_at_once() -> None:
    seen: list[str] = []

    def interrupt(done: int, total: int) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("asked")

    with pytest.raises(TrainingInterruptedError):
        train(model(), windows(), windows(seed=1), epochs=9, on_batch=interrupt)
    assert seen == ["asked"]


def test_train_leaves_the_handlers_of_signals_as_they_were() -> None:
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    own = signal.getsignal(signal.SIGTERM)

    def terminate(done: int, total: int) -> None:
        if not asked:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        history = train(model(), windows(), windows(seed=1), epochs=1, on_batch=terminate)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert asked
    assert not history.interrupted


def test_train_interrupted_in_the_first_epoch_has_nothing_to_keep() -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(TrainingInterruptedError, match="no model to keep"):
        train(model(), windows(), windows(seed=1), on_batch=interrupt)


def drawn(batches: TrainingBatches) -> list[bytes]:
    """Return the targets of an epoch, window by window."""
    return [window.tobytes() for _, targets in batches.draw() for window in targets]


def test_batches_are_equal_and_hold_every_window() -> None:
    batches = TrainingBatches(windows(), batch_size=31, windows_per_epoch=None, seed=0)
    assert {len(targets) for _, targets in batches.draw()} == {31}
    every = [window.tobytes() for window in windows().gather(slice(None)).targets]
    assert set(drawn(batches)) == set(every)
    assert drawn(batches)[: len(every)] != every


def test_batches_of_an_epoch_are_drawn_anew() -> None:
    batches = TrainingBatches(windows(), batch_size=7, windows_per_epoch=13, seed=0)
    first, second = drawn(batches), drawn(batches)
    assert len(batches) == 2
    assert len(first) == len(second) == 14
    assert len(set(first)) == 13
    assert set(first) != set(second)


def test_batches_go_on_after_epochs_that_are_done() -> None:
    whole, rest = (TrainingBatches(windows(), 7, None, seed=0) for _ in range(2))
    epochs = [drawn(whole) for _ in range(3)]
    rest.skip(2)
    assert drawn(rest) == epochs[2]


def test_run_batches_does_not_depend_on_the_batch_size(monkeypatch) -> None:
    forecaster, many = model(), windows()
    whole = np.concatenate([out["forecast"] for _, _, out in run_batches(forecaster, many)])
    monkeypatch.setattr(tsattn.running, "PREDICT_BATCH", 13)
    parts = np.concatenate([out["forecast"] for _, _, out in run_batches(forecaster, many)])
    assert len(parts) == len(many)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_train_prices_the_nats_of_a_bottleneck_in_the_validation_too() -> None:
    forecaster = model(attention="bottleneck")
    val = windows(seed=1)
    history = train(forecaster, windows(), val, epochs=1, batch_size=31)
    loss, nats = 0.0, 0.0
    for _, batch, outputs in run_batches(forecaster, val):
        loss += np.abs(outputs["forecast"] - batch.targets).mean() * len(batch.targets)
        nats += outputs["attention_scores"].sum()
    beta = forecaster.get_layer("attention").beta
    expected = (loss + beta * nats) / len(val)
    np.testing.assert_allclose(history.epochs[0].val_loss, expected, rtol=1e-4)


def test_train_prices_the_nats_of_what_is_known_ahead() -> None:
    forecaster = model(AHEAD, attention="bottleneck")
    val = windows(seed=1, num_future_covariates=1)
    history = train(forecaster, windows(num_future_covariates=1), val, epochs=1, batch_size=31)
    loss, nats = 0.0, 0.0
    for _, batch, outputs in run_batches(forecaster, val):
        loss += np.abs(outputs["forecast"] - batch.targets).mean() * len(batch.targets)
        nats += outputs["attention_scores"].sum() + outputs["future_scores"].sum()
    beta = forecaster.get_layer("future_attention").beta
    expected = (loss + beta * nats) / len(val)
    np.testing.assert_allclose(history.epochs[0].val_loss, expected, rtol=1e-4)


def recurrent(**options):
    return model(attention="additive", placement="after", decoder="recurrent", **options)


@pytest.mark.parametrize(
    ("epochs", "probabilities"),
    [
        (1, [1]),
        (2, [1, 0]),
        (5, [1, 0.6, 0.2, 0, 0]),
        (8, [1, 0.75, 0.5, 0.25, 0, 0, 0, 0]),
    ],
)
def test_teacher_probability_falls_to_0_at_half_of_the_epochs(epochs, probabilities) -> None:
    actual = [teacher_probability(epoch, epochs) for epoch in range(epochs)]
    np.testing.assert_allclose(actual, probabilities)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_train_of_a_recurrent_decoder_lowers_the_loss(cell: str) -> None:
    forecaster, probabilities = recurrent(cell=cell, dropout=0.1), []
    decoder = forecaster.get_layer("decoder")
    history = train(
        forecaster, windows(), windows(seed=1), epochs=5, batch_size=31, learning_rate=0.03,
        on_epoch=lambda epoch: probabilities.append(float(decoder.teacher_probability)),
    )  # fmt: skip
    losses = [epoch.val_loss for epoch in history.epochs]
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(probabilities, [1, 0.6, 0.2, 0, 0], atol=1e-6)
    errors = [
        np.abs(outputs["forecast"] - batch.targets)
        for _, batch, outputs in run_batches(forecaster, windows(seed=1))
    ]
    np.testing.assert_allclose(np.concatenate(errors).mean(), min(losses), rtol=1e-4)


def test_train_of_a_recurrent_decoder_gives_quantiles() -> None:
    forecaster = recurrent(num_quantiles=3, num_layers=2)
    train(
        forecaster, windows(), windows(seed=1), loss="quantile", quantile_levels=(0.1, 0.5, 0.9),
        epochs=4, batch_size=31, learning_rate=0.01,
    )  # fmt: skip
    forecasts = [out["forecast"] for _, _, out in run_batches(forecaster, windows())]
    assert (np.diff(np.concatenate(forecasts).mean(axis=(0, 1, 2))) > 0).all()


def test_batches_hold_the_targets_where_they_are_told() -> None:
    batches = TrainingBatches(windows(), 31, None, 0, with_targets=True)
    inputs, targets = next(batches.draw())
    assert set(inputs) == {"inputs", "targets"}
    np.testing.assert_array_equal(inputs["targets"], targets)
    assert set(next(TrainingBatches(windows(), 31, None, 0).draw())[0]) == {"inputs"}


def test_run_batches_bounds_the_scores_of_a_batch(monkeypatch) -> None:
    forecaster = recurrent()  # 3 x 11 scores a window
    whole = np.concatenate(
        [out["attention_scores"] for _, _, out in run_batches(forecaster, windows())]
    )
    monkeypatch.setattr(tsattn.running, "_MOST_SCORES", 7 * 33 + 5)
    parts = [out["attention_scores"] for _, _, out in run_batches(forecaster, windows())]
    assert max(map(len, parts)) == 7
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)


@pytest.mark.parametrize(("epochs", "warm_up"), [(1, 0), (2, 1), (3, 2), (4, 3), (30, 3)])
def test_warm_up_leaves_one_epoch_with_a_price(epochs: int, warm_up: int) -> None:
    assert num_warm_up_epochs(model(attention="bottleneck"), epochs) == warm_up
    assert num_warm_up_epochs(model(), epochs) == 0


def test_train_asks_no_price_for_nats_in_the_first_epochs() -> None:
    forecaster, prices = model(attention="bottleneck"), []
    layer = forecaster.get_layer("attention")
    train(
        forecaster, windows(), windows(seed=1), epochs=5, batch_size=31,
        on_epoch=lambda epoch: prices.append(float(layer.penalty)),
    )  # fmt: skip
    np.testing.assert_allclose(prices, [0, 0, 0, layer.beta, layer.beta])
    np.testing.assert_allclose(float(layer.penalty), layer.beta)


def test_train_counts_no_epoch_of_the_warm_up() -> None:
    forecaster, rates, val = model(attention="bottleneck"), [], windows(seed=1)
    val.values[:] *= 10
    history = train(
        forecaster, windows(), val, epochs=9, patience=2, batch_size=31,
        learning_rate=1e-12, on_epoch=lambda epoch: rates.append(epoch.learning_rate),
    )  # fmt: skip
    # nothing improves: epoch 4 is the first that counts, and 5 and 6 are the patience
    assert 6 <= len(history.epochs) <= 8
    assert history.best_epoch >= 4
    num_batches = len(TrainingBatches(windows(), 31, None, 0))
    schedule = rising_and_falling(1e-12, 9 * num_batches)
    expected = [float(schedule((epoch + 1) * num_batches)) for epoch in range(len(rates))]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert (np.diff(rates) < 0).all()


def test_train_interrupted_in_the_warm_up_has_nothing_to_keep() -> None:
    def interrupt(epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterruptedError, match="end of epoch 4, the first that counts"):
        train(
            model(attention="bottleneck"), windows(), windows(seed=1), epochs=9, on_epoch=interrupt
        )


@pytest.mark.parametrize(
    ("num_windows", "batch_size", "epochs"),
    [
        (8449, 128, 30),  # 67 batches: 30 epochs have 2,010
        (128 * 200, 128, 10),
        (128 * 200 - 1, 64, 6),  # 400 batches: 5 epochs have 2,000
        (128 * 21, 128, 96),  # 95.2 epochs
        (100, 128, 100),  # 1 batch
        (1, 1, 100),
        (1_000_000, 128, 6),
    ],
)
def test_epochs_have_2000_batches_but_are_6_to_100(num_windows, batch_size, epochs) -> None:
    assert choose_epochs(num_windows, batch_size) == epochs


def test_fewer_batches_are_fewer_epochs() -> None:
    assert choose_epochs(128 * 50, 128, num_batches=450) == 9


@pytest.mark.parametrize("num_steps", [1, 2, 19, 20, 600, 10_000])
def test_learning_rate_rises_in_a_line_and_falls_with_a_cosine(num_steps: int) -> None:
    schedule = rising_and_falling(0.5, num_steps)
    rise = min(num_steps // 20 + 1, 200)
    fall = max(num_steps - rise, 1)
    for step in sorted({0, rise // 2, rise - 1, rise, rise + fall // 3, num_steps}):
        expected = 0.5 / 20 + (0.5 - 0.5 / 20) * step / rise
        if step >= rise:
            part = min((step - rise) / fall, 1)
            expected = 0.5 * (0.02 + 0.98 * (1 + np.cos(np.pi * part)) / 2)
        np.testing.assert_allclose(float(schedule(step)), expected, rtol=1e-4)


def test_train_of_the_per_feature_encoder_lowers_the_loss() -> None:
    forecaster = model(encoder="per-feature", attention="additive", placement="after", segment=4)
    history = train(
        forecaster, windows(), windows(seed=1), epochs=15, batch_size=31, learning_rate=0.02
    )
    losses = [epoch.val_loss for epoch in history.epochs]
    assert min(losses) < 0.7 * losses[0]
    errors = [
        np.abs(outputs["forecast"] - batch.targets)
        for _, batch, outputs in run_batches(forecaster, windows(seed=1))
    ]
    np.testing.assert_allclose(np.concatenate(errors).mean(), min(losses), rtol=1e-4)


def test_run_batches_bounds_what_the_attention_over_features_compares(monkeypatch) -> None:
    forecaster = model(encoder="per-feature", attention="shared", placement="after", segment=4)
    whole = np.concatenate([out["forecast"] for _, _, out in run_batches(forecaster, windows())])
    # 2 features, 3 segments and 5 units; the shared scores are half of the comparisons
    monkeypatch.setattr(tsattn.running, "_MOST_SCORES", 7 * 30 + 5)
    parts = [out["forecast"] for _, _, out in run_batches(forecaster, windows())]
    assert max(map(len, parts)) == 7
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)
