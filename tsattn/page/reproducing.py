"""The command that makes a model again."""

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tsattn.config import FitOptions, as_names

_COLUMNS = ("target", "time_col", "past_covariates", "future_covariates", "drop")


def fit_command(options: FitOptions, data_path: str | None) -> str:
    """Return the command of a fit with these options, those at their defaults left out.

    What a command line cannot say, such as no past covariates at all, is left to the config file.
    """
    defaults, words = FitOptions(), ["tsattn", "fit", data_path or "data.csv"]
    for field in fields(FitOptions):
        value, name = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if value is None or _plain(value) == _plain(getattr(defaults, field.name)):
            continue
        if field.name in _COLUMNS:
            names = as_names(value)
            if not names:
                return shlex.join([*words[:3], "--config", "config.json"])
            for each in names:
                words += [name, each]
        elif isinstance(value, bool):
            words.append(name)
        elif isinstance(value, list | tuple):
            words += [name, ",".join(map(str, value)) or "none"]
        else:
            words += [name, str(value)]
    return shlex.join(words)


def update_command(updated_from: Mapping[str, Any], data_path: str | None) -> str:
    """Return the command of an update.

    Args:
        updated_from: What `metrics.json` says of it: `model`, `data` and the `old_data` before it
            where they were files, `epochs` and `learning_rate`.
        data_path: The only file with its rows, of a model whose metrics do not name it.
    """
    new = updated_from.get("data") or data_path or "new.csv"
    words = ["tsattn", "update", str(updated_from.get("model")), str(new)]
    if updated_from.get("old_data"):
        words += ["--data", str(updated_from["old_data"])]
    for name in ("epochs", "learning_rate"):
        if name in updated_from:
            words += [f"--{name.replace('_', '-')}", f"{updated_from[name]}"]
    return shlex.join([*words, "-o", "model"])


def _plain(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else value
