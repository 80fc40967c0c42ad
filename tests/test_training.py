import numpy as np
import pytest

import tsattn.training
from tsattn.data.windows import make_windows
from tsattn.errors import TrainingDivergedError, TrainingInterruptedError
from tsattn.models import WindowShape, build_forecaster
from tsattn.training import TrainingBatches, run_batches, train

SHAPE = WindowShape(lookback=11, horizon=3, num_features=2, num_targets=1)


def windows(rows: int = 211, seed: int = 0):
    generator = np.random.default_rng(seed)
    values = np.sin(np.arange(rows)[:, None] / [3.0, 5.0]) + 0.1 * generator.normal(size=(rows, 2))
    return make_windows(values, lookback=11, horizon=3, num_targets=1)


def model(**options):
    return build_forecaster(SHAPE, units=5, **options)


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
    history = train(model(), windows(), windows(seed=1), epochs=50, patience=2, learning_rate=1e-8)
    assert len(history.epochs) < 50
    assert history.best_epoch >= len(history.epochs) - 2


def test_train_with_the_same_seed_gives_the_same_weights() -> None:
    import keras

    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        forecaster = model(dropout=0.1)
        train(forecaster, windows(), windows(seed=1), epochs=2, seed=3)
        weights.append(forecaster.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


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


def test_train_interrupted_in_the_first_epoch_has_nothing_to_keep() -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(TrainingInterruptedError, match="no model to keep"):
        train(model(), windows(), windows(seed=1), on_batch=interrupt)


def test_batches_are_equal_and_hold_every_window() -> None:
    batches = TrainingBatches(windows(), batch_size=31, windows_per_epoch=None, seed=0)
    sizes = {len(batches[i][1]) for i in range(len(batches))}
    assert sizes == {31}
    assert set(batches.order) == set(range(len(windows())))


def test_batches_of_an_epoch_are_drawn_anew() -> None:
    batches = TrainingBatches(windows(), batch_size=7, windows_per_epoch=13, seed=0)
    first = batches.order.copy()
    batches.on_epoch_end()
    assert len(batches) == 2
    assert len(set(first)) == 13
    assert set(first) != set(batches.order)


def test_run_batches_does_not_depend_on_the_batch_size(monkeypatch) -> None:
    forecaster, many = model(), windows()
    whole = np.concatenate([out["forecast"] for _, _, out in run_batches(forecaster, many)])
    monkeypatch.setattr(tsattn.training, "PREDICT_BATCH", 13)
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
