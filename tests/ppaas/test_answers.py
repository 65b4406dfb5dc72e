"""Rule R4, line by line: when a yes and a no are certain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.ppaas import answers
from nexo_bridge.ppaas.answers import UnreadableError
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    QrCode,
    TerminalIs,
    Unknown,
)
from nexo_bridge.ppaas.operations import OPERATIONS

BASIC = {
    "transactionId": "t-1",
    "clientTransactionId": "k-1",
    "deviceId": "d-1",
    "status": "PENDING",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
}
MONEY = ("create_card", "create_qr", "cancel_card", "cancel_qr", "fence_card", "fence_qr")
WISHES = ("terminal_abort", "terminal_display")
READS = ("read_card", "read_qr", "find_card", "find_qr", "terminal_status", "countries")
ASKED_BY_ID = ("create_card", "create_qr", "cancel_card", "cancel_qr", "read_card", "read_qr")


def body(**changes: Any) -> bytes:
    return json.dumps(
        {name: value for name, value in {**BASIC, **changes}.items() if value is not ...}
    ).encode()


def outcome(row: str, status: int, content: bytes = b"", **headers: str) -> Outcome:
    return answers.outcome(
        OPERATIONS[row], status, {name.replace("_", "-"): text for name, text in headers.items()}, content
    )


@pytest.mark.parametrize("row", ASKED_BY_ID)
@pytest.mark.parametrize(
    "status", ["PENDING", "SCANNED", "CARD_PRESENTED", "PIN_ENTRY", "AUTHORISING", "SETTLING?"]
)
def test_a_pending_or_unknown_status_is_pending(row: str, status: str) -> None:
    found = outcome(row, 201, body(status=status))
    assert isinstance(found, Pending)
    assert found.transaction.status == status


@pytest.mark.parametrize("row", ASKED_BY_ID)
@pytest.mark.parametrize("status", ["DECLINED", "CANCELLED", "EXPIRED", "FAILED"])
def test_a_final_no_is_declined(row: str, status: str) -> None:
    assert isinstance(outcome(row, 200, body(status=status)), Declined)


@pytest.mark.parametrize("row", ASKED_BY_ID)
def test_a_final_yes_is_approved_with_what_was_charged(row: str) -> None:
    whole = outcome(row, 200, body(status="APPROVED"))
    assert isinstance(whole, Approved)
    assert whole.transaction.authorised == 1250
    part = outcome(row, 200, body(status="PARTIALLY_APPROVED", authorisedAmount=600))
    assert isinstance(part, Approved)
    assert part.transaction.authorised == 600


def test_a_partial_approval_that_hides_its_amount_is_unknown() -> None:
    found = outcome("create_card", 201, body(status="PARTIALLY_APPROVED"))
    assert isinstance(found, Unknown)
    assert "authorisedAmount" in found.reason


@pytest.mark.parametrize("row", MONEY + WISHES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 415, 422, 429])
def test_a_readable_refusal_is_not_sent_with_the_platforms_code(row: str, status: int) -> None:
    problem = json.dumps({"title": "…", "code": "TERMINAL_BUSY"}).encode()
    found = outcome(row, status, problem)
    assert found == NotSent(
        code="TERMINAL_BUSY", reason=f"refused with {status} TERMINAL_BUSY", status=status
    )


@pytest.mark.parametrize("row", OPERATIONS)
@pytest.mark.parametrize(
    "status", [301, 302, 307, 405, 406, 408, 409, 410, 413, 418, 500, 502, 503, 504, 599, 100, 999]
)
def test_everything_else_is_unknown(row: str, status: int) -> None:
    assert isinstance(outcome(row, status, body(status="APPROVED")), Unknown)


@pytest.mark.parametrize("row", READS)
@pytest.mark.parametrize("status", [400, 401, 403, 415, 422, 429])
def test_a_read_that_is_refused_tells_nothing(row: str, status: int) -> None:
    assert isinstance(outcome(row, status), Unknown)


def test_a_transaction_that_is_not_there_is_absent() -> None:
    assert (
        outcome("read_card", 404) == outcome("find_card", 404) == outcome("find_qr", 200, b"[]") == Absent()
    )
    assert isinstance(outcome("terminal_status", 404), Unknown)
    assert isinstance(outcome("countries", 404), Unknown)


def test_the_one_found_by_key_is_read_and_two_are_unknown() -> None:
    assert isinstance(outcome("find_card", 200, b"[" + body() + b"]"), Pending)
    two = outcome("find_card", 200, b"[" + body() + b"," + body() + b"]")
    assert isinstance(two, Unknown)
    assert "2 transactions for one key" in two.reason
    assert isinstance(outcome("find_card", 200, body()), Unknown)


@pytest.mark.parametrize("row", ["fence_card", "fence_qr"])
def test_the_fence_says_never_created_or_names_the_transaction_or_accepts(row: str) -> None:
    assert outcome(row, 200, b'{"found": false}') == Absent()
    found = json.dumps({"found": True, "transaction": {**BASIC, "status": "APPROVED"}}).encode()
    assert isinstance(outcome(row, 200, found), Approved)
    assert outcome(row, 202, b"whatever") == outcome(row, 204) == outcome(row, 200, b"{}") == Accepted()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"found": "no"}',
        b'{"found": 0}',
        b'{"found": true}',
        b'{"found": true, "transaction": 1}',
    ],
)
def test_a_fence_answer_that_cannot_be_read_proves_nothing(content: bytes) -> None:
    assert isinstance(outcome("fence_card", 200, content), Unknown)


@pytest.mark.parametrize("row", WISHES)
@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_wish_is_accepted_whatever_the_body(row: str, status: int) -> None:
    assert outcome(row, status, b"<html>") == Accepted()


@pytest.mark.parametrize("row", ["cancel_card", "cancel_qr"])
def test_a_cancel_is_accepted_without_a_body(row: str) -> None:
    assert outcome(row, 202) == outcome(row, 204) == Accepted()
    assert isinstance(outcome(row, 200), Unknown)


def test_an_accepted_create_without_a_body_is_unknown_and_never_paid() -> None:
    assert isinstance(outcome("create_card", 202), Unknown)
    assert isinstance(outcome("create_card", 204), Unknown)
    assert isinstance(outcome("create_card", 202, body()), Pending)


def test_the_terminal_says_its_state() -> None:
    assert outcome("terminal_status", 200, b'{"deviceId": "d", "state": "ASLEEP"}') == TerminalIs(
        state="ASLEEP"
    )
    assert isinstance(outcome("terminal_status", 200, b"{}"), Unknown)


def test_countries_are_an_array() -> None:
    assert outcome("countries", 200, b'[{"code": "BG"}]') == Accepted()
    assert isinstance(outcome("countries", 200, b"{}"), Unknown)


UNREADABLE = {
    "empty": b"",
    "html": b"<html>OK</html>",
    "cut": body(status="APPROVED")[:-1],
    "latin-1": body(note="x").replace(b'"x"', b'"\xe9"'),
    "utf-16": body().decode().encode("utf-16"),
    "key given twice": body(status="APPROVED").replace(b"{", b'{"status": "DECLINED", ', 1),
    "NaN": body().replace(b"1250", b"NaN"),
    "Infinity": body(x=1).replace(b'"x": 1', b'"x": -Infinity'),
    "1e999": body(x=1).replace(b'"x": 1', b'"x": 1e999'),
    "endless number": body(x=1).replace(b'"x": 1', b'"x": ' + b"9" * 5000),
    "depth 33": b"[" * 33 + b"]" * 33,
    "depth 10 000": b"[" * 10_000 + b"]" * 10_000,
    "depth 10 000 of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "lone surrogate": body(x="y").replace(b'"y"', b'"\\ud800"'),
    "lone surrogate in a name": body(xx="y").replace(b'"xx"', b'"\\ud800"'),
    "too long": body() + b" " * answers.MAX_BODY,
    "null": b"null",
    "array": b"[" + body() + b"]",
    "no transactionId": body(transactionId=...),
    "empty transactionId": body(transactionId=""),
    "long transactionId": body(transactionId="x" * 129),
    "number for clientTransactionId": body(clientTransactionId=7),
    "no deviceId": body(deviceId=...),
    "no status": body(status=...),
    "status null": body(status=None),
    "no paymentAmount": body(paymentAmount=...),
    "paymentAmount a number": body(paymentAmount=1250),
    "no amount": body(paymentAmount={"currency": "EUR"}),
    "no currency": body(paymentAmount={"amount": 1250}),
    "amount a text": body(paymentAmount={"amount": "1250", "currency": "EUR"}),
    "amount a float": body(paymentAmount={"amount": 12.5, "currency": "EUR"}),
    "amount true": body(paymentAmount={"amount": True, "currency": "EUR"}),
    "amount negative": body(paymentAmount={"amount": -1, "currency": "EUR"}),
    "amount beyond belief": body(paymentAmount={"amount": 10**12, "currency": "EUR"}),
    "authorised a text": body(status="APPROVED", authorisedAmount="1250"),
    "tip a text": body(tipAmount="1"),
    "surcharge a list": body(surchargeAmount=[1]),
    "cashback negative": body(cashbackAmount=-1),
}


@pytest.mark.parametrize("row", ["create_card", "read_qr"])
@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_2xx_is_unknown(row: str, content: bytes) -> None:
    assert isinstance(outcome(row, 200, content), Unknown)


def test_a_compressed_answer_is_unreadable() -> None:
    assert isinstance(outcome("create_card", 201, body(), content_encoding="gzip"), Unknown)
    assert isinstance(outcome("create_card", 201, body(), content_encoding=" Identity "), Pending)


def test_a_byte_order_mark_a_wrong_content_type_and_depth_32_are_no_fault() -> None:
    assert isinstance(
        outcome("create_card", 201, b"\xef\xbb\xbf" + body(), content_type="text/plain"), Pending
    )
    assert answers.load({}, b"[" * 32 + b"]" * 32) is not None


def test_all_that_is_said_is_read_and_what_we_do_not_know_is_kept() -> None:
    found = outcome(
        "read_card",
        200,
        body(
            status="APPROVED",
            transactionType="SALE",
            originalTransactionId="t-0",
            authorisedAmount=1400,
            tipAmount=100,
            surchargeAmount=50,
            cashbackAmount=0,
            approvalCode="A1",
            decline={"code": "X", "message": "y"},
            qrCode={"content": "q", "imageBase64": "i", "expiresAt": "e"},
            paymentInstrument={"brand": "VISA", "maskedPan": "4761**0119", "entryMode": "ICC"},
            updatedAt="2026-03-01T10:15:34Z",
            events=[{"sequence": 1}],
            naïve="é",
        ),
    )
    assert isinstance(found, Approved)
    seen = found.transaction
    assert (seen.transaction_type, seen.original_transaction_id) == ("SALE", "t-0")
    assert (seen.authorised, seen.tip, seen.surcharge, seen.cashback) == (1400, 100, 50, 0)
    assert (seen.approval_code, seen.decline_code, seen.decline_message) == ("A1", "X", "y")
    assert seen.qr == QrCode(content="q", image_base64="i", expires_at="e")
    assert (seen.brand, seen.masked_pan, seen.entry_mode) == ("VISA", "4761**0119", "ICC")
    assert seen.updated_at == "2026-03-01T10:15:34Z"
    assert seen.other == {"events": [{"sequence": 1}], "naïve": "é"}


def test_decorations_of_a_wrong_type_are_left_out() -> None:
    found = outcome(
        "read_card", 200, body(approvalCode=7, decline="x", qrCode={"content": ""}, paymentInstrument=[])
    )
    assert isinstance(found, Pending)
    seen = found.transaction
    assert (seen.approval_code, seen.decline_code, seen.qr, seen.brand) == (None, None, None, None)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"code": "AMOUNT_TOO_HIGH"}', "AMOUNT_TOO_HIGH"),
        (b'{"error": "invalid_client"}', "INVALID_CLIENT"),
        (b'{"code": 7, "error": "slow.down-1"}', "SLOW.DOWN-1"),
        (b'{"code": "two words"}', "HTTP_422"),
        (b'{"code": ""}', "HTTP_422"),
        (b'{"code": "%s"}' % (b"X" * 65), "HTTP_422"),
        (b"[]", "HTTP_422"),
        (b"<html>", "HTTP_422"),
        (b"", "HTTP_422"),
    ],
)
def test_a_problem_gives_its_code_or_the_status(content: bytes, code: str) -> None:
    assert answers.problem_code(422, {}, content) == code


def test_no_text_of_the_peer_gets_into_a_reason() -> None:
    evil = json.dumps({"code": "\x1b[31m", "detail": "PAN 4761739001010119"}).encode()
    found = outcome("create_card", 422, evil)
    assert found == NotSent(code="HTTP_422", reason="refused with 422 HTTP_422", status=422)


@given(row=st.sampled_from(sorted(OPERATIONS)), status=st.integers(100, 599), content=st.binary(max_size=200))
def test_whatever_comes_there_is_an_outcome_and_noise_is_never_a_yes(
    row: str, status: int, content: bytes
) -> None:
    assert not isinstance(outcome(row, status, content), Approved | Declined | Pending)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_what_json_can_say_is_loaded_as_it_is(document: Any) -> None:
    try:
        loaded = answers.load({}, json.dumps(document).encode())
    except UnreadableError:
        loaded = document  # nested deeper than we read
    assert loaded == document
