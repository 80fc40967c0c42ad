"""Ctrl-C between the batches of a training, not within one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def held_interruptions() -> Iterator[Callable[[], None]]:
    """Hold SIGINT and SIGTERM back until the function that is given is called, or the block ends.

    An exception that comes up while a backend computes may leave it in a state in which it crashes
    later. The second signal is not held: who asks twice does not want to wait. What a signal does
    is left as it is; it is done later only.

    Outside the main thread, which alone gets signals, nothing is held.
    """
    held: list[Callable[[], object]] = []

    def release() -> None:
        while held:
            held.pop()()

    def holding(handler: Handler) -> Handler:
        def hold(number: int, frame: FrameType | None) -> None:
            if held:
                held.clear()
                handler(number, frame)
            else:
                held.append(lambda: handler(number, None))

        return hold

    before: dict[signal.Signals, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):  # else the system's own: ignored, or the end at once
                before[number] = handler
                signal.signal(number, holding(handler))
    try:
        yield release
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    release()
