"""The figures say what they show: labels, units, lines, limits and what is left out."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tsattn import plots

HORIZON, LOOKBACK = 7, 29


def history(epochs):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "epoch": np.arange(1, epochs + 1),
            "loss": rng.uniform(0.3, 0.5, epochs),
            "val_loss": rng.uniform(0.6, 0.7, epochs),
            "learning_rate": 1e-3,
            "seconds": 2.0,
        }
    )


def windows(targets=("load",), origins=2, horizon=HORIZON, times=None, quantiles=(), levels=()):
    """Return examples and past of a sine, evenly spread over hourly times."""
    if times is None:
        times = pd.date_range("2016-03-26", periods=300, freq="h", tz="Europe/Brussels")
    times = pd.Series(times)
    values = np.sin(np.arange(len(times)) / 24 * 2 * np.pi)
    examples, past = [], []
    for target in targets:
        for origin in np.linspace(LOOKBACK, len(times) - horizon, origins).astype(int):
            ahead = slice(origin, origin + horizon)
            label = {"target": target, "origin_time": times[origin]}
            window = pd.DataFrame({**label, "time": times[ahead], "actual": values[ahead]})
            window["horizon_step"] = np.arange(1, horizon + 1)
            window["forecast"] = window["actual"] + 0.1
            window["last_value"] = values[origin - 1]
            window["seasonal_naive"] = window["actual"] - 0.1
            window["linear"] = window["actual"] + 0.2
            for level in quantiles:
                window[f"q{level}"] = window["forecast"] + level - 0.5
            for level in levels:
                window[f"lower_{level}"] = window["forecast"] - level / 100
                window[f"upper_{level}"] = window["forecast"] + level / 100
            known = slice(origin - LOOKBACK, origin)
            examples.append(window)
            past.append(pd.DataFrame({**label, "time": times[known], "value": values[known]}))
    return pd.concat(examples, ignore_index=True), pd.concat(past, ignore_index=True)


def horizon_errors(horizon, **levels):
    steps = np.arange(1, horizon + 1)
    frames = [
        pd.DataFrame({"forecaster": name, "horizon_step": steps, "mae": level + 0.01 * steps})
        for name, level in levels.items()
    ]
    return pd.concat(frames, ignore_index=True)


def profile(features, lags=None, *, peak=0.3, segment=1, **columns):
    """Return a profile whose shares sum to 1 over the lags, more of them at lag 1."""
    lags = np.arange(1, LOOKBACK + 1, segment) if lags is None else np.asarray(lags)
    frames = []
    for index, feature in enumerate(features):
        mean = np.full(len(lags), 1 / len(lags))
        mean[lags == 1] += peak * (index + 1) / len(features)
        mean /= mean.sum()
        frame = {"target": "load", "feature": feature, "kind": "feature", "role": "past"}
        frame |= {"horizon_first": 1, "horizon_last": HORIZON}
        frame |= {"lag_first": lags, "lag_last": lags + segment - 1, "measure": "share"}
        frame |= {"mean": mean, "std": 0.1 * mean, "p10": 0.9 * mean, "p50": mean}
        frame |= {"p90": 1.2 * mean, "num_windows": 2785}
        frames.append(pd.DataFrame(frame | columns))
    return pd.concat(frames, ignore_index=True)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def heading(figure):
    return figure.get_suptitle()


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_import_loads_no_matplotlib():
    code = "import sys, tsattn.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_save_figure_writes_the_same_small_png_twice(tmp_path):
    for name in ("a.png", "b.png"):
        plots.save_figure(plots.plot_loss(history(11)), tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert data == (tmp_path / "b.png").read_bytes()
    assert len(data) < 100_000


def test_plots_use_no_global_state():
    code = (
        "import sys, pandas as pd; from tsattn import plots;"
        "plots.plot_loss(pd.DataFrame({'epoch': [1], 'loss': [2.0], 'val_loss': [3.0]}));"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_plot_loss_marks_the_lowest_val_loss():
    frame = history(11)
    frame.loc[4, "val_loss"] = 0.55
    figure = plots.plot_loss(frame)
    (axes,) = figure.axes
    assert line(axes, "train").get_ydata() == pytest.approx(frame["loss"])
    assert line(axes, "val").get_ydata() == pytest.approx(frame["val_loss"])
    assert legend(figure) == ["train", "val", "best epoch: 5 (val 0.55)"]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[5, 0.55]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss (scaled values)")


def test_plot_loss_shows_a_single_epoch():
    figure = plots.plot_loss(history(1))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert line(axes, "val").get_marker() == "o"
    left, right = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if left <= tick <= right] == [1]


def test_plot_loss_marks_nothing_without_val_loss():
    figure = plots.plot_loss(history(5).assign(val_loss=np.nan))
    assert legend(figure) == ["train", "val"]


def test_plot_loss_is_logarithmic_where_the_loss_falls_far():
    frame = history(11)
    assert plots.plot_loss(frame).axes[0].get_yscale() == "linear"
    frame.loc[0, "loss"] = 50.0
    assert plots.plot_loss(frame).axes[0].get_yscale() == "log"


def test_plot_loss_marks_the_epoch_that_was_kept():
    frame = history(7).assign(val_loss=[1, 2, 3, 4, 5, 6, 7])
    axes = plots.plot_loss(frame, best_epoch=4).axes[0]
    assert axes.collections[0].get_offsets()[0].tolist() == [4, 4]
    assert labels(axes)[-1].startswith("best epoch: 4 ")


def horizon_profile(steps=5, lags=11, targets=("load",)):
    """Return a profile in which horizon step h looks at lag h."""
    shares = np.full((steps, lags), 0.5 / (lags - 1))
    shares[np.arange(steps), np.arange(steps)] = 0.5
    frame = pd.DataFrame(
        {
            "horizon_step": np.repeat(np.arange(1, steps + 1), lags),
            "lag": np.tile(np.arange(1, lags + 1), steps),
            "mean": shares.ravel(),
            "std": 0.1,
            "num_windows": 2785,
        }
    )
    return pd.concat([frame.assign(target=target) for target in targets], ignore_index=True)


def test_plot_horizon_heatmap_is_steps_by_lags_with_lag_1_at_the_right():
    figure = plots.plot_horizon_heatmap(horizon_profile())
    axes, bar = figure.axes
    image = axes.images[0]
    assert image.get_array().shape == (5, 11)
    assert image.get_array()[2, 2] == 0.5
    assert image.get_extent() == [0.5, 11.5, 5.5, 0.5]
    assert axes.get_xlim() == (11.5, 0.5)
    assert axes.get_ylim() == (5.5, 0.5)
    assert axes.get_xlabel() == "lag (steps; 1 = last known)"
    assert axes.get_ylabel() == "horizon step (steps ahead)"
    assert bar.get_ylabel().startswith("mean share of attention")
    assert "target load, 2,785 windows" in heading(figure)
    assert "the shares over the lags sum to 1: when the decoder looks for it" in heading(figure)


def test_plot_horizon_heatmap_takes_one_step_long_horizons_and_several_targets(tmp_path):
    plots.save_figure(plots.plot_horizon_heatmap(horizon_profile(1, 2)), tmp_path / "a.png")
    figure = plots.plot_horizon_heatmap(horizon_profile(720, 727, ("*", "price")))
    plots.save_figure(figure, tmp_path / "b.png")
    assert figure.get_figheight() < 9
    assert "first of 2 targets" in heading(figure)


def test_profile_plots_explain_a_contribution():
    frame = profile(["load", "price"], measure="contribution")
    for plot in (plots.plot_profile, plots.plot_heatmap):
        assert "a contribution: what a feature's value at a lag adds" in heading(plot(frame))
        assert "contribution" not in heading(plot(profile(["load"])))


def test_plot_forecast_draws_each_window_with_its_baselines():
    examples, past = windows(quantiles=(0.1, 0.5, 0.9))
    figure = plots.plot_forecast(examples, past, unit="MW")
    first, second = figure.axes
    assert first.get_title() == "forecast from 2016-03-27 06:00"  # a day of 23 hours
    assert first.get_ylabel() == "load (MW)"
    assert second.get_xlabel() == "time (Europe/Brussels)"
    expected = ["actual", "last value", "seasonal naive", "linear", "forecast"]
    assert sorted(legend(figure)) == sorted([*expected, "0.1 to 0.9 quantile"])
    window = examples[examples["origin_time"] == examples["origin_time"].min()]
    assert line(first, "forecast").get_ydata() == pytest.approx(window["forecast"])
    actual = line(first, "actual")
    assert len(actual.get_ydata()) == 2 * HORIZON + HORIZON
    assert actual.get_ydata()[-HORIZON:] == pytest.approx(window["actual"])
    assert actual.get_xdata()[-HORIZON:] == pytest.approx(line(first, "forecast").get_xdata())


def test_plot_forecast_shows_local_time():
    figure = plots.plot_forecast(*windows(origins=1))
    figure.draw_without_rendering()
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert "Mar-27" in ticks  # midnight in Brussels, not in UTC
    assert ticks[-3:] == ["04:00", "08:00", "12:00"]


def test_plot_forecast_takes_row_numbers():
    figure = plots.plot_forecast(*windows(times=range(300), origins=1))
    (axes,) = figure.axes
    assert axes.get_xlabel() == "row"
    assert axes.get_title() == f"forecast from row {LOOKBACK}"
    assert line(axes, "forecast").get_xdata().tolist() == list(range(29, 36))
    assert axes.get_ylabel() == "load"


def test_plot_forecast_draws_targets_as_rows_and_says_how_many_are_left_out():
    figure = plots.plot_forecast(*windows(targets="abcde", origins=3), unit="MW")
    assert len(figure.axes) == 4 * 3
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == [f"{name} (MW)" for name in "abcd"]
    assert heading(figure) == "first 4 of 5 targets"


def test_plot_forecast_spreads_at_most_four_origins():
    examples, past = windows(origins=11)
    figure = plots.plot_forecast(examples, past)
    starts = [line(axes, "forecast").get_xdata()[0] for axes in figure.axes]
    assert len(starts) == 4
    every = examples.loc[examples["horizon_step"] == 1, "time"]
    days = (every.dt.tz_convert(None) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    assert starts == pytest.approx(days.iloc[[0, 3, 7, 10]])


@pytest.mark.parametrize("horizon", [1, HORIZON])
def test_plot_forecast_draws_intervals_in_place_of_quantiles(horizon):
    examples, past = windows(horizon=horizon, quantiles=(0.1, 0.5, 0.9), levels=(80, 97.5))
    figure = plots.plot_forecast(examples, past)
    bands = [label for label in legend(figure) if "interval" in label or "quantile" in label]
    assert bands == ["97.5 % interval", "80 % interval"]  # the widest below the others
    examples["upper_97.5"] += 100
    assert heading(plots.plot_forecast(examples, past)) == "beyond the axis: 97.5 % interval"


def test_plot_forecast_says_which_baseline_is_beyond_the_axis():
    examples, past = windows()
    examples["linear"] *= 1000
    figure = plots.plot_forecast(examples, past)
    assert heading(figure) == "beyond the axis: linear"
    low, high = figure.axes[0].get_ylim()
    assert -3 < low < -1 < 1 < high < 3


def test_plot_forecast_shows_a_single_step_as_markers():
    figure = plots.plot_forecast(*windows(horizon=1, quantiles=(0.1, 0.9)))
    figure.draw_without_rendering()
    assert line(figure.axes[0], "forecast").get_marker() == "o"
    assert "0.1 to 0.9 quantile" in legend(figure)


def test_plot_forecast_draws_a_long_horizon_in_wide_panels():
    times = pd.date_range("2016-01-01", periods=3000, freq="h")
    figure = plots.plot_forecast(*windows(times=times, origins=5, horizon=720))
    assert len(figure.axes) == 2
    assert len({axes.get_position().x0 for axes in figure.axes}) == 1
    assert figure.axes[-1].get_xlabel() == "time"


@pytest.mark.parametrize(("periods", "freq"), [(13, "s"), (90, "min"), (77, "h"), (61, "MS")])
@pytest.mark.parametrize("zone", [None, "Europe/Brussels"])
def test_plot_forecast_finds_dates_for_every_span(periods, freq, zone):
    times = pd.date_range("2016-03-26", periods=LOOKBACK + periods, freq=freq, tz=zone)
    plots.plot_forecast(*windows(times=times, origins=1)).draw_without_rendering()


def test_plot_forecast_leaves_gaps_where_actual_is_missing():
    examples, past = windows()
    examples.loc[3, "actual"] = np.nan
    examples["seasonal_naive"] = np.nan
    figure = plots.plot_forecast(examples, past)
    figure.draw_without_rendering()
    assert np.isnan(line(figure.axes[0], "actual").get_ydata()).sum() == 1


def test_plot_horizon_error_makes_the_model_prominent():
    figure = plots.plot_horizon_error(horizon_errors(23, model=1.0, last_value=2.0), unit="MW")
    (axes,) = figure.axes
    assert labels(axes) == ["model", "last value"]
    assert line(axes, "model").get_linewidth() > line(axes, "last value").get_linewidth()
    assert axes.get_ylabel() == "mean absolute error (MW)"
    assert axes.get_xlabel() == "horizon step (steps ahead)"
    assert axes.get_xlim() == (1, 23)
    assert axes.get_xticks().tolist() == [1, 3, 6, 9, 12, 15, 18, 21]
    assert heading(figure) == ""


def test_plot_horizon_error_cuts_a_baseline_off_the_scale_and_says_so():
    figure = plots.plot_horizon_error(horizon_errors(720, model=1.0, linear=1.5, last_value=99.0))
    assert figure.axes[0].get_ylim() == pytest.approx((0, 1.08 * 4 * 8.2))
    assert heading(figure) == "beyond the scale: last value (99.01 to 106.2)"
    assert figure.axes[0].get_ylabel() == "mean absolute error (original units)"


def test_plot_horizon_error_draws_bars_for_one_step():
    figure = plots.plot_horizon_error(horizon_errors(1, model=1.99, linear=2.99, last_value=99.99))
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([2, 3, 8])
    assert [text.get_text() for text in axes.texts] == ["2", "3", "100 (bar cut)"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["model", "linear", "last value"]
    assert not axes.lines


def test_plot_horizon_error_needs_no_model_and_skips_missing_errors():
    errors = horizon_errors(5, linear=1.0, seasonal_naive=2.0)
    errors.loc[errors["forecaster"] == "seasonal_naive", "mae"] = np.nan
    assert labels(plots.plot_horizon_error(errors).axes[0]) == ["linear"]


def test_plot_profile_draws_a_panel_per_feature_with_lag_1_at_the_right():
    frame = profile(["load", "Ampirion zonal load forecast", "price_$_per_$MWh"])
    figure = plots.plot_profile(frame)
    figure.draw_without_rendering()  # dollars are no mathematics
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["load", "Ampirion zonal load forecast", "price_$_per_$MWh"]
    for axes, (_, rows) in zip(figure.axes, frame.groupby("feature", sort=False), strict=True):
        left, right = axes.get_xlim()
        assert (left, right) == (LOOKBACK + 0.5, 0.5)
        mean = line(axes, "mean over windows")
        assert mean.get_xdata().tolist() == rows["lag_first"].tolist()
        assert mean.get_ydata() == pytest.approx(rows["mean"])
        assert line(axes, "uniform (3.45 %)").get_ydata() == pytest.approx([1 / 29, 1 / 29])
        assert "p10 to p90" in labels(axes)
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] >= frame["p90"].max()  # nothing is cut
    assert figure.axes[-1].get_xlabel() == "lag (steps; 1 = last known)"
    assert figure.get_supylabel() == "share of attention"
    assert heading(figure) == (
        "target load, horizon steps 1 to 7, 2,785 windows\neach panel: a feature"
    )


def test_plot_profile_leaves_out_the_features_nearest_to_uniform():
    features = [f"unit_{index:03d}" for index in range(31)]
    figure = plots.plot_profile(profile(features, kind="unit"))
    assert [axes.get_title() for axes in figure.axes] == features[-24:]
    assert "a hidden unit, not a feature" in heading(figure)
    assert "7 of 31 left out: the nearest to uniform" in heading(figure)


def test_plot_profile_says_that_shared_scores_are_of_all_features():
    figure = plots.plot_profile(profile(["all"], kind="shared"))
    assert heading(figure).endswith("\nall features together")


def test_plot_profile_draws_the_first_target_and_horizon_part():
    parts = [
        profile(["load"], peak=0.5, horizon_last=3),
        profile(["load"], horizon_first=4),
        profile(["load"], target="price", horizon_last=3),
    ]
    for plot in (plots.plot_profile, plots.plot_heatmap):
        figure = plot(pd.concat(parts, ignore_index=True))
        assert " ".join(heading(figure).split("\n")).startswith(
            "target load, horizon steps 1 to 3, 2,785 windows,"
            " first of 2 targets, first of 2 horizon parts"
        )
    figure = plots.plot_profile(pd.concat(parts, ignore_index=True))
    assert line(figure.axes[0], "mean over windows").get_ydata() == pytest.approx(parts[0]["mean"])


def test_plot_profile_draws_a_segment_as_a_level_over_its_lags():
    figure = plots.plot_profile(profile(["load"], segment=5))
    mean = line(figure.axes[0], "mean over windows")
    assert mean.get_xdata()[:4].tolist() == [0.5, 5.5, 5.5, 10.5]
    assert mean.get_ydata()[0] == mean.get_ydata()[1] > mean.get_ydata()[2]


@pytest.mark.parametrize(
    ("measure", "label"),
    [("nats", "information (nats)"), ("contribution", "contribution to the forecast (MW)")],
)
def test_plot_profile_names_the_measure_and_draws_no_uniform_level(measure, label):
    unit = "MW" if measure == "contribution" else ""
    figure = plots.plot_profile(profile(["load"], measure=measure), unit=unit)
    assert figure.get_supylabel() == label
    assert legend(figure) == ["p10 to p90", "mean over windows"]
    bar = plots.plot_heatmap(profile(["load"], measure=measure), unit=unit).axes[-1]
    assert bar.get_ylabel().replace("\n", " ").startswith(f"mean {label}")


def test_plot_profile_uniform_level_is_over_features_where_the_softmax_is():
    frame = profile(["load", "price", "wind", "sun"], peak=0.0, mean=0.25, p10=0.2, p90=0.3)
    assert line(plots.plot_profile(frame).axes[0], "uniform (25 %)").get_ydata()[0] == 0.25


def test_plot_profile_gives_panels_their_own_scales_where_one_peak_would_flatten_the_rest():
    frame = profile(["load", "price", "wind"], peak=0.0)
    frame.loc[0, ["mean", "p90"]] = 0.9
    figure = plots.plot_profile(frame)
    assert "the panels have different scales" in heading(figure)
    assert figure.axes[0].get_ylim()[1] > 10 * figure.axes[1].get_ylim()[1]


@pytest.mark.parametrize("plot", [plots.plot_profile, plots.plot_heatmap])
def test_profile_plots_mark_the_horizon_of_future_covariates(plot):
    past = profile(["load"], measure="nats")
    future = profile(["wind"], lags=np.arange(1 - HORIZON, LOOKBACK + 1), measure="nats")
    figure = plot(pd.concat([past, future.assign(role="future")], ignore_index=True))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_xlim() == (LOOKBACK + 0.5, 0.5 - HORIZON)
    assert axes.lines[-1].get_xdata() == [0.5, 0.5]
    shown = next(axes.get_xlabel() for axes in figure.axes if axes.get_xlabel())
    assert shown == "lag (steps; 1 = last known, below: horizon)"


@pytest.mark.parametrize("plot", [plots.plot_profile, plots.plot_heatmap])
@pytest.mark.parametrize(
    "frame",
    [
        profile(["load", "price"], peak=0.0, p10=1 / LOOKBACK, p90=1 / LOOKBACK),
        profile(["load"], lags=[1]),
        profile(["load", "price"], measure="nats", mean=0.0, p10=0.0, p90=0.0),
        profile(["load"], p10=np.nan, p90=np.nan, target=np.nan),
        profile(["n" * 90, "a_long_name_" * 9, ""]),
    ],
    ids=["constant", "one lag", "zero", "missing", "names"],
)
def test_profile_plots_take_degenerate_profiles(plot, frame):
    plot(frame).draw_without_rendering()


def test_plot_heatmap_is_features_by_lags_with_lag_1_at_the_right():
    frame = profile(["load", "Ampirion zonal load forecast"])
    figure = plots.plot_heatmap(frame)
    axes, bar = figure.axes
    (image,) = axes.images
    assert image.get_array().shape == (2, LOOKBACK)
    np.testing.assert_allclose(image.get_array()[1], frame["mean"][LOOKBACK:])
    assert image.get_extent() == [0.5, LOOKBACK + 0.5, 1.5, -0.5]
    assert axes.get_xlim() == (LOOKBACK + 0.5, 0.5)
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["load", "Ampirion zonal load forecast"]
    assert image.get_cmap().name == "viridis"
    assert image.norm.vmin == 0
    assert (axes.get_ylabel(), bar.get_ylabel()) == ("feature", "mean share of attention")


def test_plot_heatmap_says_that_shares_are_means_over_targets():
    for target, said in (("*", True), ("price", False)):
        frame = profile(["load"], measure="forecast").assign(target=target)
        words = plots.plot_heatmap(frame).texts
        assert any("on average over the targets" in text.get_text() for text in words) == said


def test_plot_heatmap_of_a_wide_table_has_the_features_of_the_largest_means():
    names = [f"feature {number}" for number in range(90)]
    frame = profile(names, measure="nats")  # more at lag 1 from name to name
    figure = plots.plot_heatmap(frame)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == names[-64:]
    assert axes.images[0].get_array().shape == (64, LOOKBACK)
    assert "26 of 90 left out: those with the least" in heading(figure)
    units = plots.plot_heatmap(profile(names, kind="unit"))
    assert units.axes[0].images[0].get_array().shape == (90, LOOKBACK)


def test_plot_heatmap_spreads_a_segment_over_its_lags():
    frame = profile(["load"], lags=[1, 6, 11], segment=5)
    (image,) = plots.plot_heatmap(frame).axes[0].images
    np.testing.assert_allclose(image.get_array()[0], frame["mean"].repeat(5))


def test_plot_heatmap_has_a_diverging_map_for_both_signs():
    frame = profile(["load", "price"], measure="contribution")
    frame.loc[3, "mean"] = -0.5
    (image,) = plots.plot_heatmap(frame).axes[0].images
    assert image.get_cmap().name == "PuOr_r"
    assert (image.norm.vmin, image.norm.vmax) == (-0.5, 0.5)


def test_plot_heatmap_says_when_colours_are_not_proportional():
    frame = profile(["load", "price"])
    frame.loc[3, "mean"] = 0.9
    bar = plots.plot_heatmap(frame).axes[-1]
    assert bar.get_ylabel() == "mean share of attention\n(colours by square root)"


def test_plot_heatmap_thins_the_labels_of_units():
    features = [f"unit_{index:03d}" for index in range(61)]
    axes = plots.plot_heatmap(profile(features, kind="unit")).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == features[::3]
    assert axes.get_ylabel() == "hidden unit, not a feature"
    axes = plots.plot_heatmap(profile(features)).axes[0]
    assert len(axes.get_yticklabels()) == 61


@pytest.mark.parametrize("plot", [plots.plot_profile, plots.plot_heatmap])
@pytest.mark.parametrize(
    ("measure", "unit"), [("share", ""), ("contribution", "standard deviations of the target")]
)
def test_profile_plots_stay_inside_the_figure(plot, measure, unit):
    frame = profile(["Ampirion zonal load forecast and then some more", "load"], measure=measure)
    figure = plot(frame, unit)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width * figure.dpi <= 1600
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


@pytest.mark.parametrize(
    ("last", "ticks"),
    [
        (5, [1, 2, 3, 4, 5]),
        (24, [1, 3, 6, 9, 12, 15, 18, 21, 24]),
        (720, [1, 72, 144, 216, 288, 360, 432, 504, 576, 648, 720]),
    ],
)
def test_horizon_ticks_are_round_numbers(last, ticks):
    axes = plots.plot_horizon_error(horizon_errors(last, model=1.0)).axes[0]
    assert axes.get_xticks().tolist() == ticks


def test_letter_that_the_font_lacks_is_no_warning(tmp_path) -> None:
    figure = plots.plot_loss(history(3))
    figure.axes[0].set_title("日本")
    plots.save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1_000
