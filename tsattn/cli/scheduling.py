"""What runs by a scheduler share: one at a time into an output, and a line on each in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tsattn.durations import parse_duration
from tsattn.locks import output_lock
from tsattn.run_log import Run, logged

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
    with logged(log, run):
        seconds = parse_duration(wait, "wait")
        check()
        with locked(output, seconds, quiet=quiet):
            check()  # another run may have written the output while this one waited
            yield


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
