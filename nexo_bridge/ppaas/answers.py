"""Reading an HTTP answer into an ``Outcome``: rule R4, and nothing else.

An answer is taken as *no* or *yes* only when every byte of it arrived and every field that matters could
be read. Whatever is odd is ``Unknown``: the core settles that by asking again, never by sending again.
Reasons are our own words; the peer's text goes nowhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from nexo_bridge.ppaas.models import (
    MAX_AMOUNT,
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    QrCode,
    TerminalIs,
    Transaction,
    Unknown,
)
from nexo_bridge.ppaas.operations import Operation

MAX_BODY = 256 * 1024
"""Longest answer that is read, in bytes."""

MAX_DEPTH = 32
"""Deepest nesting of an answer that is read."""

YES = frozenset({"APPROVED", "PARTIALLY_APPROVED"})
NO = frozenset({"DECLINED", "CANCELLED", "EXPIRED", "FAILED"})
PENDING = frozenset({"PENDING", "SCANNED", "CARD_PRESENTED", "PIN_ENTRY", "AUTHORISING"})
"""The stages we know. A status in none of the three sets is pending too, and never final."""

_REFUSALS = frozenset({400, 401, 403, 404, 415, 422, 429})
_CODE = re.compile(r"[A-Z0-9_.-]{1,64}")


class UnreadableError(Exception):
    """An answer, or a part of it that matters, cannot be relied on. The text is ours."""


def outcome(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """What the complete answer ``status``, ``headers``, ``body`` to ``operation`` means.

    A 401 given here is the second one: the adapter has already repeated the call once with a new token.

    Args:
        operation: the row that was called.
        status: HTTP status.
        headers: header fields by lower-case name.
        body: the complete body as sent, at most ``MAX_BODY`` bytes.
    """
    if 200 <= status < 300:
        try:
            return _accepted(operation, status, headers, body)
        except UnreadableError as fault:
            return Unknown(reason=f"{status} with an unreadable answer: {fault}", status=status)
    if operation.answer in {"read", "find"} and status == 404:
        return Absent()
    if not operation.reads and status in _REFUSALS:
        code = problem_code(status, headers, body)
        return NotSent(code=code, reason=f"refused with {status} {code}", status=status)
    return Unknown(reason=f"answered {status}", status=status)


def _accepted(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    if operation.answer == "wish":
        return Accepted()
    if status in {202, 204} and operation.answer in {"cancel", "fence"}:
        return Accepted()
    document = load(headers, body)
    match operation.answer:
        case "create" | "cancel" | "read":
            return _settled(transaction(document))
        case "find":
            return _found(document)
        case "fence":
            return _fenced(document)
        case "terminal":
            return TerminalIs(state=_text(_object(document, "the answer"), "state"))
        case _:
            if not isinstance(document, list):
                raise UnreadableError("the list of countries is not an array")
            return Accepted()


def _settled(transaction: Transaction) -> Outcome:
    if transaction.status in YES:
        return Approved(transaction=transaction)
    if transaction.status in NO:
        return Declined(transaction=transaction)
    return Pending(transaction=transaction)


def _found(document: Any) -> Outcome:
    if not isinstance(document, list):
        raise UnreadableError("not an array")
    if not document:
        return Absent()
    if len(document) > 1:
        raise UnreadableError(f"{len(document)} transactions for one key")
    return _settled(transaction(document[0]))


def _fenced(document: Any) -> Outcome:
    answer = _object(document, "the answer")
    found = answer.get("found")
    if found is False:
        return Absent()
    if found is True:
        # Unreadable here must not become Accepted: reads that find nothing would then prove "never created"
        # against the platform's own word that the transaction exists.
        return _settled(transaction(answer.get("transaction")))
    if found is not None:
        raise UnreadableError("found is neither true nor false")
    return Accepted()


def problem_code(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The code of a problem+json or OAuth 2 error body; ``HTTP_<status>`` when there is none to be read."""
    try:
        problem = load(headers, body)
    except UnreadableError:
        problem = None
    if isinstance(problem, dict):
        for name in ("code", "error"):
            value = problem.get(name)
            if isinstance(value, str) and _CODE.fullmatch(value.upper()):
                return value.upper()
    return f"HTTP_{status}"


