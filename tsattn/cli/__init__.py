"""The command line: it parses, delegates and prints."""

import contextlib
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from tsattn import config, option_checks
from tsattn.cli import options
from tsattn.cli.backtesting import backtest
from tsattn.cli.comparing import compare
from tsattn.cli.datasets import datasets
from tsattn.cli.demos import demo
from tsattn.cli.explaining import explain
from tsattn.cli.importing import fast_imports
from tsattn.cli.updating import update
from tsattn.errors import DataError, OutputError, TsattnError

SOME_SKIPPED = 9
INTERRUPTED = 130
FORECAST_ENDINGS = (".csv", ".parquet", ".pq")


class Commands(click.Group):
    """Ends with one message and the exit code that belongs to an error of ours."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program; a full disk under stdout is an output that cannot be written."""
        if sys.stderr is None:  # closed by the caller; a file that is opened would take its number
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # Python would write what is left in the buffer when it ends, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with contextlib.suppress(OSError):  # stderr may be full too
                click.echo(
                    f"Error: The output must be writable. Received: stdout ({error.strerror}). "
                    "Free space, or send it elsewhere.",
                    err=True,
                )
            sys.exit(OutputError.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn our errors into a message and their exit code."""
        try:
            return super().invoke(ctx)
        except TsattnError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing was left half written.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tsattn")
def main() -> None:
    """Train LSTM/GRU attention forecasters on a CSV, and see which lags they look at.

    \b
    tsattn inspect data.csv --target load             what is in the file
    tsattn fit data.csv --target load -o model/       learn, evaluate, save
    tsattn explain model/                             the attention profile
    tsattn predict model/ latest.csv -o forecast.csv  the next steps
    tsattn evaluate model/ new.csv                    errors on unseen rows
    tsattn update model/ new.csv -o newer/            go on from old weights
    tsattn compare data.csv --target load             attentions side by side
    tsattn backtest data.csv --target load            errors fold by fold

    \b
    Exit codes: 0 ok, 2 usage, 3 data, 4 training diverged, 5 data does not
    match the model, 6 quality gate failed, 7 model directory missing or
    altered, 8 output not writable, 9 some series skipped, the rest written,
    130 interrupted.
    """  # noqa: D301 - click wants the backspace itself


@main.command()
@options.data_argument
@options.config_option
@click.option("--output", "-o", type=options.PATH, help="[default: model-<target>/]")
@click.option("--no-check", is_flag=True, help="Do not test the attention profile.")
@click.option(
    "--resume",
    is_flag=True,
    help="Keep every epoch in OUTPUT.checkpoint until the model is saved, and go on from what is "
    "there.",
)
@options.combined(
    options.output_options,
    options.data_options,
    options.window_options,
    (options.attention_option,),
    options.model_options,
    options.training_options,
)
def fit(
    data: Path,
    output: Path | None,
    no_check: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a forecaster on DATA (CSV or Parquet), evaluate it and save it."""
    wanted = options.fit_options(given)
    option_checks.check_options(wanted)
    from tsattn.outputs import check_output

    output = output or Path("model-" + "-".join(config.as_names(wanted.target)).replace("/", "_"))
    check_output(output, overwrite=overwrite, is_directory=True)
    from tsattn.backend import start_keras

    start_keras(wanted.backend, seed=wanted.seed)
    from tsattn.cli import printing
    from tsattn.pipeline import fitting
    from tsattn.progress import Progress

    progress = Progress(quiet=quiet)
    checkpoint = output.with_name(f"{output.name}.checkpoint") if resume else None
    result = fitting.fit(data, wanted, check=not no_check, checkpoint=checkpoint, progress=progress)
    fitting.save(result, output, overwrite=overwrite, progress=progress)
    if as_json:
        printing.print_json({"model": str(output), **result.to_json()})
    else:
        printing.print_fit(result, output)
    if result.history.interrupted:
        more = " To go on: --resume --overwrite." if resume else ""
        click.echo(f"Interrupted: the best model so far was evaluated and saved.{more}", err=True)
        sys.exit(INTERRUPTED)


@main.command("inspect")
@options.data_argument
@options.combined(options.printing_options, options.data_options, options.window_options)
def inspect_command(data: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Say what is in DATA, and exit with 3 if `fit` would refuse it."""
    wanted = options.fit_options(given)
    from tsattn.pipeline.inspecting import inspect

    inspection = inspect(data, wanted)
    if as_json:
        click.echo(json.dumps(inspection.to_json(), indent=2, ensure_ascii=False))
    elif not quiet or inspection.problems:
        click.echo("\n".join(inspection.to_lines()))
    if inspection.problems:
        sys.exit(DataError.exit_code)


@main.command()
@options.model_argument
@options.data_argument
@click.option("--output", "-o", type=options.PATH, help="CSV or Parquet. [default: stdout]")
@click.option("--future", type=options.PATH, help="Future covariates of the hours ahead.")
@options.runtime_option
@options.combined(options.output_options)
def predict(
    model: Path,
    data: Path,
    output: Path | None,
    future: Path | None,
    runtime: str,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast the steps that follow the last row of DATA with MODEL."""
    if output is not None:
        config.require(
            output.suffix.lower() in FORECAST_ENDINGS,
            "A forecast is written as CSV or Parquet.",
            f"output={output}",
            f"Use a name that ends in {', '.join(FORECAST_ENDINGS)}.",
        )
        from tsattn.outputs import check_output

        check_output(output, overwrite=overwrite, is_directory=False)
    with fast_imports():
        from tsattn.cli import printing
        from tsattn.forecasts import write_forecast
        from tsattn.pipeline import predicting
        from tsattn.progress import Progress

    skipped: list[str] = []
    forecast = predicting.predict(
        model,
        data,
        future=future,
        runtime=runtime,
        on_skip=skipped.append,
        progress=Progress(quiet=quiet),
    )
    if output is not None:
        write_forecast(forecast, output, overwrite=overwrite)
    printing.print_forecast(forecast, output, as_json=as_json)
    for reason in skipped:
        click.echo(f"Skipped: {reason}", err=True)
    if skipped:
        sys.exit(SOME_SKIPPED)


@main.command()
@options.model_argument
@options.data_argument
@click.option(
    "--fail-if-worse-than",
    type=click.Choice(config.BASELINES),
    help="Exit with 6 if the MSE is above that of this baseline.",
)
@options.runtime_option
@options.combined(options.printing_options)
def evaluate(
    model: Path,
    data: Path,
    fail_if_worse_than: str | None,
    runtime: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score MODEL on the rows of DATA that are later than those it was trained with."""
    from tsattn.cli import printing
    from tsattn.pipeline import evaluating
    from tsattn.progress import Progress

    result = evaluating.evaluate(model, data, runtime=runtime, progress=Progress(quiet=quiet))
    printing.print_evaluation(result, as_json=as_json)
    if fail_if_worse_than:
        evaluating.check_gate(result, fail_if_worse_than)


main.add_command(backtest)
main.add_command(compare)
main.add_command(demo)
main.add_command(datasets)
main.add_command(explain)
main.add_command(update)
