"""Tells systemd how the daemon is: sd_notify(3) in the few lines that it is.

Everything is a no-op without ``$NOTIFY_SOCKET``, so nothing else asks whether systemd is there. A datagram that
cannot be sent is forgotten: the supervisor's deafness must not stop a payment.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

from nexo_bridge.redaction import printable


class Notifier:
    """One sender of notifications.

    Attributes:
        interval: seconds between two signs of life, half of what systemd allows; None when it expects none.
    """

    def __init__(self, address: str | None, interval: float | None = None) -> None:
        self._address = address
        self.interval = interval

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """As systemd started us: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID``."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls(None)
        allowed = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        expected = allowed.isascii() and allowed.isdigit() and int(allowed) > 0 and ours
        return cls(address, int(allowed) / 2_000_000 if expected else None)

    @property
    def heard(self) -> bool:
        """Whether a supervisor listens at all."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """The daemon takes payments from now on."""
        self._send("READY=1", f"STATUS={printable(status)}")

    def stopping(self, status: str) -> None:
        """The daemon drains and will end."""
        self._send("STOPPING=1", f"STATUS={printable(status)}")

    def status(self, text: str) -> None:
        """The one line that ``systemctl status`` shows."""
        self._send(f"STATUS={printable(text)}")

    def alive(self) -> None:
        """One sign of life."""
        self._send("WATCHDOG=1")

    async def feed_watchdog(
        self, works: Callable[[], Awaitable[None]], pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Give signs of life for ever, each only after ``works`` has come back.

        ``works`` must go through what has to work (the runner's queue, the journal's writer), so that a daemon
        whose loop turns while its work stands still is restarted all the same (F69). Returns at once when systemd
        expects no sign of life; an exception of ``works`` is let through.
        """
        if self.interval is None:
            return
        while True:
            await works()
            self.alive()
            await pause(self.interval)

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), address)
        except OSError:
            return
