"""The content of documents as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from ycore.cli.content import MAX_NESTING, content_of, root_of


def received(doc: Doc[Any]) -> Doc[Any]:
    """Return a document as another program receives it: it does not know its roots."""
    other: Doc[Any] = Doc()
    other.apply_update(doc.get_update())
    return other


def content(**roots: Any) -> dict[str, Any]:
    doc: Doc[Any] = Doc()
    for name, root in roots.items():
        doc[name] = root
    return content_of(received(doc))


numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)

values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(values)
def test_what_is_json_stays_as_it_is(value: Any) -> None:
    found = content(map=Map({"key": value}), array=Array([value]))
    assert found == {"map": {"key": value}, "array": [value]}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_text_is_a_string(text: str) -> None:
    assert content(text=Text(text)) == {"text": text}


def test_an_empty_document() -> None:
    assert content_of(Doc()) == {}


def test_roots_of_every_kind() -> None:
    found = content(
        map=Map({"a": 1}),
        text=Text("abc"),
        array=Array([1, "b", {"c": 2}]),
        markup=XmlFragment([XmlElement("p", {"a": "b"}, [XmlText("hi")]), XmlText("tail")]),
    )
    assert found == {
        "map": {"a": 1},
        "text": "abc",
        "array": [1, "b", {"c": 2}],
        "markup": '<p a="b">hi</p>tail',
    }


def test_an_array_of_letters_is_no_text() -> None:
    assert content(array=Array(["a", "b"])) == {"array": ["a", "b"]}


def test_shared_types_nest() -> None:
    doc: Doc[Any] = Doc()
    doc["root"] = Map(
        {
            "text": Text("hi"),
            "array": Array([Map({"deep": Text("er")}), Text("")]),
            "empty": Map({}),
            "markup": XmlFragment([XmlElement("p", {}, [XmlText("x")])]),
        }
    )
    assert content_of(received(doc))["root"] == {
        "text": "hi",
        "array": [{"deep": "er"}, ""],
        "empty": {},
        "markup": "<p>x</p>",
    }


def test_a_text_without_its_formatting_and_what_is_embedded() -> None:
    doc: Doc[Any] = Doc()
    doc["text"] = text = Text("abc")
    text.format(0, 2, {"bold": True})
    text.insert_embed(1, {"image": "x"})
    assert content_of(received(doc)) == {"text": "abc"}


def test_a_root_that_has_become_empty() -> None:
    doc: Doc[Any] = Doc()
    doc["map"] = mapping = Map({"a": 1})
    del mapping["a"]
    doc["text"] = text = Text("abc")
    text.clear()
    assert content_of(received(doc)) == {"map": None, "text": None}


def test_entries_count_before_text() -> None:
    doc: Doc[Any] = Doc()
    doc["both"] = Map({"a": 1})
    other = received(doc)
    text = other.get("both", type=Text)
    text += "abc"
    assert content_of(received(other)) == {"both": {"a": 1}}


@pytest.mark.parametrize(
    ("value", "json_"),
    [
        (b"xy", {"$bytes": "eHk="}),
        (float("nan"), {"$number": "NaN"}),
        (float("inf"), {"$number": "Infinity"}),
        (float("-inf"), {"$number": "-Infinity"}),
        (1.0, 1),
        (-0.0, 0),
        (1.5, 1.5),
        (1e300, 1e300),
        (2**53 + 1, 2**53 + 1),
        ({"a": [b"xy"]}, {"a": [{"$bytes": "eHk="}]}),
    ],
)
def test_values_that_json_lacks(value: Any, json_: Any) -> None:
    found = content(map=Map({"key": value}))["map"]["key"]
    assert repr(found) == repr(json_)


def test_a_document_inside() -> None:
    assert content(map=Map({"doc": Doc(guid="that-one")})) == {"map": {"doc": {"$doc": "that-one"}}}


def test_a_value_of_an_unknown_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.cli.content._cast", lambda doc, name: object())
    assert content(text=Text("x")) == {"text": {"$unknown": "object"}}


def nested(depth: int) -> Any:
    doc: Doc[Any] = Doc()
    with doc.transaction():
        outer: Map[Any] = Map({})
        doc["root"] = outer
        for _ in range(depth):
            outer["a"] = Map({})
            outer = outer["a"]
    return content_of(received(doc))


def depth_of(value: Any) -> int:
    depth = 0
    while "a" in value:
        value, depth = value["a"], depth + 1
    return depth


def test_shared_types_that_nest_deep_are_cut_off() -> None:
    assert depth_of(nested(MAX_NESTING)["root"]) == MAX_NESTING
    found = nested(5_000)
    assert depth_of(found["root"]) == MAX_NESTING + 1
    assert '{"$omitted": "nested too deep"}' in json.dumps(found)


@pytest.mark.parametrize("depth", [MAX_NESTING - 2, 5_000])
def test_markup_that_nests_deep_is_not_shown(depth: int) -> None:
    doc: Doc[Any] = Doc()
    with doc.transaction():
        parent: Any = XmlFragment()
        doc["root"] = parent
        for _ in range(depth):
            parent.children.append(XmlElement("p", {}, []))
            parent = parent.children[0]
        parent.children.append(XmlText("x"))
    shown = "<p>" * depth + "x" + "</p>" * depth
    expected = shown if depth < MAX_NESTING else {"$omitted": "nested too deep"}
    assert content_of(received(doc)) == {"root": expected}


def test_looking_leaves_the_document_as_it_is() -> None:
    doc: Doc[Any] = Doc()
    doc["text"] = Text("abc")
    other = received(doc)
    before = other.get_update()
    content_of(other)
    root_of(other, "text")
    root_of(other, "absent")
    assert other.get_update() == before
    assert list(other.keys()) == ["text"]


@pytest.mark.parametrize(
    "root", [Map({"a": 1}), Text("abc"), Array([1]), XmlFragment([XmlElement("p", {}, [])])]
)
def test_what_a_root_is(root: Any) -> None:
    doc: Doc[Any] = Doc()
    doc["root"] = root
    assert type(root_of(received(doc), "root")) is type(root)
    assert root_of(received(doc), "other") is None
