"""The views of `tsattn explain --data`: one window, groups of windows, and drift."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tsattn import config
from tsattn.cli import options

if TYPE_CHECKING:
    from tsattn.pipeline.drifting import AttentionDrift
    from tsattn.pipeline.grouping import GroupedExplanation

view_options = (
    click.option(
        "--window",
        metavar="TIME",
        help="Only the window whose first forecast step (origin_time of a forecast) is at TIME.",
    ),
    click.option(
        "--by",
        metavar="hour|weekday|month|target-level|COLUMN",
        help="Groups of windows: by the time of the first forecast step, by thirds of the target's "
        "mean in the window, or by the last known value of a column (numbers: quartiles).",
    ),
    click.option("--series", metavar="ID", help="With --window or --by: a series of a panel."),
    click.option(
        "--against",
        metavar="train|val|test|FILE",
        help="How far the attention is from that over these rows of the training, or other data.",
    ),
    click.option(
        "--train-data",
        type=options.PATH,
        help="With --against train, val or test: the new place of the data of the fit.",
    ),
    click.option(
        "--max-drift",
        type=float,
        metavar="X",
        help="With --against: exit with 6 if the total distance (0 to 1) is above X.",
    ),
)


class Views(NamedTuple):
    """What was asked for."""

    window: str | None
    by: str | None
    series: str | None
    against: str | None
    train_data: Path | None
    max_drift: float | None

    @property
    def given(self) -> list[str]:
        """The names of the options that were given."""
        named = self._asdict().items()
        return [f"--{name.replace('_', '-')}" for name, value in named if value is not None]


def check_views(views: Views, *, has_data: bool, check: bool) -> None:
    """Raise a UsageError for views that do not go together, or not without data."""
    if not views.given:
        return
    config.require(
        has_data and not check,
        "Views of the attention are about the windows of --data.",
        f"{views.given[0]} {'with --check' if check else 'without --data'}",
        "Leave --check out." if check else "Give the data with --data.",
    )
    chosen = [name for name in ("window", "by", "against") if getattr(views, name) is not None]
    config.require(
        len(chosen) < 2,
        "One view is shown at a time.",
        " and ".join(f"--{name}" for name in chosen),
        "Leave one of them out.",
    )
    config.require(
        views.series is None or chosen in (["window"], ["by"]),
        "--series chooses the series of --window or --by.",
        "--series without them",
        "Add one of them, or leave --series out.",
    )
    extra = [name for name in views.given if name in ("--train-data", "--max-drift")]
    config.require(
        not extra or chosen == ["against"],
        "--train-data and --max-drift belong to --against.",
        f"{', '.join(extra)} without --against",
        "Add --against.",
    )


def show_groups(
    model: Path, data: Path, views: Views, *, as_json: bool, **given: Any
) -> "GroupedExplanation":
    """Print the attention of groups of windows, and return it."""
    from tsattn.cli import view_printing
    from tsattn.pipeline import grouping

    explanation = grouping.explain_groups(
        model, data, by=views.by or "", series=views.series, **given
    )
    view_printing.print_groups(explanation, given["output"], as_json=as_json)
    return explanation


def show_drift(
    model: Path, data: Path, views: Views, *, as_json: bool, **given: Any
) -> "AttentionDrift":
    """Print how far the attention has moved, and return it; a QualityGateError if too far."""
    from tsattn.cli import view_printing
    from tsattn.pipeline import drifting

    if views.max_drift is not None:
        drifting.check_bound(views.max_drift)
    drift = drifting.attention_drift(
        model, data, against=views.against or "", train_data=views.train_data, **given
    )
    view_printing.print_drift(drift, given["output"], as_json=as_json)
    if views.max_drift is not None:
        drifting.check_drift(drift, views.max_drift)
    return drift
