"""The `datasets` commands: public data sets."""

from pathlib import Path

import click

from tsattn.cli import options


@click.group()
def datasets() -> None:
    """List and fetch public data sets to try the toolkit on."""


@datasets.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_datasets(as_json: bool) -> None:
    """List the public data sets that `get` can fetch."""
    from tsattn.cli import printing

    printing.print_datasets(as_json=as_json)


@datasets.command("get")
@click.argument("name")
@click.option("--cache", type=options.PATH, help="Folder. [default: TSATTN_CACHE or your cache]")
@click.option("--quiet", "-q", is_flag=True, help="Print no progress.")
def get_dataset(name: str, cache: Path | None, quiet: bool) -> None:
    """Fetch the data set NAME and print the path of its file."""
    from tsattn.data.download import get_dataset

    click.echo(get_dataset(name, cache=cache, progress=not quiet))
