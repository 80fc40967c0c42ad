"""What runs by a scheduler share: one at a time into an output, and a line on each in a log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tsattn.locks import output_lock

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
