"""The command line, run within the process of the tests."""

from click.testing import CliRunner, Result

from tsattn.cli import main


def run(*arguments: object) -> Result:
    """Run `tsattn` with some arguments."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
