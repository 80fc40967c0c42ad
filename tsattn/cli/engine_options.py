"""The options of `predict` that say where series are forecast."""

import click

from tsattn.engines import DASK_WORKERS, ENGINES

engine_options = (
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=ENGINES[0],
        show_default=True,
        help="Of a panel of more than --rows-at-once rows: forecast its groups of series in this "
        "process, or on Dask workers, on this machine or others (pip install 'tsattn[dask]').",
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
