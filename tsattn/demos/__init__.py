"""Problems with known answers: their data, their training, and whether the scores find them.

`run_demo` and `save_demo` are loaded when they are first used, since they load Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tsattn.demos.catalog import DEMOS, Demo, Must, find_demo

if TYPE_CHECKING:
    from tsattn.demos.problems import Problem, make_problem
    from tsattn.demos.running import DemoResult, run_demo
    from tsattn.demos.saving import save_demo

_HOMES = {
    "DemoResult": "running",
    "Problem": "problems",
    "make_problem": "problems",
    "run_demo": "running",
    "save_demo": "saving",
}
__all__ = [
    "DEMOS",
    "Demo",
    "DemoResult",
    "Must",
    "Problem",
    "find_demo",
    "make_problem",
    "run_demo",
    "save_demo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tsattn.demos' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tsattn.demos.{_HOMES[name]}"), name)
