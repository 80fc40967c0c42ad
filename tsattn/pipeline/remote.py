"""What a worker of a cluster does with a group of series."""

import importlib.metadata
import time
from dataclasses import dataclass
from threading import Lock

from tsattn.errors import UsageError
from tsattn.pipeline.forecasting import Group, Rules, TableForecast, forecast_group
from tsattn.pipeline.portable import PortableModel

PACKAGES = ("tsattn", "numpy", "pandas", "onnxruntime")  # what the bytes of a forecast rest on
_one_at_a_time = Lock()  # Keras and the reading of tables are not made for several threads


@dataclass(frozen=True, kw_only=True)
class GroupTask:
    """A group with all that is needed to forecast it."""

    group: Group
    model: PortableModel
    rules: Rules
    packages: tuple[str, ...]  # of the process that asks
    offset: int | None  # of its clock from UTC, in seconds; None: it does not matter

    def run(self) -> TableForecast:
        """Forecast the group.

        Raises:
            UsageError: this process has other packages, or another time zone.
            As `forecast_table`.
        """
        if packages() != self.packages:
            raise UsageError(
                "Workers must have the same packages as the process that asks them. Received: "
                f"{', '.join(packages())} on a worker, {', '.join(self.packages)} here. "
                "Install the same versions."
            )
        if self.offset not in (None, time.localtime().tm_gmtoff):
            raise UsageError(
                "The age of rows is told by the clock of a machine, so that all need one time "
                f"zone. Received: a worker {time.localtime().tm_gmtoff} s from UTC, "
                f"{self.offset} s here. Set TZ for the workers."
            )
        with _one_at_a_time:
            return forecast_group(self.model.open(), self.group, self.rules)


def packages() -> tuple[str, ...]:
    """Return the packages of this process that matter, with their versions."""
    return tuple(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)


def later(reason: str) -> None:
    """Stand for what is told of skipped series, which is done where the results come together."""
