"""The page as a whole, made from the files of a model directory."""

import importlib.metadata
from pathlib import Path
from typing import Any

from tsattn.config import FitOptions
from tsattn.data.schema import Schema
from tsattn.model_directory import CALIBRATION, read_json, read_options, read_schema
from tsattn.page.accuracy import accuracy_section, interval_section, verdict
from tsattn.page.attention import attention_section
from tsattn.page.markup import Markup, bullets, figure, join, moment, table, tag
from tsattn.page.reproducing import fit_command, update_command
from tsattn.page.style import STYLE
from tsattn.saved_attention import read_linear_shares

PAGE = "report.html"
# Nothing is fetched and nothing runs, whatever the names of the columns are.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_MAX_FEATURES = 60


def write_page(directory: Path) -> None:
    """Write `report.html` into a model directory, from the other files in it."""
    (directory / PAGE).write_text(build_page(directory), "utf-8")


def build_page(directory: Path) -> str:
    """Return the page of a model directory: one file without script or network."""
    options = read_options(directory)
    schema, linear_shares = read_schema(directory), read_linear_shares(directory)
    metrics, data = read_json(directory / "metrics.json"), read_json(directory / "config.json")
    has_calibration = (directory / CALIBRATION).is_file()
    calibration = read_json(directory / CALIBRATION) if has_calibration else None
    split = "test" if metrics["test"]["num_windows"] else "val"
    block = metrics[split]
    path = data["data"]["path"]
    title = f"Forecast of {', '.join(schema.targets)}"
    sections = [
        tag("h2", "What was asked", id="asked"),
        _asked(options, schema, linear_shares, metrics),
        tag("h2", "The data", id="data"),
        _data(schema, metrics, path),
        tag("h2", "How accurate it is", id="accuracy"),
        accuracy_section(block, _named(split)),
        figure(
            directory / "plots" / "horizon_error.png",
            "The mean absolute error of the model and of the baselines at each horizon step.",
            "The error at each horizon step.",
        ),
        interval_section(block, calibration, _named(split)),
        tag("h2", "Forecasts", id="forecasts"),
        figure(
            directory / "plots" / "forecast.png",
            f"A few windows of the {_named(split)} rows: the past, the actual values, the forecast "
            "with its intervals, and the baselines.",
            f"A few windows of the {_named(split)} rows, evenly spread.",
        ),
        attention_section(directory, options, linear_shares),
        tag("h2", "Training", id="training"),
        figure(
            directory / "plots" / "loss.png",
            "The loss of train and validation windows in each epoch, and the epoch that was kept.",
            "The loss in each epoch. The one with the lowest validation loss was kept.",
        ),
        tag("h2", "Do it again", id="again"),
        tag("pre", tag("code", _command(options, path, metrics.get("updated_from")))),
        tag("p", _reproduced(data["data"]["sha256"]), class_="soft"),
    ]
    body = [
        tag("header", tag("h1", title), _lead(block, split), verdict(block), _contents(sections)),
        tag("main", *sections),
    ]
    return _document(title, body)


def _document(title: str, body: list[Markup]) -> str:
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(STYLE)),
    ]
    page = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _named(split: str) -> str:
    return "validation" if split == "val" else split


def _lead(block: dict[str, Any], split: str) -> Markup:
    span = f"{moment(block['first_time'])} to {moment(block['last_time'])}"
    text = f"Measured on {block['num_windows']:,} windows of the {_named(split)} rows, {span}."
    if split == "val":
        text += " No test rows were set aside, so the errors are flattering."
    return tag("p", text, class_="soft")


def _contents(sections: list[Markup]) -> Markup:
    """Return links to the sections there are."""
    links = {
        "data": "Data",
        "accuracy": "Accuracy",
        "intervals": "Intervals",
        "forecasts": "Forecasts",
        "attention": "Attention",
        "again": "Command",
    }
    page = "".join(sections)
    found = [
        tag("a", text, href=f"#{name}")
        for name, text in links.items()
        if f'<h2 id="{name}">' in page
    ]
    return tag("nav", bullets(found), aria_label="Sections")


def _asked(
    options: FitOptions, schema: Schema, linear_shares: dict[str, float], metrics: dict[str, Any]
) -> Markup:
    """Return what the model was asked to do and what it is."""
    steps = f" of {schema.freq}" if schema.freq else ""
    split = options.split if isinstance(options.split, str) else ", ".join(map(str, options.split))
    shares = {name: share for name, share in linear_shares.items() if share}
    attention = options.attention or "none"
    rows = [
        ["target", ", ".join(schema.targets)],
        ["lookback", f"{options.lookback} steps{steps}"],
        ["horizon", f"{options.horizon} steps{steps}"],
        ["split", f"{split} (train, validation, test)"],
        ["preset", f"{options.preset}, members: {options.members}, views: {options.views}"],
        ["encoder", f"{options.encoder}, {options.cell.upper()} of {options.units} units"],
        ["decoder", str(options.decoder)],
        ["attention", attention + (f" ({options.placement})" if options.placement else "")],
        [
            "linear path",
            ", ".join(f"{share:.0%} of {name}" for name, share in shares.items()) or "none",
        ],
        ["parameters", f"{metrics.get('num_parameters', 0):,}"],
        ["loss", options.loss],
        ["seed", str(options.seed)],
    ]
    return table(["option", "value"], rows, caption="The model", texts=2)


def _data(schema: Schema, metrics: dict[str, Any], path: str | None) -> Markup:
    """Return what the data is: rows, span, features with their roles, and what was noted."""
    found = metrics.get("data", {})
    rows = [["source", path or _several(metrics.get("updated_from"))]]
    if found:
        series = f" in {found['num_series']:,} series" if found["num_series"] > 1 else ""
        rows += [
            ["rows", f"{found['num_rows']:,}{series}"],
            ["span", f"{moment(found['first_time'])} to {moment(found['last_time'])}"],
        ]
    rows += [
        ["time", ", ".join(schema.time_columns) or "rows are numbered"],
        ["frequency", schema.freq or "none"],
        ["missing values", f"filled: {schema.fill}" if schema.fill else "none allowed"],
    ]
    roles = {
        "target": schema.targets,
        "past covariate": schema.past_covariates,
        "future covariate": schema.future_covariates,
        "calendar, known ahead": schema.calendar or (),
    }
    features = [[name, role] for role, names in roles.items() for name in names]
    more = len(features) - _MAX_FEATURES
    notes = found.get("notes", [])
    return join(
        table(["property", "value"], rows, caption="The table", texts=2),
        table(
            ["feature", "role"],
            features[:_MAX_FEATURES],
            caption="What is read" + (f" ({more} more)" if more > 0 else ""),
            texts=2,
        ),
        join(tag("h3", "Noted while reading"), bullets(notes)) if notes else "",
    )


def _several(updated_from: object) -> str:
    """Return where the rows of a model are from that are not those of one file."""
    made = updated_from if isinstance(updated_from, dict) else {}
    old, table = made.get("old_data"), "a table in memory"
    new = made.get("data", table)
    return f"{old}, followed by {new}" if old else str(new)


def _command(options: FitOptions, path: str | None, updated_from: object) -> str:
    """Return the command of the fit, or of the update, that made a model."""
    if isinstance(updated_from, dict):
        return update_command(updated_from, path)
    return fit_command(options, path)


def _reproduced(sha256: str | None) -> str:
    version = importlib.metadata.version("tsattn")
    text = f"Made with tsattn {version}; MANIFEST.json has the versions of the other packages. "
    text += "The same data, seed, versions and machine give the same model."
    return text + (f" SHA-256 of the data: {sha256}." if sha256 else "")
