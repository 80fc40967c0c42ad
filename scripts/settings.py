"""The options of a fit that scripts are given as `--set OPTION=VALUE`."""

import json
from typing import Any


def value_of(text: str) -> Any:
    """Return what a text says in JSON, or the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
