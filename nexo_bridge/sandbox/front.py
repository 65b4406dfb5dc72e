"""The sandbox's HTTP server: terminates TLS itself, so that certificate and every byte are in its hands.

An ASGI server neither hands the verified client certificate to the application nor lets it cut an answer in
the middle; both are what this sandbox is for. One task per connection, HTTP/1.1 with keep-alive through h11.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from nexo_bridge.sandbox.certificates import KeyPair
from nexo_bridge.sandbox.wire import Answer, Handler, PeerCertificate, PlatformError, Request, Wire

_BODY_CAP = 1 << 20
_LINGER_ZERO = struct.pack("ii", 1, 0)
_log = logging.getLogger(__name__)


def server_tls(pair: KeyPair, ca: Path, *, client_certificate: ssl.VerifyMode) -> ssl.SSLContext:
    """TLS 1.2 or 1.3 with the gateway's certificate; blocks on files.

    ``CERT_REQUIRED`` refuses a peer without a certificate of ``ca`` in the handshake, ``CERT_OPTIONAL`` only
    one with another certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(ca)
    context.verify_mode = client_certificate
    return context


class Front:
    """One listening port. ``handler`` answers each request or raises ``PlatformError``."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, host: str, port: int) -> str:
        """Listen; return the base URL really bound.

        Raises:
            OSError: the address cannot be bound.
        """
        self._server = await asyncio.start_server(self._connected, host, port, ssl=self._tls)
        bound = self._server.sockets[0].getsockname()[1]
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - "any" is no address to call
        shown = f"[{reachable}]" if ":" in reachable else reachable
        return f"{'https' if self._tls else 'http'}://{shown}:{bound}"

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        tasks = tuple(self._connections)
        for task, writer in tuple(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="sandbox connection")
        self._connections[task] = writer
        task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = _peer_certificate(writer)
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
        try:
            while True:
                try:
                    request = await _read_request(connection, reader, certificate)
                except h11.RemoteProtocolError as fault:
                    await _refuse(connection, writer, fault.error_status_hint)
                    return
                if request is None:
                    return
                answer = await self._answer(request)
                if answer.upgrade is not None:
                    await answer.upgrade(reader, writer, connection.trailing_data[0])
                    return
                if not await _write_answer(connection, writer, answer):
                    return
                if connection.our_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except OSError:
            pass  # the peer is gone: what it was told is its business
        except h11.LocalProtocolError as fault:
            _log.info("an answer could not be said in HTTP: %s", fault)  # HEAD, which no row has
        finally:
            writer.close()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._handler(request)
        except PlatformError as problem:
            return problem.answer()
        except Exception:  # noqa: BLE001 - a fault of one answer must not end the sandbox
            _log.exception("the sandbox failed at %s %s", request.method, request.path)
            return PlatformError(500, "INTERNAL", "The sandbox has a fault").answer()


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, certificate: PeerCertificate | None
) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _BODY_CAP:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, bytes(body), certificate)
        else:  # ConnectionClosed, PAUSED
            return None


def _request(head: h11.Request, body: bytes, certificate: PeerCertificate | None) -> Request:
    target = urlsplit(head.target.decode("ascii", "replace"))
    return Request(
        head.method.decode("ascii"),
        unquote(target.path),
        dict(parse_qsl(target.query, keep_blank_values=True)),
        {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body,
        certificate,
    )


async def _write_answer(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Send it as its ``wire`` says; whether the connection may go on."""
    if answer.wire is Wire.CLOSE:
        return False
    if answer.wire is Wire.RESET:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        writer.transport.abort()
        return False
    headers = [*answer.headers.items()]
    if answer.body:
        headers.append(("content-type", answer.content_type))
    if answer.status != 204:  # RFC 9110 section 8.6
        headers.append(("content-length", str(len(answer.body))))
    head = connection.send(h11.Response(status_code=answer.status, headers=headers))
    cut = answer.wire is Wire.TRUNCATE
    body = connection.send(h11.Data(data=answer.body[: len(answer.body) // 2] if cut else answer.body))
    end = b"" if cut else connection.send(h11.EndOfMessage())
    writer.write(b"".join((head, body or b"", end or b"")))
    await writer.drain()
    return not cut


async def _refuse(connection: h11.Connection, writer: asyncio.StreamWriter, status: int) -> None:
    if connection.our_state is h11.IDLE:
        answer = PlatformError(
            status, "BAD_REQUEST", "This is not a request the sandbox can read", connection="close"
        )
        await _write_answer(connection, writer, answer.answer())


def _peer_certificate(writer: asyncio.StreamWriter) -> PeerCertificate | None:
    tls = writer.get_extra_info("ssl_object")
    verified = tls.getpeercert() if tls is not None else None
    if not verified:
        return None
    subject = {name: value for part in verified.get("subject", ()) for name, value in part}
    return PeerCertificate(str(subject.get("commonName", "")), str(subject.get("serialNumber", "")))
