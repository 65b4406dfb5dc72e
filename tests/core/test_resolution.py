"""R12: the way out of unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.core.books import Books
from nexo_bridge.core.course import Course
from nexo_bridge.core.exchange import advance
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.resolution import resolve
from nexo_bridge.core.signals import Event, ResolveAsked, Tell
from nexo_bridge.policy import Certainty
from tests.core.playbook import BROKE, Play, answered, asked, found, named, open_for, rang
from tests.core.test_exchange import DECISIONS
from tests.core.words import ABSENT, ACCEPTED, LOST, POLICY, abort, approved, status
from tests.nexo.corpus import schemas, seal


def said(play: Play, *, paid: bool, checked: bool = False) -> Event:
    """A person decides what is open."""
    exchange = play.bridge.in_hand()[0]["exchange"] if play.bridge.in_hand() else "X9"
    return ResolveAsked(request=5, exchange=exchange, paid=paid, by="Ada", why="seen", checked=checked)


def told(play: Play) -> str:
    """What the person is told."""
    tell = play.pending[-1]
    assert isinstance(tell, Tell)
    play.skip()
    return tell.text


def test_r12_paid_is_settled_as_success_with_the_amount_that_was_asked() -> None:
    play = named()
    play >> said(play, paid=True)
    play << "journal Resolved" << "journal Settled" << "reply Success" << "tell done"
    assert 'AuthorizedAmount="10.00"' in play.replies[-1].data.decode()
    assert play.last["Resolved"].public == {"paid": True, "by": "Ada", "why": "seen"}


def test_r12_paid_without_a_name_says_so() -> None:
    play = (asked() >> answered("create_card", LOST)).skip()
    play >> said(play, paid=True)
    play << "journal Resolved" << "journal Settled" << "reply Success" << "tell done"


def test_r12_not_paid_wants_a_proof_or_the_word() -> None:
    play = named()
    play >> said(play, paid=False)
    assert "--i-have-checked-the-platform" in told(play)
    play >> said(play, paid=False, checked=True)
    play << "journal Resolved" << "journal Settled" << "reply Failure/Refusal" << "tell done"
    play >> status(of="1") << "look up"
    play >> found << "reply Success"


def test_r12_an_accepted_fence_after_which_nothing_was_found_is_a_proof() -> None:
    slow = Certainty(after=60.0, reads=99)
    play = asked(play=open_for(policy=replace(POLICY, certainty=slow)))
    (play >> answered("create_card", LOST)).skip()
    (play >> abort()).skip()
    (play >> answered("fence_card", ACCEPTED)).skip()
    (play >> answered("find_card", ABSENT)).skip()
    play >> said(play, paid=False)
    assert "Nothing proves" in told(play)
    (play >> rang("look")).skip()
    (play >> answered("find_card", ABSENT)).skip()
    play >> said(play, paid=False)
    play << "journal Resolved" << "journal Settled" << "reply Failure/Refusal" << "tell done"


def test_r12_paid_is_refused_while_a_stop_may_still_undo_it() -> None:
    play = (named() >> abort()).skip()
    play >> said(play, paid=True)
    assert "may still undo it" in told(play)
    (play >> answered("terminal_abort", ACCEPTED)).skip()
    play.wait(59) >> said(play, paid=True) << "tell refused"
    play.wait(2) >> said(play, paid=True)
    play << "journal Resolved" << "journal Settled" << "reply Success" << "tell done"


@pytest.mark.parametrize("paid", [True, False])
def test_r12_what_is_not_open_cannot_be_resolved(paid: bool) -> None:
    play = open_for()
    play >> said(play, paid=paid)
    assert "not an unresolved exchange" in told(play)
    (asked(play=play) >> answered("create_card", approved)).skip()
    settled = ResolveAsked(request=6, exchange=play.replies[-1].exchange, paid=paid, by="Ada", why="x")
    play >> settled
    assert "not an unresolved exchange" in told(play)


def test_r12_nothing_is_resolved_while_the_journal_is_broken() -> None:
    play = (named() >> BROKE).skip()
    play >> said(play, paid=True)
    assert "cannot be written" in told(play)


def test_r12_what_was_never_asked_is_not_resolved() -> None:
    books = Books()
    exchange = advance(None, DECISIONS[0], id="X1", wall=1.0)
    books.courses["X1"] = Course(exchange, POLICY, Replies(schemas(), seal))
    question = ResolveAsked(request=5, exchange="X1", paid=True, by="Ada", why="seen")
    (tell,) = resolve(Stamp(1, 1.0, 1.0), question, books)
    assert isinstance(tell, Tell)
    assert not tell.done
    assert "has not been asked" in tell.text


def test_r12_a_late_approval_after_not_paid_is_a_discrepancy() -> None:
    play = (named() >> rang("look")).skip()
    (play >> said(play, paid=False, checked=True)).skip()
    play >> answered("read_card", approved) << "journal Disagreed" << "raise DISCREPANCY"
