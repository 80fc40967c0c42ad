"""Config files: options of a command in TOML or JSON, or those a model was made with."""

import json
import tomllib
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from tsattn.config import FitOptions, require
from tsattn.errors import UsageError
from tsattn.option_types import as_type

# Options of commands that are none of the model.
_COMMAND_TYPES = {
    **dict.fromkeys(("overwrite", "json", "quiet", "no_check", "resume"), bool),
    **dict.fromkeys(("output", "wait", "log_json", "refit", "on_error"), str),
    **dict.fromkeys(("folds", "step"), int),
}


def read_config(path: Path, command: str, options: Collection[str]) -> tuple[dict[str, Any], bool]:
    """Return the options in a file, with the types that `FitOptions` has.

    The second value is whether a fit has settled them: whether the file is that of a model.

    Args:
        path: The file.
        command: The name of the command that is given them.
        options: The names of its options, such as `log_json`.

    Raises:
        UsageError: it cannot be read, or an option is unknown or of another type.
    """
    table, is_settled = _read_table(path)
    given = {name.replace("-", "_"): value for name, value in table.items()}
    types = {field.name: field.type for field in fields(FitOptions)}
    types |= {name: kind for name, kind in _COMMAND_TYPES.items() if name in options}
    _refuse_unknown(set(given) - set(types), path, command)
    checked = {name: as_type(name, value, types[name]) for name, value in given.items()}
    return {name: value for name, value in checked.items() if value is not None}, is_settled


def _read_table(path: Path) -> tuple[dict[str, Any], bool]:
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
    return dict(options), "options" in content and "data" in content


def _refuse_unknown(unknown: Collection[str], path: Path, command: str) -> None:
    require(
        not unknown,
        f"A config may hold only options of `{command}`.",
        f"{', '.join(sorted(unknown))} in {path}",
        f"Remove them; `tsattn {command} --help` lists the options.",
    )
