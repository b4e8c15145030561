"""What one side writes, the other side reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from tests.yjs.node import Node
from tests.yjs.participants import TEXTS
from tests.yjs.samples import CONTENT, END, END_IN_PYTHON, IN_PYTHON, IN_YJS, MEGABYTES
from tests.yjs.servers import Servers
from ycore.panics import is_panic
from ycore.testing import until

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM = "room"

PATIENCE = 20.0
"""How long a megabyte may take on a busy machine, in seconds."""


def in_each_generation(content: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Parametrize by the kinds of some content, for each Yjs that has them."""
    return pytest.mark.parametrize(
        ("generation", "kind"),
        [
            pytest.param(generation, kind, id=f"yjs{generation}-{kind}")
            for generation, kinds in IN_YJS.items()
            for kind in kinds
            if kind in content
        ],
    )


KINDS, LARGE_KINDS = in_each_generation(CONTENT), in_each_generation(MEGABYTES)


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


@pytest.mark.parametrize(("writer", "reader"), [("13", "14"), ("14", "13")], ids="to".join)
@pytest.mark.parametrize("kind", IN_YJS["14"])
async def test_what_one_generation_writes_the_other_reads(
    node: Node, servers: Servers, writer: str, reader: str, kind: str
) -> None:
    ann, bob = [await node.open(generation, servers.url, ROOM) for generation in (writer, reader)]
    await bob.until_synced()
    await ann.evaluate(IN_YJS[writer][kind].write, content=CONTENT[kind])
    await bob.until(IN_YJS[reader][kind].read, CONTENT[kind])
    late = await node.open(reader, servers.url, ROOM)
    await late.until(IN_YJS[reader][kind].read, CONTENT[kind])


@LARGE_KINDS
async def test_a_megabyte_from_yjs(
    node: Node, servers: Servers, generation: str, kind: str
) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        await yjs.until_synced()
        await yjs.evaluate(IN_YJS[generation][kind].write, content=MEGABYTES[kind])
        await yjs.evaluate(END[generation].write)
        await until(client.doc, lambda: END_IN_PYTHON.read(client.doc), timeout=PATIENCE)
        assert IN_PYTHON[kind].read(client.doc) == MEGABYTES[kind]
        await read_late(node, servers, generation, kind)


@LARGE_KINDS
async def test_a_megabyte_from_python(
    node: Node, servers: Servers, generation: str, kind: str
) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        await yjs.until_synced()
        IN_PYTHON[kind].write(client.doc, MEGABYTES[kind])
        END_IN_PYTHON.write(client.doc, True)
        await yjs.until(END[generation].read, True, bound=PATIENCE)
        assert await yjs.evaluate(IN_YJS[generation][kind].read) == MEGABYTES[kind]
        await read_late(node, servers, generation, kind)


async def read_late(node: Node, servers: Servers, generation: str, kind: str) -> None:
    """Read a megabyte that was there before: it comes as a sync step 2."""
    late = await node.open(generation, servers.url, ROOM)
    await late.until_synced()
    assert await late.evaluate(IN_YJS[generation][kind].read) == MEGABYTES[kind]
    async with servers.connect("websocket", id=ROOM) as python:
        assert IN_PYTHON[kind].read(python.doc) == MEGABYTES[kind]


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
        with pytest.raises(BaseException, match="unwrap") as caught:
            paragraph.children[0]
        assert is_panic(caught.value)


async def test_text_with_an_emoji_in_an_element_of_yjs_14_is_not_read(
    node: Node, servers: Servers
) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open("14", servers.url, ROOM)
        await yjs.evaluate(
            """(() => {
                const paragraph = new Y.Type('p')
                paragraph.insert(0, 'a👋b')
                doc.get('root').insert(0, [paragraph])
            })()"""
        )
        fragment = client.doc.get("root", type=XmlFragment)
        await until(client.doc, lambda: str(fragment) == "<p></p>")


