"""What a cashier does, with the recovery the protocol asks of a POS.

1. Write down that a payment begins, then send it.
2. No answer, for whatever reason: never send the payment again. Connect again and ask TransactionStatus for it, each
   time with a new ServiceID.
3. InProgress or Busy: wait, ask again. Success: the ending is in the repeated response. NotFound: nothing was started.
4. Still unknown after a while: say so. The note of step 1 stays, and the next run begins by asking.

Source: the recovery rules told to clients by DataMesh and Swedbank Pay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nexo_bridge.money import Amount
from nexo_bridge.nexo.messages import Message, PaymentRequest
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.ending import Ending, nothing_sent, of_answer, unknown
from nexo_bridge.pos.links.link import AnswerLost, NothingSent
from nexo_bridge.pos.marker import InProgress, Marker
from nexo_bridge.pos.requests import Requests, ServiceIds

_STATUS = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long this POS waits, in seconds.

    Attributes:
        answer: for the response to a request; more than the POI may take (120).
        recovery: for an ending after an answer was lost.
        pause: between two TransactionStatus requests.
    """

    answer: float = 130.0
    recovery: float = 90.0
    pause: float = 2.0


class Till:
    """One Sale System and POI pair.

    Args:
        client: the connection; it is opened when it is needed.
        requests: makes the messages.
        numbers: makes ServiceIDs.
        patience: limits.
        marker: where payments in progress are written down.
        say: told in words what happens meanwhile.
    """

    def __init__(
        self,
        client: PosClient,
        requests: Requests,
        *,
        numbers: ServiceIds,
        patience: Patience,
        marker: Marker,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._requests = requests
        self._numbers = numbers
        self._patience = patience
        self._marker = marker
        self._say = say

    async def login(self, service_id: str) -> Ending:
        """Open the session."""
        return await self._once(self._requests.login(service_id))

    async def logout(self, service_id: str) -> Ending:
        """Close the session."""
        return await self._once(self._requests.logout(service_id))

    async def pay(
        self,
        service_id: str,
        transaction_id: str,
        amount: Amount,
        currency: str,
        *,
        mobile: bool = False,
        scanned: str | None = None,
    ) -> Ending:
        """Pay, and find out how it ended. An earlier payment that is not known to have ended is asked about first.

        Raises:
            OSError: the note of a payment in progress cannot be written; nothing was sent.
            ConfigurationError: that file is not ours.
        """
        earlier = await self._earlier()
        if earlier is not None and not earlier.known:
            return earlier
        request = self._requests.payment(
            service_id,
            transaction_id,
            amount,
            currency,
            mobile=mobile,
            scanned=None if scanned is None else self._client.seal(scanned),
        )
        try:
            await self._client.connect()
        except NothingSent as error:
            return nothing_sent(service_id, str(error))
        await asyncio.to_thread(self._marker.set, self._note(request, service_id, transaction_id))
        ending = await self._paid(request, service_id)
        if ending.known:
            await self._forget()
        return ending

    async def status(self, service_id: str, reference: str | None) -> Ending:
        """Ask once how a payment ended; None: the one in progress by our own note, else the pair's last."""
        noted = await asyncio.to_thread(self._marker.read)
        about = reference or (noted.service_id if noted else None)
        try:
            await self._client.connect()
            request = self._requests.status(service_id, about)
            ending = of_answer(await self._client.send(request, self._patience.answer), about or "")
        except NothingSent as error:
            return nothing_sent(about or "", str(error))
        except AnswerLost as error:
            return unknown(about or "", str(error))
        if noted and noted.service_id == ending.service_id and ending.known:
            await self._forget()
        return ending

    async def abort(self, service_id: str, reference: str) -> Ending:
        """Ask to stop a payment.

        Nothing answers an Abort, but an event says when it came too late or named nothing known. A TransactionStatus
        follows it on the same connection, to hear of either: Success here means that the payment is stopped or the
        wish is on its way.
        """
        try:
            await self._client.connect()
            await self._client.tell(self._requests.abort(service_id, reference))
        except NothingSent as error:
            return nothing_sent(service_id, str(error))
        except AnswerLost as error:
            return unknown(service_id, str(error))
        ending = await self._asked_status(reference)
        while not self._client.events.empty():
            told = of_answer(self._client.events.get_nowait(), service_id)
            if told.condition in {"Completed", "Reject"}:
                return told
        if ending.result in {"Success", "Partial"}:
            return Ending(service_id, "Failure", "Completed", text="Too late: the payment had ended")
        if ending.condition == "NotFound":
            return Ending(service_id, "Failure", "NotFound", text="No such payment")
        if not ending.known and ending.condition is None:
            return unknown(service_id, ending.text)
        return Ending(service_id, "Success", ending.condition, text="Asked to stop")

    async def send(self, data: bytes, service_id: str) -> Ending:
        """Send a file's bytes as one message and tell what came back."""
        try:
            await self._client.connect()
            future = await self._client.send_raw(data)
            if future is None:
                return Ending(service_id, "Success", text="sent; nothing answers this message")
            async with asyncio.timeout(self._patience.answer):
                return of_answer(await future, service_id)
        except NothingSent as error:
            return nothing_sent(service_id, str(error))
        except AnswerLost as error:
            return unknown(service_id, str(error))
        except TimeoutError:
            return unknown(service_id, f"no answer in {self._patience.answer:g} seconds")

    async def _earlier(self) -> Ending | None:
        """What became of the payment that our note says was in progress."""
        noted = await asyncio.to_thread(self._marker.read)
        if noted is None:
            return None
        self._say(f"payment {noted.service_id} was in progress; asking how it ended")
        ending = await self._find_out(noted.service_id, None)
        self._say(f"payment {noted.service_id}: {ending.result} {ending.condition or ''}".rstrip())
        if ending.known:
            await self._forget()
        return ending

    async def _paid(self, request: Message, service_id: str) -> Ending:
        late: asyncio.Future[Message] | None = None
        try:
            late = await self._client.ask(request)
            async with asyncio.timeout(self._patience.answer):
                ending = of_answer(await asyncio.shield(late), service_id)
            if ending.known:
                return ending
        except NothingSent as error:
            return nothing_sent(service_id, str(error))
        except AnswerLost as error:
            self._say(f"{error}; asking how the payment ended")
        except TimeoutError:
            self._say(f"no answer in {self._patience.answer:g} seconds; asking how the payment ended")
        return await self._find_out(service_id, late)

    async def _find_out(self, reference: str, late: asyncio.Future[Message] | None) -> Ending:
        """Ask until the ending is known or patience is over; ``late`` is a response that may still come."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.recovery
        while True:
            ending = await self._asked_status(reference)
            if ending.known:
                return ending
            answered = late is not None and late.done() and not late.cancelled() and not late.exception()
            if late is not None and answered and of_answer(late.result(), reference).known:
                return of_answer(late.result(), reference)
            if loop.time() >= end:
                return ending
            await asyncio.sleep(self._patience.pause)

    async def _asked_status(self, reference: str) -> Ending:
        """One TransactionStatus; what is not certain, whatever the reason, is Unknown."""
        try:
            if not self._client.connected:
                await self._client.connect()
            request = self._requests.status(self._numbers.next(), reference)
            answer = await self._client.send(request, min(_STATUS, self._patience.answer))
        except (NothingSent, AnswerLost) as error:
            return unknown(reference, str(error))
        return of_answer(answer, reference)

    async def _once(self, request: Message) -> Ending:
        about = request.header.service_id or ""
        try:
            await self._client.connect()
            return of_answer(await self._client.send(request, self._patience.answer), about)
        except NothingSent as error:
            return nothing_sent(about, str(error))
        except AnswerLost as error:
            return unknown(about, str(error))

    async def _forget(self) -> None:
        """The ending is known. If the note cannot be cleared, the next run asks once more: no harm."""
        try:
            await asyncio.to_thread(self._marker.clear)
        except OSError as error:
            self._say(f"the note of the payment cannot be cleared: {error.strerror}")

    def _note(self, request: Message, service_id: str, transaction_id: str) -> InProgress:
        body = request.body
        assert isinstance(body, PaymentRequest)
        amounts = body.payment_transaction.amounts_req
        return InProgress(
            sale_id=self._requests.sale_id,
            poi_id=self._requests.poi_id,
            service_id=service_id,
            transaction_id=transaction_id,
            amount=str(amounts.requested_amount),
            currency=amounts.currency,
            began=body.sale_data.sale_transaction_id.time_stamp,
        )
