"""Result channel ``webhook``: the platform calls us, over HTTPS, with one event in each POST.

It answers 2xx when the journal has the event, within a second; 503 when it has not, so that the platform sends it
again; 401 to what is forged or replayed (F58). Its events never settle a payment, they trigger a read (rule R7): the
worst that somebody who holds the secret can do is to make us ask.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h11
import structlog

from nexo_bridge.adapters.channel import ChannelState, Feed
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.adapters.webhook_signature import SIGNATURE, TIMESTAMP, ForgedError, Signatures
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.events import MAX_EVENT, Told, read
from nexo_bridge.redaction import printable

PATH: Final = "/ppaas/events/v1"
"""Where events are taken (assumed); everything else is 404."""

ANSWER_WITHIN: Final = 0.9
"""Seconds from a whole request to its answer: the platform gives us one."""

REQUEST_WITHIN: Final = 5.0
IDLE: Final = 60.0
MOST_CONNECTIONS: Final = 64
SHORTEST_SECRET: Final = 32
_LARGEST_HEAD: Final = 16 * 1024

_NUMBERS = itertools.count(1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookAccess:
    """Where we listen and how the platform proves itself: by signature, by certificate, or both.

    Attributes:
        certificate, key: ours, PEM; the certificate first, then its chain.
        secret: file whose bytes, without a line end, sign each event; None: no signature is asked for.
        client_ca: PEM bundle that signs the platform's client certificate; None: no certificate is asked for.
        window: seconds by which a signature's timestamp may be off.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    secret: Path | None = None
    client_ca: Path | None = None
    window: float = 300.0


