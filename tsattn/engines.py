"""Where the groups of series of a batch forecast are forecast."""

from dataclasses import dataclass

from tsattn.config import require

ENGINES = ("single", "dask")
DASK_WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One process, or the workers of a Dask cluster.

    Raises:
        UsageError: the engine is unknown, or what is said of it belongs to another.
    """

    name: str = "single"
    address: str | None = None  # of a running scheduler; None: workers on this machine
    workers: int | None = None  # processes on this machine; None: `DASK_WORKERS`

    def __post_init__(self) -> None:
        require(
            self.name in ENGINES,
            "`engine` must be known.",
            f"engine={self.name!r}",
            f"Use {', '.join(ENGINES)}.",
        )
        require(
            self.name == "dask" or (self.address is None and self.workers is None),
            "`dask_address` and `dask_workers` belong to the engine dask.",
            f"engine={self.name!r}",
            "Use engine dask, or leave them out.",
        )
        require(
            self.address is None or self.workers is None,
            "A running scheduler has workers of its own.",
            f"dask_address={self.address!r} and dask_workers={self.workers}",
            "Give one of the two.",
        )
        require(
            self.workers is None or self.workers >= 1,
            "`dask_workers` must be at least 1.",
            f"dask_workers={self.workers}",
            "Give a larger number.",
        )
