"""The tables that are printed."""

import statistics
from collections.abc import Sequence
from typing import Any

from faithfulness.problems import GRADIENTS, OCCLUSION, PROFILE, Problem
from faithfulness.systems import SHIFT

Results = dict[tuple[str, str], list[dict[str, Any]]]  # by problem and method, those of the seeds
COLUMNS = (
    "problem", "profile", "seeds", "test MSE", "chance", "mass on truth", "AUPRC", "tolerant",
    "distractor", "deletion", "tau-b", "verdicts",
)  # fmt: skip
_HITS = ("chance", "mass", "auprc", "tolerant")
_NO_VERDICT = (OCCLUSION, GRADIENTS)  # a verdict is about attention


def main_table(results: Results) -> str:
    """Return the measures of every profile, on average over seeds."""
    rows = []
    for (name, method), runs in results.items():
        for label in runs[0]["profiles"]:
            found = [run["profiles"][label] for run in runs]
            parts = [part.get("hits") or {} for part in found]
            numbers = [_mean([part.get(key) for part in parts]) for key in _HITS]
            numbers.append(_mean([part.get("distractor") for part in parts], decimals=3))
            if label == OCCLUSION:  # what the others are measured by
                numbers += ["1.00", "1.00"]
            else:
                numbers += [_mean([part[key] for part in found]) for key in ("deletion", "tau")]
            title = method if label == PROFILE else f"{method}: {label}"
            mse = f"{statistics.mean(run['mse'] for run in runs):.4g}"
            verdicts = "" if label in _NO_VERDICT else _counts([p["verdict"] for p in found])
            rows.append([name, title, str(len(runs)), mse, *numbers, verdicts])
    return _table(COLUMNS, rows)


def shift_table(results: Results, problems: dict[str, Problem]) -> str:
    """Return where the peak of a driver was, and where it went when its effect was delayed."""
    before: dict[int, dict[str, int]] = {}
    for run in results.get(("toy1", "gates"), []):
        before[run["seed"]] = run["peaks"]
    rows = []
    for (name, method), runs in results.items():
        driver = problems[name].moved
        for run in runs if driver else ():
            old, new = before.get(run["seed"], {}).get(driver), run["peaks"][driver]
            moved = "" if old is None else str(new - old)
            shown = "" if old is None else str(old)
            is_right = "" if old is None else ("yes" if new - old == SHIFT else "NO")
            rows.append([name, method, str(run["seed"]), shown, str(new), moved, is_right])
    columns = ("problem", "profile", "seed", "peak before", "after", "moved by", f"by {SHIFT}")
    return _table(columns, rows) if rows else ""


def shuffled_table(results: Results, problems: dict[str, Problem]) -> str:
    """Return how well profiles tell covariates from shuffled copies of them."""
    rows = []
    for (name, method), runs in results.items():
        for label in runs[0]["profiles"] if problems[name].copied else ():
            parts = [run["profiles"][label]["shuffled"] for run in runs]
            title = method if label == PROFILE else f"{method}: {label}"
            numbers = [_mean([part[key] for part in parts]) for key in parts[0]]
            rows.append([name, title, str(len(runs)), *numbers])
    columns = ("problem", "profile", "seeds", "AUROC of real", "mass on shuffled")
    return _table(columns, rows) if rows else ""


def reasons(results: Results) -> str:
    """Return the reasons of the verdicts, each with its number of seeds."""
    lines = []
    for (name, method), runs in results.items():
        for label in runs[0]["profiles"]:
            if label not in _NO_VERDICT:
                found = [text for run in runs for text in run["profiles"][label]["reasons"]]
                title = method if label == PROFILE else f"{method}: {label}"
                lines += [f"{name}, {title}:", *(f"  - {text}" for text in found)]
    return "\n".join(lines)


def _mean(values: Sequence[float | None], decimals: int = 2) -> str:
    """Return the mean of what is there, nothing where nothing is."""
    numbers = [value for value in values if value is not None]
    return f"{statistics.mean(numbers):.{decimals}f}" if numbers else ""


def _counts(verdicts: list[str]) -> str:
    return ", ".join(f"{name} ({verdicts.count(name)})" for name in sorted(set(verdicts)))


def _table(columns: Sequence[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])
