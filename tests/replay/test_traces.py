"""The traces themselves, and the example that replays them."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from anyio import run_process
from pycrdt import Doc, Text

from examples.replay.recording import record
from examples.replay.traces import TEXT, Editor, Patch, Trace, read_trace

ROOT = Path(__file__).resolve().parents[2]


def concurrent_trace(
    tmp_path: Path, end: str, *transactions: tuple[list[int], int, Patch]
) -> Trace:
    path = tmp_path / "small.json.gz"
    content = {
        "kind": "concurrent",
        "numAgents": 2,
        "endContent": end,
        "txns": [
            {"parents": parents, "agent": agent, "time": "2024-01-01T00:00:00Z", "patches": [patch]}
            for parents, agent, patch in transactions
        ],
    }
    with gzip.open(path, "wt") as file:
        json.dump(content, file)
    return read_trace(path)


def test_an_editor_counts_code_points() -> None:
    doc: Doc[Any] = Doc()
    Editor(doc).apply([Patch(0, 0, "żółw 🐢!"), Patch(5, 1, "🦔🦔"), Patch(1, 3, "é")])
    assert str(doc.get(TEXT, type=Text)) == "żé 🦔🦔!"


def test_steps_merge_in_any_order(tmp_path: Path) -> None:
    trace = concurrent_trace(
        tmp_path,
        "żaXbYc",
        ([], 0, Patch(0, 0, "żabc")),
        ([0], 0, Patch(2, 0, "X")),
        ([0], 1, Patch(3, 0, "Y")),
        ([1, 2], 1, Patch(3, 0, "-")),
        ([3], 0, Patch(3, 1, "")),
    )
    first, second = record(trace)
    assert [dict(step.needs) for step in first] == [{}, {}, {2: 2}]
    assert [dict(step.needs) for step in second] == [{1: 4}, {1: 5}]
    doc: Doc[Any] = Doc()
    for step in reversed(first + second):
        doc.apply_update(step.update)
    assert str(doc.get(TEXT, type=Text)) == trace.end_content


def test_a_writer_who_forgets_what_it_wrote_is_refused(tmp_path: Path) -> None:
    trace = concurrent_trace(tmp_path, "", ([], 0, Patch(0, 0, "a")), ([], 0, Patch(0, 0, "b")))
    with pytest.raises(ValueError, match="writer 0 of 'small' branches"):
        record(trace)


def test_a_trace_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    trace = concurrent_trace(tmp_path, "b", ([], 0, Patch(0, 0, "a")))
    with pytest.raises(ValueError, match="does not lead to its end"):
        record(trace)


def test_the_first_transactions_lead_to_their_own_end(sveltecomponent: Trace) -> None:
    doc: Doc[Any] = Doc()
    editor = Editor(doc)
    for transaction in sveltecomponent.first(200).transactions:
        editor.apply(transaction.patches)
    assert str(editor.text) == sveltecomponent.first(200).end_content
    assert sveltecomponent.first(10**6).end_content == sveltecomponent.end_content


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.usefixtures("sveltecomponent")
async def test_the_example_runs() -> None:
    command = [sys.executable, "-m", "examples.replay", "--wire", "zmq", "--limit", "1000"]
    process = await run_process(command, cwd=ROOT)
    assert process.stdout.decode().splitlines()[-1] == "all documents are equal"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_example_names_a_file_that_is_not_there() -> None:
    command = [sys.executable, "-m", "examples.replay", "--trace", "./none.json.gz"]
    process = await run_process(command, cwd=ROOT, check=False)
    assert process.returncode == 2
    assert b"none.json.gz" in process.stderr


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.usefixtures("sveltecomponent")
async def test_the_benchmark_runs() -> None:
    command = [sys.executable, "benchmarks/replay.py", "--json", "--limit", "500", "--readers", "2"]
    process = await run_process(command, cwd=ROOT)
    result = json.loads(process.stdout)
    assert [wire["wire"] for wire in result["wires"]] == ["memory", "websocket", "zmq"]
    assert all(wire["updates_per_second"] > 0 for wire in result["wires"])
