"""Every way a call to the platform can fail, as a closed table: code, what happened, what to do, what the POS is told.

``docs/platform-errors.md`` is generated from these rows. Which answer means what is rule R4 and stands in ``answers``;
which words a POS gets stands in ``categories.conditions``, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import assert_never

from nexo_bridge.errors import Retry
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    TerminalIs,
    Unknown,
)


class Kind(Enum):
    """What is certain; the value is the page's heading."""

    NOT_SENT = "Nothing was sent"
    REFUSED = "The platform refused; nothing was done"
    UNKNOWN = "It may have happened"
    DECLINED = "A payment ended without approval"
    ASIDE = "A stop or a display was refused; the payment goes on"


@dataclass(frozen=True, slots=True)
class PlatformError:
    """One row.

    Attributes:
        code: stable; the platform's own where it has one.
        kind: what is certain.
        sentence: what happened, for the people who run the bridge.
        retry: for the POS: ``yes`` send a new request, ``no`` do not, ``check`` ask TransactionStatus first.
        advice: what the people who run the bridge can do.
        condition: ErrorCondition of the payment's response; None where no response follows from it.
    """

    code: str
    kind: Kind
    sentence: str
    retry: Retry
    advice: str
    condition: str | None


_WAIT = "Nothing: it is tried again. If it lasts, ask the platform's operator."
_CONFIGURATION = "Compare the configuration with what the platform's portal says of this terminal."
_DEFECT = "Report it with the journal of the exchange: the bridge should not have sent this."
_RESOLVES = (
    "Nothing: the bridge asks until it knows, and fences the payment if it may. See nexo-bridge status."
)
_CUSTOMER = "Nothing: it is the customer's or the issuer's word."


def _unreachable(code: str, sentence: str, advice: str) -> PlatformError:
    return PlatformError(code, Kind.NOT_SENT, sentence, "yes", advice, "UnreachableHost")


def _refused(
    code: str, sentence: str, advice: str, condition: str = "UnreachableHost", retry: Retry = "yes"
) -> PlatformError:
    return PlatformError(code, Kind.REFUSED, sentence, retry, advice, condition)


def _unknown(code: str, sentence: str) -> PlatformError:
    return PlatformError(code, Kind.UNKNOWN, sentence, "check", _RESOLVES, "InProgress")


def _declined(
    code: str, sentence: str, condition: str = "Refusal", retry: Retry = "no", advice: str = _CUSTOMER
) -> PlatformError:
    return PlatformError(code, Kind.DECLINED, sentence, retry, advice, condition)


def _aside(code: str, sentence: str) -> PlatformError:
    return PlatformError(code, Kind.ASIDE, sentence, "check", "Nothing.", None)


