"""Progress and notes on stderr: a bar on a terminal, lines elsewhere, nothing when quiet."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsattn.epochs import Epoch


class Progress:
    """Tells a person what is going on; the silent one is the default of the Python calls."""

    def __init__(self, *, quiet: bool = True) -> None:
        self.quiet = quiet
        self._is_terminal = sys.stderr.isatty()

    def note(self, text: str) -> None:
        """Say something once."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def epoch(self, epoch: "Epoch", epochs: int) -> None:
        """Say how an epoch ended."""
        self.note(
            f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}  loss {epoch.loss:.4f}  "
            f"val_loss {epoch.val_loss:.4f}  {epoch.seconds:.1f} s"
        )

    @contextmanager
    def bar(self, text: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar on a terminal; yields a function of (done, total)."""
        if self.quiet or not self._is_terminal:
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(text, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
