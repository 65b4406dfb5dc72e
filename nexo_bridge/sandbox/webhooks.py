"""Events by webhook: one POST each, signed anew at each attempt, again and again until it is answered 2xx.

One connection, one event after the other; an event that was not taken is tried again later and holds up no other.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from nexo_bridge.sandbox.clock import Clock, Timer
from nexo_bridge.sandbox.events import Event

ATTEMPTS = 10
"""How often an event is tried; the pauses between double from one second on."""

PATIENCE = 5.0
"""Seconds for connect and answer."""

OLD = 3600
"""Seconds that the timestamp of fault ``webhook-old`` lies back."""

Headers = list[tuple[str, str]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go; ``secret`` signs them, None: the client certificate is enough."""

    url: str
    secret: bytes | None = None


class Webhooks:
    """Sends to the target that is registered, if one is.

    Args:
        clock: stamps attempts and rings when one is due again.
        tls: trusts the receiver, and holds the platform's client certificate.
        due: whether a fault of that name happens now to an event of that device; it is used up by the question.

    Attributes:
        statuses: what each attempt was answered, newest last; 0 for none.
        forgeries: what each request was answered that no platform should send.
        changed: called whenever an attempt ended.
    """

    def __init__(
        self,
        clock: Clock,
        tls: Callable[[], ssl.SSLContext],
        due: Callable[[str, str], bool] = lambda _fault, _device: False,
    ) -> None:
        self._due = due
        self._clock = clock
        self._tls = tls
        self._target: Target | None = None
        self._queue: deque[tuple[Event, int]] = deque()
        self._timers: set[Timer] = set()
        self._more = asyncio.Event()
        self._sending = False
        self._stamped = 0
        self._task: asyncio.Task[None] | None = None
        self._line: tuple[h11.Connection, asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.statuses: list[int] = []
        self.forgeries: list[int] = []
        self.changed: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether an event is on its way now; one that waits for another attempt is not."""
        return self._sending or bool(self._queue)

    def register(self, target: Target | None) -> None:
        """Send to ``target`` from now on.

        Raises:
            ValueError: its URL is not https.
        """
        if target is not None and (
            urlsplit(target.url).scheme != "https" or not urlsplit(target.url).hostname
        ):
            raise ValueError("a webhook is an https URL")
        self._target = target
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="webhooks")

    def send(self, event: Event) -> None:
        """An event was written."""
        if self._target is not None:
            self._queue.append((event, 1))
            self._more.set()

    async def close(self) -> None:
        """Send no more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._hang_up()

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            while self._queue:
                event, attempt = self._queue.popleft()
                self._sending = True
                status = await self._attempt(event)
                self._sending = False
                self.statuses.append(status)
                if not 200 <= status < 300:
                    self._again(event, attempt)
                self.changed()
            self._more.clear()

    def _again(self, event: Event, attempt: int) -> None:
        if attempt >= ATTEMPTS:
            _log.warning("%s was not taken in %d attempts", event.event_id, attempt)
            return

        def due() -> None:
            self._timers.discard(timer)
            self._queue.append((event, attempt + 1))
            self._more.set()

        timer = self._clock.call_later(2.0 ** (attempt - 1), due)
        self._timers.add(timer)

    async def _attempt(self, event: Event) -> int:
        target = self._target
        if target is None:
            return 0
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._told(target, target.secret, event)
        except (OSError, TimeoutError, h11.ProtocolError) as fault:
            _log.info("webhook: %s", type(fault).__name__)
            self._hang_up()
            return 0

    async def _told(self, target: Target, secret: bytes | None, event: Event) -> int:
        """Tell the event, and whatever a fault adds to it; the status that counts."""
        if secret is None:  # nothing that could be forged
            return await self._post(target, event.body, [])
        approval = json.dumps({**json.loads(event.body), "status": "APPROVED"}).encode()
        if self._due("webhook-forged", event.device_id):
            forged = self._signed(b"not " + secret, approval)
            self.forgeries.append(await self._post(target, approval, forged))
        if self._due("webhook-old", event.device_id):
            old = self._signed(secret, approval, back=OLD * 1000)
            self.forgeries.append(await self._post(target, approval, old))
        headers = self._signed(secret, event.body)
        status = await self._post(target, event.body, headers)
        if 200 <= status < 300 and self._due("webhook-replayed", event.device_id):
            self.forgeries.append(await self._post(target, event.body, headers))
        return status

    async def _post(self, target: Target, body: bytes, signed: Headers) -> int:
        where = urlsplit(target.url)
        if self._line is None:
            reader, writer = await asyncio.open_connection(where.hostname, where.port or 443, ssl=self._tls())
            self._line = (h11.Connection(h11.CLIENT), reader, writer)
        connection, reader, writer = self._line
        headers = [
            ("Host", where.netloc),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *signed,
        ]
        request = h11.Request(method="POST", target=where.path or "/", headers=headers)
        parts = (
            connection.send(request),
            connection.send(h11.Data(data=body)),
            connection.send(h11.EndOfMessage()),
        )
        writer.write(b"".join(part or b"" for part in parts))
        await writer.drain()
        status = 0
        while not isinstance(event := connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
        if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
            connection.start_next_cycle()
        else:
            self._hang_up()
        return status

    def _signed(self, secret: bytes, body: bytes, *, back: int = 0) -> Headers:
        """Headers of an attempt, ``back`` milliseconds ago. No two have one timestamp, lest they look like replays."""
        self._stamped = max(int(self._clock.now().timestamp() * 1000), self._stamped + 1)
        stamp = self._stamped - back
        signature = hmac.digest(secret, f"{stamp}.".encode() + body, "sha256").hex()
        return [("X-PPaaS-Timestamp", str(stamp)), ("X-PPaaS-Signature", f"v1={signature}")]

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line[2].close()
            self._line = None
