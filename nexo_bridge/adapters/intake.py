"""What a listener hands on, and to whom. The runtime implements it; every transport from the POS calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks, as far as the transport itself has proved it; a header that says another is refused (H30, F86).

    Attributes:
        pair: the only (SaleID, POIID) it may speak for, e.g. by the topic a broker let it publish to; None: any.
        certificate: SHA-256 of its client certificate (DER), hexadecimal; empty without one. A SaleID to which a
            certificate is bound may be spoken for by that certificate alone, or by its ``pair``.
    """

    pair: tuple[str, str] | None = None
    certificate: str = ""


ANYBODY: Final = Speaker()
"""A transport that proves nothing."""


Reaction = Literal["response", "rejection", "unreadable"]
"""What a message brings about at its source. ``response``: the response that nexo has to it, perhaps minutes later and
perhaps after requests of ours; ``rejection``: it is not valid, and a response or an Event says so at once;
``unreadable``: it is not valid, and nothing is said, since it is itself an answer or an event."""


class Intake(Protocol):
    """Takes whole messages and framing faults of one listener's connections.

    Calls of one connection come one after the other, in the order of its bytes: the listener awaits each before it
    reads on, so a slow intake holds back that peer and no other; and it may take its time, to be fair to all. None of
    these raises; if one does, the connection is dropped and the daemon goes on.

    A transport that acknowledges gives each message a number (``ack``) and is told it by ``Listener.acknowledge``
    once the message is written down; until then it may come again.
    """

    async def frame(
        self,
        source: Source,
        data: bytes,
        *,
        speaker: Speaker = ANYBODY,
        ack: int | None = None,
        refused: Refusal | None = None,
    ) -> Reaction | None:
        """One whole message, without its length; not yet known to be XML.

        Args:
            source: where it came from and where its answer goes.
            data: the message.
            speaker: who says it.
            ack: the transport's number for it, if it acknowledges.
            refused: the transport knows already that it must not be acted on; it is answered with this if its header
                can be read.

        Returns:
            What follows for a transport whose every message must end in an answer; None when nexo has none to this
            message. It is known before anything is written.
        """
        ...

    async def fault(self, source: Source, refusal: Refusal, start: bytes, *, ack: int | None = None) -> None:
        """Bytes that cannot be a message; ``start`` is their first KiB at most.

        If an answer is wanted, it must be written before this returns or very soon after: a connection whose
        framing is lost is closed then.
        """
        ...

    def gone(self, source: Source) -> None:
        """The connection is over in both directions; said once for each, also for those that said nothing."""
        ...
