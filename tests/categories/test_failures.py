"""A failure for every category satisfies the schema, from a request or from as little as a header."""

from __future__ import annotations

import pytest

from nexo_bridge.categories import failures
from nexo_bridge.categories.conditions import FAILURES
from nexo_bridge.nexo import codec
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import CATEGORIES, Message, MessageHeader
from tests.categories.facts import facts
from tests.core.words import MOMENT
from tests.nexo.corpus import SAMPLES, read, sample, schemas

SILENT = {"Abort", "Event", "InputUpdate"}
"""Categories that nexo gives no response."""
REQUESTS = [(version, name) for version, name in SAMPLES if "request" in name]
MADE = FAILURES["UNAVAILABLE"]


def encoded(answer: Element, header: MessageHeader, version: Version) -> bytes:
    made = header.model_copy(update={"message_type": "Response", "protocol_version": None})
    if header.message_category in {"Login", "Diagnosis"}:
        made = made.model_copy(update={"protocol_version": version})
    return codec.encode(Message(kind="response", header=made, body=answer), version, schemas())


@pytest.mark.parametrize(("version", "name"), REQUESTS)
def test_every_sample_request_can_be_refused(version: Version, name: str) -> None:
    message, _ = read(sample(name, version), version)
    category = message.header.message_category
    answer = failures.failed(category, MADE, facts(version=version), request=message.body, at="/x")
    if category in SILENT:
        assert answer is None
    elif answer is None:
        assert isinstance(message.body, nexo.DisplayRequest)
        assert not any(output.response_required_flag for output in message.body.display_output)
    else:
        assert b"at=/x" in encoded(answer, message.header, version)


@pytest.mark.parametrize("category", sorted(CATEGORIES))
@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_a_header_alone_is_enough(category: str, version: Version) -> None:
    entry = CATEGORIES[category]
    answer = failures.failed(category, MADE, facts(version=version), seen=("T1", str(MOMENT)))
    if category in SILENT:
        assert answer is None
        return
    if (category, version) == ("TransactionReport", "3.0"):
        return  # not in that version
    assert answer is not None
    header = MessageHeader(
        message_class=entry.message_class,
        message_category=category,
        message_type="Request",
        service_id="1" if entry.message_class == "Service" else None,
        device_id="1" if entry.message_class == "Device" else None,
        sale_id="T",
        poi_id="P",
    )
    encoded(answer, header, version)


def test_what_no_one_knows_has_no_answer() -> None:
    assert failures.failed("Teleport", MADE, facts()) is None


def test_a_sale_that_cannot_be_read_at_all_gets_a_placeholder() -> None:
    made = failures.sale_data(None, None, facts())
    assert made.sale_transaction_id.transaction_id == "unknown"
