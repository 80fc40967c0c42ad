"""The command line in a process that ends with the one that started it, however that ends.

Run as `python -m tsattn.pipeline.leashed`, with a pipe to stdin that the other process holds open.
"""

import os
import runpy
import sys
from threading import Thread


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with_stdin, daemon=True).start()
    sys.argv[0] = "tsattn"
    runpy.run_module("tsattn", run_name="__main__")
