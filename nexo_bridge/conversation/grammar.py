"""The language of conversation scripts (``*.conv``): text in, statements out. Pure.

A script is a play with four parts: POS, the platform with its cardholders, the clock, and the bridge's process.
Each line is one statement; ``#`` begins a comment; quotes hold blanks together. The words are the tables below;
``docs/conversations.md`` tells them to people, and a test compares the two.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from nexo_bridge.conversation.scenery import WORDS
from nexo_bridge.conversation.transports import TRAITS, TRANSPORTS, Transport

HEADER = frozenset({"ServiceID", "SaleID", "POIID", "version"})
"""Words that every request takes: attributes of its MessageHeader (``version`` is ProtocolVersion)."""

REQUESTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "Login": frozenset({"capabilities", "training"}),
        "Logout": frozenset(),
        "Payment": frozenset(
            {"qr", "scan", "acquirer", "sale", "time", "tip", "cashback", "brand", "type", "split"}
        ),
        "TransactionStatus": frozenset({"ref", "category"}),
        "Abort": frozenset({"ref", "category"}),
        "Diagnosis": frozenset({"host"}),
        "DisplayResponse": frozenset({"DeviceID"}),
        "repeat": frozenset(),
        "raw": frozenset(),
    }
)
"""What a POS can say, and the words each takes beside those of ``HEADER``."""

FLAGS = frozenset({"training", "qr", "split", "host"})
"""Words of ``REQUESTS`` that stand alone; the others are ``word=value``."""

ANSWERS = frozenset({"same answer", "nothing", "closed", "Event", "Display", "perhaps"})
"""What a POS can hear beside a response, which is named by its category."""

MOVES = frozenset({"comes", "drops", "returns", "half-closes"})
PLATFORM = frozenset(
    {"approve", "decline", "cancel", "release", "fault", "lose", "answers", "late", "overturn"}
)
TERMINAL = frozenset({"out-of-order", "idle"})
DISK = frozenset({"waits", "goes"})
PROCESS = frozenset({"KILL", "START", "STOP"})
EXPECTED = frozenset({"journal", "call", "alarm"})
LEDGER = frozenset({"kind", "amount", "currency", "status", "creates", "charges", "POIID"})

ONLY = WORDS
"""Grants, result channels, transports and forms."""

_POS = re.compile(r"POS\d*")
_AMOUNT = re.compile(r"\d+(\.\d+)?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_PAIR = re.compile(r"([A-Za-z][\w.-]*)(~?=)(.*)", re.DOTALL)
_STATUS = re.compile(r"[2-5]\d\d")
_TIMES = re.compile(r"x(\d+)")
_SPAN = re.compile(r"\+(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ScriptError(Exception):
    """A line that is no statement.

    Attributes:
        line: its number, from 1.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Say:
    """A POS sends a request.

    Attributes:
        at_once: the next request follows before the bridge has taken this one up.
        words: positional ones (amount, currency, file) under their names, flags with the value ``true``.
    """

    pos: str
    request: str
    words: Mapping[str, str]
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a message must say.

    Attributes:
        category: MessageCategory.
        words: those after it: Result and ErrorCondition, or what an Event notifies, or what a Display is.
        values: (name, how, text); ``how`` is ``=`` or ``~=`` (contains).
    """

    category: str
    words: tuple[str, ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Hear:
    """The next message to a POS. ``told`` None stands for ``same answer``; ``inner`` is the message repeated in it.

    Attributes:
        perhaps: it may as well not come: whether it does is a matter of a moment that no script can choose.
    """

    pos: str
    told: Told | None = None
    inner: Told | None = None
    same_inner: bool = False
    perhaps: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """A POS hears nothing, or (``closed``) its connection was ended by the bridge."""

    pos: str
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A POS's connection: ``comes``, ``returns``, ``drops``, ``half-closes``.

    Attributes:
        by: the transport over which it comes or returns; None: the one it had.
    """

    pos: str
    what: str
    by: Transport | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """The platform, or the cardholder in front of a terminal. ``fault`` is a fault's name or an HTTP status."""

    what: str
    poiid: str | None = None
    fault: str = ""
    operation: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class SetTerminal:
    """A terminal fails, or is repaired."""

    poiid: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Pass:
    """Time passes, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Disk:
    """The bridge's disk answers nothing (``waits``), or again."""

    waits: bool


@dataclass(frozen=True, slots=True)
class Process:
    """The bridge's process: KILL (at a named point, the n-th time it is reached), START, STOP (SIGTERM)."""

    what: str
    point: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """So many rows of the platform's ledger satisfy ``values``."""

    count: int
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expect:
    """So many journal entries, platform calls or alarms of a name, since the script began."""

    what: str
    name: str
    times: int


Statement: TypeAlias = Say | Hear | Silence | Move | Act | SetTerminal | Pass | Disk | Process | Rows | Expect


