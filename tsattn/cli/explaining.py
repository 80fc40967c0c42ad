"""`tsattn explain`: the attention profile, the ranking, and their test."""

from pathlib import Path
from typing import Any

import click

from tsattn import config
from tsattn.cli import options, scheduling, skipping, views
from tsattn.run_log import Run


@click.command()
@options.model_argument
@click.option("--data", type=options.PATH, help="Profile the windows of these rows instead.")
@click.option(
    "--split",
    type=click.Choice(("train", "val", "test", "all")),
    help="Which windows. [default: test; all with --data]",
)
@click.option("--output", "-o", type=options.PATH, help="With --data: a folder to write to.")
@click.option(
    "--check",
    is_flag=True,
    help="Test the saved profile: its verdict is trust, weak or no signal. It needs the data of "
    "the fit, where they were or at --data.",
)
@click.option("--seeds", type=int, help="With --check: compare the profiles of so many seeds.")
@click.option(
    "--refit", is_flag=True, help="With --check: fit anew with shuffled copies of the covariates."
)
@skipping.on_error_option("with --data, explain")
@options.runtime_option
@options.combined(views.view_options, scheduling.schedule_options, options.output_options)
def explain(
    model: Path,
    data: Path | None,
    split: str | None,
    output: Path | None,
    check: bool,
    seeds: int | None,
    refit: bool,
    on_error: str,
    runtime: str,
    wait: str,
    log_json: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **viewed: Any,
) -> None:
    """Show which features, at which lags, the forecast of MODEL rests on."""
    view = views.Views(**viewed)
    place = model if check else output
    run = Run(
        command="explain",
        model=str(model),
        data=None if data is None else str(data),
        output=None if place is None else str(place),
    )

    def check_arguments() -> None:
        _check_options(data, split, output, check, seeds, refit, on_error, overwrite)
        views.check_views(view, has_data=data is not None, check=check)
        if output is not None:
            from tsattn.outputs import PROFILE, check_output

            check_output(
                output, overwrite=overwrite, is_directory=True, kind=PROFILE, apart_from=model
            )
        if check:
            from tsattn.model_directory import check_directory

            check_directory(model)  # before Keras is loaded, which takes seconds

    with scheduling.scheduled(
        run, place, wait=wait, log=log_json, check=check_arguments, quiet=quiet
    ):
        if check:
            _check_profile(model, data, seeds, refit, quiet)
        given: dict[str, Any] = {"split": split or "all", "runtime": runtime, "output": output}
        given |= {"overwrite": overwrite, "on_skip": skipping.teller(on_error, run)}
        _show(model, None if check else data, view, given, as_json=as_json, quiet=quiet)


def _check_profile(
    model: Path, data: Path | None, seeds: int | None, refit: bool, quiet: bool
) -> None:
    """Test the saved profile, and add the result to the model."""
    from tsattn.cli.importing import start_keras

    start_keras()
    from tsattn.pipeline import checking
    from tsattn.progress import Progress

    seeds = 1 if seeds is None else seeds
    checking.check(model, data, seeds=seeds, refit=refit, progress=Progress(quiet=quiet))


def _show(
    model: Path,
    data: Path | None,
    view: views.Views,
    given: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the saved profile, or what the windows of some data say."""
    from tsattn.cli import printing
    from tsattn.pipeline import explaining
    from tsattn.progress import Progress

    if data is None:
        explanation = explaining.saved_explanation(model)
        printing.print_explanation(explanation, model / "attention", as_json=as_json)
        return
    given = {**given, "progress": Progress(quiet=quiet)}
    if view.by is not None or view.against is not None:
        show = views.show_drift if view.by is None else views.show_groups
        shown = show(model, data, view, as_json=as_json, **given)
        skipping.leave(len(shown.skipped), shown.num_series, "explained")
        return
    explanation = explaining.explain_windows(
        model, data, window=view.window, series=view.series, **given
    )
    printing.print_explanation(explanation, given["output"], as_json=as_json)
    skipping.leave(len(explanation.skipped), explanation.num_series or 0, "explained")


def _check_options(
    data: Path | None,
    split: str | None,
    output: Path | None,
    check: bool,
    seeds: int | None,
    refit: bool,
    on_error: str,
    overwrite: bool,
) -> None:
    """Raise a UsageError for options that do not go together."""
    if data is None or check:
        config.require(
            split in (None, "test"),
            "The model directory holds the profile of the test windows only.",
            f"split={split}",
            "Leave --check out." if check else "Give the data with --data.",
        )
        config.require(
            output is None,
            "The profile without --data is in the model directory already."
            if not check
            else "What --check finds is added to the model directory.",
            f"output={output}",
            "Leave --output out, or give other data with --data."
            if not check
            else "Leave --output out.",
        )
        config.require(
            on_error == "skip",
            "--on-error stop ends at the first series of a panel at --data that is at fault.",
            "--on-error stop with --check" if check else "--on-error stop without --data",
            "Leave --on-error out.",
        )
    config.require(
        not overwrite or output is not None,
        "--overwrite replaces what is at --output.",
        "--overwrite without --output",
        "Leave --overwrite out, or name an output with --data and --output.",
    )
    config.require(
        check or not (seeds is not None or refit),
        "--seeds and --refit belong to the test of the profile.",
        "--seeds or --refit without --check",
        "Add --check.",
    )
