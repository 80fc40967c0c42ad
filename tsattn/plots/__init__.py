"""The figures of a report: one function each, which returns a Figure to save or to show."""

from tsattn.plots.accuracy import plot_forecast, plot_horizon_error, plot_loss
from tsattn.plots.attention import plot_heatmap, plot_profile
from tsattn.plots.backtests import plot_fold_errors
from tsattn.plots.drift import plot_drift
from tsattn.plots.groups import plot_groups
from tsattn.plots.horizon import plot_horizon_heatmap
from tsattn.plots.style import save_figure

__all__ = [
    "plot_drift",
    "plot_fold_errors",
    "plot_forecast",
    "plot_groups",
    "plot_heatmap",
    "plot_horizon_error",
    "plot_horizon_heatmap",
    "plot_loss",
    "plot_profile",
    "save_figure",
]
