"""Events go to JSON and come back equal; a secret comes back as its HMAC."""

from __future__ import annotations

import pytest

from nexo_bridge.core.signals import EVENTS
from nexo_bridge.redaction import Secret
from tests.core.words import payment


def test_a_message_comes_back_equal_and_without_its_secret() -> None:
    event = payment(acquirer_data=Secret.seal("scannedPaymentId=4711", b"k"))
    text = EVENTS.dump_json(event)
    again = EVENTS.validate_json(text)
    assert again == event
    assert b"4711" not in text


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        EVENTS.validate_python({"name": "Guessed"})
