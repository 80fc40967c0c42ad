"""What runs by a scheduler share: one at a time into an output, and a line on each in a log."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tsattn.cli.overruling import remembered_config
from tsattn.config import CSV_ENDINGS, PARQUET_ENDINGS, require
from tsattn.durations import parse_duration
from tsattn.locks import output_lock
from tsattn.run_log import STDERR, Run, logged

wait_option = click.option(
    "--wait",
    metavar="DURATION",
    default="10s",
    show_default=True,
    help="How long to wait for another run into the same output.",
)
log_option = click.option(
    "--log-json",
    metavar="FILE",
    help="Append a line of JSON on this run to FILE; - for stderr.",
)
schedule_options = (wait_option, log_option)


@contextmanager
def scheduled(
    run: Run,
    output: Path | None,
    *,
    wait: str,
    log: str | None,
    check: Callable[[], None],
    quiet: bool,
) -> Iterator[None]:
    """Log the block, which holds the lock of its output.

    Args:
        run: What the log says.
        output: What the block writes; None for nothing.
        wait: How long to wait for another run into the output, such as `10s`.
        log: A file, `-` for stderr, or None for no log.
        check: Raises what is wrong with the arguments and the output, before anything is done.
        quiet: Whether to leave notes out.
    """
    with logged_apart(log, run):
        seconds = parse_duration(wait, "wait")
        check()
        with locked(output, seconds, quiet=quiet):
            check()  # another run may have written the output while this one waited
            yield


@contextmanager
def logged_apart(log: str | None, run: Run) -> Iterator[None]:
    """Log the block, see `logged`, in a file that it neither reads nor writes.

    Raises:
        UsageError: the file belongs to the data, the model or the output.
    """
    for place in [] if log in (None, STDERR) else _places_of(run):
        require(
            not _is_part_of(Path(str(log)), place, is_output=str(place) == run.output),
            "The log must be another file than those that a run reads or writes.",
            f"--log-json {log}, with {place}",
            "Name another file.",
        )
    with logged(log, run):
        yield


def _places_of(run: Run) -> list[Path]:
    """Return what the command reads and writes."""
    from tsattn.outputs import explanation_path

    ctx = click.get_current_context()
    values = [*ctx.params.values(), remembered_config(ctx)]
    places = [value for value in values if isinstance(value, Path)]
    places += [Path(ctx.params["against"])] if ctx.params.get("against") else []
    output = [] if run.output is None else [Path(run.output)]
    return [*places, *output, *map(explanation_path, output)]


def _is_part_of(log: Path, place: Path, *, is_output: bool) -> bool:
    """Return whether a file is another one, or would be one of a folder.

    Of a folder of data it would be with the name of a data file.
    """
    if os.path.exists(log) and os.path.exists(place) and log.samefile(place):
        return True
    log, place = Path(os.path.realpath(log)), Path(os.path.realpath(place))
    if is_output or os.path.exists(place / "MANIFEST.json"):
        return log.is_relative_to(place)
    is_data = log.name.lower().endswith(CSV_ENDINGS + PARQUET_ENDINGS)
    return log == place or (log.is_relative_to(place) and is_data)


@contextmanager
def locked(output: Path | None, seconds: float, *, quiet: bool) -> Iterator[None]:
    """Hold the lock of an output, if there is one."""
    if output is None:
        yield
        return

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    with output_lock(output, wait=seconds, note=note):
        yield
