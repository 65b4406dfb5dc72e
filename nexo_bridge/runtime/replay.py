"""Replay: the inputs of a journal through the core again, its decisions compared. Same door, no second code path.

A journal begins anew at each start of the process, and so does replay: with the configuration that start wrote down.
Nothing is sent, nothing is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from nexo_bridge.core import projection
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.journal import Entry, Json
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import Journal
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.redaction import Secret, printable
from nexo_bridge.runtime.app import policy_of
from nexo_bridge.runtime.data import read_schemas
from nexo_bridge.runtime.settings import Settings

HIDDEN = "[sealed]"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where replay and journal part for the first time.

    Attributes:
        number: journal number of the decision that differs, or of the input after which one is missing or new.
        what: one sentence.
    """

    number: int
    exchange: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay went through; ``difference`` is None when every decision was the same."""

    starts: int
    inputs: int
    decisions: int
    difference: Difference | None


class _Recorded(Settings):
    """Settings of a journal's start: what it wrote down and nothing else, no environment, no file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def replay(entries: Iterable[Entry]) -> Replayed:
    """Feed the inputs of ``entries`` through the core.

    Entries before the first start are passed over: retention may have taken what they rest on.

    Raises:
        ValueError: an entry is not of this format, or lost its body to retention.
    """
    schemas = Schemas(read_schemas())
    bridge: Bridge | None = None
    owed: deque[Entry] = deque()
    starts = inputs = decisions = 0
    last = 0
    for entry in entries:
        if entry.kind == "meta" and entry.name == "Opened":
            bridge = _bridge(entry.public, schemas)
            owed.clear()  # what the process decided and never got to disk before it ended
            starts += 1
        elif bridge is None or entry.kind == "meta":
            if entry.name == "Reopened":
                owed.clear()  # decided, and lost when the journal broke
        elif entry.kind == "input":
            if owed:
                missing = owed[0]
                what = f"{missing.name} was decided by replay and is not in the journal"
                return Replayed(starts, inputs, decisions, Difference(last, missing.exchange, what))
            inputs, last = inputs + 1, entry.stamp.number
            commands = bridge.handle(entry.stamp, projection.read(entry))
            owed.extend(command.entry for command in commands if isinstance(command, Journal))
        else:
            decisions += 1
            differs = _compare(owed.popleft() if owed else None, entry)
            if differs is not None:
                difference = Difference(entry.stamp.number, entry.exchange, differs)
                return Replayed(starts, inputs, decisions, difference)
    return Replayed(starts, inputs, decisions, None)


def _bridge(facts: Json, schemas: Schemas) -> Bridge:
    settings = _Recorded(**facts["configuration"])
    return Bridge(policy_of(settings, facts["installation"]), Replies(schemas, _no_secret))


def _no_secret(clear: str) -> Secret:
    """Secrets in stored answers keep their text for this process alone; nothing compares their digests."""
    return Secret("", clear)


def _compare(replayed: Entry | None, journalled: Entry) -> str | None:
    """The first difference in words, None if there is none."""
    if replayed is None:
        return f"{journalled.name} is in the journal and was not decided by replay"
    if (replayed.name, replayed.exchange) != (journalled.name, journalled.exchange):
        return (
            f"the journal has {journalled.name} of {journalled.exchange}, replay decided {replayed.name}"
            f" of {replayed.exchange}"
        )
    path = _first_difference(replayed.body, journalled.body)
    if path is None:
        return None
    before, now = (_shown(path, entry.public) for entry in (journalled, replayed))
    return f"{journalled.name}.{path} was {before}, is now {now}"


def _first_difference(one: Any, other: Any, path: str = "") -> str | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            found = _first_difference(one.get(name), other.get(name), f"{path}.{name}" if path else name)
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            found = _first_difference(left, right, f"{path}[{place}]")
            if found is not None:
                return found
        return None
    return None if one == other else path


def _shown(path: str, public: Json) -> str:
    return printable(str(public[path])) if path in public else HIDDEN