def load(headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON document in ``body``.

    Raises:
        UnreadableError: too long, compressed, not UTF-8, not JSON, a key given twice, not a finite number,
            a lone surrogate, or nested deeper than ``MAX_DEPTH``.
    """
    if len(body) > MAX_BODY:
        raise UnreadableError("too long")
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnreadableError("compressed")
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise UnreadableError("not UTF-8") from None
    except RecursionError:
        raise UnreadableError("nested too deep") from None
    except ValueError:  # also a number of more digits than int() takes
        raise UnreadableError("not JSON") from None
    _walk(document, 1)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise UnreadableError("a key is given twice")
    return members


def _no_constant(name: str) -> float:
    raise UnreadableError(f"{name} is not JSON")


def _walk(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnreadableError("nested too deep")
    if isinstance(value, dict):
        for name, member in value.items():
            _walk(name, depth)
            _walk(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _walk(member, depth + 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise UnreadableError("a lone surrogate")
    elif isinstance(value, float) and not math.isfinite(value):  # 1e999
        raise UnreadableError("not a finite number")


_READ = frozenset(
    {
        *(
            "transactionId",
            "clientTransactionId",
            "originalTransactionId",
            "transactionType",
            "deviceId",
            "status",
        ),
        *(
            "paymentAmount",
            "authorisedAmount",
            "tipAmount",
            "surchargeAmount",
            "cashbackAmount",
            "approvalCode",
        ),
        *("decline", "qrCode", "paymentInstrument", "updatedAt"),
    }
)


def transaction(document: Any) -> Transaction:
    """One transaction of an answer.

    Identity, status and amounts must be right. What only decorates (codes, brand, picture) is left out when
    it is of a wrong type, and unknown fields are kept in ``other``.

    Raises:
        UnreadableError: a required field is missing, or one that matters has a wrong type or value.
    """
    fields = _object(document, "the transaction")
    money = _object(fields.get("paymentAmount"), "paymentAmount")
    requested = _minor(money, "amount")
    currency = _text(money, "currency", 3)
    if requested is None:
        raise UnreadableError("paymentAmount has no amount")
    status = _text(fields, "status", 64)
    authorised = _minor(fields, "authorisedAmount")
    if status == "PARTIALLY_APPROVED" and authorised is None:
        raise UnreadableError("a partial approval without authorisedAmount")
    if status == "APPROVED" and authorised is None:
        authorised = requested
    decline = _part(fields, "decline")
    instrument = _part(fields, "paymentInstrument")
    return Transaction(
        transaction_id=_text(fields, "transactionId", 128),
        client_transaction_id=_text(fields, "clientTransactionId", 128),
        device_id=_text(fields, "deviceId", 128),
        status=status,
        amount=requested,
        currency=currency,
        transaction_type=_decoration(fields, "transactionType"),
        original_transaction_id=_decoration(fields, "originalTransactionId"),
        authorised=authorised,
        tip=_minor(fields, "tipAmount"),
        surcharge=_minor(fields, "surchargeAmount"),
        cashback=_minor(fields, "cashbackAmount"),
        qr=_qr(_part(fields, "qrCode")),
        decline_code=_decoration(decline, "code"),
        decline_message=_decoration(decline, "message"),
        approval_code=_decoration(fields, "approvalCode"),
        brand=_decoration(instrument, "brand"),
        masked_pan=_decoration(instrument, "maskedPan"),
        entry_mode=_decoration(instrument, "entryMode"),
        updated_at=_decoration(fields, "updatedAt"),
        other={name: value for name, value in fields.items() if name not in _READ},
    )


def _qr(part: Mapping[str, Any]) -> QrCode | None:
    content = _decoration(part, "content")
    if not content:
        return None
    return QrCode(
        content=content,
        image_base64=_decoration(part, "imageBase64"),
        expires_at=_decoration(part, "expiresAt"),
    )


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableError(f"{what} is not an object")
    return value


def _part(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: Mapping[str, Any], name: str, limit: int = 64) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise UnreadableError(f"{name} is missing or not a text of 1 to {limit} characters")
    return value


def _decoration(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _minor(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_AMOUNT:
        raise UnreadableError(f"{name} is not an amount in minor units")
    return value
