from __future__ import annotations

import copy
import json
import pickle
import traceback
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from nexo_bridge.redaction import Secret, mask_free_text, printable

PAN = "4111111111111111"
KEY = b"installation key"
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Card(BaseModel):
    pan: Secret


def test_a_secret_is_revealed_only_by_asking() -> None:
    secret = Secret.seal(PAN, KEY)

    assert secret.is_clear
    assert secret.reveal() == PAN


@pytest.mark.parametrize(
    "printed",
    [
        str,
        repr,
        "{}".format,
        lambda secret: f"{secret!r:>40}",
        lambda secret: "%s" % secret,  # noqa: UP031  # one of the ways
        lambda secret: str([secret]),
        lambda secret: repr(Card(pan=secret)),
        lambda secret: Card(pan=secret).model_dump_json(),
        lambda secret: str(Card(pan=secret).model_dump(mode="json")),
        lambda secret: str(Card(pan=secret).model_dump()),
        pickle.dumps,
    ],
)
def test_i7_no_serialiser_prints_a_secret(printed: Any) -> None:
    shown = printed(Secret.seal(PAN, KEY))

    assert (PAN if isinstance(shown, str) else PAN.encode()) not in shown


def test_json_does_not_know_secrets() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret.seal(PAN, KEY))


def test_an_error_of_validation_does_not_quote_the_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        Card.model_validate({"pan": Secret.seal(PAN, KEY), "more": 1, "pan2": {}} | {"pan": ["x"]})

    assert PAN not in "".join(traceback.format_exception(caught.value))


def test_equal_secrets_have_equal_digests_under_one_key() -> None:
    assert Secret.seal(PAN, KEY) == Secret.seal(PAN, KEY)
    assert hash(Secret.seal(PAN, KEY)) == hash(Secret.seal(PAN, KEY))
    assert Secret.seal(PAN, KEY) != Secret.seal(PAN, b"another")
    assert Secret.seal(PAN, KEY) != Secret.seal("4111111111111112", KEY)
    assert Secret.seal(PAN, KEY) != PAN


def test_a_journalled_secret_is_its_hmac_and_equal_to_the_clear_one() -> None:
    card = Card(pan=Secret.seal(PAN, KEY))
    again = Card.model_validate_json(card.model_dump_json())

    assert again == card
    assert not again.pan.is_clear
    with pytest.raises(LookupError, match="only its HMAC is left"):
        again.pan.reveal()


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))]
)
def test_a_copy_has_the_digest_alone(duplicate: Any) -> None:
    secret = Secret.seal(PAN, KEY)

    assert duplicate(secret) == secret
    assert not duplicate(secret).is_clear


def test_a_scanned_code_is_a_secret_of_its_own_inside_the_text() -> None:
    data = Secret.seal(f"till=5; scannedPaymentId={PAN};scannedPaymentId=2;noise", KEY)
    code = data.part("scannedPaymentId")

    assert code is not None
    assert code.reveal() == PAN
    assert data.part("till") is None
    again = Card.model_validate_json(Card(pan=data).model_dump_json()).pan
    assert again.part("scannedPaymentId") == code
    assert not any(part is not None and part.is_clear for part in (again, again.part("scannedPaymentId")))
    assert copy.deepcopy(data).part("scannedPaymentId") == code


@pytest.mark.parametrize(
    "value",
    [
        PAN,
        5,
        None,
        {},
        {"hmac": 5},
        {"hmac": "ab", "clear": PAN},
        {"hmac": "ab", "parts": PAN},
        {"hmac": "ab", "parts": None},
        {"hmac": "ab", "parts": {"scannedPaymentId": 5}},
    ],
)
def test_nothing_else_becomes_a_secret(value: Any) -> None:
    with pytest.raises(ValidationError):
        Card.model_validate({"pan": value})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"card {PAN} refused", "card [masked 16 digits] refused"),
        ("4111 1111 1111 1111", "[masked 16 digits]"),
        ("4111-1111-1111-1111", "[masked 16 digits]"),
        ("378282246310005", "[masked 15 digits]"),
        ("6304000000000000001", "6304000000000000001"),
        (f"{PAN[:-1]}2", f"{PAN[:-1]}2"),
        ("12345678901", "12345678901"),
        ("12.50 EUR on 2026-11-05", "12.50 EUR on 2026-11-05"),
        ("", ""),
    ],
)
def test_the_second_net_masks_what_passes_luhn(text: str, masked: str) -> None:
    assert mask_free_text(text) == masked


@given(st.text(st.characters(exclude_categories=["Nd"])), st.text(st.characters(exclude_categories=["Nd"])))
def test_the_second_net_finds_a_number_between_any_words(before: str, after: str) -> None:
    assert PAN not in mask_free_text(f"{before}{PAN}{after}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich: 5 €", "Zürich: 5 €"),
        ("a\nb\r\tc", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}c"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\u061cb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\u2066b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\u2028b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\u200bb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("", ""),
    ],
)
def test_h34_text_becomes_one_harmless_line(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 200 + "… (201 characters)"
    assert printable("abc", 2) == "ab… (3 characters)"


@given(st.text())
def test_h34_whatever_comes_in_one_line_goes_out(text: str) -> None:
    line = printable(text, 1000)

    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(char) for char in line} & BIDI_CONTROLS
    line.encode()
