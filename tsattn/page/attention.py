"""The sections on what the attention looks at, and whether that can be trusted."""

from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.cells import describe_forecast, forecast_profile, largest_cells
from tsattn.config import FitOptions
from tsattn.linear_profiles import (
    ALL_LINEAR,
    LINEAR_MEANING,
    is_all_linear,
    summarize_linear,
    without_idle_attention,
)
from tsattn.page.heatmap import heatmap
from tsattn.page.markup import Markup, bullets, figure, join, number, table, tag
from tsattn.profiles import describe_scores, summarize_profile
from tsattn.saved_attention import read_faithfulness, read_profile, read_ranking
from tsattn.verdicts import (
    LEAST_AGREEMENT,
    LEAST_CHANGE,
    LEAST_DELETION,
    LEAST_SKILL,
    LEAST_STABILITY,
    MOST_ON_SHUFFLED,
    SAME_MASSES,
)

MAX_ROWS = 20
MAX_CELLS = 10
_VERDICTS = {
    "trust": ("This profile can be trusted.", "good"),
    "weak": ("The evidence for this profile is weak.", "soft"),
    "no signal": ("This profile shows no signal: do not rely on it.", "bad"),
}
# What is shown of `attention/faithfulness.json`, in which form, and what it should be.
_MEASURES = (
    (
        "closer to the effects of replacing a cell than a uniform profile",
        ("agreement", "skill_over_uniform"), "{:.0%}", f"{LEAST_SKILL:.0%} or more",
    ),
    (
        "the same order as these effects, over cells (Kendall's tau)",
        ("agreement", "by_cell"), "{:.2f}",
        f"{LEAST_AGREEMENT} or more, or the line above {SAME_MASSES:.0%}",
    ),
    ("the same over features", ("agreement", "by_feature"), "{:.2f}", ""),
    (
        "harm of replacing the heaviest cells, beside the most effective ones",
        ("deletion", "ratio"), "{:.0%}", f"{LEAST_DELETION:.0%} or more",
    ),
    ("MSE of the network", ("uniform", "mse"), "{:.4g}", ""),
    ("MSE with its attention set to uniform", ("uniform", "uniform_mse"), "{:.4g}", "larger"),
    (
        "mass that random weights have elsewhere",
        ("randomisation", "distance"), "{:.0%}", f"{LEAST_CHANGE:.0%} or more",
    ),
    (
        "rank correlation of the profiles of several seeds",
        ("seeds", "stability"), "{:.2f}", f"{LEAST_STABILITY} or more",
    ),
    (
        "mass on shuffled copies of the covariates",
        ("refit", "mass_on_shuffled"), "{:.0%}", f"{MOST_ON_SHUFFLED:.0%} or less",
    ),
)  # fmt: skip
_CAUTION = (
    "A profile says what the model uses, which need not be what causes the target; of features "
    "that move together the model may use any."
)


def attention_section(
    directory: Path, options: FitOptions, linear_shares: dict[str, float]
) -> Markup:
    """Return profile, ranking and verdict; nothing for a model without attention."""
    if not (directory / "attention" / "profile.csv").is_file():
        return Markup("")
    saved = read_profile(directory)
    cells = forecast_profile(saved, linear_shares, targets_apart=options.targets_apart)
    profile = without_idle_attention(saved, linear_shares)
    is_linear = is_all_linear(linear_shares)
    summary = summarize_profile(profile)
    windows = int(profile["num_windows"].iloc[0])
    return join(
        tag("h2", "What the forecast rests on", id="attention"),
        _verdict(directory),
        "" if cells is None else _forecast(cells),
        _ranking(directory),
        tag("h3", "Profile" if is_linear else "Attention profile"),
        tag("p", ALL_LINEAR) if is_linear else "",
        tag("p", f"Mean over {windows:,} windows. {describe_scores(profile)} {_CAUTION}"),
        heatmap(profile) if cells is None else "",
        table(
            [str(name).replace("_", " ") for name in summary],
            [_cells(row) for row in summary.head(MAX_ROWS).to_dict("records")],
            caption=f"Where {'each feature' if is_linear else 'the attention of each feature'} "
            f"peaks{_of(summary)}",
            texts=1 + ("role" in summary),
        ),
        figure(
            directory / "plots" / "profile.png",
            "The profile of each feature over the lags, with its spread; the table above has the "
            "peaks.",
            "The profile with its spread over the windows (10 to 90 %).",
        ),
        ""
        if is_linear
        else figure(
            directory / "plots" / "horizon_heatmap.png",
            "The lags that the decoder looks at for each horizon step.",
            "Which lags the decoder looks at for each horizon step.",
        ),
        _linear(profile),
    )


