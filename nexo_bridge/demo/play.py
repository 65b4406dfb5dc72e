"""The demo's conversation: what a shop sees in a day, and what it must never see."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from nexo_bridge.demo.audit import Told
from nexo_bridge.demo.screen import Screen, Tone
from nexo_bridge.demo.stage import PATIENCE, DemoError, Stage
from nexo_bridge.money import Amount, to_minor
from nexo_bridge.nexo.messages import Message, PaymentResponse, TransactionStatusResponse
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.devices import Picture
from nexo_bridge.pos.ending import Ending, of_answer
from nexo_bridge.pos.links.address import Access, Address, link
from nexo_bridge.pos.links.link import AnswerLost, Link, NothingSent
from nexo_bridge.pos.links.tcp import TcpLink
from nexo_bridge.pos.requests import Requests, ServiceIds

SALE_ID, POIID, CURRENCY = "TILL-1", "POI00001", "EUR"

ASKS, ANSWERS = "till ▸ bridge", "bridge ▸ till"

_PAUSE = 0.1
"""Seconds this till waits between two TransactionStatus."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A payment of the till: what it is called on the screen, and its request."""

    name: str
    amount: str
    request: Message

    @property
    def service_id(self) -> str:
        """By which it is asked about."""
        return self.request.header.service_id or ""


