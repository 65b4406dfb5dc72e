"""A service provider behind the platform: the documented seven steps of a QR payment, over HTTP on loopback.

1. the terminal asks the platform for a QR payment; 2. the platform adds merchant and acquirer and calls the provider's
webhook (``POST /spi/v1/payments``); 3. the provider answers at once, with an image; 4. the terminal shows it; 5. the
provider sends events about the payment's progress to the platform (``POST /callback/v1/events``); 6. the platform
acknowledges each; 7. the platform forwards them to the terminal. The steps are stated by the platform's
documentation, paths and fields are assumed. Provider and platform know each other by URL alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import h11
import segno

from nexo_bridge.sandbox.clock import Clock, Timer
from nexo_bridge.sandbox.endings import Ending, ending_of
from nexo_bridge.sandbox.ledger import Transaction
from nexo_bridge.sandbox.operations import Platform
from nexo_bridge.sandbox.terminals import Pace
from nexo_bridge.sandbox.wire import Answer, PlatformError, Request, json_answer

SPI_PATH = "/spi/v1/payments"
CALLBACK_PATH = "/callback/v1/events"
PATIENCE = 5.0
AGAIN = 1.0
"""Seconds after which an event that was not acknowledged is sent again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Payment:
    """A payment as the provider sees it."""

    reference: str
    transaction_id: str
    amount: int
    callback: str


class Provider:
    """The service provider: answers the platform's call, and tells it how its customers get on.

    Attributes:
        asked: what the platform sent, oldest first (step 2).
        told: events that were acknowledged, oldest first (steps 5 and 6).
    """

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._timers: set[Timer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sequence = asyncio.Lock()
        self.asked: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []

    async def handle(self, request: Request) -> Answer:
        """The webhook (SPI) that the platform calls.

        Raises:
            PlatformError: another path, or a body that is not understood.
        """
        if (request.method, request.path) != ("POST", SPI_PATH):
            raise PlatformError(404, "NOT_FOUND", "No such thing here")
        body = _object(request.body)
        try:
            payment = _Payment(
                f"wallet-{len(self.asked) + 1:06d}",
                str(body["transactionId"]),
                int(body["paymentAmount"]["amount"]),
                str(body["callbackUrl"]),
            )
        except (KeyError, TypeError, ValueError):
            raise PlatformError(400, "BAD_REQUEST", "The body breaks the contract") from None
        self.asked.append(body)
        content = f"https://wallet.sandbox.invalid/{payment.reference}"
        image = BytesIO()
        segno.make_qr(content).save(image, kind="png", scale=4)
        self._begin(payment)
        encoded = b64encode(image.getvalue()).decode("ascii")
        return json_answer(
            {"providerReference": payment.reference, "qrCode": {"content": content, "imageBase64": encoded}}
        )

    async def close(self) -> None:
        """Tell nothing more."""
        for timer in self._timers:
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, payment: _Payment) -> None:
        ending = ending_of(payment.amount)
        seconds = self._pace.think + ending.extra_seconds
        final: dict[str, Any] = {"status": ending.status}
        if ending.authorised(payment.amount) is not None:
            final["authorisedAmount"] = ending.authorised(payment.amount)
        else:
            final["decline"] = {"code": ending.code, "message": ending.message}
        stages = ((0.5, {"status": "SCANNED"}), (0.9, {"status": "AUTHORISING"}), (1.0, final))
        for number, (share, said) in enumerate(stages, 1):
            event = {
                "eventId": f"{payment.reference}-{number}",
                "providerReference": payment.reference,
                "transactionId": payment.transaction_id,
                **said,
            }
            self._at(seconds * share, partial(self._tell, payment.callback, event))

    def _at(self, delay: float, action: Callable[[], None]) -> None:
        def ring() -> None:
            self._timers.discard(timer)
            action()

        timer = self._clock.call_later(delay, ring)
        self._timers.add(timer)

    def _tell(self, callback: str, event: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._send(callback, event), name="provider event")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, callback: str, event: dict[str, Any]) -> None:
        async with self._sequence:
            status, answer = await post(callback, event)
        if status == 200 and answer.get("acknowledged") == event["eventId"]:
            self.told.append(event)
        elif status not in {404, 409}:  # gone or over: nothing would change that
            self._at(AGAIN, partial(self._tell, callback, event))


