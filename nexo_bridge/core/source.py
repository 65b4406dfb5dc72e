"""Where a message came from, and where its answer can go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One connection of one transport, as the core names it.

    Attributes:
        transport: ``tcp``; later ``tls``, ``mqtt``, ``http``.
        connection: unique in this process and never used again, e.g. ``tcp-17``.
    """

    transport: str
    connection: str