@dataclass(slots=True)
class Play:
    """One run of the demo.

    Attributes:
        told: the last word on every sale.
    """

    stage: Stage
    screen: Screen
    schemas: Schemas
    told: list[Told] = field(default_factory=list)
    _requests: Requests = field(default_factory=lambda: Requests(SALE_ID, POIID))
    _numbers: ServiceIds = field(default_factory=ServiceIds)
    _client: PosClient | None = None
    _answers: list[bytes] = field(default_factory=list)  # as they came, newest last
    _pictures: asyncio.Queue[Picture] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        """The whole conversation.

        Raises:
            DemoError: it does not go as it must.
        """
        try:
            await self._start()
            await self._session("log in", "Login", self._requests.login(self._numbers.next()))
            await self._pay(self._sale("card", "12.50"), "Success")
            await self._qr_code()
            await self._pay(self._sale("decline", "20.05"), "Failure", "Refusal")
            await self._lost_answer()
            await self._abort()
            await self._kill()
            await self._session("log out", "Logout", self._requests.logout(self._numbers.next()))
        except (NothingSent, AnswerLost) as problem:
            raise DemoError(f"the bridge does not answer: {problem}") from None
        except TimeoutError:
            raise DemoError(f"no answer within {PATIENCE:g} seconds") from None
        finally:
            await self._hang_up()

    # -- scenes --------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self.screen.scene("start")
        begun = time.monotonic()
        api = await self.stage.open_sandbox()
        self.screen.says("sandbox", f"the payment platform and its terminals: {api}", seconds=_since(begun))
        begun = time.monotonic()
        address = await self.stage.open_bridge()
        way = "mqtt" if self.stage.mqtt else "tcp"
        self.screen.says("bridge", f"ready for tills: nexo XML at {way}://{address}", seconds=_since(begun))

    async def _session(self, name: str, category: str, request: Message) -> None:
        self.screen.scene(name)
        begun = time.monotonic()
        answer = await (await self._till()).send(request, PATIENCE)
        ending = of_answer(answer, request.header.service_id or "")
        said = f"{category}: {SALE_ID} at terminal {POIID}. {_words(ending)}"
        self.screen.says(ASKS, said, seconds=_since(begun))
        _expect(name, ending, "Success")

    async def _pay(self, sale: Sale, result: str, condition: str | None = None) -> None:
        self.screen.scene(sale.name)
        begun = time.monotonic()
        self.screen.says(ASKS, f"Payment {sale.amount} {CURRENCY}")
        answer = await (await self._till()).send(sale.request, PATIENCE)
        self._settle(sale, answer, begun, result, condition)

    async def _qr_code(self) -> None:
        sale = self._sale("QR code", "7.90", mobile=True)
        self.screen.scene(sale.name)
        await self.stage.cardholder(POIID, "hold")
        begun = time.monotonic()
        self.screen.says(ASKS, f"Payment {sale.amount} {CURRENCY} by a code that the customer scans")
        answer = await (await self._till()).ask(sale.request)
        async with asyncio.timeout(PATIENCE):
            picture = await self._pictures.get()
        if picture.form != "qr" or await self.stage.screen_of(POIID) != picture.content:
            raise DemoError("QR code: till and terminal were to show the same code")
        captions = ("Terminal and till show this code.", "The customer scans it.")
        self.screen.code(picture.content, captions)
        await self.stage.cardholder(POIID, "approve")
        self._settle(sale, await _waited(answer), begun, "Success")

    async def _lost_answer(self) -> None:
        """The till's line breaks; then it does what the protocol tells it to, and at last the very same again."""
        sale = self._sale("lost answer", "31.40")
        self.screen.scene(sale.name)
        await self.stage.cardholder(POIID, "hold")
        begun = time.monotonic()
        self.screen.says(ASKS, f"Payment {sale.amount} {CURRENCY}; then the line breaks")
        await (await self._till()).ask(sale.request)
        await self._begun(sale)
        await self._hang_up()
        self.screen.says(ASKS, "on a new connection: TransactionStatus, how did it end?")
        ending = of_answer(await self._status(sale), sale.service_id)
        self.screen.says(ANSWERS, "not known yet (InProgress)", seconds=_since(begun))
        if ending.condition != "InProgress":
            raise DemoError(f"{sale.name}: expected InProgress while the customer pays, got {_words(ending)}")
        await self.stage.cardholder(POIID, "approve")
        self.screen.says(ASKS, "the customer has paid; TransactionStatus again")
        self._settle(sale, await self._found(sale), begun, "Success")
        await self._repeat(sale)

    async def _repeat(self, sale: Sale) -> None:
        self.screen.scene("repeat")
        self.screen.says(ASKS, "the payment once more, the very same message; and again")
        begun = time.monotonic()
        till = await self._till()
        endings = [of_answer(await till.send(sale.request, PATIENCE), sale.service_id) for _ in range(2)]
        for ending in endings:
            _expect("repeat", ending, "Success")
        first, second = self._answers[-2:]
        if first != second:
            raise DemoError("repeat: expected the stored answer byte for byte, got another one")
        self.screen.says(
            ANSWERS, "the stored answer, byte for byte; nobody pays again", seconds=_since(begun), tone="good"
        )

    async def _abort(self) -> None:
        sale = self._sale("abort", "45.00")
        self.screen.scene(sale.name)
        await self.stage.cardholder(POIID, "hold")
        begun = time.monotonic()
        self.screen.says(ASKS, f"Payment {sale.amount} {CURRENCY}; the customer hesitates; Abort")
        till = await self._till()
        answer = await till.ask(sale.request)
        await self._begun(sale)
        await till.tell(self._requests.abort(self._numbers.next(), sale.service_id))
        self._settle(sale, await _waited(answer), begun, "Failure", "Aborted")
        await self.stage.cardholder(POIID, "release")

    async def _kill(self) -> None:
        sale = self._sale("kill -9", "60.00")
        self.screen.scene(sale.name)
        await self.stage.cardholder(POIID, "hold")
        begun = time.monotonic()
        self.screen.says(ASKS, f"Payment {sale.amount} {CURRENCY}")
        answer = await (await self._till()).ask(sale.request)
        await self._begun(sale)
        process = await self.stage.kill_bridge()
        self.screen.says(
            "bridge", f"killed: process {process} is gone, in the middle of the payment", tone="bad"
        )
        if not self.stage.mqtt:
            await self._lost(sale, answer)
        await self.stage.cardholder(POIID, "approve")
        self.screen.says("customer", "pays at the terminal all the same")
        address = await self.stage.open_bridge()
        self.screen.says("bridge", f"started again at {address}; it reads its journal")
        if self.stage.mqtt:
            self.screen.says(ASKS, "nothing: at the broker, what a till is owed comes unasked")
            self._settle(sale, await _waited(answer), begun, "Success")
            return
        self.screen.says(ASKS, "TransactionStatus: how did it end?")
        self._settle(sale, await self._found(sale), begun, "Success")

    async def _lost(self, sale: Sale, answer: asyncio.Future[Message]) -> None:
        try:
            lost = await _waited(answer)
            raise DemoError(
                f"{sale.name}: expected no answer, got {_words(of_answer(lost, sale.service_id))}"
            )
        except AnswerLost:
            await self._hang_up()

    # -- turns ---------------------------------------------------------------------------------------------------

    def _sale(self, name: str, amount: str, *, mobile: bool = False) -> Sale:
        number = self._numbers.next()
        request = self._requests.payment(number, f"sale-{number}", Amount(amount), CURRENCY, mobile=mobile)
        return Sale(name, amount, request)

    async def _till(self) -> PosClient:
        if self._client is None or not self._client.connected:
            await self._hang_up()
            self._client = PosClient(
                self._link(),
                schemas=self.schemas,
                on_picture=self._pictures.put_nowait,
                on_raw=self._answers.append,
            )
            await self._client.connect()
        return self._client

    def _link(self) -> Link:
        if not self.stage.mqtt:
            return TcpLink(*self.stage.address)
        return link(Address("mqtt", *self.stage.broker), (SALE_ID, POIID), Access())

    async def _hang_up(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _begun(self, sale: Sale) -> None:
        """Wait until the platform has the payment: the moment at which a crash costs most."""
        minor = to_minor(Amount(sale.amount), CURRENCY)

        async def there() -> bool:
            return any(row["amount"] == minor for row in await self.stage.ledger())

        await self.stage.until(f"{sale.name}: the platform was to get the payment", there)

    async def _status(self, sale: Sale) -> Message:
        asked = self._requests.status(self._numbers.next(), sale.service_id)
        return await (await self._till()).send(asked, PATIENCE)

    async def _found(self, sale: Sale) -> Message:
        """TransactionStatus until the ending is known, as the protocol tells tills to."""
        end = time.monotonic() + PATIENCE
        while True:
            answer = await self._status(sale)
            if of_answer(answer, sale.service_id).known:
                return answer
            if time.monotonic() > end:
                raise DemoError(f"{sale.name}: the ending did not become known within {PATIENCE:g} seconds")
            await asyncio.sleep(_PAUSE)

    def _settle(
        self, sale: Sale, answer: Message, begun: float, result: str, condition: str | None = None
    ) -> None:
        ending = of_answer(answer, sale.service_id)
        tone: Tone | None = "good" if ending.result == "Success" else None
        self.screen.says(ANSWERS, _words(ending), seconds=_since(begun), tone=tone)
        minor = to_minor(Amount(sale.amount), CURRENCY)
        self.told.append(Told(sale.name, minor, CURRENCY, ending, _transaction_id(answer)))
        _expect(sale.name, ending, result, condition)


def _expect(name: str, ending: Ending, result: str, condition: str | None = None) -> None:
    if (ending.result, ending.condition) != (result, condition):
        wanted = f"{result} {condition or ''}".strip()
        raise DemoError(f"{name}: expected {wanted}, got {_words(ending)}")


def _words(ending: Ending) -> str:
    """An ending as a cashier would tell it."""
    result = "not known yet" if not ending.known else ending.result
    said = f"{result} ({ending.condition})" if ending.condition else result
    if ending.authorized:
        said += f", {ending.authorized} {CURRENCY} authorised"
    return f"{said}: {ending.text}" if ending.text else said


def _transaction_id(answer: Message) -> str | None:
    """The platform's name of the payment that an answer tells as approved."""
    body: Any = answer.body
    if isinstance(body, TransactionStatusResponse) and body.repeated_message_response is not None:
        body = body.repeated_message_response.payment_response
    if not isinstance(body, PaymentResponse) or body.payment_result is None:
        return None
    acquirer = body.payment_result.payment_acquirer_data
    named = acquirer.acquirer_transaction_id if acquirer is not None else None
    return named.transaction_id if named is not None else None


async def _waited(answer: asyncio.Future[Message]) -> Message:
    async with asyncio.timeout(PATIENCE):
        return await answer


def _since(begun: float) -> float:
    return time.monotonic() - begun