@dataclass(frozen=True, slots=True)
class Line:
    """One statement and where it stands."""

    number: int
    text: str
    statement: Statement
    where: tuple[str, bool] | None = None
    """The trait that the scenery's transport must have (True) or must not, for this line to be played; None: always."""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script.

    Attributes:
        settings: (dotted name, value) that differ from the sandbox's configuration.
        dedup: it is to be played with a de-duplicating platform too.
        only: grants, channels, transports and forms it goes as written with; of a kind of which none is named, all.
        kills: it ends the bridge's process, so that one of its own is needed.
        ways: transports over which some POS comes, whatever the script is played over.
    """

    lines: tuple[Line, ...]
    settings: tuple[tuple[str, str], ...] = ()
    dedup: bool = False
    kills: bool = False
    only: frozenset[str] = frozenset()
    ways: frozenset[Transport] = frozenset()


def parse(text: str) -> Script:
    """The script of ``text``.

    Raises:
        ScriptError: a line is no statement of this grammar; says what was expected.
    """
    lines: list[Line] = []
    settings: list[tuple[str, str]] = []
    only = set[str]()
    dedup = False
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(raw, comments=True)
            if not words:
                continue
            head, rest = words[0], words[1:]
            if head in {"SET", "ALSO", "ONLY"}:
                if lines:
                    raise ValueError(f"{head} stands before everything else")
                if head == "SET":
                    settings += _settings(rest)
                elif head == "ONLY":
                    only |= _only(rest)
                elif rest == ["dedup"]:
                    dedup = True
                else:
                    raise ValueError("ALSO dedup")
                continue
            where = None
            if head in {"IF", "UNLESS"}:
                if len(rest) < 2 or rest[0] not in TRAITS:
                    raise ValueError(f"{head} {_or(TRAITS)} and a statement")
                where = (rest[0], head == "IF")
                head, rest = rest[1], rest[2:]
            lines.append(Line(number, raw.split("#")[0].strip(), _statement(head, rest), where))
        except ValueError as problem:
            raise ScriptError(number, str(problem)) from None
    kills = any(isinstance(line.statement, Process) and line.statement.what == "KILL" for line in lines)
    moves = [line.statement for line in lines if isinstance(line.statement, Move)]
    ways = frozenset(move.by for move in moves if move.by is not None)
    return Script(tuple(lines), tuple(settings), dedup, kills, frozenset(only), ways)


def _settings(words: list[str]) -> Iterator[tuple[str, str]]:
    if not words:
        raise ValueError("SET name=value")
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError("SET name=value")
        yield name, value


def _only(words: list[str]) -> set[str]:
    if not words or not set(words) <= ONLY:
        raise ValueError(f"ONLY {_or(ONLY)}")
    return set(words)


def _statement(head: str, words: list[str]) -> Statement:
    for mark in (">>", ">", "<"):
        if head.endswith(mark) and _POS.fullmatch(pos := head.removesuffix(mark)):
            return _hear(pos, words) if mark == "<" else _say(pos, words, at_once=mark == ">>")
    if _POS.fullmatch(head):
        return _move(head, words)
    match head:
        case "PLAT:":
            return _act(words)
        case "TERMINAL":
            values, words = _pairs(words, {"POIID"})
            if len(words) != 1 or words[0] not in TERMINAL:
                raise ValueError(f"TERMINAL {_or(TERMINAL)} [POIID=…]")
            return SetTerminal(values.get("POIID"), words[0])
        case "CLOCK":
            span = _SPAN.fullmatch(" ".join(words))
            if span is None:
                raise ValueError("CLOCK +150s, +2m, +25h or +8d")
            return Pass(float(span[1]) * _SECONDS[span[2]])
        case "DISK":
            if words not in (["waits"], ["goes", "on"]):
                raise ValueError("DISK waits, or DISK goes on")
            return Disk(waits=words == ["waits"])
        case "KILL" | "START" | "STOP":
            return _process(head, words)
        case "LEDGER":
            return _rows(words)
        case "EXPECT":
            return _expect(words)
    raise ValueError(f"{head!r} begins no statement")


def _say(pos: str, words: list[str], *, at_once: bool) -> Say:
    if not words or words[0] not in REQUESTS:
        raise ValueError(f"{pos}> {_or(REQUESTS)}")
    request, rest = words[0], words[1:]
    allowed = REQUESTS[request] | HEADER
    values, alone = _pairs(rest, allowed - FLAGS)
    for word in alone:
        if word in FLAGS & allowed:
            values[word] = "true"
        elif request == "Payment" and _AMOUNT.fullmatch(word) and "amount" not in values:
            values["amount"] = word
        elif request == "Payment" and _CURRENCY.fullmatch(word) and "currency" not in values:
            values["currency"] = word
        elif request == "raw" and "file" not in values:
            values["file"] = word
        else:
            raise ValueError(f"{request} takes no {word!r}")
    missing = {"Payment": "amount", "raw": "file", "DisplayResponse": "DeviceID"}.get(request)
    if missing is not None and missing not in values:
        raise ValueError(f"{request} needs a {missing}")
    return Say(pos, request, MappingProxyType(values), at_once)


def _hear(pos: str, words: list[str]) -> Hear | Silence:
    if words in (["nothing"], ["closed"]):
        return Silence(pos, closed=words == ["closed"])
    if words == ["same", "answer"]:
        return Hear(pos)
    if words[:1] == ["perhaps"]:
        return Hear(pos, _told(words[1:]), perhaps=True)
    if "of" not in words:
        return Hear(pos, _told(words))
    cut = words.index("of")
    outer, inner = _told(words[:cut]), words[cut + 1 :]
    if inner == ["same", "answer"]:
        return Hear(pos, outer, same_inner=True)
    return Hear(pos, outer, _told(inner))


def _told(words: list[str]) -> Told:
    if not words or _PAIR.fullmatch(words[0]):
        raise ValueError(f"a category comes first, or {_or(ANSWERS)}")
    plain, values = [], []
    for word in words[1:]:
        pair = _PAIR.fullmatch(word)
        if pair is None:
            plain.append(word)
        else:
            values.append((pair[1], pair[2], pair[3]))
    return Told(words[0], tuple(plain), tuple(values))


def _move(pos: str, words: list[str]) -> Move:
    if not words or words[0] not in MOVES:
        raise ValueError(f"{pos} {_or(MOVES)}")
    what, rest = words[0], words[1:]
    if not rest and what != "comes":
        return Move(pos, what)
    by = next((one for one in TRANSPORTS if rest == ["by", one]), None)
    if by is None or what not in {"comes", "returns"}:
        raise ValueError(f"{pos} comes by {_or(TRANSPORTS)}, {pos} returns [by …], or {pos} and one word")
    return Move(pos, what, by)


def _act(words: list[str]) -> Act:
    values, words = _pairs(words, {"POIID", "at"})
    poiid = values.get("POIID")
    if not words or words[0] not in PLATFORM:
        raise ValueError(f"PLAT: {_or(PLATFORM)}")
    what, rest = words[0], words[1:]
    if what == "lose" and rest == ["answer"]:
        return Act("fault", poiid, "lose-create-answer")
    if what == "answers" and rest and _STATUS.fullmatch(rest[0]) and "at" in values:
        return Act("answers", poiid, rest[0], values["at"], _times(rest[1:]))
    if what == "fault" and rest:
        times = _times(rest[1:])
        return Act("fault", poiid, rest[0], values.get("at"), times)
    if what in {"fault", "lose", "answers"} or rest or "at" in values:
        raise ValueError(
            "PLAT: fault NAME [xN] [at=OPERATION], PLAT: answers STATUS at=OPERATION [xN], "
            "PLAT: lose answer, or one word"
        )
    return Act(what, poiid)


def _process(head: str, words: list[str]) -> Process:
    if not words or words[0] != "bridge":
        raise ValueError(f"{head} bridge")
    if len(words) == 1:
        return Process(head)
    if head != "KILL" or words[1] != "at" or len(words) < 3:
        raise ValueError("KILL bridge [at POINT [xN]], START bridge, STOP bridge")
    return Process(head, words[2], _times(words[3:]))


def _rows(words: list[str]) -> Rows:
    values, words = _pairs(words, LEDGER)
    if len(words) != 2 or not words[0].isdigit() or words[1] not in {"payment", "payments"}:
        raise ValueError(f"LEDGER N payments [{' '.join(f'{name}=…' for name in sorted(LEDGER))}]")
    return Rows(int(words[0]), values)


def _expect(words: list[str]) -> Expect:
    none = words[:1] == ["no"]
    words = words[none:]
    if len(words) < 2 or words[0] not in EXPECTED or (none and len(words) > 2):
        raise ValueError(f"EXPECT [no] {_or(EXPECTED)} NAME [xN]")
    return Expect(words[0], words[1], 0 if none else _times(words[2:]))


def _pairs(words: list[str], allowed: frozenset[str] | set[str]) -> tuple[dict[str, str], list[str]]:
    """The ``name=value`` among ``words``, and the others."""
    values: dict[str, str] = {}
    alone: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in allowed:
            if name in values:
                raise ValueError(f"{name} is said twice")
            values[name] = value
        elif equals:
            raise ValueError(f"{name}= is not taken here; {_or(allowed)}")
        else:
            alone.append(word)
    return values, alone


def _times(words: list[str]) -> int:
    if not words:
        return 1
    found = _TIMES.fullmatch(words[0]) if len(words) == 1 else None
    if found is None:
        raise ValueError(f"a count is written xN, not {' '.join(words)!r}")
    return int(found[1])


def _or(words: Collection[str]) -> str:
    return " | ".join(sorted(words))
