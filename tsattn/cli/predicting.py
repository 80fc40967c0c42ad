"""The commands that a scheduler runs on new data: `predict` and `evaluate`."""

from pathlib import Path
from typing import Any

import click

from tsattn import config
from tsattn.cli import options, scheduling, skipping
from tsattn.cli.engine_options import engine_options
from tsattn.cli.importing import fast_imports
from tsattn.engines import Engine
from tsattn.run_log import Run

FORECAST_ENDINGS = (".csv", *config.PARQUET_ENDINGS)
ROWS_AT_ONCE = 200_000


@click.command()
@options.model_argument
@options.data_argument
@click.option("--output", "-o", type=options.PATH, help="CSV or Parquet. [default: stdout]")
@click.option("--future", type=options.PATH, help="Future covariates of the hours ahead.")
@click.option(
    "--explain",
    type=click.IntRange(min=1),
    metavar="N",
    help="Add columns why_1 to why_N: the cells each forecast rests on most. With --output, "
    "write NAME.explanation.json too.",
)
@skipping.on_error_option("forecast")
@click.option(
    "--max-age",
    metavar="DURATION",
    help="A series whose last known row is older, such as 2h, is at fault (3).",
)
@click.option(
    "--fail-if-worse-than",
    type=click.Choice(config.BASELINES),
    help="Write nothing and exit with 6 if the MSE over the last known rows, one horizon of each "
    "series, is above that of this baseline.",
)
@click.option(
    "--follow",
    type=click.IntRange(min=0),
    metavar="ROWS",
    help="How many of the last known rows of each series its intervals follow: wider after too "
    "many misses, narrower after too few. [default: 1000, at most 250 horizons; of a panel 0]",
)
@click.option(
    "--rows-at-once",
    type=int,
    default=ROWS_AT_ONCE,
    show_default=True,
    help="Larger panels are read in pieces of so many rows.",
)
@options.combined(
    engine_options("Of a panel of more than --rows-at-once rows: forecast its groups of series")
)
@options.runtime_option
@options.combined(scheduling.schedule_options, options.output_options)
def predict(
    model: Path,
    data: Path,
    output: Path | None,
    wait: str,
    log_json: str | None,
    explain: int | None,
    engine: str,
    dask_address: str | None,
    dask_workers: int | None,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Forecast the steps that follow the last row of DATA with MODEL.

    DATA is a CSV or Parquet file, or a folder of such files.
    """
    place = None if output is None else str(output)
    run = Run(command="predict", model=str(model), data=str(data), output=place)

    def check() -> None:
        given["engine"] = Engine(name=engine, address=dask_address, workers=dask_workers)
        _check_place(output, model, data, explain, overwrite)

    with scheduling.scheduled(run, output, wait=wait, log=log_json, check=check, quiet=quiet):
        given |= {"overwrite": overwrite, "quiet": quiet}
        skipped = _predict(model, data, output, run, explain=explain or 0, **given)
        skipping.leave(skipped, run.series_written or 0, "forecast")


def _check_place(
    output: Path | None, model: Path, data: Path, explain: int | None, overwrite: bool
) -> None:
    """Check an output before any work is done for it."""
    if output is None:
        return
    config.require(
        output.suffix.lower() in FORECAST_ENDINGS,
        "A forecast is written as CSV or Parquet.",
        f"output={output}",
        f"Use a name that ends in {', '.join(FORECAST_ENDINGS)}.",
    )
    from tsattn.outputs import check_output, explanation_path

    check_output(output, overwrite=overwrite, is_directory=False, apart_from=model)
    config.require(
        not data.is_dir() or data.resolve() not in output.resolve().parents,
        "A forecast must lie outside of the folder of its data, all of which the next run reads.",
        f"output={output}",
        "Name another output.",
    )
    if explain:
        check_output(explanation_path(output), overwrite=overwrite, is_directory=False)


def _predict(
    model: Path,
    data: Path,
    output: Path | None,
    run: Run,
    *,
    explain: int,
    future: Path | None,
    runtime: str,
    on_error: str,
    max_age: str | None,
    fail_if_worse_than: str | None,
    follow: int | None,
    rows_at_once: int,
    engine: Engine,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Forecast, write and print; return how many series were skipped."""
    with fast_imports():
        from tsattn.cli import printing
        from tsattn.pipeline.batch import forecast_file
        from tsattn.pipeline.predicting import make_rules
        from tsattn.pipeline.reasoning import write_explained
        from tsattn.progress import Progress

    tell = skipping.teller(on_error, run)
    with forecast_file(
        model,
        data,
        output,
        future=future,
        runtime=runtime,
        rules=make_rules(
            max_age, fail_if_worse_than, tell if on_error == "skip" else None, explain, follow
        ),
        rows_at_once=rows_at_once,
        engine=engine,
        progress=Progress(quiet=quiet),
    ) as result:
        if output is not None:
            write_explained(result.spool, result.explanation, output, overwrite=overwrite)
        run.rows_written, run.series_written = result.num_rows, result.num_series
        run.series_skipped = result.num_skipped
        printing.print_forecast(result.spool, result.explanation, output, as_json=as_json)
        return result.num_skipped


@click.command()
@options.model_argument
@options.data_argument
@click.option(
    "--fail-if-worse-than",
    type=click.Choice(config.BASELINES),
    help="Exit with 6 if the MSE is above that of this baseline.",
)
@skipping.on_error_option("score")
@options.runtime_option
@scheduling.log_option
@options.combined(options.printing_options)
def evaluate(
    model: Path,
    data: Path,
    fail_if_worse_than: str | None,
    on_error: str,
    runtime: str,
    log_json: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score MODEL on the rows of DATA that are later than those it was trained with."""
    run = Run(command="evaluate", model=str(model), data=str(data))
    with scheduling.logged_apart(log_json, run):
        from tsattn.cli import printing
        from tsattn.pipeline import evaluating
        from tsattn.progress import Progress

        result = evaluating.evaluate(
            model,
            data,
            runtime=runtime,
            on_skip=skipping.teller(on_error, run),
            progress=Progress(quiet=quiet),
        )
        printing.print_evaluation(result, as_json=as_json)
        if fail_if_worse_than:
            evaluating.check_gate(result, fail_if_worse_than)
        skipping.leave(len(result.skipped), result.num_series, "scored")
