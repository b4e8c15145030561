"""From the text of an option to its value."""

from collections.abc import Mapping
from ssl import SSLContext
from typing import Any, Optional, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ycore.cli.failures import UsageError
from ycore.cli.options import convert_option


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("8000", int, 8000),
        ("-1", int, -1),
        ("8000", float, 8000.0),
        ("1e3", float, 1000.0),
        ("inf", float, float("inf")),
        ("true", bool, True),
        ("YES", bool, True),
        ("1", bool, True),
        ("off", bool, False),
        ("0", bool, False),
        ("", str, ""),
        ("none", str, "none"),
        ("none", str | None, "none"),
        ("none", int | None, None),
        ("None", Optional[float], None),  # noqa: UP045 - a wire may write it so
        ("7", int | None, 7),
        ("7", int | str, 7),
        ("x", Union[int, str], "x"),  # noqa: UP007 - a wire may write it so
        ("1", int | bool, 1),
        ("true", int | bool, True),
        ("2.5", int | float, 2.5),
        ("x", str | SSLContext, "x"),
    ],
)
def test_values(text: str, type_: Any, value: object) -> None:
    converted = convert_option("option", text, type_)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("text", "type_", "complaint"),
    [
        ("eight", int, "'port' takes a whole number, not 'eight'"),
        ("1.5", int, "a whole number"),
        ("", int, "a whole number"),
        ("none", int, "a whole number"),
        ("fast", float, "a number"),
        ("nan", float, "a number"),
        ("maybe", bool, "true or false"),
        ("maybe", int | bool | None, "a whole number or true or false"),
    ],
)
def test_what_is_no_value(text: str, type_: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        convert_option("port", text, type_)


@pytest.mark.parametrize(
    "type_", [SSLContext, SSLContext | None, Mapping[str, str] | None, bytes, Any, None, list[int]]
)
def test_what_no_text_can_be(type_: Any) -> None:
    with pytest.raises(UsageError, match="'what' cannot be given on the command line"):
        convert_option("what", "text", type_)


@settings(deadline=None)
@given(st.integers() | st.floats(allow_nan=False) | st.booleans() | st.text())
def test_a_value_survives_being_written_and_read(value: Any) -> None:
    assert convert_option("option", str(value), type(value)) == value
