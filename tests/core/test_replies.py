"""What goes out satisfies the schema, whatever the platform says."""

from __future__ import annotations

import pytest

from nexo_bridge.categories.plan import NeverCreated, NotStarted, ResolvedUnpaid
from nexo_bridge.core.replies import Replies, _status
from nexo_bridge.nexo import codec
from nexo_bridge.redaction import Secret
from tests.core.playbook import answered, asked, open_for
from tests.core.words import NOT_SENT, abort, approved, declined, payment
from tests.nexo.corpus import schemas, seal


def test_words_of_the_platform_that_do_not_fit_the_schema_are_left_out_and_the_amount_stays() -> None:
    play = asked() >> answered("create_card", approved, masked_pan="", approval_code="x\x01", brand="V")
    play << "journal Acknowledged" << "journal Settled" << "reply Success"
    text = play.replies[-1].data.decode()
    assert 'AuthorizedAmount="10.00"' in text
    assert "PaymentBrand" not in text


def test_words_that_do_fit_are_passed_on() -> None:
    play = asked()
    play >> answered("create_card", approved, brand="Visa", masked_pan="************1111", entry_mode="ICC")
    play.skip()
    text = play.replies[-1].data.decode()
    assert 'PaymentBrand="Visa"' in text
    assert 'EntryMode="ICC"' in text


def test_a_failure_is_never_made_bare() -> None:
    play = asked() >> answered("create_card", declined, decline_message="\x01")
    play << "journal Acknowledged" << "journal Settled" << "reply Failure/Refusal"


def test_the_ending_of_each_kind_has_its_word_in_the_journal() -> None:
    words = [_status(one) for one in (NOT_SENT, NeverCreated(), NotStarted("restart"), ResolvedUnpaid())]
    assert words == ["NOT_SENT", "NEVER_CREATED", "NOT_STARTED", "RESOLVED"]


def test_a_message_whose_secrets_are_hmacs_cannot_be_written_out_again() -> None:
    replies = Replies(schemas(), seal)
    clear = payment(acquirer_data=seal("scannedPaymentId=1")).message
    assert b"scannedPaymentId=1" in replies.encoded(clear, "3.1")
    journalled = payment(acquirer_data=Secret("hmac")).message
    assert replies.encoded(journalled, "3.1") == b""


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_events_are_valid_in_both_versions(version: str) -> None:
    play = open_for() >> abort(of=None, version=version)
    play << "event Reject"
    codec.decode(codec.parse(play.replies[-1].data), version, schemas(), seal)  # type: ignore[arg-type]  # both are


def test_a_bare_answer_that_still_does_not_fit_is_a_defect_and_settles_nothing() -> None:
    play = asked()
    with pytest.raises(codec.InvalidOutput):
        play >> answered("create_card", approved, transaction_id="\x01")
    assert "Settled" not in play.events


def test_an_echo_that_does_not_fit_is_a_defect_whatever_the_outcome() -> None:
    play = asked(payment(transaction="\x01"))
    with pytest.raises(codec.InvalidOutput):
        play >> answered("create_card", declined)
