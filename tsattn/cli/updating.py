"""The `update` command: an old model trained further on newer rows."""

from pathlib import Path

import click

from tsattn.cli import options, scheduling
from tsattn.run_log import Run


@click.command()
@options.model_argument
@options.data_argument
@click.option("--output", "-o", type=options.PATH, required=True, help="The new model directory.")
@click.option(
    "--data",
    "old_data",
    type=options.PATH,
    help="Rows to put before those of DATA.  [default: the file the model was trained on, "
    "where it was and unchanged]",
)
@click.option("--epochs", type=int, default=3, show_default=True, help="Epochs at most.")
@click.option(
    "--learning-rate", type=float, show_default="an eighth of the fit's", help="Largest step size."
)
@click.option("--no-check", is_flag=True, help="Do not test the attention profile.")
@options.combined(scheduling.schedule_options, options.output_options)
def update(
    model: Path,
    data: Path,
    output: Path,
    old_data: Path | None,
    epochs: int,
    learning_rate: float | None,
    no_check: bool,
    wait: str,
    log_json: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train MODEL further on the new rows of DATA, and write it to another directory.

    DATA has the new rows, or all rows. Of the rows after those MODEL was trained
    with, the later half is held out. A result that is worse there than MODEL is
    not written: exit code 6. Scaler and structure stay, new series of a panel are
    scaled by their own rows; linear path, intervals, profile, model.onnx and
    report.html are made anew.
    """
    run = Run(command="update", model=str(model), data=str(data), output=str(output))

    def check() -> None:
        from tsattn.outputs import check_output

        check_output(output, overwrite=overwrite, is_directory=True, apart_from=model)
        from tsattn.model_directory import check_directory

        check_directory(model)  # before Keras is loaded, which takes seconds

    with scheduling.scheduled(run, output, wait=wait, log=log_json, check=check, quiet=quiet):
        from tsattn.cli.importing import start_keras

        start_keras()
        from tsattn.cli import printing
        from tsattn.pipeline import updating
        from tsattn.progress import Progress

        result = updating.update(
            model,
            data,
            output=output,
            old_data=old_data,
            epochs=epochs,
            learning_rate=learning_rate,
            check=not no_check,
            overwrite=overwrite,
            progress=Progress(quiet=quiet),
        )
        content = result.to_json()
        if as_json:
            printing.print_json({"model": str(output), **content})
            return
        printing.print_fit(result.result, output)
        new, old = (content["mse"][name]["scaled"] for name in ("new", "old"))
        click.echo(f"MSE on the rows held out: {new:.6g}; of the old model: {old:.6g} (scaled)")
