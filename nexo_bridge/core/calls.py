"""The calls an exchange makes after its create, built from what was journalled and from nothing else (rule R2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from nexo_bridge.categories.plan import Ask
from nexo_bridge.core import keys
from nexo_bridge.core.decisions import Asking
from nexo_bridge.core.signals import CallPlatform
from nexo_bridge.ppaas.models import AbortBody, CancelBody, FenceBody, Model
from nexo_bridge.ppaas.operations import Call


class Purpose(Enum):
    """Why a call was made."""

    CREATE = auto()
    LOOK = auto()
    FENCE = auto()
    STOP = auto()
    STATUS = auto()
    SHOW = auto()


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A call whose end was not heard yet; ``begun`` is monotonic."""

    purpose: Purpose
    begun: float


def asking(ask: Ask, poiid: str, serial: str, key: str) -> Asking:
    """A planned step as it is journalled before it is asked."""
    return Asking(
        role=ask.role,
        key=key,
        poiid=poiid,
        serial=serial,
        operation=ask.operation,
        body=ask.body.model_dump(mode="json"),
        amount=ask.amount,
        currency=ask.currency,
        read=ask.read,
        find=ask.find,
        fence=ask.fence,
        stop=ask.stop,
    )


def create(step: Asking, body: Model) -> Call:
    """The money step itself; ``body`` has its secrets in clear, which the journal has not."""
    return Call(step.poiid, step.operation, body=body, key=step.key, serial=step.serial)


def look(step: Asking, transaction_id: str | None) -> Call:
    """What does the platform say? By transactionId, or by our key while that is unknown."""
    if transaction_id is not None:
        return Call(step.poiid, step.read, path={"transactionId": transaction_id}, serial=step.serial)
    return Call(step.poiid, step.find, query={"clientTransactionId": step.key}, serial=step.serial)


def fence(step: Asking) -> Call:
    """Was it ever created? From its acceptance on, it never will be."""
    key = keys.derived(step.key, "cancel", 0)
    body = FenceBody(client_transaction_id=key, original_client_transaction_id=step.key)
    return Call(step.poiid, step.fence, body=body, key=key, serial=step.serial)


def stop(step: Asking, transaction_id: str) -> Call:
    """Please end it: at the terminal for a card, because a card's cancel is a void; a cancel for a QR code (R6)."""
    if step.stop == "terminal_abort":
        return Call(step.poiid, step.stop, body=AbortBody(transaction_id=transaction_id), serial=step.serial)
    key = keys.derived(step.key, "cancel", 1)
    path = {"transactionId": transaction_id}
    return Call(
        step.poiid,
        step.stop,
        path=path,
        body=CancelBody(client_transaction_id=key),
        key=key,
        serial=step.serial,
    )


def status(step: Asking) -> Call:
    """Is the terminal free?"""
    return Call(step.poiid, "terminal_status", serial=step.serial)


def display(step: Asking, screen: Model) -> Call:
    """Show something on the terminal."""
    return Call(step.poiid, "terminal_display", body=screen, serial=step.serial)


def command(exchange: str, call_id: str, call: Call) -> CallPlatform:
    """Have ``call`` made for ``exchange``; its outcome comes back under ``call_id``."""
    path, query = tuple(call.path.items()), tuple(call.query.items())
    return CallPlatform(
        exchange, call_id, call.poiid, call.operation, path, query, call.body, call.key, call.serial
    )
