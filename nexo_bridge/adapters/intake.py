"""What a listener hands on, and to whom. The runtime implements it; every transport from the POS calls it."""

from __future__ import annotations

from typing import Protocol

from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal


class Intake(Protocol):
    """Takes whole messages and framing faults of one listener's connections.

    Calls of one connection come one after the other, in the order of its bytes: the listener awaits each before it
    reads on, so a slow intake holds back that peer and no other. None of these raises; if one does, the connection
    is dropped and the daemon goes on.
    """

    async def frame(self, source: Source, data: bytes) -> None:
        """One whole message, without its length; not yet known to be XML."""
        ...

    async def fault(self, source: Source, refusal: Refusal, start: bytes) -> None:
        """Bytes that cannot be a message; ``start`` is their first KiB at most.

        If an answer is wanted, it must be written before this returns or very soon after: a connection whose
        framing is lost is closed then.
        """
        ...

    def gone(self, source: Source) -> None:
        """The connection is over in both directions; said once for each, also for those that said nothing."""
        ...
