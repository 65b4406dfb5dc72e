"""One bridge between hostile POS, a hostile network and a process that dies at any command; and what must hold.

Commands wait in lanes as in the runner, each with the journal entry it must not overtake; a disk that keeps a prefix
of what was appended. A crash keeps what was on disk at that moment and nothing else. A POS has a connection, which is
another one after a crash; or it publishes through a broker, which brings again whatever was not acknowledged.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace

from nexo_bridge.core import decisions as did
from nexo_bridge.core import projection
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.exchange import fold
from nexo_bridge.core.journal import Entry, Json, Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import (
    Accept,
    AlarmRang,
    Arrived,
    CallPlatform,
    Command,
    Event,
    Forget,
    Found,
    Journal,
    JournalBroke,
    Lookup,
    PlatformAnswered,
    PlatformEvent,
    PosGone,
    Reply,
    Started,
    WakeAt,
    Written,
)
from nexo_bridge.core.source import Source
from nexo_bridge.ppaas.models import Approved, Declined, Outcome
from tests.core.ledger import LIMIT, Flight, Ledger
from tests.core.memory_journal import MemoryJournal
from tests.core.words import POLICY
from tests.nexo.corpus import schemas, seal

_PLACE = Source("mqtt", "nexo/S/P/to-sale", address="nexo/S/P/to-sale")
_ANSWERED = re.compile(
    rb'(?=[^>]*MessageCategory="(\w+)")(?=[^>]*ServiceID="(\w+)")(?=[^>]*POIID="(\w+)")[^>]*'
)
_Ids = tuple[str, str, str]
"""MessageCategory, ServiceID and POIID."""

SERIALS = {poi: terminal.serial for poi, terminal in POLICY.terminals.items()}


@dataclass
class Life:
    """One process from start to death: what it was told, as journalled, and what it decided."""

    inputs: list[tuple[Stamp, Json]] = field(default_factory=list)
    decided: list[Json] = field(default_factory=list)


class Simulation:
    """The world. Its methods are what may happen; ``check`` is what must hold after each.

    Args:
        at_broker: the POS publishes, and where its answers go lasts (rules R11 and R13).
    """

    def __init__(self, *, at_broker: bool = False) -> None:
        self.at_broker = at_broker
        self.published: list[_Ids] = []
        self.unacknowledged: dict[int, Arrived] = {}
        self.told: set[_Ids] = set()
        self.ledger = Ledger(SERIALS)
        self.disk = MemoryJournal()
        self.appended: list[Entry] = []  # of this life, not known to be on disk
        self.now = 1_700_000_000.0
        self.mono = 0.0
        self.lives: list[Life] = []
        self.answers: dict[str, bytes] = {}
        self.connections = 0
        self._begin()
        self.feed(Started(open=()))

    def _begin(self) -> None:
        self.bridge = Bridge(POLICY, Replies(schemas(), seal))
        self.lanes: dict[str, deque[tuple[int, Command]]] = {}
        self.last: dict[str, int] = {}  # lane -> number of its newest entry
        self.alarms: dict[tuple[str, str], float] = {}
        self.lookups: list[Lookup] = []
        self.unwritten: list[tuple[str, bytes]] = []
        self.source = _PLACE if self.at_broker else Source("tcp", f"c{self.connections}")
        self.appended = []
        self.mono = 100.0 * len(self.lives)
        self.lives.append(Life())

    # -- the process ---------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        stamp = Stamp(self.disk.next_number(), self.now, self.mono)
        life = self.lives[-1]
        record = projection.entry(stamp, event)
        life.inputs.append((stamp, record.body))
        self.appended.append(record)
        for command in self.bridge.handle(stamp, event):
            if isinstance(command, Journal):
                entry = replace(command.entry, stamp=replace(stamp, number=self.disk.next_number()))
                life.decided.append(entry.body)
                self.appended.append(entry)
                self.last[entry.exchange or ""] = entry.stamp.number
            else:
                lane = getattr(command, "exchange", "")
                self.lanes.setdefault(lane, deque()).append((self.last.get(lane, 0), command))

    def sync(self, number: int | None = None) -> None:
        """The disk has everything up to ``number``."""
        while self.appended and (number is None or self.appended[0].stamp.number <= number):
            self.disk.append(self.appended.pop(0))

    def carry_out(self, pick: int) -> bool:
        """One command of one lane; what it depends on is on disk by then."""
        lanes = [name for name, waiting in self.lanes.items() if waiting]
        if not lanes:
            return False
        name = lanes[pick % len(lanes)]
        number, command = self.lanes[name].popleft()
        self.sync(number)
        match command:
            case CallPlatform():
                self.ledger.begin(command, self.now)
            case Lookup():
                self.lookups.append(command)
            case WakeAt(wall=wall, exchange=exchange, alarm=alarm):
                self.alarms[exchange, alarm] = wall
            case Forget(exchange=exchange):
                self.alarms = {known: at for known, at in self.alarms.items() if known[0] != exchange}
            case Reply(exchange=exchange, data=data, settles=settles, accepts=accepts):
                if exchange:
                    self._answered(exchange, data)
                if settles and command.source == self.source:
                    self.unwritten.append((exchange, data))
                else:
                    self.told |= _ids(data)
                for delivery in accepts:
                    self._acknowledged(delivery.ack)
            case Accept(ack=ack):
                self._acknowledged(ack)
            case _:
                pass
        return True

    def _acknowledged(self, ack: int) -> None:
        self.unacknowledged.pop(ack, None)

    def carry_out_all(self) -> None:
        while self.carry_out(0):
            pass

    def _answered(self, exchange: str, data: bytes) -> None:
        """I6, and nothing final leaves before it is on disk."""
        if b"<PaymentResponse>" not in data or b"<TransactionStatusResponse>" in data:
            return
        assert data.decode() == self._settled(exchange), "an answer that is not the one on disk"
        assert self.answers.setdefault(exchange, data) == data, "two answers to one request (I6)"

    def _settled(self, exchange: str) -> str | None:
        for entry in self.disk.decisions():
            if entry.exchange == exchange and entry.name == "Settled":
                return str(entry.body["answer"])
        return None

    def crash(self, *, synced: int) -> None:
        """The process dies; of what was queued for the disk, the first ``synced`` entries made it."""
        if self.appended and synced:
            self.sync(self.appended[min(synced, len(self.appended)) - 1].stamp.number)
        self.ledger.crash(self.now)
        self.connections += 1
        self._begin()
        self.feed(Started(open=self.disk.open_exchanges()))
        self.bring_again()

    def break_journal(self) -> None:
        """What was not on disk is lost, the journal is read again, and calls about money are ended as by a crash."""
        self.appended = []
        self.feed(JournalBroke(reason="no space"))
        self.appended = []
        for lane, waiting in self.lanes.items():
            self.lanes[lane] = deque(one for one in waiting if one[0] == 0)
        self.last.clear()
        self.alarms.clear()
        self.ledger.crash(self.now)
        self.feed(Started(open=self.disk.open_exchanges()))

    # -- the POS -------------------------------------------------------------------------------------------------

    def arrive(self, request: Arrived) -> None:
        update: dict[str, object] = {"source": self.source}
        if self.at_broker:
            header = request.message.header
            self.published.append((header.message_category, header.service_id or "", header.poi_id))
            update["ack"] = len(self.published)
        arrived = request.model_copy(update=update)
        if arrived.ack is not None:
            self.unacknowledged[arrived.ack] = arrived
        self.feed(arrived)

    def bring_again(self) -> None:
        """A broker does so when a session is resumed: in order, whatever it has no acknowledgement for."""
        for arrived in tuple(self.unacknowledged.values()):
            self.feed(arrived)

    def reconnect(self) -> None:
        if self.at_broker:
            self.bring_again()
            return
        old = self.source
        self.connections += 1
        self.source = Source("tcp", f"c{self.connections}")
        self.feed(PosGone(source=old))

    def write(self) -> None:
        if self.unwritten:
            exchange, data = self.unwritten.pop(0)
            self.told |= _ids(data)
            self.feed(Written(exchange=exchange))

    def find(self, pick: int) -> None:
        """A look-up comes back. It saw everything appended before it, and waited until that was on disk."""
        if self.lookups:
            lookup = self.lookups.pop(pick % len(self.lookups))
            self.sync()
            results = tuple(self.disk.find(query) for query in lookup.queries)
            self.feed(Found(exchange=lookup.exchange, results=results))

    # -- platform and network ------------------------------------------------------------------------------------

    def reach(self, pick: int, *, undo: bool) -> None:
        flights = self.ledger.under_way(self.now)
        if flights:
            self.ledger.arrive(flights[pick % len(flights)], undo=undo)

    def reach_open(self, pick: int) -> None:
        """The call that ``hear`` would pick reaches the platform, if it has not yet."""
        flights = self.ledger.waiting()
        if flights and not flights[pick % len(flights)].arrived:
            self.ledger.arrive(flights[pick % len(flights)])

    def hear(self, pick: int, how: str) -> None:
        flights = self.ledger.waiting()
        if flights:
            self._hear(flights[pick % len(flights)], how)

    def _hear(self, flight: Flight, how: str) -> None:
        outcome = self.ledger.end(flight, how, self.now)
        self.feed(PlatformAnswered(exchange=flight.call.exchange, call=flight.call.call, outcome=outcome))

    def customer(self, pick: int, status: str) -> None:
        pending = [row for row in self.ledger.rows if row.status == "PENDING"]
        if pending:
            self.ledger.change(pending[pick % len(pending)], status)

    def tell(self, pick: int, *, settles: bool) -> None:
        """An event about any state there ever was. A channel that settles says no final word that is not true."""
        if not self.ledger.told:
            return
        poiid, outcome = self.ledger.told[pick % len(self.ledger.told)]
        final = isinstance(outcome, Approved | Declined)
        settles = settles and not (final and self._outdated(outcome))
        self.feed(
            PlatformEvent(
                source=Source("stream", "s"),
                ack=1,
                poiid=poiid,
                event_id=f"E{pick}",
                settles=settles,
                outcome=outcome,
            )
        )

    def _outdated(self, outcome: Outcome) -> bool:
        named = getattr(outcome, "transaction")  # noqa: B009 - of the two that have one
        row = self.ledger.row(named.client_transaction_id)
        return row is None or row.status != named.status

    # -- time ----------------------------------------------------------------------------------------------------

    def ring(self, pick: int) -> bool:
        """Time passes until the next alarm, or until the adapter gives a call up; then that happens."""
        first = min(self.alarms.values(), default=None)
        flight = min(self.ledger.waiting(), key=lambda one: one.begun, default=None)
        if flight is not None and (first is None or flight.begun + LIMIT <= max(first, self.now)):
            self._pass_to(flight.begun + LIMIT)
            self._hear(flight, "lost")
            return True
        if first is None:
            return False
        self._pass_to(first)
        due = [name for name, at in self.alarms.items() if at <= self.now]
        exchange, alarm = due[pick % len(due)]
        del self.alarms[exchange, alarm]
        self.feed(AlarmRang(exchange=exchange, alarm=alarm))
        return True

    def wait(self, seconds: float) -> None:
        """Time passes, but no alarm is late and no call outlasts its limit."""
        limits = [flight.begun + LIMIT for flight in self.ledger.waiting()]
        self._pass_to(min([self.now + seconds, *limits, *self.alarms.values()]))

    def _pass_to(self, moment: float) -> None:
        passed = max(0.0, moment - self.now)
        self.now += passed
        self.mono += passed

    # -- what must hold ------------------------------------------------------------------------------------------

    def check(self) -> None:
        """I1, I2, I3, I6 and the tables of R1, from the disk and the ledger alone."""
        assert all(count == 1 for count in self.ledger.creates.values()), "a create was sent twice (I1)"
        for history in self.disk.histories():
            if history.entries[0].name != "Received":
                continue
            exchange = fold(history)
            if exchange.settled is None or exchange.asking is None:
                continue
            rows = [row for row in self.ledger.rows if row.key == exchange.asking.key]
            approved = [row for row in rows if row.status == "APPROVED"]
            if exchange.settled.result == "Success":
                assert [row.amount for row in approved] == [exchange.asking.amount], (
                    "Success is not true (I2)"
                )
            else:
                assert not approved, "a Failure that was charged (I3)"
        self._charged_once()

    def _charged_once(self) -> None:
        """R3: one sale, asked for by one amount, is charged once, whatever was repeated."""
        sales: dict[tuple[str, str], int] = {}
        keys = {row.key for row in self.ledger.rows if row.status == "APPROVED"}
        for entry in self.disk.decisions():
            if entry.name == "Asking" and entry.body["key"] in keys:
                order = (entry.body["body"]["order"]["order_description"], str(entry.body["amount"]))
                sales[order] = sales.get(order, 0) + 1
        assert all(count == 1 for count in sales.values()), f"a sale was charged twice (R3): {sales}"

    def finish(self) -> None:
        """Everybody behaves from here on: everything ends, and what was approved is in the journal (I5)."""
        self.carry_out_all()
        self.bring_again()
        for _ in range(400):
            self.carry_out_all()
            for flight in self.ledger.under_way(self.now):
                self.ledger.arrive(flight)
            self.customer(0, "APPROVED")
            if self.lookups:
                self.find(0)
            elif self.unwritten:
                self.write()
            elif self.ledger.waiting():
                self.hear(0, "answer")
            elif not self.ring(0):
                break
            self.check()
        self.carry_out_all()
        self.sync()
        assert self.bridge.unresolved == 0, f"does not end: {self.bridge.in_hand()}"
        settled = {
            did.read(entry).key  # type: ignore[union-attr]  # of an Asking
            for history in self.disk.histories()
            for entry in history.entries
            if entry.name == "Asking" and fold(history).settled is not None
        }
        assert {row.key for row in self.ledger.rows} <= settled, "an approval the journal does not know (I5)"
        assert not self.unacknowledged, "the broker would bring it again for ever (R13)"
        unanswered = {ids for ids in self.published if ids[0] != "Abort"} - self.told
        assert not unanswered, f"acknowledged, and never answered (R11, R13): {unanswered}"
        self.check()

    def replay(self, prefix: float) -> None:
        """The same inputs give the same decisions, whether as they came or with their secrets as HMACs.

        Args:
            prefix: the part of each life's inputs that is fed from the journal's form; the rest too, after it was
                read back once more, so that going on from a replayed prefix is tried as well.
        """
        for life in self.lives:
            bridge = Bridge(POLICY, Replies(schemas(), seal))
            decided: list[Json] = []
            for place, (stamp, body) in enumerate(life.inputs):
                record = Entry(stamp, "input", "", None, body)
                event = projection.read(record)
                if place >= prefix * len(life.inputs):
                    event = projection.read(projection.entry(stamp, event))
                decided += [one.entry.body for one in bridge.handle(stamp, event) if isinstance(one, Journal)]
            assert decided == life.decided


def _ids(message: bytes) -> set[_Ids]:
    """Those in the header of an answer; none of an event."""
    found = _ANSWERED.match(message, message.index(b"<MessageHeader"))
    if found is None:
        return set()
    category, service, poi = (word.decode() for word in found.groups())
    return {(category, service, poi)}
