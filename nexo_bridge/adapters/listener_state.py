"""What people may be told of one way in: ``nexo-bridge status`` shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ListenerState:
    """How one listener is.

    Attributes:
        kind: as its section in the configuration says.
        address: where it listens, or whom it calls; ``HOST:PORT``.
        up: whether a POS can speak to the bridge this way now.
        connections: that stand now.
        certificate_days: whole days to the end of its certificate; None without one.
        problem: a sentence about what is wrong, or will be; None: nothing.
    """

    kind: str
    address: str
    up: bool
    connections: int = 0
    certificate_days: int | None = None
    problem: str | None = None


@runtime_checkable
class Telling(Protocol):
    """A listener that tells how it is."""

    def state(self) -> ListenerState:
        """How it is now."""


@runtime_checkable
class Serving(Protocol):
    """A listener that must know which terminals there are."""

    def serve(self, poiids: Iterable[str]) -> None:
        """These from now on."""


@runtime_checkable
class Refreshing(Protocol):
    """A listener that holds files which may change on disk."""

    async def refresh(self) -> None:
        """Look at them now; what is unusable is told to the log, and the old stays in use. Never raises."""
