"""Values to and from the JSON of the Node process, whose side of it is `driver/values.js`."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

__all__ = ["from_json", "to_json"]

MAX_SAFE_INTEGER = 2**53 - 1
"""A larger integer is a BigInt in JavaScript."""


def to_json(value: object) -> str:
    """Return what `unpack` of the other side understands."""
    return json.dumps(_pack(value))


def from_json(text: bytes) -> Any:
    """Return the value of what `pack` of the other side made."""
    return json.loads(text, object_hook=_unpack)


def _pack(value: object) -> object:
    match value:
        case bytes():
            return {"$bytes": b64encode(value).decode()}
        case int() if abs(value) > MAX_SAFE_INTEGER:
            return {"$bigint": str(value)}
        case dict():
            return {str(key): _pack(inner) for key, inner in value.items()}
        case list():
            return [_pack(inner) for inner in value]
        case _:
            return value


def _unpack(value: dict[str, Any]) -> Any:
    match value:
        case {"$bytes": str(encoded)}:
            return b64decode(encoded)
        case {"$bigint": str(digits)}:
            return int(digits)
        case _:
            return value
