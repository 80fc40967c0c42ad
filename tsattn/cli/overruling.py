"""The options of a config that give way to those of the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tsattn import config

_CONFIG = "tsattn.config"  # in the `meta` of a command
_DEFAULTS = config.FitOptions()


def remember_config(ctx: click.Context, path: Path, is_settled: bool) -> None:
    """Keep what a config is: its file, and whether a fit has settled its options."""
    ctx.meta[_CONFIG] = (path, is_settled)


def remembered_config(ctx: click.Context) -> Path | None:
    """Return the file of the config; None without one."""
    path: Path | None = ctx.meta.get(_CONFIG, (None, False))[0]
    return path


def give_way(wanted: dict[str, Any], from_file: set[str], ctx: click.Context) -> None:
    """Take the options out that the command line leaves no place for, and say which.

    Args:
        wanted: The options of a fit that were given; is changed.
        from_file: The names of those that a config gives.
        ctx: The command; its default map is the config.
    """
    path, is_settled = ctx.meta.get(_CONFIG, (None, False))
    in_file = ctx.default_map or {}
    if is_settled and "views" in from_file and wanted["views"] == 2:
        del wanted["views"]  # chosen anew, for data and options which may be others
        from_file = from_file - {"views"}
    overruled = _of_structure(wanted, in_file, from_file)
    if wanted.get("lookback") != in_file.get("lookback"):
        overruled |= {"segment"} & from_file
    if wanted.get("loss") != in_file.get("loss", _DEFAULTS.loss):
        overruled |= {"quantile_levels"} & from_file
    if is_settled and "preset" in wanted.keys() - from_file:
        overruled |= {"epochs", *config.PRESETS[wanted["preset"]]} & from_file
    for name in overruled:
        del wanted[name]
    if overruled and not ctx.params.get("quiet"):
        names = ", ".join(f"{name}={in_file[name]}" for name in sorted(overruled))
        click.echo(f"{path}: gives way to the command line: {names}", err=True)


def _of_structure(
    wanted: dict[str, Any], in_file: Mapping[str, Any], from_file: set[str]
) -> set[str]:
    """Return the options of a config that do not go with what the command line says of the model.

    They are those of its structure, the placement of another structure, and a segment, a linear
    path or members that it has no place for.
    """
    names = config.Structure._fields
    was = config.chosen_structure(**{name: in_file.get(name) for name in names})
    kept = {name: wanted[name] for name in names if name in wanted.keys() - from_file}
    changed = [name for name, value in kept.items() if was and value != getattr(was, name)]
    overruled: set[str] = set()
    for name in ("decoder", "attention", "encoder", "placement"):
        if name not in from_file:
            continue
        fits = config.chosen_structure(**{**kept, name: wanted[name]}) is not None
        if fits and not (name == "placement" and changed):
            kept[name] = wanted[name]
        else:
            overruled.add(name)
    structure = config.chosen_structure(**kept)
    if changed and structure and structure.encoder == "joint":
        overruled |= {"segment"} & from_file
    if changed and structure and structure.attention == "reverse-time":
        overruled |= {"linear_path"} & from_file
    if "attention" in changed:
        overruled |= {"views"} & from_file
    if changed and structure and structure.decoder == "recurrent":
        overruled |= {"members"} & from_file
    return overruled
