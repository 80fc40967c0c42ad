"""What the commands print on stdout: tables for people, one JSON document for programs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from tsattn.cells import describe_forecast, largest_cells
from tsattn.data.registry import PUBLIC_DATASETS
from tsattn.data.skipping import skipped_json
from tsattn.data.windows import evenly_spaced
from tsattn.horizon_profiles import HORIZON_MEANING, summarize_horizon
from tsattn.linear_profiles import (
    ALL_LINEAR,
    LINEAR_MEANING,
    is_all_linear,
    summarize_linear,
    without_idle_attention,
)
from tsattn.metrics import percent_lower
from tsattn.outputs import explanation_path
from tsattn.profiles import describe_scores, summarize_profile
from tsattn.rankings import RANKING_MEANING

if TYPE_CHECKING:  # they load Keras, which listing the data sets does without
    from tsattn.evaluation import Evaluation
    from tsattn.forecast_files import ForecastSpool
    from tsattn.pipeline.comparing import Comparison
    from tsattn.pipeline.evaluating import NewDataResult
    from tsattn.pipeline.explaining import Explanation
    from tsattn.pipeline.fitting import FitResult

MAX_CELL_ROWS = 10
MAX_LINEAR_ROWS = 10
MAX_RANKING_ROWS = 20
MAX_HORIZON_ROWS = 8
PROFILE_FORMATS = {
    "mass": "{:.1%}",
    "peak_share": "{:.1%}",
    "times_uniform": "{:.2f}",
    "mean_lag": "{:.1f}",
    "contribution": "{:.3f}",
}
RANKING_FORMATS = dict.fromkeys(("share", "low", "high"), "{:.1%}")
LEADERBOARD_FORMATS = {
    "num_seeds": "{:.0f}",
    **dict.fromkeys(("val_mse", "val_mae", "mse", "mae"), "{:.4f}"),
    "skill": "{:+.1%}",
    **dict.fromkeys(("parameters", "seconds", "megabytes"), "{:,.0f}"),
}
COVERAGE_FORMATS = {
    "coverage": "{:.1%}",
    "mean_width": "{:.4g}",
    "without_following": "{:.1%}",
}
SCORE_FORMATS = {
    "mse": "{:.4g}",
    "mae": "{:.4g}",
    "scaled_mse": "{:.4f}",
    "scaled_mae": "{:.4f}",
    "skill": "{:+.1%}",
}


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON document; times become text."""
    click.echo(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False, default=str))


def print_fit(result: "FitResult", output: Path) -> None:
    """Print the scores of a fit on its test windows, or its validation windows without any."""
    name = "test" if "test" in result.evaluations else "val"
    _print_scores(result.evaluations[name], name)
    if result.faithfulness is not None:
        click.echo(f"\n{_verdict(result.faithfulness)}")
    click.echo(f"\nmodel, metrics and plots: {output}")


def print_evaluation(result: "NewDataResult", *, as_json: bool) -> None:
    """Print the scores on new data."""
    from tsattn.report import split_metrics

    metrics = split_metrics(result.evaluation, result.series)
    if as_json:
        print_json(metrics | skipped_json(result.skipped))
    else:
        _print_scores(result.evaluation, f"{metrics['first_time']} to {metrics['last_time']}")


def print_explanation(explanation: "Explanation", folder: Path | None, *, as_json: bool) -> None:
    """Print where the attention peaks, by channel and by horizon step, and what that means.

    JSON has the profile as a whole, but of the horizon only the summary: `horizon.csv` has the
    rest, which may be half a million numbers.
    """
    profile = without_idle_attention(explanation.profile, explanation.linear_shares)
    summary = summarize_profile(profile)
    horizon = None if explanation.horizon is None else summarize_horizon(explanation.horizon)
    linear = summarize_linear(explanation.profile)
    cells = explanation.cells
    if as_json:
        content = {"summary": summary, "profile": explanation.profile}
        content |= {} if explanation.ranking is None else {"ranking": explanation.ranking}
        content |= {} if horizon is None else {"horizon": horizon}
        content |= {} if linear is None else {"linear_path": linear}
        tested = explanation.faithfulness
        print_json(
            {name: records(frame) for name, frame in content.items()}
            | ({} if cells is None else {"cells": [x.to_json() for x in largest_cells(cells)]})
            | ({} if tested is None else {"faithfulness": tested})
            | skipped_json(explanation.skipped)
        )
        return
    if cells is not None:
        _print_cells(cells)
    click.echo(table(summary, PROFILE_FORMATS))
    windows = int(profile["num_windows"].iloc[0])
    click.echo(f"\n{windows:,} window{'s' if windows > 1 else ''}. {describe_scores(profile)}")
    is_linear = is_all_linear(explanation.linear_shares)
    if is_linear:
        click.echo(f"\n{ALL_LINEAR}")
    if explanation.ranking is not None:
        ranking = explanation.ranking
        ranking = ranking if ranking["target"].nunique() > 1 else ranking.drop(columns="target")
        click.echo(f"\n{table(ranking.head(MAX_RANKING_ROWS), RANKING_FORMATS)}")
        click.echo(f"\n{RANKING_MEANING}.")
    if horizon is not None and not is_linear:
        shown = horizon.iloc[evenly_spaced(len(horizon), MAX_HORIZON_ROWS)]
        click.echo(f"\n{table(shown, PROFILE_FORMATS)}\n\n{HORIZON_MEANING}")
    if linear is not None and not is_linear:
        click.echo(f"\n{table(linear.head(MAX_LINEAR_ROWS), PROFILE_FORMATS)}\n\n{LINEAR_MEANING}")
    if explanation.faithfulness is not None:
        click.echo(f"\n{_verdict(explanation.faithfulness)}")
    if folder is not None:
        click.echo(f"profile and scores: {folder}")