def _cells(row: dict[Any, Any]) -> list[str]:
    shares = {"mass": "{:.1%}", "peak_share": "{:.1%}", "times_uniform": "{:.2f}"}
    return [
        str(value) if isinstance(value, str) else number(value, shares.get(name, "{:.4g}"))
        for name, value in row.items()
    ]


def _of(frame: pd.DataFrame) -> str:
    return f" (the first {MAX_ROWS} of {len(frame)})" if len(frame) > MAX_ROWS else ""


def _linear(profile: pd.DataFrame) -> Markup:
    linear = summarize_linear(profile)
    if linear is None:
        return Markup("")
    rows = [
        [row["feature"], row["role"], number(row["contribution"]), f"{row['peak_lag']}"]
        for row in linear.head(MAX_ROWS).to_dict("records")
    ]
    return join(
        tag("h3", "Linear path"),
        tag("p", LINEAR_MEANING),
        table(
            ["feature", "role", "contribution", "peak lag"],
            rows,
            caption=f"Contributions to the linear path{_of(linear)}",
            texts=2,
        ),
    )


def _forecast(cells: pd.DataFrame) -> Markup:
    """Return the heat map and the largest cells of what the forecast rests on."""
    windows, found = int(cells["num_windows"].iloc[0]), int((cells["mean"] > 0).sum())
    largest = largest_cells(cells, MAX_CELLS)
    rows = [[cell.name, number(cell.share, "{:.1%}")] for cell in largest]
    of = f" (the first {MAX_CELLS} of {found:,})" if found > MAX_CELLS else ""
    return join(
        tag("h3", "Features and lags"),
        tag("p", f"{describe_forecast(cells)} Mean over {windows:,} windows."),
        heatmap(cells),
        table(["feature, lag or step", "share"], rows, caption=f"The largest shares{of}", texts=1),
    )


def _ranking(directory: Path) -> Markup:
    """Return the table of `attention/ranking.csv`, if there is one."""
    frame = read_ranking(directory)
    if frame is None:
        return Markup("")
    names = [name for name in ("rank", "feature", "target", "role") if name in frame]
    names += [str(name) for name in frame if name not in names]
    rows = [
        [
            number(value, "{:.1%}") if name in ("share", "low", "high") else value
            for name, value in row.items()
        ]
        for row in frame[names].head(4 * MAX_ROWS).to_dict("records")
    ]
    texts = len([name for name in names if name in ("rank", "feature", "target", "role")])
    return join(
        tag("h3", "Ranking of the features"),
        table(names, rows, caption="Shares of the features, with their range", texts=texts),
    )


def _verdict(directory: Path) -> Markup:
    """Return what `attention/faithfulness.json` found, if there is one."""
    content = read_faithfulness(directory)
    if content is None:
        return Markup("")
    said, reasons = content["verdict"], content["reasons"]
    sentence, kind = _VERDICTS.get(said, (f"Verdict: {said}", "soft"))
    rows = [
        [name, number(value, form), bound]
        for name, (group, key), form, bound in _MEASURES
        if isinstance(value := dict(content.get(group) or {}).get(key), int | float)
    ]
    return join(
        tag("h3", "Can it be trusted?"),
        tag("p", sentence, class_=f"lead {kind}"),
        bullets(reasons) if reasons else "",
        table(["measure", "value", "should be"], rows, caption="What was measured") if rows else "",
    )
