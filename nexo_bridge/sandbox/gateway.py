"""The platform's edge: who asks, what for, and what goes wrong on the way.

Order of checks: path, certificate and token, faults that keep the call away, body, the operation, faults that
spoil the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nexo_bridge.sandbox import bodies
from nexo_bridge.sandbox.clock import Clock, Timer, pause
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.ledger import Method, Transaction
from nexo_bridge.sandbox.oauth import TokenOffice
from nexo_bridge.sandbox.operations import Platform
from nexo_bridge.sandbox.provider import Spi
from nexo_bridge.sandbox.routes import Base, Route, find_route
from nexo_bridge.sandbox.sign_in import SignIn
from nexo_bridge.sandbox.wire import Answer, Handler, PlatformError, Request, Wire, json_answer

COUNTRIES = (("AT", "Austria"), ("BG", "Bulgaria"), ("DE", "Germany"), ("FR", "France"), ("IT", "Italy"))
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Delays:
    """Seconds of the faults that take time: ``slow-answers`` and ``late-create``."""

    slow: float = 5.0
    late: float = 5.0


@dataclass(frozen=True, slots=True)
class _Call:
    route: Route
    parameters: dict[str, str]
    request: Request
    serial: str
    poiid: str


class Gateway:
    """Answers the requests of every base."""

    def __init__(
        self,
        platform: Platform,
        office: TokenOffice,
        session: SignIn,
        faults: Faults,
        *,
        clock: Clock,
        delays: Delays,
    ) -> None:
        self._platform = platform
        self._office = office
        self._faults = faults
        self._clock = clock
        self._delays = delays
        self._late: list[tuple[Timer, Callable[[], None]]] = []
        self.session = session
        self.spi: Spi | None = None
        """The way to the service provider, where there is one."""

    def handler(self, base: Base) -> Handler:
        """What serves ``base``."""

        async def handle(request: Request) -> Answer:
            route, parameters = find_route(base, request.method, request.path)
            if route.name == "merchants_credentials":
                return self._merchants_credentials(request)
            if route.verb == "session":
                return await self.session.answer(route, parameters, request)
            return await self._call(route, parameters, request, self.device(request))

        return handle

    def device(self, request: Request) -> str:
        """Serial of the device whose token and certificate these are.

        Raises:
            PlatformError: either is missing or not good, or they are of different devices.
        """
        serial = self._device_of(request)
        if self._certified(request) != serial:
            raise PlatformError(403, "FORBIDDEN", "Token and certificate are of different devices")
        return serial

    async def without_certificate(self, request: Request) -> Answer:
        """What serves the ``api`` base: the same calls, for tokens that are bound to no certificate."""
        route, parameters = find_route("device_api", request.method, request.path)
        if route.verb == "countries" and self._of_an_application(request):
            return _countries()
        return await self._call(route, parameters, request, self.device_by_token(request))

    def device_by_token(self, request: Request) -> str:
        """Serial of the device whose token this is, where nobody shows a certificate.

        Raises:
            PlatformError: it is missing or not good, or bound to a certificate.
        """
        serial = self._device_of(request)
        if self._office.is_bound(request.headers["authorization"].partition(" ")[2].strip()):
            raise PlatformError(403, "FORBIDDEN", "This token is bound to a certificate: use the device base")
        return serial

    def deliver_late(self) -> int:
        """Let every create that ``late-create`` holds back arrive now; how many there were."""
        late, self._late = self._late, []
        for timer, arrive in late:
            timer.cancel()
            arrive()
        return len(late)

    def close(self) -> None:
        """Forget the creates that are still on their way."""
        for timer, _ in self._late:
            timer.cancel()
        self._late.clear()

    def _merchants_credentials(self, request: Request) -> Answer:
        own = self._certified(request)
        wanted = request.query.get("serial_number", own)
        if wanted not in self._platform.terminals:
            raise PlatformError(404, "NOT_FOUND", "No such device")
        if wanted != own:
            raise PlatformError(403, "FORBIDDEN", "The certificate is of another device")
        return json_answer([self._office.client(own).entry()])

    def _certified(self, request: Request) -> str:
        serial = request.certificate.serial if request.certificate else ""
        if serial not in self._platform.terminals:
            raise PlatformError(403, "FORBIDDEN", "The certificate is of no device of this platform")
        return serial

    def _of_an_application(self, request: Request) -> bool:
        """Whether it is asked with a good token that is no device's."""
        claims = self._office.claims(_bearer(request))
        return claims is not None and "device_id" not in claims

    def _device_of(self, request: Request) -> str:
        serial = self._office.device_of(_bearer(request))
        if serial is None:
            raise _unauthorised()
        return serial

    def _poiid(self, serial: str) -> str:
        return self._platform.terminals[serial].poiid

    async def _call(self, route: Route, parameters: dict[str, str], request: Request, serial: str) -> Answer:
        call = _Call(route, parameters, request, serial, self._poiid(serial))
        if route.verb == "countries":  # the probe is no payment: faults wait for a call that is
            return _countries()
        if self._due(call, "unauthorised-once"):
            raise _unauthorised()
        status = self._faults.status_of(call.poiid, route.name)
        try:
            if status is not None and 400 <= status < 500:
                raise PlatformError(status, "REFUSED", "Refused as a test asked")
            answer = self._perform(call)
        except PlatformError as refused:
            answer = refused.answer()
        else:
            answer = answer if status is None else Answer(status)
        if call.route.name == "create_qr":
            answer = await self._provided(call, answer)
        return await self._spoil(call, answer)

    async def _provided(self, call: _Call, answer: Answer) -> Answer:
        """A create that was just taken waits for its provider's code; one that was lost is served all the same."""
        current = self._platform.terminals[call.serial].current
        if self.spi is None or current is None or not current.provided or current.qr_code is not None:
            return answer
        current.qr_code = {}  # asked once, also if the create is repeated meanwhile
        await self.spi.ask(current)
        return json_answer(current.answer(), answer.status) if answer.status in {200, 201} else answer

    def _due(self, call: _Call, fault: str) -> bool:
        due = self._faults.take(fault, call.poiid, call.route.name)
        if due:
            _log.info("fault %s at %s of %s", fault, call.route.name, call.poiid)
        return due

    async def _spoil(self, call: _Call, answer: Answer) -> Answer:
        if answer.wire is not Wire.SEND:
            return answer
        early = call.route.verb == "create" and self._due(call, "event-before-create-answer")
        if early or self._due(call, "slow-answers"):
            await pause(self._clock, self._delays.slow)
        wire = Wire.SEND
        if self._due(call, "reset"):
            wire = Wire.RESET
        elif answer.body and self._due(call, "truncate-answer"):
            wire = Wire.TRUNCATE
        return Answer(answer.status, answer.body, answer.content_type, answer.headers, wire)

    def _perform(self, call: _Call) -> Answer:
        verb = call.route.verb
        if verb == "create":
            return self._create_or_lose(call)
        if verb in {"read", "find"}:
            return self._read(call)
        if verb == "status":
            return json_answer(
                {"deviceId": call.serial, "state": self._platform.terminals[call.serial].state}
            )
        body = bodies.read_body(call.request, call.route.body) if call.route.body else None
        match body:
            case bodies.Fence():
                found = self._platform.fence(call.serial, _payment(call), body)
                shown = {"found": True, "transaction": found.answer()} if found else {"found": False}
                return json_answer(shown)
            case bodies.Cancel():
                return self._cancel(call, body)
            case bodies.Abort():
                self._platform.abort(call.serial, body, too_late=self._too_late(call, body.transaction_id))
                return Answer(202)
            case bodies.Display():
                self._platform.display(call.serial, body)
                return Answer(204)
        raise AssertionError(f"no handler for {call.route.name}")

    def _create_or_lose(self, call: _Call) -> Answer:
        if self._due(call, "lose-create-request"):
            return Answer(0, wire=Wire.CLOSE)
        if self._due(call, "create-409"):
            raise PlatformError(409, "CONFLICT", "Conflict")
        if self._due(call, "late-create"):
            self._keep_back(call)
            return Answer(0, wire=Wire.CLOSE)
        answer = self._create(call)
        if self._due(call, "lose-create-answer"):
            return Answer(0, wire=Wire.CLOSE)
        if self._due(call, "create-500-after-storing"):
            raise PlatformError(500, "INTERNAL", "Internal error")
        return answer

    def _keep_back(self, call: _Call) -> None:
        def arrive() -> None:
            self._late[:] = [entry for entry in self._late if entry[1] is not arrive]
            try:
                self._create(call)
            except PlatformError as refused:
                _log.info("a late create for %s was refused: %s", call.poiid, refused.code)

        self._late.append((self._clock.call_later(self._delays.late, arrive), arrive))

    def _create(self, call: _Call) -> Answer:
        if call.route.payment == "card":
            card = bodies.read_body(call.request, bodies.CreateCard)
            transaction, new = self._platform.create_card(call.serial, card)
        else:
            qr = bodies.read_body(call.request, bodies.CreateQr)
            transaction, new = self._platform.create_qr(call.serial, qr)
        return json_answer(transaction.answer(), 201 if new else 200)

    def _read(self, call: _Call) -> Answer:
        payment = _payment(call)
        missing = self._due(call, "read-404-at-first")
        if call.route.verb == "find":
            key = call.request.query.get("clientTransactionId")
            if not key:
                raise PlatformError(400, "BAD_REQUEST", "clientTransactionId is missing")
            found = [] if missing else self._platform.find(call.serial, payment, key)
            stale = bool(found) and self._due(call, "stale-reads")
            return json_answer([self._shown(transaction, stale=stale) for transaction in found])
        if missing:
            raise PlatformError(404, "NOT_FOUND", "No such transaction")
        transaction = self._platform.read(call.serial, payment, call.parameters["transactionId"])
        return json_answer(self._shown(transaction, stale=self._due(call, "stale-reads")))

    @staticmethod
    def _shown(transaction: Transaction, *, stale: bool) -> dict[str, Any]:
        if stale:
            return transaction.first_answer
        return transaction.answer(events=transaction.method == "card")

    def _cancel(self, call: _Call, body: bodies.Cancel) -> Answer:
        target = call.parameters["transactionId"]
        cancel = self._platform.cancel(
            call.serial, _payment(call), target, body, too_late=self._too_late(call, target)
        )
        return Answer(202) if cancel is None else json_answer(cancel.answer(), 201)

    def _too_late(self, call: _Call, transaction_id: str) -> bool:
        """Whether this stop is the one that comes too late; only a stop of what still runs here can."""
        current = self._platform.terminals[call.serial].current
        running = current is not None and current.transaction_id == transaction_id
        return running and self._due(call, "late-approval-after-cancel")


def _payment(call: _Call) -> Method:
    assert call.route.payment is not None
    return call.route.payment


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _countries() -> Answer:
    return json_answer([{"code": code, "display": name} for code, name in COUNTRIES])


def _unauthorised() -> PlatformError:
    return PlatformError(
        401, "UNAUTHORISED", "No valid token", WWW_Authenticate='Bearer error="invalid_token"'
    )