def _print_cells(cells: pd.DataFrame) -> None:
    """Print the cells that the forecast rests on most."""
    largest = [(cell.name, cell.share) for cell in largest_cells(cells, MAX_CELL_ROWS)]
    found = int((cells["mean"] > 0).sum())
    if not found:
        return
    of = f" The {len(largest)} largest of {found:,}." if found > len(largest) else ""
    click.echo(table(pd.DataFrame(largest, columns=["cell", "share"]), RANKING_FORMATS))
    click.echo(f"\n{describe_forecast(cells)}{of}\n")


def _verdict(found: dict[str, Any]) -> str:
    """Return the verdict on a profile and its reasons."""
    how = "quick test" if found.get("is_quick") else "test"
    return "\n".join(
        [f"verdict of the {how} of the profile: {found['verdict']}", *found["reasons"]]
    )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them: null for what is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def print_comparison(comparison: "Comparison", folder: Path, *, as_json: bool) -> None:
    """Print the leaderboard of a comparison and what is recommended."""
    board = comparison.leaderboard
    if as_json:
        rows = records(board)
        chosen = {"recommended": comparison.recommended, "reason": comparison.reason}
        print_json({"leaderboard": rows, **chosen, **skipped_json(comparison.skipped)})
        return
    click.echo(table(board, LEADERBOARD_FORMATS))
    click.echo(f"\nrecommended: {comparison.recommended}. {comparison.reason}")
    click.echo(f"models and leaderboard: {folder}")


def print_forecast(
    spool: "ForecastSpool",
    explanation: dict[str, Any] | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print a forecast, and in JSON its explanation, or where they were written to."""
    if as_json:
        spool.write_json(sys.stdout, {} if explanation is None else {"explanation": explanation})
    elif output is None:
        spool.write_csv(sys.stdout)
    else:
        click.echo(f"{spool.num_rows:,} rows of forecast: {output}")
        if explanation is not None:
            click.echo(f"what they rest on: {explanation_path(output)}")


def print_datasets(*, as_json: bool) -> None:
    """Print the registry of public data sets."""
    if as_json:
        print_json({name: asdict(dataset) for name, dataset in PUBLIC_DATASETS.items()})
        return
    rows = [
        {
            "name": name,
            "rows": dataset.rows,
            "target": dataset.target,
            "licence": dataset.licence,
            "description": dataset.description,
        }
        for name, dataset in PUBLIC_DATASETS.items()
    ]
    click.echo(table(pd.DataFrame(rows), {"rows": "{:,}"}))


def _print_scores(evaluation: "Evaluation", title: str) -> None:
    from tsattn.report import coverage_table, score_table

    windows = f"{len(evaluation.windows):,} windows"
    click.echo(f"{title}, {windows} (skill of the model: 1 - MSE / MSE of the baseline)\n")
    scores = score_table(evaluation)
    click.echo(table(scores, SCORE_FORMATS))
    columns = (scores[name] for name in ("forecaster", "skill", "scaled_mse"))
    for name, skill, mse in zip(*columns, strict=True):
        if pd.notna(skill) and skill < 0:
            click.echo(
                f"\n{name} is better than the model: its MSE is {percent_lower(skill)} lower"
            )
        elif mse == 0 < scores["scaled_mse"].iloc[0]:
            click.echo(f"\n{name} is better than the model: it makes no error")
    if evaluation.coverage:
        click.echo("\nintervals: how many of the values they hold, and how wide they are")
        click.echo(table(coverage_table(evaluation), COVERAGE_FORMATS))


def table(frame: pd.DataFrame, formats: dict[str, str]) -> str:
    """Return a table as text, numbers to the right."""
    columns = []
    for name in frame.columns:
        pattern = formats.get(name, "{}")
        cells = [name, *("" if pd.isna(value) else pattern.format(value) for value in frame[name])]
        cells = [_on_one_line(cell) for cell in cells]
        width = max(map(len, cells))
        is_number = pd.api.types.is_numeric_dtype(frame[name])
        columns.append([cell.rjust(width) if is_number else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def _on_one_line(text: str) -> str:
    """Return a text, such as a column's name, with line breaks and the like as escapes."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
