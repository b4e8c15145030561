"""URLs of the command line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ycore.cli.failures import UsageError
from ycore.cli.urls import Url, parse_url

text = st.text(st.characters(codec="utf-8"), max_size=12)

urls = st.builds(
    Url,
    wire=st.from_regex(r"[A-Za-z0-9_.+-]+", fullmatch=True),
    host=st.none() | st.ip_addresses().map(str) | text.filter(bool),
    port=st.none() | st.integers(0, 65535),
    path=st.just("") | text.map("/{}".format),
    options=st.dictionaries(text.filter(bool), text, max_size=3),
)


@settings(deadline=None)
@given(urls)
def test_a_url_survives_being_written_and_read(url: Url) -> None:
    assert parse_url(str(url)) == url


@settings(deadline=None)
@given(text)
def test_anything_is_a_url_or_refused(rest: str) -> None:
    try:
        url = parse_url(f"zmq://{rest}")
    except UsageError as exc:
        assert "zmq://" in str(exc)
    else:
        assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("memory://", Url("memory")),
        ("my_wire://", Url("my_wire")),
        ("websocket://127.0.0.1:8000", Url("websocket", "127.0.0.1", 8000)),
        ("websocket://localhost", Url("websocket", "localhost")),
        ("websocket://:8000/", Url("websocket", None, 8000, "/")),
        ("websocket://[::1]:8000/a", Url("websocket", "::1", 8000, "/a")),
        ("websocket://[::1]/a", Url("websocket", "::1", None, "/a")),
        ("websocket://[fe80::1%25eth0]", Url("websocket", "fe80::1%eth0")),
        ("zmq://*:5555", Url("zmq", "*", 5555)),
        (
            "zmq:///room?endpoint=ipc:///tmp/x&heartbeat=1.5",
            Url("zmq", path="/room", options={"endpoint": "ipc:///tmp/x", "heartbeat": "1.5"}),
        ),
        ("zmq://?a=1=2&&b=", Url("zmq", options={"a": "1=2", "b": ""})),
        ("zmq://?%61=x%26y", Url("zmq", options={"a": "x&y"})),
    ],
)
def test_parts(written: str, url: Url) -> None:
    assert parse_url(written) == url


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("", ""),
        ("/", ""),
        ("/room", "room"),
        ("/a/b", "a/b"),
        ("/a%2Fb", "a/b"),
        ("//a", "/a"),
        ("/%2Fa", "/a"),
        ("/a%2525", "a%25"),
        ("/a+b", "a+b"),
        ("/%C3%A9", "é"),
    ],
)
def test_the_path_names_the_room(path: str, room: str) -> None:
    assert parse_url(f"websocket://host{path}").room == room


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "write WIRE://HOST"),
        ("websocket", "write WIRE://HOST"),
        ("websocket:8000", "write WIRE://HOST"),
        ("://host", "write WIRE://HOST"),
        ("/etc://host", "write WIRE://HOST"),
        ("websocket://host#x", "%23"),
        ("websocket://me:secret@host", "no wire takes a user name"),
        ("websocket://host:", "'' is no port"),
        ("websocket://host:http", "'http' is no port"),
        ("websocket://host:65536", "'65536' is no port"),
        ("websocket://host:-1", "'-1' is no port"),
        ("websocket://::1:8000", "in brackets"),
        ("websocket://[::1", "has no ]"),
        ("websocket://[]:1", "has no ]"),
        ("websocket://[::1]8000", "only :PORT"),
        ("websocket://host/%FF", "can't decode"),
        ("websocket://?reconnect", "NAME=VALUE, not 'reconnect'"),
        ("websocket://?=1", "NAME=VALUE, not '=1'"),
        ("websocket://?a=1&a=2", "'a' is given twice"),
    ],
)
def test_what_is_no_url(written: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(written)
    assert repr(written) in str(caught.value)
    assert complaint in str(caught.value)


def test_secrets_are_not_shown() -> None:
    url = parse_url("zmq://host:1/room?secret_key=abc&token=def&heartbeat=1")
    assert url.options["token"] == "def"
    assert str(url) == "zmq://host:1/room?secret_key=***&token=***&heartbeat=1"
