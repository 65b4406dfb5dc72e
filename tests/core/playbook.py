"""A test is a conversation: ``play >> event`` feeds the core, ``play << "command" << …`` says what follows, in order.

Commands are compared as short texts (``journal Asking``, ``call create_card``, ``reply Failure/Busy``,
``wake look +0.5``). One that is not claimed before the next event fails the test, so nothing happens unseen. Stamps,
the journal and the book of calls under way are the playbook's; time moves only when a test or an alarm moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self, TypeAlias

from nexo_bridge.core import projection
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.journal import Entry, Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import (
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
    Raise,
    Reply,
    Started,
    Tell,
    WakeAt,
    Written,
)
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.messages import Message
from nexo_bridge.policy import Policy
from nexo_bridge.ppaas.models import Outcome
from tests.core.memory_journal import MemoryJournal
from tests.core.words import POLICY, approved, login, payment, pending
from tests.nexo.corpus import schemas, seal

Act: TypeAlias = "Event | Callable[[Play], Event]"
BEGINNING = 1_700_000_000.0


class Play:
    """One core, its journal and its clock."""

    def __init__(self, policy: Policy = POLICY, journal: MemoryJournal | None = None) -> None:
        self.policy = policy
        self.journal = journal or MemoryJournal()
        self.now = BEGINNING
        self.mono = 1000.0
        self.bridge = Bridge(policy, Replies(schemas(), seal))
        self.pending: list[Command] = []
        self.lookups: list[Lookup] = []
        self.calls: list[CallPlatform] = []
        self.alarms: dict[tuple[str, str], float] = {}
        self.replies: list[Reply] = []
        self.last: dict[str, Entry] = {}
        self.forgotten: list[str] = []

    def __rshift__(self, act: Act) -> Self:
        assert not self.pending, f"not claimed: {[told(one, self.now) for one in self.pending]}"
        event = act(self) if callable(act) else act
        stamp = Stamp(self.journal.next_number(), self.now, self.mono)
        self.journal.append(projection.entry(stamp, event))
        self.pending = self.bridge.handle(stamp, event)
        for command in self.pending:
            self._do(stamp, command)
        return self

    def __lshift__(self, expected: str) -> Self:
        assert self.pending, f"nothing follows, expected: {expected}"
        command = self.pending.pop(0)
        rest = [told(one, self.now) for one in self.pending]
        assert told(command, self.now) == expected, f"then: {rest}"
        return self

    def skip(self, *, until: str | None = None) -> Self:
        """Claim everything, or everything before the command ``until``: other tests are about that."""
        while self.pending and told(self.pending[0], self.now) != until:
            self.pending.pop(0)
        return self

    @property
    def silent(self) -> bool:
        """Nothing (more) followed."""
        return not self.pending

    def wait(self, seconds: float) -> Self:
        """Time passes, and no alarm rings."""
        self.now, self.mono = self.now + seconds, self.mono + seconds
        return self

    def restart(self, *, kept: int | None = None) -> Self:
        """The process dies with only the first ``kept`` decisions on disk (None: all), and begins again."""
        self.journal.crash(kept)
        self.bridge = Bridge(self.policy, Replies(schemas(), seal))
        self.pending, self.lookups, self.calls = [], [], []
        self.alarms.clear()
        self.mono = 5.0
        return self >> Started(open=self.journal.open_exchanges())

    def answer(self, version: Version = "3.1") -> Message:
        """The last message written to a POS."""
        return codec.decode(codec.parse(self.replies[-1].data), version, schemas(), seal)

    def key(self, exchange: str | None = None) -> str:
        """The idempotency key on disk, of the newest exchange unless named."""
        asked = [one for one in self.journal.decisions() if one.name == "Asking"]
        return str(next(one for one in reversed(asked) if exchange in {None, one.exchange}).body["key"])

    @property
    def events(self) -> list[str]:
        """Names of the decisions on disk, in order."""
        return [entry.name for entry in self.journal.decisions()]

    def _do(self, stamp: Stamp, command: Command) -> None:
        match command:
            case Journal(entry=entry):
                numbered = replace(entry, stamp=replace(stamp, number=self.journal.next_number()))
                self.journal.append(numbered)
                self.last[entry.name] = numbered
            case Lookup():
                self.lookups.append(command)
            case CallPlatform():
                self.calls.append(command)
            case WakeAt(wall=wall, exchange=exchange, alarm=alarm):
                self.alarms[exchange, alarm] = wall
            case Reply():
                self.replies.append(command)
            case Forget(exchange=exchange):
                self.forgotten.append(exchange)
                self.alarms = {name: at for name, at in self.alarms.items() if name[0] != exchange}
            case _:
                pass


def told(command: Command, now: float) -> str:
    """A command in a few words."""
    match command:
        case Journal(entry=entry):
            return f"journal {entry.name}"
        case Reply(source=source, accepts=accepts):
            to = "" if source.connection == "A" else f" to {source.connection}"
            return f"{_said(command.data)}{to}{', then accept' * len(accepts)}"
        case CallPlatform(operation=operation):
            return f"call {operation}"
        case Lookup():
            return "look up"
        case WakeAt(wall=wall, alarm=alarm):
            return f"wake {alarm} {wall - now:+.4g}"
        case Raise(alarm=alarm):
            return f"raise {alarm}"
        case Tell(done=done):
            return "tell done" if done else "tell refused"
        case _:
            return type(command).__name__.lower()


def _said(data: bytes) -> str:
    root = codec.parse(data).root
    header, body = root[0], root[1]
    if header.get("MessageClass") == "Event":
        return f"event {body.get('EventToNotify')}"
    if header.get("MessageType") == "Request":
        return f"show {body[0].get('Device')}"
    response = body.find(".//Response")
    assert response is not None
    condition = response.get("ErrorCondition")
    return f"reply {response.get('Result')}" + (f"/{condition}" if condition else "")


def found(play: Play) -> Event:
    """The journal answers the oldest look-up."""
    lookup = play.lookups.pop(0)
    return Found(exchange=lookup.exchange, results=tuple(play.journal.find(one) for one in lookup.queries))


def not_readable(play: Play) -> Event:
    """The journal cannot answer the oldest look-up."""
    return Found(exchange=play.lookups.pop(0).exchange, results=None)


def answered(operation: str, outcome: Outcome | Callable[..., Outcome], **more: Any) -> Act:
    """The oldest call of ``operation`` ends; an outcome still to be made gets the key of its exchange."""

    def act(play: Play) -> Event:
        call = next(one for one in play.calls if one.operation == operation)
        play.calls.remove(call)
        said = outcome if not callable(outcome) else outcome(play.key(call.exchange), **more)
        return PlatformAnswered(exchange=call.exchange, call=call.call, outcome=said)

    return act


def rang(alarm: str, exchange: str | None = None) -> Act:
    """Time passes until an alarm rings."""

    def act(play: Play) -> Event:
        name = next(one for one in play.alarms if one[1] == alarm and exchange in {None, one[0]})
        play.wait(max(play.alarms.pop(name) - play.now, 0.0))
        return AlarmRang(exchange=name[0], alarm=alarm)

    return act


def written(play: Play) -> Event:
    """The last answer was handed to its connection."""
    return Written(exchange=play.replies[-1].exchange)


BROKE = JournalBroke(reason="no space left on device")


def reread(play: Play) -> Event:
    """The journal is read again, as after it could not be written."""
    return Started(open=play.journal.open_exchanges())


def open_for(*capabilities: str, policy: Policy = POLICY) -> Play:
    """A bridge with one session: TILL on POI1."""
    play = Play(policy) >> Started()
    return (play >> login(*capabilities)).skip()


def asked(request: Arrived | None = None, play: Play | None = None) -> Play:
    """A payment was asked of the platform, and nothing came back yet."""
    play = play or open_for()
    return ((play >> (request or payment())).skip() >> found).skip()


def named(request: Arrived | None = None, play: Play | None = None) -> Play:
    """A card payment is pending, and its transactionId is on disk."""
    return (asked(request, play) >> answered("create_card", pending)).skip()


def paid(request: Arrived | None = None, play: Play | None = None) -> Play:
    """A card payment is approved, and its answer was written."""
    return ((asked(request, play) >> answered("create_card", approved)).skip() >> written).skip()
