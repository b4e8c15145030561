"""What one side writes, the other side reads."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, Map, XmlElement, XmlFragment

from tests.yjs.node import Node
from tests.yjs.samples import CONTENT, IN_PYTHON, IN_YJS
from tests.yjs.servers import Servers
from ycore.testing import until

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM = "room"

BIG = f"ü👋 {'x' * 1000}" * 1000

KINDS = pytest.mark.parametrize(
    ("generation", "kind"),
    [
        pytest.param(generation, kind, id=f"yjs{generation}-{kind}")
        for generation, kinds in IN_YJS.items()
        for kind in kinds
    ],
)


async def until_read(doc: Doc[Any], kind: str) -> None:
    """Wait until a document holds the content of a kind."""
    await until(doc, lambda: IN_PYTHON[kind].read(doc) == CONTENT[kind])


@KINDS
async def test_what_yjs_writes(node: Node, servers: Servers, generation: str, kind: str) -> None:
    in_yjs = IN_YJS[generation][kind]
    async with servers.connect("websocket", id=ROOM) as client:
        room = await servers.rooms.get(ROOM)
        ann, bob = [await node.open(generation, servers.url, ROOM) for _ in range(2)]
        await ann.evaluate(in_yjs.write, content=CONTENT[kind])
        await until_read(client.doc, kind)
        await until_read(room.doc, kind)
        await bob.until(in_yjs.read, CONTENT[kind])


@KINDS
async def test_what_python_writes(node: Node, servers: Servers, generation: str, kind: str) -> None:
    in_yjs = IN_YJS[generation][kind]
    async with servers.connect("websocket", id=ROOM) as client:
        early = await node.open(generation, servers.url, ROOM)
        await early.until_synced()
        IN_PYTHON[kind].write(client.doc, CONTENT[kind])
        await early.until(in_yjs.read, CONTENT[kind])
        late = await node.open(generation, servers.url, ROOM)
        await late.until(in_yjs.read, CONTENT[kind])


async def test_a_megabyte_from_yjs(node: Node, servers: Servers, generation: str) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        await yjs.evaluate(IN_YJS[generation]["text"].write, content=BIG)
        await until(client.doc, lambda: IN_PYTHON["text"].read(client.doc) == BIG)


async def test_a_megabyte_from_python(node: Node, servers: Servers, generation: str) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        IN_PYTHON["text"].write(client.doc, BIG)
        await yjs.until(IN_YJS[generation]["text"].read, BIG)


async def test_elements_of_yjs_14(node: Node, servers: Servers) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open("14", servers.url, ROOM)
        await yjs.evaluate(
            """(() => {
                const paragraph = new Y.Type('p')
                paragraph.setAttr('class', 'ä')
                paragraph.insert(0, [new Y.Type('br')])
                paragraph.insert(0, 'Grüße')
                doc.get('root').insert(0, [paragraph])
            })()"""
        )
        fragment = client.doc.get("root", type=XmlFragment)
        await until(client.doc, lambda: str(fragment) == '<p class="ä">Grüße<br></br></p>')
        (paragraph,) = fragment.children
        assert isinstance(paragraph, XmlElement)
        # Text that is no child of its own, which Yjs 13 never writes, ends the iteration.
        assert list(paragraph.children) == []


async def test_elements_for_yjs_14(node: Node, servers: Servers) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open("14", servers.url, ROOM)
        IN_PYTHON["xml"].write(client.doc, CONTENT["xml"])
        await yjs.until(
            "doc.get('root').toString()", '<p class="ä"><>Grüße 👋🏽</><br /></p><>end</>'
        )


async def test_nested_types_of_yjs_14_are_fragments(node: Node, servers: Servers) -> None:
    """A type without a name may hold anything; on the wire it is an XML fragment."""
    async with servers.connect("websocket", id=ROOM) as client:
        ann, bob = [await node.open("14", servers.url, ROOM) for _ in range(2)]
        await ann.evaluate(
            """(() => {
                const nested = new Y.Type()
                nested.setAttr('key', 1)
                nested.insert(0, [2, 'three'])
                doc.get('root').setAttr('nested', nested)
            })()"""
        )
        await bob.until(
            "doc.get('root').toJSON()",
            {"attrs": {"nested": {"attrs": {"key": 1}, "children": [2, "three"]}}},
        )
        root = client.doc.get("root", type=Map)
        await until(client.doc, lambda: str(root.get("nested")) == "2three")
        assert isinstance(root["nested"], XmlFragment)


async def test_nested_types_for_yjs_14(node: Node, servers: Servers) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open("14", servers.url, ROOM)
        IN_PYTHON["nested"].write(client.doc, {"map": {"a": [1, {}]}})
        await yjs.until(
            "doc.get('root').toJSON()",
            {"attrs": {"map": {"attrs": {"a": {"children": [1, {}]}}}}},
        )


async def test_an_xml_hook_is_refused(node: Node, servers: Servers) -> None:
    """Pycrdt cannot read it, so the room does without; a client that sends it comes back."""
    yjs = await node.open("13", servers.url, ROOM)
    await yjs.until_synced()
    await yjs.evaluate("doc.getXmlFragment('root').push([new Y.XmlHook('hook')])")
    await yjs.until_event("connection-close", 1007)
    await yjs.until_event("status", "connecting")
    room = await servers.rooms.get(ROOM)
    assert IN_PYTHON["xml"].read(room.doc) == ""
