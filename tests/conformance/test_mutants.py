import re
from pathlib import Path

import pytest

import ycore.testing  # noqa: F401 - once here rather than in every run of a mutant
import ywire_memory  # noqa: F401

pytest_plugins = ["pytester"]

SUITE = """
import mutants
from mutants import {mutant}

class TestMutant(mutants.MutantConformance):
    {kind} = {mutant}
    time_limit = {time_limit}
"""

PLUGINS = [
    argument
    for plugin in ("cacheprovider", "hypothesispytest", "pytest_cov", "timeout")
    for argument in ("-p", f"no:{plugin}")
]
"""What a run of a mutant does without."""

CAUGHT = {
    "Reorders": "arrive_in_order",
    "Joins": "any_size and server",
    "Truncates": "any_size and server",
    "DropsEmptyMessages": "any_size and client",
    "EatsAByte": "any_bytes and server",
    "GivesBytearrays": "any_bytes and server",
    "MixesSenders": "concurrent_senders and client",
    "RepeatsWithoutWaiting": "send_nowait_keeps_the_order and client",
    "MangledId": "room_id and inner-slash",
    "DropsAtClose": "before_the_close and client",
    "LosesWhenCancelled": "cancelled_receive_may_be_repeated and server",
    "LosesWhenCancelledLate": "cancelled_receive_loses_nothing and server",
    "SendsWhatWasCancelled": "cancelled_send and client",
    "HangsOnClose": "closing_twice and client",
    "HangsOnCloseWhenFull": "peer_that_does_not_read and client",
    "KeepsItsReaders": "waiting_receive and client",
    "KeepsItsSenders": "waiting_send and client",
    "NeverEnds": "before_the_close and 1000 and server",
    "CallsAnEndABreak": "iteration_ends and server",
    "RaisesForeignErrors": "iteration_ends and server",
    "SwallowsTheCode": "before_the_close and 4403 and client",
    "SwallowsTheReason": "before_the_close and 4403 and client",
    "StaysOpenWhenCancelled": "cancelled_close and client",
    "ClosesAgain": "closing_twice and client",
    "CanBeUsedWhenClosed": "refuses_use and client",
    "IgnoresTheLimit": "over_the_limit and client",
    "RefusesTheLimitItself": "over_the_limit and client",
    "ReceivesAnything": "receivers_limit and server",
    "BlocksOthers": "hold_up_others and client",
    "QueuesWithoutBound": "slow_reader and client",
    "LiesWhenFull": "tells_when and client",
    "RefusesStrangely": "unreachable",
    "IsAnonymous": "addresses_can_be_read",
    "SharesItsAddress": "address_in_use",
    "KeepsItsAddress": "address_is_free",
    "LeavesOnOneFault": "garbage and truncated",
}
"""What is broken, and a test that has to notice."""

KINDS = {
    "RefusesStrangely": "client_class",
    "IsAnonymous": "client_class",
    "SharesItsAddress": "server_class",
    "KeepsItsAddress": "server_class",
    "LeavesOnOneFault": "server_class",
}
"""Which part of the wire is broken, if it is not the client's channel."""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(mutants=(Path(__file__).parent / "mutants.py").read_text())
    pytester.makeini("[pytest]\n")
    return pytester


def run(
    pytester: pytest.Pytester, mutant: str, *args: str, time_limit: float = 2.0
) -> dict[str, int]:
    kind = KINDS.get(mutant, "channel")
    pytester.makepyfile(SUITE.format(kind=kind, mutant=mutant, time_limit=time_limit))
    result = pytester.runpytest_inprocess("-q", "--tb=short", *PLUGINS, *args)
    return result.parseoutcomes()


@pytest.mark.parametrize("mutant", ["Unbroken", "WithoutSendNowait"])
def test_the_suite_accepts_a_wire_that_works(suite: pytest.Pytester, mutant: str) -> None:
    outcomes = run(suite, mutant, time_limit=15)
    assert outcomes.get("failed", 0) == outcomes.get("errors", 0) == 0
    assert outcomes["passed"] > 80


@pytest.mark.parametrize(("mutant", "test"), CAUGHT.items(), ids=CAUGHT.keys())
def test_the_suite_catches(suite: pytest.Pytester, mutant: str, test: str) -> None:
    outcomes = run(suite, mutant, "-k", test)
    assert outcomes.get("failed", 0) >= 1
    assert outcomes.get("errors", 0) == 0


def test_every_mutant_is_tried() -> None:
    source = (Path(__file__).parent / "mutants.py").read_text()
    mutants = set(
        re.findall(
            r"^class (\w+)\((?:Unbroken|WithoutSendNowait|MutantClient|MemoryServer)\):",
            source,
            re.MULTILINE,
        )
    )
    assert mutants == {*CAUGHT, "WithoutSendNowait"}
