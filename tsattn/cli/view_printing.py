"""What the views of `tsattn explain` print on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pandas as pd

from tsattn.cli.printing import print_json, records, table
from tsattn.data.skipping import skipped_json
from tsattn.profiles import describe_scores

if TYPE_CHECKING:
    from tsattn.pipeline.drifting import AttentionDrift
    from tsattn.pipeline.grouping import GroupedExplanation

MAX_COLUMNS = 7
MAX_ROWS = 20
DRIFT_FORMATS = {
    **dict.fromkeys(("before", "now", "lags"), "{:.1%}"),
    "change": "{:+.1%}",
}


def print_groups(explanation: "GroupedExplanation", folder: Path | None, *, as_json: bool) -> None:
    """Print one row for each group, with the share of each feature and where it peaks."""
    summary = explanation.summary
    if as_json:
        groups = [
            {
                "group": name,
                "num_windows": int(rows["num_windows"].iloc[0]),
                "summary": records(rows.drop(columns=["group", "num_windows"])),
            }
            for name, rows in summary.groupby("group", sort=False)
        ]
        profile = records(explanation.profile)
        print_json({"by": explanation.by, "meaning": explanation.meaning, "groups": groups}
                   | {"profile": profile, **skipped_json(explanation.skipped)})  # fmt: skip
        return
    shown, left_out = compact_groups(summary)
    click.echo(table(shown, {"windows": "{:,}"}))
    ranks = "total" in summary
    what = (
        "the share of the forecast on a feature, attention and any linear path together"
        if ranks
        else "the share of a feature's own attention"
    )
    where = ", and the lag (of what is known ahead the step) at which its attention peaks"
    click.echo(f"\ngroup: {explanation.meaning}. {what.capitalize()}{where if ranks else ''}"
               f"{'' if ranks else ' at the lag where it peaks'}.")  # fmt: skip
    first = explanation.profile["group"] == explanation.profile["group"].iloc[0]
    click.echo(describe_scores(explanation.profile[first]))
    if left_out:
        click.echo(f"{left_out} features with less are left out; --json and --output have them.")
    if folder is not None:
        click.echo(f"profile of each group: {folder}")


def compact_groups(summary: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return one row per group and one column per feature, and how many features are left out."""
    value = "total" if "total" in summary else "peak_share"
    ahead = summary["role"].eq("future").map({True: " (ahead)", False: ""})
    labelled = summary.assign(label=summary["feature"] + ahead)
    means = labelled.groupby("label", sort=False)[value].mean()
    labels = means.sort_values(ascending=False, kind="stable").index
    labelled["cell"] = [
        f"{share:.1%}" + ("" if pd.isna(lag) else _place(int(lag), role))
        for share, lag, role in zip(
            labelled[value], labelled["peak_lag"], labelled["role"], strict=True
        )
    ]
    groups = labelled.drop_duplicates("group")
    cells = labelled.pivot(index="group", columns="label", values="cell")
    shown = pd.DataFrame({"group": groups["group"], "windows": groups["num_windows"]})
    for label in labels[:MAX_COLUMNS]:
        shown[label] = cells[label].reindex(groups["group"]).to_numpy()
    return shown, max(len(labels) - MAX_COLUMNS, 0)


def _place(lag: int, role: str) -> str:
    return f" @step{1 - lag}" if role == "future" else f" @{lag}"


def print_drift(drift: "AttentionDrift", folder: Path | None, *, as_json: bool) -> None:
    """Print how far the attention has moved, and the features of which it has most."""
    if as_json:
        print_json(drift.to_json())
        return
    click.echo(table(drift.features.head(MAX_ROWS), DRIFT_FORMATS))
    click.echo(
        f"\ntotal distance: {drift.total:.4f}, of {drift.num_windows:,} windows from "
        f"{drift.num_windows_before:,} of {drift.against}"
    )
    click.echo(f"{drift.meaning}.")
    if len(drift.features) > MAX_ROWS:
        click.echo(f"The {MAX_ROWS} features with the largest change; --json has all.")
    if folder is not None:
        click.echo(f"drift: {folder}")
