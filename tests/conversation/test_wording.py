"""What a POS says is valid nexo, unless the script wants it wrong."""

from __future__ import annotations

from typing import cast

import pytest

from nexo_bridge.conversation import wording
from nexo_bridge.conversation.grammar import Say, parse
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.data import read_schemas

IDS = {"SaleID": "S1", "POIID": "POI00001", "ServiceID": "7"}
SCHEMAS = Schemas(read_schemas())


def worded(text: str, version: Version = "3.1") -> bytes:
    (line,) = parse(text).lines
    return wording.request(cast("Say", line.statement), IDS, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "text",
    [
        "POS> Login",
        "POS> Login training capabilities=CustomerDisplay,CashierDisplay",
        "POS> Logout",
        "POS> Payment 10.00 EUR",
        "POS> Payment 10.00 EUR qr sale=A1 time=2026-03-01T10:20:00Z",
        "POS> Payment 10.00 EUR scan=28763 brand=Blik",
        "POS> Payment 10.00 EUR acquirer=scannedPaymentId=28763",
        "POS> Payment 12.00 EUR tip=2.00 cashback=1.00 split type=Refund",
        "POS> TransactionStatus",
        "POS> TransactionStatus ref=7 category=Reversal",
        "POS> Abort ref=7",
        "POS> Abort",
        "POS> Diagnosis host",
        "POS> DisplayResponse DeviceID=71",
    ],
)
def test_it_is_valid(text: str, version: Version) -> None:
    message = codec.decode(
        codec.parse(worded(text, version)), version, SCHEMAS, lambda clear: Secret.seal(clear, b"k")
    )
    assert (message.header.sale_id, message.header.service_id) == ("S1", "7")


def test_the_same_words_are_the_same_bytes() -> None:
    assert worded("POS> Payment 10.00 EUR") == worded("POS> Payment 10.00 EUR")


def test_words_of_the_header_win() -> None:
    data = worded("POS> Payment 10.00 ServiceID=9 SaleID=S9 version=9.9")
    assert b'ServiceID="9" SaleID="S9"' in data
    assert b'ProtocolVersion="9.9"' in data
    assert b'TransactionID="T9"' in data
