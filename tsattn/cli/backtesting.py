"""The `backtest` command: errors over rolling origins."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsattn import option_checks
from tsattn.cli import options, scheduling, skipping
from tsattn.run_log import Run

if TYPE_CHECKING:
    from tsattn.pipeline.backtesting import Backtest


@click.command()
@options.data_argument
@options.config_option
@click.option("--output", "-o", type=options.PATH, help="[default: backtest-<target>/]")
@click.option(
    "--folds", type=int, default=5, show_default=True, help="Folds, at the end of the data."
)
@click.option("--step", type=int, show_default="horizon", help="Time steps in a fold.")
@click.option(
    "--refit",
    default="always",
    show_default=True,
    metavar="never|always|every:M",
    help="Fit in the first fold only, in every fold, or in every M-th.",
)
@skipping.on_error_option("learn from and score")
@options.combined(scheduling.schedule_options, options.output_options, options.fitting_options)
def backtest(
    data: Path,
    output: Path | None,
    folds: int,
    step: int | None,
    refit: str,
    on_error: str,
    wait: str,
    log_json: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Score forecasters of DATA on FOLDS, each fitted on earlier rows only.

    The last folds x step time steps are forecast, fold by fold. Of the rows before
    a fold, the last ones are validation rows, in the proportion that train and
    validation have in --split. Errors stand beside the baselines by fold and by
    horizon step, with the coverage of the intervals and the drift of the attention
    profile: half the L1 distance of its shares from those of the fold before. After
    an interruption the same command goes on; finished folds are in OUTPUT.folds.
    """
    wanted = options.fit_options(given)
    place = output or options.default_output("backtest", wanted)
    run = Run(command="backtest", data=str(data), output=str(place))

    def check() -> None:
        option_checks.check_options(wanted)
        from tsattn.outputs import BACKTEST, check_output

        check_output(place, overwrite=overwrite, is_directory=True, kind=BACKTEST)

    with scheduling.scheduled(run, place, wait=wait, log=log_json, check=check, quiet=quiet):
        from tsattn.cli.importing import start_keras

        start_keras(wanted.backend, seed=wanted.seed)
        from tsattn.pipeline import backtesting
        from tsattn.progress import Progress

        result = backtesting.backtest(
            data,
            wanted,
            folds=folds,
            step=step,
            refit=refit,
            output=place,
            overwrite=overwrite,
            on_skip=skipping.teller(on_error, run),
            progress=Progress(quiet=quiet),
        )
        _print(result, place, as_json=as_json)
        skipping.leave(len(result.skipped), result.num_series, "backtested")


def _print(result: "Backtest", output: Path, *, as_json: bool) -> None:
    """Print the folds and what they come to."""
    from tsattn.backtests import MODEL, overall_table, wide_table
    from tsattn.cli.printing import SCORE_FORMATS, print_json, table

    if as_json:
        print_json({"backtest": str(output), **result.summary})
        return
    wide, summary = wide_table(result.folds), result.summary
    formats = {"skill": "{:+.1%}", "drift": "{:.1%}"}
    for prefix, pattern in (("mae_", "{:.4g}"), ("coverage_", "{:.1%}")):
        formats |= {str(name): pattern for name in wide if str(name).startswith(prefix)}
    click.echo("MAE of each fold; skill is against the best baseline of the fold (1 - MSE / MSE)\n")
    click.echo(table(wide, formats))
    click.echo(f"\nall folds, {summary['num_windows']:,} windows\n")
    click.echo(table(overall_table(summary), SCORE_FORMATS))
    folds = summary["num_scored_folds"]
    won = ", ".join(f"{name} {count}" for name, count in summary["folds_won"].items())
    click.echo(f"\nof {folds} folds the {MODEL} has the lower MSE than: {won}")
    for level, found in summary["intervals"].items():
        click.echo(
            f"{level} % intervals held {found['coverage']:.1%}, "
            f"mean width {found['mean_width']:.4g}"
        )
    if summary["drift"]:
        drift = summary["drift"]
        click.echo(
            f"drift of the profile from fold to fold: mean {drift['mean']:.1%}, "
            f"largest {drift['max']:.1%}"
        )
    click.echo(f"folds, forecasts and plot: {output}")
