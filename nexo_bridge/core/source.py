"""Where a message came from, in which form, and where its answer can go."""

from __future__ import annotations

from dataclasses import dataclass, field

from nexo_bridge.nexo.form import Form

__all__ = ["Form", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One connection of one transport, as the core names it.

    Two sources are the same when transport and connection are; the rest tells how to write there.

    Attributes:
        transport: ``tcp``, ``tls``, ``mqtt`` or ``http``.
        connection: unique in this process and never used again, e.g. ``tcp-17``; for a transport without
            connections the name of the place itself, which lasts.
        form: of the message that came, and of what is written there.
        address: where the transport finds its way back after a restart, in its own words; empty where an answer
            cannot outlive its connection (rule R11).
    """

    transport: str
    connection: str
    form: Form = field(default="xml", compare=False)
    address: str = field(default="", compare=False)

    @property
    def lasts(self) -> bool:
        """Whether an answer can still be written there by a later process."""
        return bool(self.address)
