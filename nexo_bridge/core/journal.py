"""The journal's own language: entries, references, queries.

Two kinds of entry matter. *Inputs* are the stamped events as the core saw them: replay feeds them. *Decisions* are
what the core wrote down before acting: recovery reads them. A *meta* entry opens every start and anchors pruning.

An entry has a full body (stored sealed, read by recovery and replay) and a public projection (stored in clear, read
by list, show, logs and export). The projection is an allow-list: what is not put into it is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]

FORMAT = 2
"""Version of the entry formats below. A change raises it, adds one upcaster and one recorded old journal."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where and when an event happened: given by the runner, the core's only clock and counter.

    Attributes:
        number: journal number, rising by one, unique in this journal.
        wall: seconds since the epoch, UTC. May jump.
        mono: seconds of a monotonic clock of this process. Never jumps, means nothing after a restart.
    """

    number: int
    wall: float
    mono: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    Attributes:
        kind: input, decision or meta.
        name: the event's or decision's name, e.g. ``Arrived`` or ``Asking``.
        exchange: id of the exchange it belongs to, None for the rest.
        body: everything, as JSON; stored sealed.
        public: the redacted projection; stored in clear.
        refs: (name, value) pairs by which the exchange can be found again.
        settles: this decision ends its exchange; an exchange is open from its first decision to this one.
        format: entry format it was written in; after reading always ``FORMAT``.
    """

    stamp: Stamp
    kind: Literal["input", "decision", "meta"]
    name: str
    exchange: str | None
    body: Json
    public: Json = field(default_factory=dict)
    refs: tuple[tuple[str, str], ...] = ()
    settles: bool = False
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Query:
    """Exchanges whose decisions carry all of ``refs``, newest first.

    Attributes:
        refs: (name, value) pairs, all must match.
        since: only exchanges begun at or after this wall time (seconds since the epoch).
        limit: at most so many exchanges.
    """

    refs: tuple[tuple[str, str], ...]
    since: float = 0.0
    limit: int = 10


@dataclass(frozen=True, slots=True)
class History:
    """All decisions of one exchange, oldest first: what ``Lookup`` finds and what recovery folds."""

    exchange: str
    entries: tuple[Entry, ...]


def _to_2(entry: Entry) -> Entry:
    """Format 2 knows places that outlive connections (MQTT); nothing of format 1 came from one."""
    added: dict[str, Json] = {"Received": {"source": None}, "Parked": {"answered": False}}
    new = added.get(entry.name, {}) if entry.kind == "decision" else {}
    return replace(entry, format=2, body={**entry.body, **new})


UPCASTERS: tuple[Callable[[Entry], Entry], ...] = (_to_2,)
"""``UPCASTERS[n - 1]`` brings an entry of format n to format n + 1; there are ``FORMAT - 1`` of them."""


def upcast(entry: Entry, steps: tuple[Callable[[Entry], Entry], ...] = UPCASTERS) -> Entry:
    """``entry`` as today's program reads it: each step lifts it by one format.

    Raises:
        ValueError: it was written by a newer version.
    """
    if entry.format > len(steps) + 1:
        raise ValueError(
            f"written by a newer version of nexo-bridge (entry format {entry.format}, this one knows "
            f"{len(steps) + 1}); upgrade it"
        )
    for step in steps[entry.format - 1 :]:
        entry = step(entry)
    return entry
