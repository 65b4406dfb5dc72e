"""Result channels: how what the platform tells unasked reaches the core, and how the core's "it is on disk" comes back.

A channel makes one ``PlatformEvent`` of each thing it hears, hands it to its ``Feed`` and forgets nothing until
``acknowledge`` brings the event's number back: only then a webhook is answered 2xx and a stream's resume point moves
on (rule R7). A channel that is down stops no payment: reads go on beside it (``watchdog``).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.core.source import Source

Feed: TypeAlias = Callable[[PlatformEvent], None]
"""Takes an event at once; whether the journal has it is told by ``Channel.acknowledge``."""

Pause: TypeAlias = Callable[[float], Awaitable[None]]
"""Waits so many seconds; injected, so that no test sleeps."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a terminal reaches the platform beside its calls.

    Attributes:
        base: ``device_api`` of its session, https, without a slash at the end.
        context: TLS, under the terminal's certificate where it has one.
        certified: it has one, so that both ends know each other.
        proxy: URL of the forward proxy, with what it asks for; None without one.
    """

    base: str
    context: ssl.SSLContext
    certified: bool
    proxy: str | None = field(default=None, repr=False)


NOT_ASKED_FOR = 0
"""Number of an event that needs no acknowledgement: the channel made it itself."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What is known of a channel.

    Attributes:
        up: events can come in now.
        problem: why not, one sentence for people; None while it is up or was never tried.
        last_event: id of the newest event that is on disk, as far as this process knows.
    """

    up: bool
    problem: str | None = None
    last_event: str | None = None


class Channel(Protocol):
    """One way results come in by themselves. ``poll`` is none: the core asks by itself."""

    async def start(self) -> None:
        """Begin to hear; never waits for the platform.

        Raises:
            ConfigurationError: it can never work as configured, e.g. its address is taken.
        """

    def owns(self, source: Source) -> bool:
        """Whether ``source`` is of this channel."""

    async def acknowledge(self, source: Source, ack: int) -> None:
        """The journal has the event with this number."""

    def state(self, poiid: str) -> ChannelState | None:
        """What is known of it for a terminal; None when it brings nothing for that one."""

    async def close(self) -> None:
        """Hear no more; what was not acknowledged comes again."""
