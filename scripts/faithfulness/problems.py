"""The problems: what is forecast in which table, and what is known of its causes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from faithfulness.systems import (
    LOOKBACK,
    SEED,
    SYSTEMS,
    TOY1,
    Truth,
    coupled_system,
    delayed,
    delayed_truth,
    even_mean,
    noise,
    shuffled,
    toy1,
    with_shuffled,
)
from price_inputs import KNOWN_AHEAD

PROFILE, OCCLUSION, GRADIENTS = "profile", "occlusion", "integrated gradients"
ROOT = Path(__file__).resolve().parent.parent.parent
METHODS: dict[str, dict[str, Any]] = {
    "gates": {},
    "gates-alone": {"linear_path": "none"},
    "after": {"encoder": "joint", "attention": "shared", "placement": "after"},
    "shared-before": {
        "encoder": "joint",
        "attention": "shared",
        "placement": "before",
        "linear_path": "none",
    },
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A table, what is forecast in it, and what is known of what that depends on."""

    make: Callable[[], pd.DataFrame | Path]
    target: str
    options: dict[str, Any]
    truth: Truth = field(default_factory=set)  # empty where the true cells are not known
    methods: tuple[str, ...] = ("gates", "after")
    moved: str | None = None  # the driver whose effect was delayed
    copied: tuple[str, ...] = ()  # features that have a shuffled copy
    wrong: tuple[str, ...] = ()  # wrong profiles to be tested too, with the method `gates`


def make_problems(
    toy1_file: Path | None, rows: int, data: Path | None, seed: int = SEED
) -> dict[str, Problem]:
    """Return every problem by its name: `d7-s2` is one series of a coupled system.

    Args:
        toy1_file: The published Toy1.csv; None to make it by its equation.
        rows: Of what is made.
        data: The folder of NP.csv, DE.csv, ETTh1.csv and beijing_pm25.csv; None without them.
        seed: Of the generator of what is made.
    """
    last = 2 * rows // 19  # 2,000 of 19,000 rows to test, and as many to validate
    short = {"lookback": LOOKBACK, "horizon": 1, "split": (rows - 2 * last, last, last)}
    problems = _toy1_problems(toy1_file, rows, seed)
    problems["town-load"] = Problem(
        make=lambda: pd.read_csv(ROOT / "datasets" / "town_load.csv", parse_dates=["time"]),
        target="load",
        truth={("orders", lag) for lag in range(1, 7)} | {("temperature", k) for k in (1, 2, 3)},
        options={"lookback": 24, "horizon": 6, "future_covariates": "shift_plan"},
        wrong=("features shuffled", "random weights"),
    )
    problems["noise"] = Problem(make=lambda: noise(rows, seed), target="y", options=short)
    problems["uniform"] = Problem(
        make=lambda: even_mean(rows, seed),
        target="y",
        truth={("a", lag) for lag in range(1, LOOKBACK + 1)},
        # what a window is normalised by would be the mean itself
        options={**short, "normalization": "none"},
        methods=("shared-before",),
    )
    for name, (_, _, truths) in SYSTEMS.items():
        for i, truth in truths.items():
            problems[f"{name}-s{i}"] = Problem(
                make=lambda name=name: coupled_system(name, rows, seed),
                target=f"s{i}",
                truth=truth,
                options=short,
            )
    return problems if data is None else problems | _real_problems(data)


def _toy1_problems(file: Path | None, rows: int, seed: int) -> dict[str, Problem]:
    problems = {}
    for lookback, wrong in (
        (10, ("features shuffled", "random weights")),
        (96, ("features shuffled", "random weights", "bounded logits")),
    ):
        problems["toy1" if lookback == 10 else f"toy1-{lookback}"] = Problem(
            make=lambda: toy1(file, rows, seed),
            target="x7",
            truth=TOY1,
            options={"lookback": lookback, "horizon": 1},
            methods=("gates", "after") if lookback == 10 else ("gates",),
            wrong=wrong,
        )
    for driver in ("x0", "x1", "x2"):
        problems[f"toy1-shifted-{driver}"] = Problem(
            make=lambda driver=driver: delayed(toy1(file, rows, seed), driver),
            target="x7",
            truth=delayed_truth(TOY1, driver),
            options={"lookback": 10, "horizon": 1},
            methods=("gates",),
            moved=driver,
        )
    return problems


def _real_problems(folder: Path) -> dict[str, Problem]:
    problems = {}
    for place, known in KNOWN_AHEAD.items():
        name, file = place.lower(), f"{place}.csv"
        options = {"lookback": 168, "horizon": 24}
        problems[name] = Problem(
            make=lambda file=file: folder / file,
            target="OT",
            options={**options, "future_covariates": known},
        )
        problems[f"{name}-permuted"] = Problem(
            make=lambda file=file, known=known: with_shuffled(_prices(folder / file), known),
            target="OT",
            options={**options, "future_covariates": (*known, *map(shuffled, known))},
            methods=("gates",),
            copied=known,
        )
    problems["etth1"] = Problem(
        make=lambda: folder / "ETTh1.csv",
        target="OT",
        options={"lookback": 96, "horizon": 96, "split": (8640, 2880, 2880)},
    )
    problems["pm25"] = Problem(
        make=lambda: folder / "beijing_pm25.csv",
        target="pm2.5",
        options={"lookback": 24, "horizon": 6, "fill": "ffill", "drop": "No"},
    )
    return problems


def _prices(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, skipinitialspace=True)
    return frame.assign(date=pd.to_datetime(frame["date"]))
