"""The options that say where series are forecast, or models fitted."""

from collections.abc import Callable
from typing import Any

import click

from tsattn.engines import DASK_WORKERS, ENGINES

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def engine_options(work: str) -> tuple[Decorator, ...]:
    """Return the options; the work is what a process, or workers, are to do."""
    return (
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default=ENGINES[0],
            show_default=True,
            help=f"{work} in this process, or on Dask workers, on this machine or others "
            "(pip install 'tsattn[dask]').",
        ),
        click.option(
            "--dask-address",
            metavar="URL",
            help="A running scheduler, such as tcp://host:8786. [default: workers on this machine]",
        ),
        click.option(
            "--dask-workers",
            type=click.IntRange(min=1),
            metavar="N",
            help=f"Worker processes on this machine. [default: {DASK_WORKERS}]",
        ),
    )