@pytest.mark.parametrize("writer", ["13", "python"])
async def test_elements_for_yjs_14(node: Node, servers: Servers, writer: str) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        reader = await node.open("14", servers.url, ROOM)
        if writer == "python":
            IN_PYTHON["xml"].write(client.doc, CONTENT["xml"])
        else:
            yjs = await node.open(writer, servers.url, ROOM)
            await yjs.evaluate(IN_YJS[writer]["xml"].write, content=CONTENT["xml"])
        await reader.until(
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


async def test_integers_of_python(node: Node, servers: Servers, generation: str) -> None:
    """What no number of JavaScript is becomes a BigInt there; but the very last one a number."""
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        integers = [2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**62 + 1]
        client.doc["root"] = Array([*integers, 2**62, 2**63 - 1])
        await yjs.until(IN_YJS[generation]["array"].read, [*integers, float(2**62), float(2**63)])


async def test_a_bigint_wraps_at_64_bits(node: Node, servers: Servers, generation: str) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        integers = {"kept": 2**53 + 1, "wraps": 2**64 + 2**53 + 1}
        await yjs.evaluate(IN_YJS[generation]["map"].write, content=integers)
        root = client.doc.get("root", type=Map)
        await until(client.doc, lambda: len(root) == len(integers))
        assert root.to_py() == {"kept": 2**53 + 1, "wraps": 2**53 + 1}


async def test_undefined_is_none(node: Node, servers: Servers, generation: str) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open(generation, servers.url, ROOM)
        map_ = {"13": "doc.getMap('root').set", "14": "doc.get('root').setAttr"}[generation]
        await yjs.evaluate(f"{map_}('key', undefined)")
        root = client.doc.get("root", type=Map)
        await until(client.doc, lambda: root.to_py() == {"key": None})


async def test_an_embed_of_yjs_14_is_missing_for_others(node: Node, servers: Servers) -> None:
    async with servers.connect("websocket", id=ROOM) as client:
        ann, bob = [await node.open(generation, servers.url, ROOM) for generation in ("14", "13")]
        await ann.evaluate("doc.get('root').insert(0, 'ab')")
        await ann.evaluate("doc.get('root').insert(1, [{ image: 'ü.png' }])")
        await ann.evaluate("doc.get('root').insert(3, 'c')")
        text = client.doc.get("root", type=Text)
        await until(client.doc, lambda: str(text) == "abc")
        assert text.diff() == [("abc", None)]
        await bob.until("doc.getText('root').toDelta()", [{"insert": "abc"}])


async def test_subdocuments_are_not_followed(node: Node, servers: Servers, generation: str) -> None:
    """That there is one is shared, but not what is in it."""
    ann, bob = [await node.open(generation, servers.url, ROOM) for _ in range(2)]
    content = TEXTS[generation].replace("doc", "[...doc.subdocs][0]")
    await ann.evaluate(
        {"13": "doc.getMap('root').set", "14": "doc.get('root').setAttr"}[generation]
        + "('inner', new Y.Doc())"
    )
    await bob.until("doc.subdocs.size", 1)
    await bob.evaluate("[...doc.subdocs][0].load()")
    await ann.evaluate(f"{content}.insert(0, 'inside')")
    await ann.evaluate(f"{TEXTS[generation]}.insert(0, 'outside')")
    await bob.until(f"{TEXTS[generation]}.toString()", "outside")
    assert await bob.evaluate(f"{content}.toString()") == ""


async def test_an_xml_hook_is_refused(node: Node, servers: Servers) -> None:
    """Pycrdt cannot read it, so the room does without; a client that sends it comes back."""
    yjs = await node.open("13", servers.url, ROOM)
    await yjs.until_synced()
    await yjs.evaluate("doc.getXmlFragment('root').push([new Y.XmlHook('hook')])")
    await yjs.until_event("connection-close", 1007)
    await yjs.until_event("status", "connecting")
    room = await servers.rooms.get(ROOM)
    assert IN_PYTHON["xml"].read(room.doc) == ""
