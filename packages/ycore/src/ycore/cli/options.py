"""From the text of an option to the value that a wire takes, by the type of the option."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from .failures import UsageError

__all__ = ["convert_option", "is_convertible"]

WORDS = {"true": True, "yes": True, "on": True, "1": True}
WORDS |= {"false": False, "no": False, "off": False, "0": False}


def is_convertible(type_: Any) -> bool:
    """Tell whether a text can be a value of a type."""
    return bool(_converters(type_))


def convert_option(name: str, text: str, type_: Any) -> Any:
    """Return the value of an option.

    The types are `int`, `float`, `bool`, `str` and unions with at least one of them; the first
    that can hold the text does. The text `none` is None where that is allowed and text is not.

    Args:
        name: The option's name.
        text: What the user wrote.
        type_: The option's type.

    Raises:
        UsageError: The text is no such value, or no text can be.
    """
    members = _members(type_)
    converters = _converters(type_)
    if not converters:
        raise UsageError(f"the option {name!r} cannot be given on the command line")
    if NoneType in members and str not in members and text.lower() == "none":
        return None
    return _first(name, text, converters)


def _converters(type_: Any) -> list[Callable[[str], Any]]:
    members = _members(type_)
    return [converter for kind, converter in CONVERTERS.items() if kind in members]


def _first(name: str, text: str, converters: list[Callable[[str], Any]]) -> Any:
    reasons = []
    for converter in converters:
        try:
            return converter(text)
        except ValueError as exc:
            reasons.append(str(exc))
    raise UsageError(f"the option {name!r} takes {' or '.join(reasons)}, not {text!r}")


def _members(type_: Any) -> tuple[Any, ...]:
    return get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)


def _to_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _to_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError("a number")
    return number


def _to_bool(text: str) -> bool:
    try:
        return WORDS[text.lower()]
    except KeyError:
        raise ValueError("true or false") from None


CONVERTERS: dict[type, Callable[[str], Any]] = {
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: str,
}