_ROWS = (
    _unreachable(
        "DNS", "The platform's name does not resolve.", "Mend the name service, or the base in [platform]."
    ),
    _unreachable("CONNECT", "The platform cannot be reached.", "Look at network, firewall and proxy."),
    _unreachable("PROXY", "The proxy does not let the connection through.", "Look at platform.proxy."),
    _unreachable(
        "TLS",
        "There is no TLS with the platform: one of the two certificates is not good.",
        "Renew the terminal's certificate, or correct platform.ca; nexo-bridge status says which.",
    ),
    _unreachable("POOL", "No connection was free in time.", _WAIT),
    _unreachable(
        "TOKEN", "No token was to be had.", "Look at nexo-bridge status; it may ask for nexo-bridge login."
    ),
    _unreachable(
        "CALL",
        "The call cannot be made: terminal, operation or a secret is not there any more.",
        "Look whether the terminal was taken out of the configuration or has another serial number now.",
    ),
    _unreachable("OFFLINE", "The daemon is stopped, so nothing is sent.", "Start it."),
    _refused("BAD_REQUEST", "The platform does not understand the request.", _DEFECT),
    _refused("UNAUTHORISED", "The platform refuses a token it has just issued.", _CONFIGURATION),
    _refused("FORBIDDEN", "Token, certificate and transaction are not of one device.", _CONFIGURATION),
    _refused("NOT_FOUND", "The platform knows no such path or transaction.", _CONFIGURATION),
    _refused("UNSUPPORTED_MEDIA_TYPE", "The platform does not take this kind of body.", _DEFECT),
    _refused("RATE_LIMITED", "The platform is asked too often.", _WAIT),
    _refused("TERMINAL_BUSY", "The terminal does something else.", _WAIT, "Busy"),
    _refused(
        "TERMINAL_OUT_OF_ORDER", "The terminal is out of order.", "Look at the terminal.", "DeviceOut", "no"
    ),
    *(
        _refused(code, sentence, advice, "Refusal", "no")
        for code, sentence, advice in (
            (
                "CURRENCY_NOT_SUPPORTED",
                "The merchant does not take this currency.",
                "Ask the platform's operator.",
            ),
            ("AMOUNT_TOO_HIGH", "The amount is above what is allowed.", "Ask the platform's operator."),
            ("AMOUNT_TOO_LOW", "The amount is below what is allowed.", "Ask the platform's operator."),
            (
                "TRANSACTION_TYPE_NOT_ALLOWED",
                "The merchant has no such kind of payment.",
                "Ask the platform's operator.",
            ),
            ("SCANNED_CODE_MISSING", "A scanned code is needed and was not sent.", _DEFECT),
            ("SCANNED_CODE_INVALID", "The scanned code is of no wallet that is known.", _CUSTOMER),
        )
    ),
    _refused("REFUSED_OTHERWISE", "The platform refuses with a code that is not listed here.", _WAIT),
    _unknown("NO_ANSWER", "The request may have arrived; its answer did not, or not whole."),
    _unknown("UNREADABLE", "The platform accepted, in words that cannot be relied on."),
    _unknown("UNCLEAR", "The platform answered something that says neither yes nor no (3xx, 408, 409, …)."),
    _unknown("SERVER_ERROR", "The platform met a problem of its own (5xx)."),
    _declined("DO_NOT_HONOUR", "The issuer refuses."),
    _declined("INSUFFICIENT_FUNDS", "There is not enough money."),
    _declined("LIMIT_EXCEEDED", "A limit of the card or account is reached."),
    _declined("SUSPECTED_FRAUD", "The issuer suspects fraud."),
    _declined("REFUSED", "Refused, also with any code that is not listed here."),
    _declined("INVALID_CARD", "The card is not valid.", "InvalidCard"),
    _declined("EXPIRED_CARD", "The card has expired.", "InvalidCard"),
    _declined("CARD_NOT_SUPPORTED", "The merchant does not take this kind of card.", "InvalidCard"),
    _declined("RESTRICTED_CARD", "The card may not be used for this.", "InvalidCard"),
    _declined("WRONG_PIN", "The PIN was wrong.", "WrongPIN"),
    _declined("PIN_TRIES_EXCEEDED", "The PIN was wrong too often.", "WrongPIN"),
    _declined("HOST_UNREACHABLE", "The platform could not reach the bank.", "UnreachableHost", "yes", _WAIT),
    _declined("CUSTOMER_CANCELLED", "The customer cancelled at the terminal.", "Cancel", "yes"),
    _declined("TERMINAL_ABORTED", "Stopped at the terminal.", "Cancel", "yes"),
    _declined("MERCHANT_CANCELLED", "Cancelled by the merchant.", "Cancel", "yes"),
    _declined("FENCED", "Fenced before anybody paid.", "Cancel", "yes"),
    _declined("TIMEOUT", "Nobody paid in time.", "Cancel", "yes"),
    _declined("TECHNICAL", "The payment failed at the platform or the terminal.", advice=_WAIT),
    _aside("ALREADY_CAPTURED", "The payment was captured and can no longer be cancelled."),
    _aside("ALREADY_CANCELLED", "The payment was cancelled before."),
    _aside("CANCEL_NOT_ALLOWED", "This payment cannot be cancelled, or cancelling is switched off."),
    _aside("NOT_RUNNING", "The terminal is not busy with that transaction."),
    _aside("DISPLAY_NOT_SUPPORTED", "The terminal cannot show this."),
)

ERRORS: Mapping[str, PlatformError] = MappingProxyType({row.code: row for row in _ROWS})
"""Every row by its code."""

_OF_STATUS: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "CANCELLED": (
            "MERCHANT_CANCELLED",
            frozenset({"CUSTOMER_CANCELLED", "TERMINAL_ABORTED", "MERCHANT_CANCELLED", "FENCED"}),
        ),
        "EXPIRED": ("TIMEOUT", frozenset()),
        "FAILED": ("TECHNICAL", frozenset()),
    }
)
"""Final status other than DECLINED → its row, and the codes that say more."""

_ENDS_OTHERWISE = {"TERMINAL_ABORTED", "MERCHANT_CANCELLED", "FENCED", "TIMEOUT", "TECHNICAL"}
"""Codes that mean nothing beside the status DECLINED."""


def of(outcome: Outcome) -> PlatformError | None:
    """The row of a call that failed or of a payment that ended without approval; None for everything else."""
    match outcome:
        case NotSent(code=code, status=status):
            return _of_refusal(code, sent=status is not None)
        case Unknown(status=status):
            if status is None:
                return ERRORS["NO_ANSWER"]
            if 200 <= status < 300:
                return ERRORS["UNREADABLE"]
            return ERRORS["SERVER_ERROR" if status >= 500 else "UNCLEAR"]
        case Declined(transaction=transaction):
            return _of_ending(transaction.status, transaction.decline_code or "")
        case Approved() | Pending() | Absent() | Accepted() | TerminalIs():
            return None
        case _:
            assert_never(outcome)


def _of_refusal(code: str, *, sent: bool) -> PlatformError:
    kinds = {Kind.REFUSED, Kind.ASIDE} if sent else {Kind.NOT_SENT}
    found = ERRORS.get(code)
    if found is not None and found.kind in kinds:
        return found
    return ERRORS["REFUSED_OTHERWISE" if sent else "CALL"]


def _of_ending(status: str, code: str) -> PlatformError:
    if status in _OF_STATUS:
        usual, others = _OF_STATUS[status]
        return ERRORS[code if code in others else usual]
    found = ERRORS.get(code)
    listed = found is not None and found.kind is Kind.DECLINED and code not in _ENDS_OTHERWISE
    return found if found is not None and listed else ERRORS["REFUSED"]
