"""Work done by the workers of a Dask cluster: groups of series that are forecast, or fits.

A group travels to a worker with the model and comes back as a table, a fit travels with the data
and comes back as a model: workers need the package, but no folder that they share. What a lost
worker had not finished, the scheduler gives to another.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from tsattn.engines import DASK_WORKERS, Engine
from tsattn.errors import UsageError, WorkersLostError
from tsattn.pipeline.forecasting import Group, Rules, TableForecast
from tsattn.pipeline.opening import Model, place_of
from tsattn.pipeline.portable import PortableModel
from tsattn.pipeline.remote import PACKAGES, GroupTask, later, packages
from tsattn.progress import Progress

_CONNECTING = 10.0  # seconds until a scheduler must have answered
_WITHOUT_WORKERS = 60.0  # seconds that a cluster may be without any
_LOOK = 2.0  # seconds between looks at the workers
_SILENT = logging.CRITICAL + 1
_LOGGERS = ("distributed", "distributed.client", "tornado.application")  # with a level of their own
_GROUPS_AHEAD = 2  # groups of each worker that are read before they are needed


@dataclass(frozen=True, kw_only=True)
class Work:
    """What workers do, and what messages say of it."""

    verb: str
    part: str  # that one worker does
    done: str  # of all parts
    remedy: str  # where a part is too much for a worker
    packages: tuple[str, ...]  # what its results rest on


GROUPS = Work(
    verb="forecast",
    part="a group of series",
    done="all series are forecast",
    remedy="Give them more memory, or make the groups smaller with --rows-at-once",
    packages=PACKAGES,
)
FITS = Work(
    verb="fit",
    part="a model",
    done="all models are fitted",
    remedy="Give them more memory, or lower --batch-size or --units",
    packages=("tsattn", "numpy", "pandas", "keras"),
)


class Task(Protocol):
    """A part of the work, with all that is needed to do it."""

    def run(self) -> Any:
        """Do it on a worker."""


def check_engine(engine: Engine, model: Model | None = None) -> None:
    """Check, before any work, that an engine is there and can have the model.

    Raises:
        UsageError: Dask is not installed, or the model is not a directory.
    """
    if engine.name != "dask":
        return
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "The engine dask needs the packages dask and distributed. "
            f"Received: {error}. Install them with pip install 'tsattn[dask]'."
        ) from None
    if model is not None and place_of(model) is None:
        raise UsageError(
            "The engine dask sends a model directory to its workers. Received: a forecaster in "
            "memory. Save it, and give its directory."
        )


@contextmanager
def open_workers(
    engine: Engine, folder: Path, progress: Progress, work: Work = GROUPS
) -> Iterator["DaskWorkers"]:
    """Yield the workers of a running scheduler, or new ones on this machine.

    Args:
        engine: Which workers.
        folder: Where workers on this machine keep what does not fit into their memory.
        progress: Where notes go.
        work: What they do.

    Raises:
        UsageError: no scheduler answers at the address, or not all have the same packages.
        WorkersLostError: there are no workers.
    """
    import dask

    settings = {"distributed.admin.large-graph-warning-threshold": "1TB"}  # groups are large
    with ExitStack() as stack:
        stack.enter_context(_silent_logs())
        stack.enter_context(dask.config.set(settings))
        client = _connected(stack, engine, folder)
        try:
            client.wait_for_workers(1, timeout=_WITHOUT_WORKERS)
        except TimeoutError:
            raise _no_workers() from None
        _check_packages(client, work)
        yield DaskWorkers(client, progress, work)


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Keep what Dask logs of lost workers and connections from the user, who is told by us."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(_SILENT)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _connected(stack: ExitStack, engine: Engine, folder: Path) -> Any:
    from distributed import Client, LocalCluster

    if engine.address is None:
        cluster = LocalCluster(
            n_workers=engine.workers or DASK_WORKERS,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # its port would be taken where there is another
            memory_limit=0,  # as in one process
            local_directory=str(folder),
            silence_logs=_SILENT,
            preload="tsattn.pipeline.local_worker",
        )
        return stack.enter_context(Client(stack.enter_context(cluster)))
    try:
        return stack.enter_context(Client(engine.address, timeout=_CONNECTING))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            "`dask_address` must be that of a running scheduler. Received: "
            f"{engine.address!r} ({' '.join(str(error).split())}). Start one with `dask scheduler`."
        ) from None


def _check_packages(client: Any, work: Work) -> None:
    """Raise a UsageError unless scheduler and workers have the packages of this process."""
    names = work.packages
    with _connection(work):
        found = client.get_versions(packages=list(names))
    wanted = found["client"]["packages"]
    for place, answer in {"the scheduler": found["scheduler"], **found["workers"]}.items():
        has = answer["packages"]
        other = [f"{name} {has[name]}" for name in names if has[name] != wanted[name]]
        if other:
            here = ", ".join(f"{name} {wanted[name]}" for name in names)
            raise UsageError(
                "Scheduler and workers must have the packages of the process that asks them. "
                f"Received: {', '.join(other)} on {place}, {here} here. Install the same versions."
            )


class DaskWorkers:
    """Does parts of a work on workers, several at once, and returns the results in their order."""

    def __init__(self, client: Any, progress: Progress, work: Work) -> None:
        self._client, self._progress, self._work = client, progress, work
        self._workers: set[str] = set(client.nthreads())
        self._seen = time.monotonic()  # when there were workers
        self._run = f"tsattn-{uuid4().hex}"

    def forecasts(
        self, groups: Iterable[Group], model: PortableModel, rules: Rules
    ) -> Iterator[TableForecast]:
        """Yield the forecasts of the groups.

        Raises:
            WorkersLostError: the scheduler or all workers are gone, or a group ends its workers.
            As `forecast_table`.
        """
        # What is skipped is told by this process, in the order of the groups.
        rules = replace(rules, on_skip=None if rules.on_skip is None else later)
        offset = time.localtime().tm_gmtoff if rules.max_age else None
        yield from self.results(
            GroupTask(group=group, model=model, rules=rules, packages=packages(), offset=offset)
            for group in groups
        )

    def results(self, tasks: Iterable[Task]) -> Iterator[Any]:
        """Yield what each task returns; only a few are asked for before they are needed.

        Raises:
            WorkersLostError: the scheduler or all workers are gone, or a task ends its workers.
            As the tasks.
        """
        waiting: deque[Any] = deque()
        try:
            for number, task in enumerate(tasks):
                waiting.append(self._submit(task, number))
                while len(waiting) > _GROUPS_AHEAD * max(len(self._workers), 1):
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, task: Task, number: int) -> Any:
        with _connection(self._work):
            name = f"{self._run}-{number}"
            return self._client.submit(type(task).run, task, key=name, pure=False)

    def _result(self, future: Any) -> Any:
        from distributed import wait

        with _connection(self._work):
            while not future.done():
                self._look()
                with suppress(TimeoutError):
                    wait(future, timeout=_LOOK)
            self._look()
            return future.result()

    def _look(self) -> None:
        """Say which workers are gone; raise if there have been none for long."""
        now = set(self._client.nthreads())
        for address in sorted(self._workers - now):
            self._progress.note(
                f"the worker {address} is gone; another {self._work.verb}s what it had not finished"
            )
        self._workers = now
        if now:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _WITHOUT_WORKERS:
            raise _no_workers()


@contextmanager
def _connection(work: Work) -> Iterator[None]:
    """Turn what a scheduler says of lost work, or no longer says, into an error of ours."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker:
        raise WorkersLostError(
            f"A worker must be able to {work.verb} {work.part}. Received: {work.part} that ended "
            f"several workers, one after another. {work.remedy}; nothing was written."
        ) from None
    except (CancelledError, OSError):
        raise WorkersLostError(
            f"The scheduler must run until {work.done}. Received: a lost connection to it. Start "
            "it again, and then this run; nothing was written."
        ) from None


def _no_workers() -> WorkersLostError:
    return WorkersLostError(
        "A scheduler needs workers. Received: none for "
        f"{_WITHOUT_WORKERS:.0f} seconds. Start some with `dask worker`; nothing was written."
    )
