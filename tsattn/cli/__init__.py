"""The command line: it parses, delegates and prints."""

import contextlib
import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tsattn import config, option_checks
from tsattn.cli import options, scheduling, skipping, streams
from tsattn.cli.backtesting import backtest
from tsattn.cli.comparing import compare
from tsattn.cli.datasets import datasets
from tsattn.cli.demos import demo
from tsattn.cli.explaining import explain
from tsattn.cli.predicting import evaluate, predict
from tsattn.cli.updating import update
from tsattn.errors import DataError, OutputError, TsattnError
from tsattn.run_log import INTERRUPTED, Run


class Commands(click.Group):
    """Ends with one message and the exit code that belongs to an error of ours."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program; a full disk under stdout is an output that cannot be written."""
        streams.keep_streams()
        try:
            try:
                return super().main(*args, **extra)
            finally:
                sys.stdout.flush()  # a full disk would be told by Python alone
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # Python would write what is left in the buffer when it ends, and fail again.
            streams.send_nowhere(1)
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
            message, exit_code = f"Error: {error}", error.exit_code
        except KeyboardInterrupt:
            message, exit_code = "Interrupted; nothing was left half written.", INTERRUPTED
        click.echo(message, err=True)
        raise click.exceptions.Exit(exit_code)


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
    match the model, 6 quality gate failed, 7 model directory missing, altered
    or newer, 8 output not writable or locked, or its workers lost, 9 some
    series skipped, the rest written, 130 interrupted.
    """  # noqa: D301 - click wants the backspace itself


@main.command()
@options.data_argument
@options.config_option
@click.option("--output", "-o", type=options.PATH, help="[default: model-<target>/]")
@click.option("--no-check", is_flag=True, help="Do not test the attention profile.")
@options.combined(scheduling.schedule_options)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep every epoch in OUTPUT.checkpoint until the model is saved, and go on from what is "
    "there.",
)
@skipping.on_error_option("learn from")
@options.combined(options.output_options, options.fitting_options)
def fit(
    data: Path,
    output: Path | None,
    no_check: bool,
    wait: str,
    log_json: str | None,
    resume: bool,
    on_error: str,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a forecaster on DATA, evaluate it and save it.

    DATA is a CSV or Parquet file, or a folder of such files.
    """
    wanted = options.fit_options(given)
    output = output or options.default_output("model", wanted)
    run = Run(command="fit", model=str(output), data=str(data), output=str(output))

    def check() -> None:
        option_checks.check_options(wanted)
        from tsattn.outputs import check_output

        check_output(output, overwrite=overwrite, is_directory=True)

    with scheduling.scheduled(run, output, wait=wait, log=log_json, check=check, quiet=quiet):
        tell = skipping.teller(on_error, run)
        _fit(data, wanted, output, not no_check, resume, overwrite, as_json, quiet, tell)


def _fit(
    data: Path,
    wanted: config.FitOptions,
    output: Path,
    check: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    tell: Callable[[str], None],
) -> None:
    from tsattn.cli.importing import start_keras

    start_keras(wanted.backend, seed=wanted.seed)
    from tsattn.cli import printing
    from tsattn.pipeline import fitting
    from tsattn.progress import Progress

    progress = Progress(quiet=quiet)
    checkpoint = output.with_name(f"{output.name}.checkpoint") if resume else None
    result = fitting.fit(
        data, wanted, check=check, checkpoint=checkpoint, on_skip=tell, progress=progress
    )
    fitting.save(result, output, overwrite=overwrite, progress=progress)
    if as_json:
        printing.print_json({"model": str(output), **result.to_json()})
    else:
        printing.print_fit(result, output)
    if result.history.interrupted:
        more = " To go on: --resume --overwrite." if resume else ""
        click.echo(f"Interrupted: the best model so far was evaluated and saved.{more}", err=True)
        sys.exit(INTERRUPTED)
    skipping.leave(len(result.skipped), len(result.series.series_ids), "learnt from")


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


main.add_command(backtest)
main.add_command(compare)
main.add_command(demo)
main.add_command(datasets)
main.add_command(explain)
main.add_command(predict)
main.add_command(evaluate)
main.add_command(update)
