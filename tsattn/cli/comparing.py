"""The `compare` command: attentions side by side, and the baselines."""

import sys
from pathlib import Path
from typing import Any

import click

from tsattn.cli import options, scheduling
from tsattn.cli.engine_options import engine_options
from tsattn.engines import Engine
from tsattn.errors import SOME_SKIPPED
from tsattn.run_log import Run

DEFAULT_ATTENTIONS = ("none", "bottleneck", "additive")


@click.command()
@options.data_argument
@click.option("--output", "-o", type=options.PATH, help="[default: compare-<target>/]")
@click.option(
    "--attention",
    "attentions",
    multiple=True,
    default=DEFAULT_ATTENTIONS,
    show_default=True,
    help="Attentions to compare. Repeat it or use commas.",
)
@click.option("--seeds", type=int, default=1, show_default=True, help="Fits of each attention.")
@options.combined(
    engine_options("Fit the models, each in a process of its own started"),
    scheduling.schedule_options,
    options.output_options,
    options.data_options,
    options.window_options,
    options.model_options,
    options.training_options,
)
def compare(
    data: Path,
    output: Path | None,
    attentions: tuple[str, ...],
    seeds: int,
    engine: str,
    dask_address: str | None,
    dask_workers: int | None,
    wait: str,
    log_json: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Fit DATA with several attentions, each in a process of its own, and rank them.

    The baselines are ranked with them. Models and `leaderboard.csv` are written to the output; what
    is recommended is chosen on validation rows. Series of a panel that are at fault are left out by
    all (9).
    """
    wanted = options.fit_options(given)
    names = [name.strip() for entry in attentions for name in entry.split(",") if name.strip()]
    output = output or options.default_output("compare", wanted)
    run = Run(command="compare", data=str(data), output=str(output))

    def check() -> None:
        Engine(name=engine, address=dask_address, workers=dask_workers)
        from tsattn.outputs import COMPARISON, check_output
        from tsattn.pipeline.comparing import wanted_fits

        wanted_fits(wanted, names, seeds)
        check_output(output, overwrite=overwrite, is_directory=True, kind=COMPARISON)

    with scheduling.scheduled(run, output, wait=wait, log=log_json, check=check, quiet=quiet):
        from tsattn.cli import printing
        from tsattn.pipeline import comparing
        from tsattn.progress import Progress

        result = comparing.compare(
            data,
            wanted,
            attentions=names,
            output=output,
            num_seeds=seeds,
            overwrite=overwrite,
            engine=engine,
            dask_address=dask_address,
            dask_workers=dask_workers,
            progress=Progress(quiet=quiet),
        )
        for reason in result.skipped:
            click.echo(reason, err=True)
        run.series_skipped = len(result.skipped)
        printing.print_comparison(result, output, as_json=as_json)
        if result.skipped:
            sys.exit(SOME_SKIPPED)
