"""Rule R15 as data: which ErrorCondition, code and words each failure gets.

Every failure a POS ever sees from this bridge has one row here or is one of the classes in ``errors``. The text is
fit for a cashier's screen: it says what happened and what to do, in one sentence, without technical words.
``docs/errors.md`` is generated from these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nexo_bridge.errors import Refusal, Retry


@dataclass(frozen=True, slots=True)
class Failure:
    """How one kind of failure is told to a POS.

    Attributes:
        condition: nexo ErrorCondition.
        retry: ``yes`` send again with a new ServiceID, ``no`` do not, ``check`` ask TransactionStatus first.
        text: for the cashier.
    """

    condition: str
    code: str
    retry: Retry
    text: str


_NEW = "Send it again with a new ServiceID."

FAILURES: Mapping[str, Failure] = MappingProxyType(
    {
        # What the platform decided.
        "DECLINED": Failure(
            "Refusal", "NB-301", "no", "The payment was declined. Ask for another means of payment."
        ),
        "INVALID_CARD": Failure(
            "InvalidCard", "NB-302", "no", "This card cannot be used here. Ask for another card."
        ),
        "WRONG_PIN": Failure(
            "WrongPIN", "NB-303", "no", "The PIN was wrong. Ask for another means of payment."
        ),
        "HOST_UNREACHABLE": Failure(
            "UnreachableHost", "NB-304", "yes", f"The bank could not be reached; nothing was charged. {_NEW}"
        ),
        "CANCELLED": Failure(
            "Cancel", "NB-305", "yes", "The customer cancelled the payment. Nothing was charged."
        ),
        "ABORTED": Failure(
            "Aborted", "NB-306", "yes", "The payment was stopped as asked. Nothing was charged."
        ),
        "EXPIRED": Failure("Cancel", "NB-307", "yes", "Nobody paid in time. Nothing was charged."),
        "FAILED": Failure("Refusal", "NB-308", "no", "The payment failed. Nothing was charged."),
        "PARTIAL": Failure(
            "Refusal",
            "NB-309",
            "no",
            "Only a part was approved. Ask for another means of payment for the rest.",
        ),
        # What never reached it.
        "NOT_SENT": Failure(
            "UnreachableHost",
            "NB-311",
            "yes",
            f"The payment service could not be reached; nothing was charged. {_NEW}",
        ),
        "NEVER_CREATED": Failure(
            "UnreachableHost",
            "NB-312",
            "yes",
            f"The payment never reached the payment service; nothing was charged. {_NEW}",
        ),
        "TERMINAL_BUSY": Failure(
            "Busy", "NB-313", "yes", f"The terminal is busy with something else. {_NEW}"
        ),
        "TERMINAL_OUT_OF_ORDER": Failure("DeviceOut", "NB-314", "no", "The terminal is out of order."),
        "NOT_STARTED": Failure("Busy", "NB-315", "yes", f"Not started: the bridge restarted. {_NEW}"),
        "NOT_POSSIBLE": Failure(
            "Refusal",
            "NB-316",
            "no",
            "The payment service does not accept this payment. Nothing was charged.",
        ),
        "ABORTED_BEFORE_START": Failure(
            "Aborted", "NB-317", "yes", "Stopped before it began. Nothing was charged."
        ),
        "RESOLVED": Failure("Refusal", "NB-318", "yes", f"Found not to be paid by the shop's staff. {_NEW}"),
        # What is still open.
        "IN_PROGRESS": Failure(
            "InProgress",
            "NB-321",
            "check",
            "The outcome is not known yet. Do not charge again; ask again shortly.",
        ),
        "NOT_FOUND": Failure("NotFound", "NB-322", "no", "No such transaction is known here."),
        # What this bridge does not do.
        "UNAVAILABLE": Failure("UnavailableService", "NB-331", "no", "This service is not available here."),
        "TRAINING": Failure(
            "UnavailableService",
            "NB-332",
            "no",
            "Training mode is not available: every payment here is real.",
        ),
        "VERSION": Failure(
            "UnavailableService", "NB-333", "no", "This protocol version is not served; 3.1 and 3.0 are."
        ),
        # What this bridge cannot do just now.
        "JOURNAL": Failure(
            "Busy", "NB-341", "yes", "The bridge cannot write its journal, so no payment is started."
        ),
        "INTERNAL": Failure(
            "Busy",
            "NB-342",
            "check",
            "The bridge met an unexpected problem. Ask for the transaction's status.",
        ),
    }
)
"""Failure by name. Text may be overridden by a refusal that knows more."""

DECLINES: Mapping[str, str] = MappingProxyType(
    {
        "INVALID_CARD": "INVALID_CARD",
        "EXPIRED_CARD": "INVALID_CARD",
        "CARD_NOT_SUPPORTED": "INVALID_CARD",
        "RESTRICTED_CARD": "INVALID_CARD",
        "WRONG_PIN": "WRONG_PIN",
        "PIN_TRIES_EXCEEDED": "WRONG_PIN",
        "HOST_UNREACHABLE": "HOST_UNREACHABLE",
        "CUSTOMER_CANCELLED": "CANCELLED",
    }
)
"""Decline code of the platform -> failure; any other decline is ``DECLINED``."""

NOT_DONE: Mapping[str, str] = MappingProxyType(
    {
        "TERMINAL_BUSY": "TERMINAL_BUSY",
        "TERMINAL_OUT_OF_ORDER": "TERMINAL_OUT_OF_ORDER",
        "CURRENCY_NOT_SUPPORTED": "NOT_POSSIBLE",
        "AMOUNT_TOO_HIGH": "NOT_POSSIBLE",
        "AMOUNT_TOO_LOW": "NOT_POSSIBLE",
        "TRANSACTION_TYPE_NOT_ALLOWED": "NOT_POSSIBLE",
        "SCANNED_CODE_MISSING": "NOT_POSSIBLE",
        "SCANNED_CODE_INVALID": "NOT_POSSIBLE",
    }
)
"""Code of a refused create -> failure; any other reason for ``NotSent`` is ``NOT_SENT``."""


def of_decline(status: str, code: str | None, *, wished: bool) -> Failure:
    """The failure for a final no of the platform (DECLINED, CANCELLED, EXPIRED, FAILED)."""
    match status:
        case "CANCELLED" if code == "CUSTOMER_CANCELLED":
            return FAILURES["CANCELLED"]
        case "CANCELLED":
            return FAILURES["ABORTED" if wished else "CANCELLED"]
        case "EXPIRED":
            return FAILURES["EXPIRED"]
        case "FAILED":
            return FAILURES["FAILED"]
        case _:
            return FAILURES[DECLINES.get(code or "", "DECLINED")]


def of_refusal(refusal: Refusal) -> Failure:
    """The failure that a ``Refusal`` carries."""
    return Failure(refusal.condition, refusal.code, refusal.retry, refusal.text)


def additional_response(failure: Failure, *, at: str = "") -> str:
    """AdditionalResponse in its one format: ``code=…; retry=…; at=…; text=…``.

    ``;`` inside a part would divide it, so it is written as ``,``. The XPath may be empty, and is then left out.
    """
    parts = [f"code={failure.code}", f"retry={failure.retry}"]
    if at:
        parts.append(f"at={at.replace(';', ',')}")
    parts.append(f"text={failure.text.replace(';', ',')}")
    return "; ".join(parts)
