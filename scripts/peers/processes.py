"""Processes whose peak memory is measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def run_script(python: list[str], name: str, folder: Path, job: dict[str, Any]) -> int:
    """Run a script of `peers` on a job; return its peak memory in MB.

    The kernel counts what a process was before it became another program: the peak is at least
    that of this one, which therefore loads nothing large.

    Raises:
        RuntimeError: it failed; with what it said last.
    """
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    with (folder / "log").open("w") as log:
        command = [*python, HERE / name, folder]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = "\n".join((folder / "log").read_text("utf-8", "replace").splitlines()[-12:])
        raise RuntimeError(f"{name} ended with exit code {process.returncode}:\n{said}")
    # Linux counts in KiB, macOS in bytes.
    return round(usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10))
