"""Who serves which terminal, told by retained records at the broker: two bridges at one terminal charge twice (F89).

A bridge that wants a terminal subscribes to its owner record, publishes a claim there, unretained, and listens: a
broker orders what is published, so the first record or claim it hears is the first for every bridge. If it is its own,
the terminal is its own and the record is left there, retained. If it is another's, the terminal is that one's, also
while that one is away: it may have payments there that nobody else knows of. A person ends that by taking the record
away (docs/mqtt.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(slots=True)
class Owners:
    """What one connection has heard of its terminals.

    Attributes:
        mine: this bridge's client id.
        instance: of this process; another one of the same client id has another.
        heard: POIID → the bridge whose record was heard first.
        rivals: POIIDs of ours for which another bridge spoke up later.
    """

    mine: str
    instance: str = ""
    wanted: set[str] = field(default_factory=set)
    heard: dict[str, str] = field(default_factory=dict)
    rivals: dict[str, str] = field(default_factory=dict)

    def hear(self, poiid: str, payload: bytes) -> bool:
        """A record came, or was taken away; whether ours must be said again, because the terminal is ours."""
        name = named(payload)
        if name is None:
            if self.owns(poiid):
                return True
            self.heard.pop(poiid, None)
            return False
        first = self.heard.setdefault(poiid, name)
        if first != self.mine or name == self.mine:
            return False
        self.rivals[poiid] = name
        return True

    def is_twin(self, payload: bytes) -> bool:
        """Whether a record is of our name and not of this process: of one before it, or of one beside it (F84)."""
        said = _read(payload)
        return said.get("bridge") == self.mine and said.get("instance") != self.instance

    def owns(self, poiid: str) -> bool | None:
        """Whether the terminal is ours; None while that is not known."""
        first = self.heard.get(poiid)
        return None if first is None else first == self.mine

    @property
    def own(self) -> list[str]:
        """The terminals that are ours."""
        return sorted(poiid for poiid in self.wanted if self.owns(poiid))

    @property
    def undecided(self) -> list[str]:
        """Those of which nothing was heard yet."""
        return sorted(poiid for poiid in self.wanted if self.owns(poiid) is None)

    @property
    def foreign(self) -> list[str]:
        """Those that another bridge serves."""
        return sorted(poiid for poiid in self.wanted if self.owns(poiid) is False)


def record(bridge: str, instance: str = "") -> bytes:
    """What an owner record says."""
    return json.dumps({"bridge": bridge, "instance": instance}).encode()


def named(payload: bytes) -> str | None:
    """The bridge that a record names; None when it was taken away. What cannot be read is somebody else's."""
    if not payload:
        return None
    name = _read(payload).get("bridge")
    return name if isinstance(name, str) and name else "?"


def _read(payload: bytes) -> dict[str, object]:
    try:
        said = json.loads(payload)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
