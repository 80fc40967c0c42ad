"""The types of the values of options."""

from collections.abc import Sequence
from types import NoneType
from typing import Any, get_args, get_origin

from tsattn.config import require

# What a value of each type of an option is called in a message.
_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Sequence[str]: "a list of text",
    Sequence[float]: "a list of numbers",
}


def as_type(name: str, value: object, expected: Any) -> Any:
    """Return the value of an option; what NumPy and pandas made as Python's own.

    Raises:
        UsageError: it has another type than expected; true and false are not numbers.
    """
    plain = _as_plain(value)
    allowed = get_args(expected) or (expected,)
    kinds = " or ".join(_KINDS[kind] for kind in allowed if kind is not NoneType)
    require(
        any(_has_type(plain, kind) for kind in allowed),
        f"`{name}` must be {kinds}.",
        f"{name}={value!r}",
        "Give a value of that type.",
    )
    return plain


def _as_plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(_as_plain, value))
    return value


def _has_type(value: object, kind: Any) -> bool:
    if get_origin(kind) is Sequence:
        (item,) = get_args(kind)
        return isinstance(value, list | tuple) and all(_has_type(each, item) for each in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)
