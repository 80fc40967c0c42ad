"""What Dask loads into each worker process that it starts on this machine."""

import signal


def dask_setup(worker: object) -> None:
    """Leave an interrupt, which a terminal sends to all processes, to the one that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
