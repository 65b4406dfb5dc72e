"""The words of the demo; the whole conversation is played in tests/cli/test_demo.py."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from nexo_bridge.demo.play import Play, _expect, _transaction_id, _words
from nexo_bridge.demo.screen import Screen
from nexo_bridge.demo.stage import DemoError, Stage
from nexo_bridge.nexo.codec import decode, parse
from nexo_bridge.nexo.messages import Message, TransactionStatusResponse
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos.ending import Ending
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.data import read_schemas

SAMPLES = Path(__file__).parents[1] / "corpus" / "3.1"


@pytest.fixture(name="schemas")
def _schemas() -> Schemas:
    return Schemas(read_schemas())


def sample(name: str, schemas: Schemas) -> Message:
    data = (SAMPLES / f"{name}.xml").read_bytes()
    return decode(parse(data), "3.1", schemas, lambda clear: Secret.seal(clear, bytes(32)))


def test_an_ending_in_words() -> None:
    assert _words(Ending("1", "Success", authorized="12.50")) == "Success, 12.50 EUR authorised"
    assert _words(Ending("1", "Failure", "Refusal", text="No.")) == "Failure (Refusal): No."
    assert _words(Ending("1", "Unknown", "InProgress")) == "not known yet (InProgress)"


def test_what_was_not_expected_is_told_with_what_was() -> None:
    _expect("card", Ending("1", "Success"), "Success")
    with pytest.raises(DemoError, match=r"^card: expected Success, got Failure \(Refusal\): No\.$"):
        _expect("card", Ending("1", "Failure", "Refusal", text="No."), "Success")
    with pytest.raises(DemoError, match=r"^abort: expected Failure Aborted, got Failure \(Cancel\)$"):
        _expect("abort", Ending("1", "Failure", "Cancel"), "Failure", "Aborted")


async def test_a_bridge_that_is_not_there_is_told(tmp_path: Path, schemas: Schemas) -> None:
    class Absent(Stage):
        async def open_sandbox(self) -> str:
            return "https://127.0.0.1:9"

        async def open_bridge(self) -> str:
            self.address = ("127.0.0.1", 9)
            return "127.0.0.1:9"

    with pytest.raises(DemoError, match=r"the bridge does not answer: cannot connect to 127.0.0.1 port 9"):
        await Play(Absent(tmp_path, 0.1), Screen(io.StringIO()), schemas).run()


def test_the_platforms_name_of_a_payment_is_read_from_both_kinds_of_answer(schemas: Schemas) -> None:
    approved = sample("payment-response-approved", schemas)
    assert _transaction_id(approved) == "000471"
    for other in ("payment-response-declined", "transaction-status-response-not-found", "login-response"):
        assert _transaction_id(sample(other, schemas)) is None
    found = sample("transaction-status-response-finished", schemas)
    assert isinstance(found.body, TransactionStatusResponse)
    assert found.body.repeated_message_response is not None
    repeated = found.body.repeated_message_response.model_copy(update={"payment_response": approved.body})
    body = found.body.model_copy(update={"repeated_message_response": repeated})
    assert _transaction_id(found.model_copy(update={"body": body})) == "000471"
