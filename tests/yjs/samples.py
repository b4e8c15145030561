"""The same content, as Python and each generation of Yjs write and read it, in a root "root"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

__all__ = [
    "CONTENT",
    "END",
    "END_IN_PYTHON",
    "IN_PYTHON",
    "IN_YJS",
    "MEGABYTES",
    "Expressions",
    "Functions",
]

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

# Each of the lines is an edit of its own, before the others: side by side they stay many.
# The elements have nothing in them: text in one is another thing for Yjs 14 than for the others.
CONTENT: dict[str, Any] = {
    "text": "Grüße 👋🏽 世界 \0\n",
    "lines": ["", "Grüße 👋🏽", "世界"],
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
    "elements": [{"class": "ä👋🏽", "n": "1"}, {}, {"n": "\0\n"}],
}

LONG = f"ü👋 {'x' * 500}"

MEGABYTES: dict[str, Any] = {
    "text": LONG * 2000,
    "lines": [f"{number} ü👋 {'x' * 40}" for number in range(20_000)],
    "map": {f"ü👋 {number}": LONG for number in range(2000)},
    "array": [LONG] * 2000,
    "elements": [{"n": str(number), "text": LONG} for number in range(2000)],
}
"""The same kinds of content, large."""


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
        "lines": Expressions(
            "content.forEach(line => doc.getText('root').insert(0, line + '\\n'))",
            "doc.getText('root').toString().split('\\n').slice(0, -1).reverse()",
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
        "elements": Expressions(
            """content.forEach(attributes => {
                const element = new Y.XmlElement('p')
                Object.entries(attributes).forEach(entry => element.setAttribute(...entry))
                doc.getXmlFragment('root').push([element])
            })""",
            "doc.getXmlFragment('root').toArray().map(element => element.getAttributes())",
        ),
    },
    "14": {
        "text": Expressions(
            "doc.get('root').insert(0, content)",
            "doc.get('root').toString()",
        ),
        "lines": Expressions(
            "content.forEach(line => doc.get('root').insert(0, line + '\\n'))",
            "doc.get('root').toString().split('\\n').slice(0, -1).reverse()",
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
        "elements": Expressions(
            """content.forEach(attributes => {
                const element = new Y.Type('p')
                Object.entries(attributes).forEach(entry => element.setAttr(...entry))
                doc.get('root').push([element])
            })""",
            "doc.get('root').toArray().map(element => element.getAttrs())",
        ),
    },
}


def _write_text(doc: Doc[Any], content: str) -> None:
    doc["root"] = Text(content)


def _read_text(doc: Doc[Any]) -> str:
    return str(doc.get("root", type=Text))


def _write_lines(doc: Doc[Any], content: list[str]) -> None:
    text = doc.get("root", type=Text)
    for line in content:
        text.insert(0, f"{line}\n")


def _read_lines(doc: Doc[Any]) -> list[str]:
    return _read_text(doc).split("\n")[-2::-1]


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


def _write_elements(doc: Doc[Any], content: list[dict[str, str]]) -> None:
    fragment = doc.get("root", type=XmlFragment)
    for attributes in content:
        fragment.children.append(XmlElement("p", attributes))


def _read_elements(doc: Doc[Any]) -> list[dict[str, str]]:
    elements: list[Any] = list(doc.get("root", type=XmlFragment).children)
    return [dict(element.attributes) for element in elements]


IN_PYTHON = {
    "text": Functions(_write_text, _read_text),
    "lines": Functions(_write_lines, _read_lines),
    "format": Functions(_write_delta, _read_delta),
    "embed": Functions(_write_delta, _read_delta),
    "map": Functions(_write_map, _read_map),
    "array": Functions(_write_array, _read_array),
    "nested": Functions(_write_nested, _read_map),
    "xml": Functions(_write_xml, _read_xml),
    "elements": Functions(_write_elements, _read_elements),
}

END = {
    "13": Expressions("doc.getMap('end').set('is', true)", "doc.getMap('end').get('is')"),
    "14": Expressions("doc.get('end').setAttr('is', true)", "doc.get('end').getAttr('is')"),
}
"""What is written last: looking for it costs less than reading all after each change."""


def _write_end(doc: Doc[Any], content: bool) -> None:
    doc["end"] = Map({"is": content})


def _read_end(doc: Doc[Any]) -> object:
    return doc.get("end", type=Map).get("is")


END_IN_PYTHON = Functions(_write_end, _read_end)
