"""The ledger tells a loss from what nobody could have kept."""

from __future__ import annotations

import pytest

from tests.chaos.actions import Deed, Edit
from tests.chaos.content import Fact, facts, holds, make, new_document
from tests.chaos.ledger import Ledger

MINT, SPEND = Edit(Deed.MINT, 0.0, 1), Edit(Deed.SPEND, 0.0, 1)


def present(fact: Fact) -> bool:
    return True


def absent(fact: Fact) -> bool:
    return False


def test_a_document_holds_what_was_made_in_it() -> None:
    document = new_document()
    minted, spent = make(document, MINT, "a"), make(document, SPEND, "b")
    assert (minted, spent) == (Fact("a", is_spent=False), Fact("a", is_spent=True))
    assert set(facts(document)) == {minted, spent}
    assert minted is not None
    assert spent is not None
    assert holds(document, minted)
    assert holds(document, spent)
    assert not holds(new_document(), minted)
    assert not holds(new_document(), spent)


def test_a_coin_is_not_spent_before_it_is_gone() -> None:
    document = new_document()
    make(document, MINT, "a")
    assert not holds(document, Fact("a", is_spent=True))


def test_what_has_not_arrived_must_not_be_confirmed() -> None:
    ledger = Ledger()
    entry = ledger.note(Fact("a", is_spent=False))
    with pytest.raises(AssertionError, match=r"confirmed, and the server has it not: \+a"):
        ledger.confirm([entry], absent)


def test_what_was_confirmed_must_not_be_missing() -> None:
    ledger = Ledger()
    ledger.confirm([ledger.note(Fact("a", is_spent=False))], present)
    with pytest.raises(AssertionError, match=r"confirmed, and lost: \+a"):
        ledger.check(new_document(), [])


def test_a_deletion_that_was_confirmed_must_not_be_missing() -> None:
    ledger, document = Ledger(), new_document()
    make(document, MINT, "a")
    ledger.confirm([ledger.note(Fact("a", is_spent=True))], present)
    with pytest.raises(AssertionError, match="confirmed, and lost: -a"):
        ledger.check(document, [])


def test_what_was_not_confirmed_may_be_missing() -> None:
    ledger = Ledger()
    ledger.note(Fact("a", is_spent=False))
    ledger.check(new_document(), [])


def test_after_a_loss_a_document_that_is_still_there_brings_back_what_it_held() -> None:
    ledger, document = Ledger(), new_document()
    fact = make(document, MINT, "a")
    assert fact is not None
    ledger.confirm([ledger.note(fact)], present)
    ledger.lose([document])
    with pytest.raises(AssertionError, match="lost"):
        ledger.check(new_document(), [document])
    ledger.check(new_document(), [new_document()])


def test_a_loss_does_not_excuse_what_was_made_after_it() -> None:
    ledger = Ledger()
    ledger.lose([])
    ledger.confirm([ledger.note(Fact("a", is_spent=False))], present)
    with pytest.raises(AssertionError, match="lost"):
        ledger.check(new_document(), [])


def test_a_confirmation_may_be_older_than_a_loss() -> None:
    ledger = Ledger()
    entry = ledger.note(Fact("a", is_spent=False))
    ledger.lose([])
    ledger.confirm([entry], absent)
    ledger.check(new_document(), [])


def test_what_was_made_while_nobody_might_write_must_not_arrive() -> None:
    ledger = Ledger()
    ledger.freeze()
    ledger.note(Fact("a", is_spent=False))
    ledger.thaw(present)
    with pytest.raises(AssertionError, match=r"written by who may only read: \+a"):
        ledger.check(new_document(), [])


def test_what_was_made_before_or_afterwards_may_arrive() -> None:
    ledger = Ledger()
    ledger.note(Fact("a", is_spent=False))
    ledger.freeze()
    ledger.note(Fact("b", is_spent=False))
    ledger.thaw(absent)
    ledger.note(Fact("c", is_spent=False))
    ledger.thaw(present)
    ledger.check(new_document(), [])
    assert ledger.refused == 1
