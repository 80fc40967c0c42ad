"""The files of a model directory that report on the model: metrics, forecasts, attention, plots."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsattn import plots
from tsattn.cells import forecast_profile
from tsattn.data.series import TimeSeries
from tsattn.evaluation import UNITS, Evaluation
from tsattn.fitted import FittedForecaster, time_text
from tsattn.forecasts import FLOAT_FORMAT
from tsattn.horizon_profiles import horizon_frame
from tsattn.json_files import write_json
from tsattn.linear_profiles import linear_blocks, without_idle_attention
from tsattn.profile_frames import profile_frame
from tsattn.profiles import CONTRIBUTION_UNIT, AttentionProfile, ranks_features
from tsattn.rankings import feature_ranking

if TYPE_CHECKING:  # it loads Keras, which a forecast does without
    from tsattn.training import History

NUM_EXAMPLES = 4


def split_metrics(evaluation: Evaluation, series: TimeSeries) -> dict[str, Any]:
    """Return the block of `metrics.json` for a split, with its first and last target time."""
    origins = evaluation.windows.origins
    return {
        "first_time": time_text(series.times[origins].min()),
        "last_time": time_text(series.times[origins + evaluation.windows.horizon - 1].max()),
        **evaluation.to_json(),
    }


def write_report(
    directory: Path,
    fitted: FittedForecaster,
    series: TimeSeries,
    history: "History",
    evaluations: dict[str, Evaluation],
    *,
    notes: Sequence[str] = (),
    updated_from: dict[str, Any] | None = None,
) -> None:
    """Write metrics, history, forecasts, attention and plots of a model into its directory.

    Forecasts and attention are those of the test windows; of the validation windows if there is no
    test split.
    """
    metrics: dict[str, Any] = {
        name: split_metrics(evaluation, series) for name, evaluation in evaluations.items()
    }
    if "test" not in metrics:
        metrics["test"] = {"num_windows": 0, "note": "no test rows were set aside"}
    shown = evaluations.get("test", evaluations["val"])
    forecasts = shown.forecast.to_written_frame(series)
    if "test" in evaluations:
        forecasts.to_parquet(directory / "test_forecasts.parquet", index=False)
        if len(shown.forecast.origins) < len(shown.windows):
            metrics["test"]["forecasts_kept"] = len(shown.forecast.origins)
    metrics["num_parameters"] = fitted.network.count_params()
    metrics["data"] = _described(series, notes)
    if updated_from is not None:
        metrics["updated_from"] = updated_from
    metrics["linear_path"] = fitted.shares_by_target
    write_json(directory / "metrics.json", metrics)
    epochs = history.to_frame()
    epochs.to_csv(directory / "history.csv", index=False, float_format=FLOAT_FORMAT)
    folder = directory / "plots"
    folder.mkdir()
    plots.save_figure(plots.plot_loss(epochs, history.best_epoch), folder / "loss.png")
    plots.save_figure(plots.plot_horizon_error(horizon_errors(shown)), folder / "horizon_error.png")
    examples, past = example_windows(fitted, series, shown)
    title = f"series {examples['series_id'].iloc[0]}" if "series_id" in examples else ""
    plots.save_figure(plots.plot_forecast(examples, past, title=title), folder / "forecast.png")
    if shown.attention:
        write_attention(directory / "attention", folder, fitted, shown)


def _described(series: TimeSeries, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "num_rows": series.num_rows,
        "num_series": len(series.series_ids),
        "first_time": time_text(series.times.min()),
        "last_time": time_text(series.times.max()),
        "notes": list(notes),
    }


def write_attention(
    directory: Path, plot_folder: Path, fitted: FittedForecaster, evaluation: Evaluation
) -> AttentionProfile:
    """Write the profile, the scores of at most 2,000 windows (200 MB), and the plots of it."""
    if evaluation.attention is None:
        raise ValueError("The model must have attention. Received: no scores. Check before.")
    profile = fitted.profile(evaluation.attention)
    frame = profile_frame(fitted, evaluation)
    directory.mkdir(exist_ok=True)
    frame.to_csv(directory / "profile.csv", index=False, float_format=FLOAT_FORMAT)
    ranking = ranking_frame(fitted, evaluation, frame)
    if ranking is not None:
        ranking.to_csv(directory / "ranking.csv", index=False, float_format=FLOAT_FORMAT)
    # (windows, steps, channels); of a recurrent decoder (windows, horizon, steps)
    kept = evaluation.horizon_attention or evaluation.attention
    arrays = {
        "scores": kept.kept_scores(),
        "origins": evaluation.windows.origins[kept.kept],
        "channels": np.array(profile.channels if len(profile.targets) > 1 else profile.channels[0]),
    }
    ahead = evaluation.future_attention
    if ahead is not None:
        arrays["future_scores"] = ahead.kept_scores()  # (windows, horizon, future features)
        arrays["future_origins"] = evaluation.windows.origins[ahead.kept]
        arrays["future_channels"] = np.array(fitted.future_profile(ahead).channels[0])
    np.savez_compressed(directory / "windows.npz", **arrays)
    shown = without_idle_attention(frame, fitted.shares_by_target)
    unit = CONTRIBUTION_UNIT if shown["measure"].iloc[0] == "contribution" else ""
    plots.save_figure(plots.plot_profile(shown, unit), plot_folder / "profile.png")
    shares, apart = fitted.shares_by_target, fitted.targets_apart
    cells = forecast_profile(frame, shares, targets_apart=apart)
    heatmap = plots.plot_heatmap(shown, unit) if cells is None else plots.plot_heatmap(cells)
    plots.save_figure(heatmap, plot_folder / "heatmap.png")
    if evaluation.horizon_attention:
        horizon = horizon_frame(evaluation.horizon_attention, fitted.profile_target)
        horizon.to_csv(directory / "horizon.csv", index=False, float_format=FLOAT_FORMAT)
        figure = plots.plot_horizon_heatmap(horizon)
        plots.save_figure(figure, plot_folder / "horizon_heatmap.png")
    return profile


def ranking_frame(
    fitted: FittedForecaster, evaluation: Evaluation, frame: pd.DataFrame
) -> pd.DataFrame | None:
    """Return the rows of `attention/ranking.csv`; None where nothing ranks the features.

    The blocks of the intervals have the order of the rows of `frame`, which is `profile_frame`.
    """
    if evaluation.attention is None or not ranks_features(frame):
        return None
    profile = fitted.profile(evaluation.attention)
    blocks = [profile.in_rows(evaluation.attention.block_sums)]
    ahead = evaluation.future_attention
    if ahead is not None:
        blocks.append(fitted.future_profile(ahead).in_rows(ahead.block_sums))
    if evaluation.linear_inputs is not None:
        linear = (evaluation.linear_inputs, fitted.linear, fitted.linear_shares, fitted.schema)
        blocks.append(linear_blocks(*linear, lookback=fitted.lookback))
    return feature_ranking(
        frame,
        np.concatenate(blocks, axis=1),
        fitted.shares_by_target,
        targets_apart=fitted.targets_apart,
    )


def horizon_errors(evaluation: Evaluation) -> pd.DataFrame:
    """Return `forecaster, horizon_step, mae` in original units, over all targets."""
    rows = [
        {"forecaster": name, "horizon_step": step + 1, "mae": error}
        for name, units in evaluation.scores.items()
        for step, error in enumerate(units["original"].absolute.mean(axis=1))
    ]
    return _drawable(pd.DataFrame(rows))


def score_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return `forecaster, mse, mae, scaled_mse, scaled_mae, skill` for model and baselines.

    The skill of a row is that of the model against the row's forecaster.
    """
    content = evaluation.to_json()
    rows = []
    for name, units in evaluation.scores.items():
        original, scaled = (units[unit] for unit in reversed(UNITS))
        rows.append(
            {
                "forecaster": name,
                "mse": original.mse,
                "mae": original.mae,
                "scaled_mse": scaled.mse,
                "scaled_mae": scaled.mae,
                "skill": content["skill"].get(name),
            }
        )
    return pd.DataFrame(rows)


