"""The same content, as Python and each generation of Yjs write and read it, in a root "root"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

__all__ = ["CONTENT", "IN_PYTHON", "IN_YJS", "Expressions", "Functions"]

PLAIN = {
    "ü": "👋🏽",
    "int": -1,
    "float": 1.5,
    "big": 2**53 - 1,
    "null": None,
    "true": True,
    "bytes": b"\0\xff",
    "json": {"a": [1, {"b": None}]},
}

CONTENT: dict[str, Any] = {
    "text": "Grüße 👋🏽 世界 \0\n",
    "format": [
        {"insert": "👋🏽", "attributes": {"bold": True, "color": {"rgb": [1, 2]}}},
        {"insert": " plain "},
        {"insert": "ü", "attributes": {"bold": True}},
    ],
    "embed": [{"insert": "a"}, {"insert": {"image": "ü.png"}, "attributes": {"width": 3}}],
    "map": PLAIN,
    "array": [*PLAIN.values(), [1, [2]]],
    "nested": {"map": {"map": {"a": 1}}, "array": [1, [2, {"👋": None}]], "bytes": b"\0\xff"},
    "xml": '<p class="ä"><b>Grüße</b> 👋🏽<br></br></p>end',
}


class Expressions(NamedTuple):
    """How Yjs writes a value, which it knows as `content`, and reads it."""

    write: str
    read: str


class Functions(NamedTuple):
    """How Python writes a value and reads it."""

    write: Callable[[Doc[Any], Any], object]
    read: Callable[[Doc[Any]], object]


IN_YJS = {
    "13": {
        "text": Expressions(
            "doc.getText('root').insert(0, content)",
            "doc.getText('root').toString()",
        ),
        "format": Expressions(
            "doc.getText('root').applyDelta(content)",
            "doc.getText('root').toDelta()",
        ),
        "embed": Expressions(
            "doc.getText('root').applyDelta(content)",
            "doc.getText('root').toDelta()",
        ),
        "map": Expressions(
            """Object.entries(content).forEach(
                ([key, value]) => doc.getMap('root').set(key, value))""",
            "doc.getMap('root').toJSON()",
        ),
        "array": Expressions(
            "doc.getArray('root').push(content)",
            "doc.getArray('root').toJSON()",
        ),
        "nested": Expressions(
            """(() => {
                const entriesOf = value =>
                    Object.entries(value).map(([key, inner]) => [key, shared(inner)])
                const shared = value => {
                    if (Array.isArray(value)) return Y.Array.from(value.map(shared))
                    return value?.constructor === Object ? new Y.Map(entriesOf(value)) : value
                }
                entriesOf(content).forEach(([key, value]) => doc.getMap('root').set(key, value))
            })()""",
            "doc.getMap('root').toJSON()",
        ),
        "xml": Expressions(
            """(() => {
                const paragraph = new Y.XmlElement('p')
                const text = new Y.XmlText('Grüße 👋🏽')
                paragraph.setAttribute('class', 'ä')
                paragraph.push([text, new Y.XmlElement('br')])
                doc.getXmlFragment('root').push([paragraph, new Y.XmlText('end')])
                text.format(0, 5, { b: {} })
            })()""",
            "doc.getXmlFragment('root').toString()",
        ),
    },
    "14": {
        "text": Expressions(
            "doc.get('root').insert(0, content)",
            "doc.get('root').toString()",
        ),
        "format": Expressions(
            """doc.get('root').applyDelta(content.reduce(
                (change, { insert, attributes }) => change.insert(insert, attributes),
                doc.get('root').change))""",
            """(doc.get('root').toDelta().toJSON().children ?? []).map(
                ({ insert, format }) => format ? { insert, attributes: format } : { insert })""",
        ),
        "map": Expressions(
            """Object.entries(content).forEach(
                ([key, value]) => doc.get('root').setAttr(key, value))""",
            "doc.get('root').getAttrs()",
        ),
        "array": Expressions(
            "doc.get('root').push(content)",
            "doc.get('root').toArray()",
        ),
    },
}


def _write_text(doc: Doc[Any], content: str) -> None:
    doc["root"] = Text(content)


def _read_text(doc: Doc[Any]) -> str:
    return str(doc.get("root", type=Text))


def _write_delta(doc: Doc[Any], content: list[dict[str, Any]]) -> None:
    text = doc.get("root", type=Text)
    for part in content:
        insert = text.insert if isinstance(part["insert"], str) else text.insert_embed
        insert(len(text), part["insert"], part.get("attributes", {}))


def _read_delta(doc: Doc[Any]) -> list[dict[str, Any]]:
    return [
        {"insert": insert, "attributes": attributes} if attributes else {"insert": insert}
        for insert, attributes in doc.get("root", type=Text).diff()
    ]


def _write_map(doc: Doc[Any], content: dict[str, Any]) -> None:
    doc["root"] = Map(content)


def _read_map(doc: Doc[Any]) -> object:
    return doc.get("root", type=Map).to_py()


def _write_array(doc: Doc[Any], content: list[Any]) -> None:
    doc["root"] = Array(content)


def _read_array(doc: Doc[Any]) -> object:
    return doc.get("root", type=Array).to_py()


def _write_nested(doc: Doc[Any], content: dict[str, Any]) -> None:
    doc["root"] = _shared(content)


def _shared(value: Any) -> Any:
    match value:
        case dict():
            return Map({key: _shared(inner) for key, inner in value.items()})
        case list():
            return Array([_shared(inner) for inner in value])
        case _:
            return value


def _write_xml(doc: Doc[Any], content: str) -> None:
    fragment = doc.get("root", type=XmlFragment)
    paragraph = fragment.children.append(XmlElement("p", {"class": "ä"}))
    text = paragraph.children.append(XmlText("Grüße 👋🏽"))
    text.format(0, len("Grüße".encode()), {"b": {}})
    paragraph.children.append(XmlElement("br"))
    fragment.children.append(XmlText("end"))


def _read_xml(doc: Doc[Any]) -> str:
    return str(doc.get("root", type=XmlFragment))


IN_PYTHON = {
    "text": Functions(_write_text, _read_text),
    "format": Functions(_write_delta, _read_delta),
    "embed": Functions(_write_delta, _read_delta),
    "map": Functions(_write_map, _read_map),
    "array": Functions(_write_array, _read_array),
    "nested": Functions(_write_nested, _read_map),
    "xml": Functions(_write_xml, _read_xml),
}
