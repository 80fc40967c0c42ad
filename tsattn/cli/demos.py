"""The `demo` command: a problem with a known answer, from its data to its figures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsattn.cli import options, scheduling
from tsattn.demos.catalog import DEMOS, check_seed, find_demo
from tsattn.run_log import Run

if TYPE_CHECKING:
    from tsattn.demos.running import DemoResult

_PROBLEMS = "\n".join(f"{name:<18}  {demo.title}" for name, demo in DEMOS.items())
_VARIANTS = "\n".join(f"{name}: {', '.join(demo.variants)}" for name, demo in DEMOS.items())


@click.command(
    help=(
        "Show on a problem with a known answer whether the attention scores find it.\n\n"
        "The data is made from the seed; the figures show the scores beside the true cells, and "
        f"how they form, epoch by epoch.\n\n\b\n{_PROBLEMS}"
    ),
    epilog="Variants, the first of each being the default: " + _VARIANTS.replace("\n", "; ") + ".",
)
@click.argument("name")
@click.option("--variant", help="Model or problem, see below.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of data and weights.")
@click.option("--output", "-o", type=options.PATH, help="[default: demo-NAME/]")
@scheduling.wait_option
@options.combined(options.output_options)
def demo(
    name: str,
    variant: str | None,
    seed: int,
    output: Path | None,
    wait: str,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a demonstration and write its figures."""
    wanted, variant = find_demo(name, variant)
    check_seed(seed)
    place = output or Path(f"demo-{name}")

    def check() -> None:
        from tsattn.outputs import DEMO, check_output

        check_output(place, overwrite=overwrite, is_directory=True, kind=DEMO)

    run = Run(command="demo", output=str(place))
    with scheduling.scheduled(run, place, wait=wait, log=None, check=check, quiet=quiet):
        from tsattn.cli.importing import start_keras

        start_keras(seed=seed)
        from tsattn.demos import run_demo, save_demo
        from tsattn.progress import Progress

        progress, epochs = Progress(quiet=quiet), wanted.training_of(variant).epochs
        result = run_demo(
            name,
            variant,
            seed=seed,
            on_epoch=lambda epoch, loss: progress.note(f"epoch {epoch}/{epochs}  loss {loss:.4g}"),
        )
        save_demo(result, place, overwrite=overwrite)
    _print(result, place, as_json=as_json)


def _print(result: "DemoResult", output: Path, *, as_json: bool) -> None:
    """Print what the demonstration found, and what must be."""
    from tsattn.cli import printing

    content = result.to_json()
    if as_json:
        printing.print_json({"output": str(output), **content})
        return
    note = f"note: {result.note}\n" if result.note else ""
    verdict = "hit" if result.is_hit else "NOT reached"
    click.echo(
        f"{result.name}, {result.variant}: {result.demo.title}\n"
        f"hit rate {result.hits.hit_rate:.1%}, mass on the true cells {result.hits.mass:.1%}, "
        f"peak of the mean at {result.hits.peak} ({len(result.scores):,} test windows)\n"
        f"must be: {result.must}: {verdict}\n"
        f"{note}figures and scores: {output}"
    )
