"""What must hold after every script, whatever went wrong in it: the ledger, the journal and the tills agree.

I1  at most one create for each exchange, at most one charge for each sale
I2  Success was said only of what the ledger shows as charged, with its amount
I3  a final Failure was said only of what is not charged
I4  every exchange has an answer in the journal, or is still being resolved
I5  what is charged is in the journal as approved, or is still being resolved
I6  every final answer that went out is the one that is stored
I7  no scanned code is in the journal's file or in the log
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.conversation.stage import Stage
from nexo_bridge.core.journal import Entry
from nexo_bridge.nexo.form import form_of
from nexo_bridge.nexo.json_form import in_form

_SAID_YES = frozenset({"Success", "Partial"})


class Played(Protocol):
    """What is looked at: a play that is over."""

    stage: Stage
    heard: list[Heard]
    secrets: list[str]


@dataclass(slots=True)
class _Exchange:
    """What the journal holds of one exchange, as JSON: this reads the file like a stranger."""

    received: dict[str, Any] = field(default_factory=dict)
    asking: dict[str, Any] = field(default_factory=dict)
    settled: dict[str, Any] = field(default_factory=dict)
    disagreed: bool = False

    @property
    def sale(self) -> tuple[str, ...] | None:
        """What may be charged once: the sale and its amount; None for a part of a split one."""
        body = self.received["request"]["body"]["PaymentRequest"]
        if body.get("PaymentData", {}).get("SplitPaymentFlag"):
            return None
        transaction = body["SaleData"]["SaleTransactionID"]["TransactionID"]
        return (
            self.received["sale_id"],
            transaction,
            str(self.asking["amount"]),
            str(self.asking["currency"]),
        )


async def broken(played: Played) -> list[str]:
    """Every invariant that does not hold, as a sentence; empty if all do."""
    stage = played.stage
    exchanges = _exchanges(await journal_of(stage))
    rows = stage.ledger()
    allowed = {
        sale_id for sale_id in stage.settings.pos if stage.settings.pos_for(sale_id).repeat_sale == "allow"
    }
    found = [
        *_money(exchanges, rows, allowed),
        *_answers(exchanges, played.heard),
        *await asyncio.to_thread(lambda: list(_secrets(played.secrets, _files(stage)))),
    ]
    return sorted(set(found))


async def journal_of(stage: Stage) -> list[Entry]:
    """Every entry of the journal, read beside the bridge."""

    def read() -> list[Entry]:
        keys = Keys.load(stage.settings.journal.key_file)
        with JournalReader(stage.journal, keys) as reader:
            return list(reader.entries())

    return await asyncio.to_thread(read)


def _exchanges(entries: Iterable[Entry]) -> dict[str, _Exchange]:
    exchanges: dict[str, _Exchange] = defaultdict(_Exchange)
    for entry in entries:
        if entry.kind != "decision" or entry.exchange is None or not entry.exchange.startswith("X"):
            continue
        exchange = exchanges[entry.exchange]
        match entry.name:
            case "Received":
                exchange.received = entry.body
            case "Asking":
                exchange.asking = entry.body
            case "Settled":
                exchange.settled = entry.body
            case "Disagreed":
                exchange.disagreed = True
    return dict(exchanges)


def _money(
    exchanges: dict[str, _Exchange], rows: list[dict[str, Any]], repeatable: set[str]
) -> Iterator[str]:
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_key[row["clientTransactionId"]].append(row)
    charged: dict[tuple[str, ...], int] = defaultdict(int)
    for name, exchange in exchanges.items():
        settled = exchange.settled
        if not exchange.asking:
            if settled.get("result") in _SAID_YES:
                yield f"I2: {name} was approved and never asked"
            continue
        mine = by_key.pop(exchange.asking["key"], [])
        creates = sum(row["creates"] for row in mine)
        charges = [row for row in mine if row["charges"]]
        if creates > 1:
            yield f"I1: {name} was created {creates} times"
        sale = exchange.sale
        if sale is not None and sale[0] not in repeatable:
            charged[sale] += len(charges)
        if not settled or exchange.disagreed:
            continue
        if settled["result"] in _SAID_YES:
            if not charges:
                yield f"I2: {name} is {settled['result']} and nothing is charged"
            elif settled["authorised"] is not None and settled["result"] == "Success":
                if (charges[0]["amount"], charges[0]["currency"]) != (
                    exchange.asking["amount"],
                    exchange.asking["currency"],
                ):
                    yield f"I2: {name} has another amount in the ledger"
        elif charges:
            yield f"I3, I5: {name} is {settled['result']} and charged"
    yield from (
        f"I1: the sale {sale} was charged {times} times" for sale, times in charged.items() if times > 1
    )
    yield from (f"I5: the journal knows nothing of {key}" for key in by_key)


def _answers(exchanges: dict[str, _Exchange], heard: list[Heard]) -> Iterator[str]:
    stored = {str(exchange.settled["answer"]).encode() for exchange in exchanges.values() if exchange.settled}
    for one in heard:
        if not one.is_response or one.category != "Payment" or one.condition == "InProgress":
            continue
        unread = one.code.startswith("NB-1")  # never became an exchange; a repeat is unreadable again
        if not unread and not any(one.data == in_form(answer, form_of(one.data)) for answer in stored):
            yield f"I6: an answer is not the stored one: {one}"
    for name, exchange in exchanges.items():
        if not exchange.received:
            yield f"I4: {name} has decisions and no request"


def _files(stage: Stage) -> list[Path]:
    journal = stage.journal
    return [path for path in (*journal.parent.glob(f"{journal.name}*"), stage.log) if path.is_file()]


def _secrets(secrets: list[str], files: list[Path]) -> Iterator[str]:
    for path in files:
        data = path.read_bytes()
        for secret in secrets:
            if len(secret) > 3 and secret.encode() in data:
                yield f"I7: {path.name} holds a secret in clear"
