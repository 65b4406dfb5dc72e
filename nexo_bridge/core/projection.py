"""Events as journal entries: sealed whole, shown as an allow-list."""

from __future__ import annotations

from typing import assert_never

from nexo_bridge.core.journal import Entry, Json, Stamp
from nexo_bridge.core.signals import (
    EVENTS,
    AlarmRang,
    Arrived,
    Event,
    Found,
    JournalBroke,
    PlatformAnswered,
    PlatformEvent,
    PosGone,
    Reconfigured,
    ResolveAsked,
    Started,
    Stopping,
    Unreadable,
    Written,
)


def entry(stamp: Stamp, event: Event) -> Entry:
    """The input entry of an event; secrets in it become HMACs here."""
    exchange = getattr(event, "exchange", None)
    if isinstance(event, PlatformEvent) and event.event_id:
        exchange = channel(event.source.transport, event.poiid)
    return Entry(
        stamp=stamp,
        kind="input",
        name=type(event).__name__,
        exchange=exchange,
        body=EVENTS.dump_python(event, mode="json"),
        public=public(event),
    )


def channel(transport: str, poiid: str) -> str:
    """Under which name the journal keeps the events of one channel of one terminal, so that its newest is found."""
    return f"{transport}:{poiid}"


def read(record: Entry) -> Event:
    """The event an input entry holds.

    Raises:
        ValueError: not an input of this format.
    """
    return EVENTS.validate_python(record.body)


def public(event: Event) -> Json:
    """What people may see of an event."""
    match event:
        case Arrived(message=message, source=source):
            header = message.header
            shown = {
                "connection": source.connection,
                "category": header.message_category,
                "sale_id": header.sale_id,
                "poi_id": header.poi_id,
                "service_id": header.service_id,
                "device_id": header.device_id,
                "tolerated": event.tolerated,
            }
            if message.trailer is not None:
                shown["mac"] = "not checked"
            return {name: value for name, value in shown.items() if value is not None}
        case Unreadable(source=source):
            return {
                "connection": source.connection,
                "condition": event.condition,
                "code": event.code,
                "at": event.at,
            }
        case PlatformAnswered(outcome=outcome):
            answered: Json = {"call": event.call, "outcome": outcome.kind}
            transaction = getattr(outcome, "transaction", None)
            if transaction is not None:
                answered |= {"transaction_id": transaction.transaction_id, "status": transaction.status}
            return answered | {
                name: value for name in ("code", "reason") if (value := getattr(outcome, name, None))
            }
        case PlatformEvent(outcome=told):
            named = getattr(told, "transaction", None)
            said: Json = {"event_id": event.event_id, "poiid": event.poiid, "sequence": event.sequence}
            if named is not None:
                said |= {"transaction_id": named.transaction_id, "status": named.status}
            return said | ({"missed": True} if event.missed else {})
        case Found(results=results):
            return {"found": None if results is None else sum(len(histories) for histories in results)}
        case AlarmRang(alarm=alarm):
            return {"alarm": alarm}
        case Started(open=histories):
            return {"open": len(histories)}
        case PosGone(source=source):
            return {"connection": source.connection}
        case JournalBroke(reason=reason):
            return {"reason": reason}
        case ResolveAsked():
            return {"paid": event.paid, "by": event.by, "why": event.why}
        case Reconfigured(policy=policy):
            return {"terminals": sorted(policy.terminals)}
        case Written() | Stopping():
            return {}
        case _:
            assert_never(event)