class WebhookChannel:
    """One listener for all terminals that have their results by webhook.

    Its constructor reads files and blocks: call it before the loop runs, or in a thread.

    Args:
        access: where and how.
        terminals: POIID by serial number; events of other devices are journalled and mean nothing.
        feed: takes the events.
        works: whether the journal can be written now.
        wall: wall time in seconds, for the signatures' window.
        timer: deadlines; tests move it by hand.

    Raises:
        ConfigurationError: neither secret nor client_ca, or a file that cannot be used.
    """

    def __init__(
        self,
        access: WebhookAccess,
        terminals: Mapping[str, str],
        feed: Feed,
        *,
        works: Callable[[], bool],
        wall: Callable[[], float],
        timer: Timer | None = None,
    ) -> None:
        if access.secret is None and access.client_ca is None:
            raise ConfigurationError("webhook: anybody could call; set secret, client_ca or both")
        self._access = access
        self._terminals = dict(terminals)
        self._feed = feed
        self._works = works
        self._wall = wall
        self._timer = timer or Timer()
        self._signatures = _signatures(access)
        self._tls = _tls(access)
        self._source = Source("webhook", f"webhook-{next(_NUMBERS)}")
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._refused = 0
        self.address: str | None = None
        """``HOST:PORT`` really bound; None before ``start``."""

    async def start(self) -> None:
        """See ``Channel``."""
        host, port = self._access.host, self._access.port
        try:
            self._server = await asyncio.start_server(
                self._connected, host, port, ssl=self._tls, limit=_LARGEST_HEAD, ssl_handshake_timeout=5.0
            )
        except OSError as error:
            raise ConfigurationError(
                f"webhook: cannot listen on {host} port {port} ({error.strerror or type(error).__name__}); "
                "set an address of this machine and a port nothing else uses"
            ) from None
        bound = self._server.sockets[0].getsockname()
        self.address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        log.info("channel up", channel="webhook", host=bound[0], port=bound[1])

    def serve(self, terminals: Mapping[str, str]) -> None:
        """Take events for these terminals from now on."""
        self._terminals = dict(terminals)

    def owns(self, source: Source) -> bool:
        """See ``Channel``."""
        return source == self._source

    async def acknowledge(self, source: Source, ack: int) -> None:
        """See ``Channel``."""
        waiting = self._waiting.get(ack) if self.owns(source) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def state(self, poiid: str) -> ChannelState | None:
        """See ``Channel``."""
        if poiid not in self._terminals.values():
            return None
        if self._server is None:
            return ChannelState(up=False)
        if not self._works():
            return ChannelState(up=False, problem="the journal cannot be written, so events are refused")
        return ChannelState(up=True)

    async def close(self) -> None:
        """See ``Channel``."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = tuple(self._connections)
        for task, writer in tuple(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    # -- one connection ------------------------------------------------------------------------------------------

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="webhook connection")
        self._connections[task] = writer
        task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        with suppress(OSError, TimeoutError, h11.LocalProtocolError):
            try:
                while await self._exchange(connection, reader, writer):
                    connection.start_next_cycle()
            except h11.RemoteProtocolError as fault:
                if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await _answer(connection, writer, fault.error_status_hint, last=True)
        writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; whether the connection may go on."""
        async with self._timer.until(self._timer.now() + IDLE):
            head = await _next(connection, reader)
        if not isinstance(head, h11.Request):
            return False
        refusal = _refusal(head)
        if refusal is not None:
            await _answer(connection, writer, refusal, last=True)
            return False
        body = bytearray()
        async with self._timer.until(self._timer.now() + REQUEST_WITHIN):
            while isinstance(event := await _next(connection, reader), h11.Data):
                body += event.data
                if len(body) > MAX_EVENT:
                    await _answer(connection, writer, 413, last=True)
                    return False
        if not isinstance(event, h11.EndOfMessage):
            return False
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        await _answer(connection, writer, await self._take(headers, bytes(body)))
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    # -- one event -----------------------------------------------------------------------------------------------

    async def _take(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer."""
        taken = None
        if self._signatures is not None:
            try:
                taken = self._signatures.take(
                    headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, ""), body, self._wall()
                )
            except ForgedError as forged:
                self._note_refusal(str(forged))
                return 401
        if await self._written_down(read(body)):
            return 204
        if self._signatures is not None and taken is not None:
            self._signatures.release(taken)
        return 503

    async def _written_down(self, told: Told) -> bool:
        """Feed one event; True once it is on disk, False when that takes too long."""
        if not self._works():
            return False
        if told.problem is not None:
            log.warning("event not understood", channel="webhook", problem=told.problem)
        ack = next(self._numbers)
        waiting = self._waiting[ack] = asyncio.get_running_loop().create_future()
        try:
            self._feed(
                PlatformEvent(
                    source=self._source,
                    ack=ack,
                    poiid=self._terminals.get(told.device_id, ""),
                    event_id=told.event_id,
                    sequence=told.sequence,
                    settles=False,
                    outcome=told.outcome,
                )
            )
            async with self._timer.until(self._timer.now() + ANSWER_WITHIN):
                await waiting
        except TimeoutError:
            return False
        finally:
            del self._waiting[ack]
        return True

    def _note_refusal(self, why: str) -> None:
        """Said at the first and then ever more rarely: whoever forges may write as many as he likes."""
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:
            log.warning("webhooks refused", channel="webhook", total=self._refused, reason=why)


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_LARGEST_HEAD))
    return event


def _refusal(head: h11.Request) -> int | None:
    """Why its body is not even read; None when it is."""
    path = head.target.partition(b"?")[0].decode("ascii", "replace")
    if path != PATH:
        return 404
    return None if head.method == b"POST" else 405


async def _answer(
    connection: h11.Connection, writer: asyncio.StreamWriter, status: int, *, last: bool = False
) -> None:
    headers = [("Content-Length", "0")] if status != 204 else []
    if status == 405:
        headers.append(("Allow", "POST"))
    if status == 503:
        headers.append(("Retry-After", "1"))
    if last:
        headers.append(("Connection", "close"))
    response = h11.Response(status_code=status, headers=headers)
    writer.write((connection.send(response) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    await writer.drain()


def _signatures(access: WebhookAccess) -> Signatures | None:
    if access.secret is None:
        return None
    try:
        secret = access.secret.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"webhook.secret: {access.secret} cannot be read: {error.strerror}; correct path or rights"
        ) from None
    if len(secret) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"webhook.secret: {access.secret} holds less than {SHORTEST_SECRET} bytes; make a longer secret"
        )
    return Signatures(secret, access.window)


def _tls(access: WebhookAccess) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(access.certificate, access.key, password=b"")
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigurationError(
            f"webhook.certificate: {printable(str(access.certificate))} and its key cannot be used together; give PEM "
            "files, the certificate first, then its chain, and a key without a password"
        ) from None
    if access.client_ca is not None:
        try:
            context.load_verify_locations(access.client_ca)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(
                f"webhook.client_ca: {printable(str(access.client_ca))} holds no PEM certificates; give the bundle"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
