"""Config files: options of `fit` in TOML or JSON, or those a model directory was made with."""

import json
import tomllib
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from tsattn.config import FitOptions, require
from tsattn.errors import UsageError
from tsattn.option_checks import as_type

# Options of the command that are none of the model.
_COMMAND_TYPES = {"output": str, "overwrite": bool, "json": bool, "quiet": bool}


def read_config(path: Path) -> dict[str, Any]:
    """Return the options in a file, with the types that `FitOptions` has.

    Raises:
        UsageError: it cannot be read, or an option is unknown or of another type.
    """
    given = {name.replace("-", "_"): value for name, value in _read_table(path).items()}
    types = {field.name: field.type for field in fields(FitOptions)} | _COMMAND_TYPES
    _refuse_unknown(set(given) - set(types), path)
    checked = {name: as_type(name, value, types[name]) for name, value in given.items()}
    return {name: value for name, value in checked.items() if value is not None}


def _read_table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"--config must be a readable TOML or JSON file. Received: {path} ({error}). "
            "Check the path and its syntax."
        ) from None
    options = content.get("options", content) if isinstance(content, dict) else content
    require(
        isinstance(options, dict),
        "A config, and `options` in it, must be a table.",
        f"{options!r:.80} in {path}",
        "Use option = value.",
    )
    return dict(options)


def _refuse_unknown(unknown: Collection[str], path: Path) -> None:
    require(
        not unknown,
        "A config may hold only options of `fit`.",
        f"{', '.join(sorted(unknown))} in {path}",
        "Remove them; `tsattn fit --help` lists the options.",
    )
