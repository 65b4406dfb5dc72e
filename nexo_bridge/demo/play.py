"""The demo's conversation: what a shop sees in a day, and what it must never see."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from nexo_bridge.demo.screen import Screen
from nexo_bridge.demo.stage import DemoError, Stage
from nexo_bridge.money import Amount, to_minor
from nexo_bridge.nexo.messages import Message
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.devices import Picture
from nexo_bridge.pos.ending import Ending, of_answer
from nexo_bridge.pos.requests import Requests, ServiceIds

SALE_ID, POIID = "TILL-1", "POI00001"
PATIENCE = 30.0
TITLE = "nexo-bridge: one till, one bridge, a payment platform with terminals. Only the money is not real."


@dataclass(slots=True)
class Play:
    """One run of the demo."""

    stage: Stage
    screen: Screen
    schemas: Schemas
    requests: Requests = field(default_factory=lambda: Requests(SALE_ID, POIID))
    numbers: ServiceIds = field(default_factory=ServiceIds)
    endings: dict[str, Ending] = field(
        default_factory=dict
    )  # by minor amount asked: what the POS was told last
    _client: PosClient | None = None

    async def run(self) -> None:
        """The whole conversation; raises ``DemoError`` where it does not go as it must."""
        screen = self.screen
        screen.line(
            "nexo-bridge: one till, one bridge, a payment platform with terminals. Only the money is not real.",
            "bold",
        )
        api = await self.stage.open_sandbox()
        screen.event(f"platform (sandbox) at {api}: mutual TLS, OAuth2 device tokens, three terminals")
        screen.event(f"bridge listens at {await self.stage.open_bridge()} for nexo Retailer XML")
        await self._turn("Login", self.requests.login(self.numbers.next()), "Success")
        card = self._payment("12.50")
        first = await self._pay("Payment 12.50 EUR by card", card, "Success")
        await self._pay("Payment 8.00 EUR by QR code", self._payment("8.00", mobile=True), "Success")
        await self._pay("Payment 10.05 EUR by card", self._payment("10.05"), "Failure", "Refusal")
        await self._lost_answer()
        again = await self._pay("the first payment once more, same ServiceID", card, "Success", what="repeat")
        if again != first:
            raise DemoError("the repeated request did not get the stored answer")
        screen.event("the stored answer again; the platform was not asked")
        await self._abort()
        await self._kill()
        await self._turn("Logout", self.requests.logout(self.numbers.next()), "Success")
        await self.close()

    async def close(self) -> None:
        """The till hangs up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    # -- scenes --------------------------------------------------------------------------------------------------

    async def _lost_answer(self) -> None:
        await self.stage.cardholder(POIID, "hold")
        request = self._payment("21.00")
        begun = time.monotonic()
        await (await self._till()).ask(request)
        await self._until_running(2100)
        await self.close()
        self.screen.event(
            "the till sends Payment 21.00 EUR and loses its connection; the customer pays meanwhile"
        )
        await self.stage.cardholder(POIID, "approve")
        await self._found(request, "21.00", "Success", begun)

    async def _abort(self) -> None:
        await self.stage.cardholder(POIID, "hold")
        request = self._payment("33.00")
        begun = time.monotonic()
        till = await self._till()
        answer = await till.ask(request)
        await self._until_running(3300)
        await till.tell(self.requests.abort(self.numbers.next(), request.header.service_id or ""))
        self._told("Payment 33.00 EUR, then Abort", await self._wait(answer), begun, request, "33.00")
        self._expect("33.00", "Failure", "Aborted")
        await self.stage.cardholder(POIID, "release")

    async def _kill(self) -> None:
        await self.stage.cardholder(POIID, "hold")
        request = self._payment("47.11")
        begun = time.monotonic()
        await (await self._till()).ask(request)
        await self._until_running(4711)
        await self.stage.kill_bridge()
        await self.close()
        self.screen.event(
            "kill -9 of the bridge while the customer pays 47.11 EUR; the customer goes on; restart"
        )
        await self.stage.cardholder(POIID, "approve")
        await self.stage.open_bridge()
        await self._found(request, "47.11", "Success", begun)

    # -- turns ---------------------------------------------------------------------------------------------------

    async def _turn(self, says: str, request: Message, result: str) -> None:
        begun = time.monotonic()
        answer = await (await self._till()).send(request, PATIENCE)
        ending = of_answer(answer, request.header.service_id or "")
        self.screen.turn("POS →", says, f"← {ending.result}", time.monotonic() - begun)
        if ending.result != result:
            raise DemoError(
                f"{says}: expected {result}, got {ending.result} {ending.condition or ''}: {ending.text}"
            )

    async def _pay(
        self, says: str, request: Message, result: str, condition: str | None = None, what: str = ""
    ) -> Message:
        begun = time.monotonic()
        answer = await (await self._till()).send(request, PATIENCE)
        amount = _amount(request)
        self._told(says, answer, begun, request, f"{what}{amount}")
        self._expect(f"{what}{amount}", result, condition)
        return answer

    async def _found(self, request: Message, amount: str, result: str, begun: float) -> None:
        """TransactionStatus until it is known, as the protocol tells tills to."""
        while True:
            till = await self._till()
            asked = self.requests.status(self.numbers.next(), request.header.service_id)
            ending = of_answer(await till.send(asked, PATIENCE), request.header.service_id or "")
            if ending.known:
                break
            if time.monotonic() - begun > PATIENCE:
                raise DemoError(f"the outcome of {amount} EUR did not become known")
            await asyncio.sleep(0.2)
        self.endings[amount] = ending
        said = f"← {ending.result}, {ending.authorized} EUR" if ending.authorized else f"← {ending.result}"
        self.screen.turn(
            "POS →", f"TransactionStatus of Payment {amount} EUR", said, time.monotonic() - begun
        )
        self._expect(amount, result)

    def _told(self, says: str, answer: Message, begun: float, request: Message, name: str) -> None:
        ending = of_answer(answer, request.header.service_id or "")
        self.endings[name] = ending
        said = f"← {ending.result}"
        if ending.authorized:
            said += f", {ending.authorized} EUR"
        elif ending.condition:
            said += f", {ending.condition}"
        self.screen.turn("POS →", says, said, time.monotonic() - begun)

    def _expect(self, name: str, result: str, condition: str | None = None) -> None:
        ending = self.endings[name]
        if ending.result != result or (condition is not None and ending.condition != condition):
            wanted = f"{result} {condition or ''}".strip()
            raise DemoError(
                f"{name}: expected {wanted}, got {ending.result} {ending.condition or ''}: {ending.text}"
            )

    async def _wait(self, answer: asyncio.Future[Message]) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def _till(self) -> PosClient:
        if self._client is None:
            host, port = self.stage.address
            self._client = PosClient(host, port, schemas=self.schemas, on_picture=self._drawn)
            await self._client.connect()
        return self._client

    def _drawn(self, picture: Picture) -> None:
        if picture.form == "qr":
            self.screen.event("the till's customer display, and the terminal, show:")
            self.screen.qr(picture.content)

    def _payment(self, amount: str, *, mobile: bool = False) -> Message:
        number = self.numbers.next()
        return self.requests.payment(number, f"sale-{number}", Amount(amount), "EUR", mobile=mobile)

    async def _until_running(self, minor: int) -> None:
        """Wait until the platform has the payment: the moment at which a crash would cost most."""
        end = time.monotonic() + PATIENCE
        while not any(row["amount"] == minor for row in await self.stage.ledger()):
            if time.monotonic() > end:
                raise DemoError(f"the platform never saw the payment of {minor} minor units")
            await asyncio.sleep(0.02)


def _amount(request: Message) -> str:
    transaction: Any = request.body
    return str(transaction.payment_transaction.amounts_req.requested_amount)


def faults(rows: list[dict[str, Any]], endings: dict[str, Ending]) -> list[str]:
    """What is wrong between the platform's ledger and what the till was told; empty when nothing is."""
    wrong = [f"{row['amount']} was charged {row['charges']} times" for row in rows if row["charges"] > 1]
    doubled = [amount for amount, times in Counter(row["amount"] for row in rows).items() if times > 1]
    wrong += [f"{amount} stands more than once in the ledger" for amount in doubled]
    told = {
        to_minor(Amount(name), "EUR"): ending
        for name, ending in endings.items()
        if not name.startswith("repeat")
    }
    for row in rows:
        ending = told.get(row["amount"])
        paid = ending is not None and ending.result in {"Success", "Partial"}
        if paid != (row["charges"] == 1):
            wrong.append(
                f"{row['amount']}: the ledger has {row['charges']} charges, the till was told {ending}"
            )
    known = {row["amount"] for row in rows}
    wrong += [
        f"{amount}: the till was told Success and the ledger has no such payment"
        for amount, ending in told.items()
        if ending.result == "Success" and amount not in known
    ]
    return wrong
