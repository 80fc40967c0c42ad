"""The sections on what the attention looks at, and whether that can be trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.linear_profiles import LINEAR_MEANING, summarize_linear
from tsattn.model_directory import read_json
from tsattn.page.heatmap import heatmap
from tsattn.page.markup import Markup, bullets, figure, join, number, table, tag
from tsattn.profiles import describe_scores, summarize_profile
from tsattn.saved_attention import read_profile

MAX_ROWS = 20
_VERDICTS = {
    "trust": ("This profile can be trusted.", "good"),
    "weak": ("The evidence for this profile is weak.", "soft"),
    "no signal": ("This profile shows no signal: do not rely on it.", "bad"),
}
_CAUTION = (
    "A profile says what the model uses, which need not be what causes the target; of features "
    "that move together the model may use any."
)


def attention_section(directory: Path) -> Markup:
    """Return profile, ranking and verdict; nothing for a model without attention."""
    if not (directory / "attention" / "profile.csv").is_file():
        return Markup("")
    profile = read_profile(directory)
    summary = summarize_profile(profile)
    windows = int(profile["num_windows"].iloc[0])
    return join(
        tag("h2", "What the forecast rests on", id="attention"),
        _verdict(directory / "attention" / "faithfulness.json"),
        _ranking(directory / "attention" / "ranking.csv"),
        tag("h3", "Attention profile"),
        tag("p", f"Mean over {windows:,} windows. {describe_scores(profile)} {_CAUTION}"),
        heatmap(profile),
        table(
            [str(name).replace("_", " ") for name in summary],
            [_cells(row) for row in summary.head(MAX_ROWS).to_dict("records")],
            caption=f"Where the attention of each feature peaks{_of(summary)}",
            texts=1 + ("role" in summary),
        ),
        figure(
            directory / "plots" / "profile.png",
            "The attention of each feature over the lags, with its spread; the table above has "
            "the peaks.",
            "The profile with its spread over the windows (10 to 90 %).",
        ),
        figure(
            directory / "plots" / "horizon_heatmap.png",
            "The lags that the decoder looks at for each horizon step.",
            "Which lags the decoder looks at for each horizon step.",
        ),
        _linear(profile),
    )


def _cells(row: dict[Any, Any]) -> list[str]:
    shares = {"mass": "{:.1%}", "share": "{:.1%}", "times_uniform": "{:.2f}"}
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


def _ranking(path: Path) -> Markup:
    """Return the table of `attention/ranking.csv`, if there is one."""
    if not path.is_file():
        return Markup("")
    frame = pd.read_csv(path, keep_default_na=False)
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


def _verdict(path: Path) -> Markup:
    """Return verdict, reasons and measures of `attention/faithfulness.json`, if there is one."""
    if not path.is_file():
        return Markup("")
    content = read_json(path)
    said = str(content.get("verdict", "unknown"))
    sentence, kind = _VERDICTS.get(said, (f"Verdict: {said}", "soft"))
    reasons = content.get("reasons")
    measures = {k: v for k, v in content.items() if k not in ("verdict", "reasons")}
    rows = list(_flat(measures))
    return join(
        tag("h3", "Can it be trusted?"),
        tag("p", sentence, class_=f"lead {kind}"),
        bullets(reasons) if isinstance(reasons, list) and reasons else "",
        table(["measure", "value"], rows, caption="What was measured") if rows else "",
    )


def _flat(content: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested tables and lists with the names that lead to them."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(value, f"{name} {key}".replace("_", " ").strip())
    elif isinstance(content, list) and any(isinstance(each, dict | list) for each in content):
        for i, value in enumerate(content, 1):
            yield from _flat(value, f"{name} {i}")
    elif isinstance(content, list):
        yield name, ", ".join(_text(each) for each in content)
    else:
        yield name, _text(content)


def _text(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