class Spi:
    """The platform's side: asks the provider, takes its events and acknowledges them.

    Attributes:
        url: of the provider's webhook; set once it listens.
        callback: where the provider shall send its events; likewise.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._heard: set[str] = set()
        self.url = ""
        self.callback = ""

    async def ask(self, transaction: Transaction) -> None:
        """Steps 2 and 3: the code to show; a provider that does not answer ends the payment."""
        status, answer = await post(
            f"{self.url}{SPI_PATH}",
            {
                "transactionId": transaction.transaction_id,
                "paymentType": transaction.instrument.get("brand", ""),
                "paymentAmount": {"amount": transaction.amount, "currency": transaction.currency},
                "merchantId": "sandbox-shop",
                "acquirer": "sandbox-acquirer",
                "callbackUrl": f"{self.callback}{CALLBACK_PATH}",
            },
        )
        code = answer.get("qrCode")
        if status == 200 and isinstance(code, dict):
            transaction.qr_code = {**(transaction.qr_code or {}), **code}
            self._platform.terminals[transaction.device_id].show(transaction)
        else:
            self._end(transaction, Ending("", "FAILED", "TECHNICAL", "The provider does not answer"))

    async def handle(self, request: Request) -> Answer:
        """Steps 5 and 6: an event of the provider; acknowledged when it is taken, also for the second time.

        Raises:
            PlatformError: unknown path, transaction or status.
        """
        if (request.method, request.path) != ("POST", CALLBACK_PATH):
            raise PlatformError(404, "NOT_FOUND", "No such thing here")
        event = _object(request.body)
        event_id, status = str(event.get("eventId", "")), str(event.get("status", ""))
        transaction = self._platform.ledger.by_id(str(event.get("transactionId", "")))
        if transaction is None or not transaction.provided or not event_id:
            raise PlatformError(404, "NOT_FOUND", "No such transaction")
        if event_id not in self._heard:
            self._apply(transaction, status, event)
            self._heard.add(event_id)
        return json_answer({"acknowledged": event_id})

    def _apply(self, transaction: Transaction, status: str, event: dict[str, Any]) -> None:
        if status in {"SCANNED", "AUTHORISING"}:
            if not transaction.final:
                self._platform.terminals[transaction.device_id].stage(transaction, status)
            return
        if status not in {"APPROVED", "PARTIALLY_APPROVED", "DECLINED", "CANCELLED", "EXPIRED", "FAILED"}:
            raise PlatformError(400, "BAD_REQUEST", "No such status")
        decline = event.get("decline") if isinstance(event.get("decline"), dict) else {}
        assert isinstance(decline, dict)
        self._end(
            transaction,
            Ending("", status, str(decline.get("code", "")), str(decline.get("message", ""))),  # type: ignore[arg-type]  # checked above
        )

    def _end(self, transaction: Transaction, ending: Ending) -> None:
        self._platform.terminals[transaction.device_id].end(transaction, ending)


async def post(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """One POST on loopback: status and JSON object, ``(0, {})`` when nobody answers."""
    where = urlsplit(url)
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            try:
                connection = h11.Connection(h11.CLIENT)
                headers = [
                    ("Host", where.netloc),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(data))),
                    ("Connection", "close"),
                ]
                head = connection.send(h11.Request(method="POST", target=where.path, headers=headers))
                content = connection.send(h11.Data(data=data))
                end = connection.send(h11.EndOfMessage())
                writer.write((head or b"") + (content or b"") + (end or b""))
                status, answer = 0, b""
                while not isinstance(
                    event := connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed
                ):
                    if event is h11.NEED_DATA:
                        connection.receive_data(await reader.read(65536))
                    elif isinstance(event, h11.Response):
                        status = event.status_code
                    elif isinstance(event, h11.Data):
                        answer += bytes(event.data)
                return status, _object(answer)
            finally:
                writer.close()
    except (OSError, TimeoutError, h11.ProtocolError, PlatformError) as fault:
        _log.info("nobody answers at %s: %s", where.netloc, type(fault).__name__)
        return 0, {}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise PlatformError(400, "BAD_REQUEST", "The body is not a JSON object")
    return value
