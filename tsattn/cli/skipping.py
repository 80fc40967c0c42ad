"""What becomes of a panel with series at fault: the option, what is told, and the exit code."""

import sys
from collections.abc import Callable

import click

from tsattn.errors import SOME_SKIPPED, DataError
from tsattn.run_log import Run


def on_error_option(verb: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return the option; the verb is what is done to the other series."""
    return click.option(
        "--on-error",
        type=click.Choice(("skip", "stop")),
        default="skip",
        show_default=True,
        help=f"Of a panel: {verb} the other series and exit with 9, or stop at the first fault.",
    )


def teller(on_error: str, run: Run) -> Callable[[str], None]:
    """Return what tells of a series at fault: it counts it, or ends the run with the reason."""

    def skip(reason: str) -> None:
        run.series_skipped = (run.series_skipped or 0) + 1
        click.echo(f"Skipped: {reason}", err=True)

    def stop(reason: str) -> None:
        raise DataError(reason)

    return skip if on_error == "skip" else stop


def leave(num_skipped: int, num_others: int, done: str) -> None:
    """End with 9 where series were skipped; `done` says what became of the others."""
    if num_skipped:
        click.echo(f"{num_skipped:,} series skipped, {num_others:,} {done}", err=True)
        sys.exit(SOME_SKIPPED)