def coverage_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return `level, coverage, mean_width, without_following`; no rows without intervals.

    The last is the coverage of the intervals of the validation rows, see `tsattn.following`.
    """
    found, unfollowed = evaluation.coverage, evaluation.coverage_unfollowed
    rows = []
    if found and unfollowed:
        means = (found.coverage, found.width, unfollowed.coverage)
        rows = [
            (f"{level:g}%", *(values[..., i].mean() for values in means))
            for i, level in enumerate(found.levels)
        ]
    return pd.DataFrame(rows, columns=["level", "coverage", "mean_width", "without_following"])


def example_windows(
    fitted: FittedForecaster, series: TimeSeries, evaluation: Evaluation
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return forecasts of a few windows beside the baselines, and the past before them.

    The windows are spread over those of the first series, so that they do not overlap where there
    is room.
    """
    forecast = evaluation.forecast
    owners = series.series_of(forecast.origins)
    of_one = np.flatnonzero(owners == owners[0])
    spread = np.linspace(0, len(of_one) - 1, NUM_EXAMPLES + 2)[1:-1].round().astype(int)
    picks = of_one[np.unique(spread)]
    windows = replace(evaluation.windows, origins=forecast.origins[picks])
    batch = windows.gather(slice(None))
    examples = forecast.take(picks).to_frame(series)
    for name, baseline in fitted.baselines(series).items():
        scaled = baseline(windows, slice(0, len(windows)), batch)
        values = windows.original(scaled, slice(None))
        table = forecast.take(picks, forecast=values).to_frame(series)
        examples[name] = table["forecast"].to_numpy()
    steps = min(windows.lookback, max(2 * windows.horizon, 24))
    rows = windows.origins[:, None] + np.arange(-steps, 0)  # (windows, steps)
    past = [
        pd.DataFrame(
            {
                "target": target,
                "origin_time": series.times[np.repeat(windows.origins, steps)],
                "time": series.times[rows.ravel()],
                "value": series.original(rows.ravel(), i),
            }
        )
        for i, target in enumerate(fitted.schema.targets)
    ]
    return _drawable(examples), pd.concat(past, ignore_index=True)


def _drawable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without what overflowed."""
    return table.replace([np.inf, -np.inf], np.nan)
