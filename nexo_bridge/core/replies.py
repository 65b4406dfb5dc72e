"""What goes out to a POS: answers, device requests, event notifications, as bytes that satisfy the schema."""

from __future__ import annotations

from collections.abc import Callable

from nexo_bridge.categories import failures
from nexo_bridge.categories.catalogue import BY_NAME
from nexo_bridge.categories.conditions import FAILURES, Failure
from nexo_bridge.categories.plan import Ending, Facts, Session, Shown
from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.nexo import codec
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import Message, MessageHeader
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.ppaas.models import Approved, Declined, NotSent, Pending, Transaction
from nexo_bridge.redaction import Secret

_SAYS_VERSION = frozenset({"Login", "Diagnosis"})
"""Messages outside a session carry ProtocolVersion, in request and response (nexo MessageHeader)."""


class Replies:
    """Composes and encodes. Pure: the same facts give the same bytes."""

    def __init__(self, schemas: Schemas, secret: Callable[[str], Secret]) -> None:
        self._schemas = schemas
        self._secret = secret

    def response(self, header: MessageHeader, version: Version, body: Element) -> bytes:
        """The response with exactly the ids of the request."""
        answer = MessageHeader(
            protocol_version=version if header.message_category in _SAYS_VERSION else None,
            message_class=header.message_class,
            message_category=header.message_category,
            message_type="Response",
            service_id=header.service_id,
            device_id=header.device_id,
            sale_id=header.sale_id,
            poi_id=header.poi_id,
        )
        return codec.encode(Message(kind="response", header=answer, body=body), version, self._schemas)

    def device_request(self, header: MessageHeader, device_id: str, body: Element, version: Version) -> bytes:
        """A device request of the POI inside the service dialogue that ``header`` opened."""
        asked = MessageHeader(
            message_class="Device",
            message_category=type(body).__name__.removesuffix("Request"),
            message_type="Request",
            service_id=header.service_id,
            device_id=device_id,
            sale_id=header.sale_id,
            poi_id=header.poi_id,
        )
        return codec.encode(Message(kind="request", header=asked, body=body), version, self._schemas)

    def event(
        self,
        name: str,
        details: str,
        facts: Facts,
        *,
        sale_id: str,
        poi_id: str,
        device_id: str,
        rejected: Secret | None,
    ) -> bytes:
        """An EventNotification. ``rejected`` is the base64 of the message a ``Reject`` is about."""
        header = MessageHeader(
            message_class="Event",
            message_category="Event",
            message_type="Notification",
            device_id=device_id,
            sale_id=sale_id,
            poi_id=poi_id,
        )
        body = nexo.EventNotification(
            time_stamp=facts.timestamp,
            event_to_notify=name,
            event_details=details,
            rejected_message=_sendable(rejected) if name == "Reject" else None,
        )
        return codec.encode(Message(kind="request", header=header, body=body), facts.version, self._schemas)

    def encoded(self, message: Message, version: Version) -> bytes:
        """Any message as bytes; empty if its secrets are HMACs alone, as they are in replay."""
        try:
            return codec.encode(message, version, self._schemas)
        except codec.InvalidOutput:
            return b""

    def settle(self, exchange: Exchange, ending: Ending, facts: Facts) -> did.Settled:
        """The decision that ends ``exchange``, with the bytes of its answer."""
        category = BY_NAME[exchange.received.category]
        assert category.reply is not None, "only categories that reply are asked"
        header, version = exchange.request.header, exchange.received.version
        try:
            body = category.reply(exchange.request.body, ending, facts)
            data = self.response(header, version, body)
        except codec.InvalidOutput:
            # The platform's words do not fit the schema: the amounts do, and they are what counts.
            body = category.reply(exchange.request.body, _bare(ending), facts)
            data = self.response(header, version, body)
        transaction = ending.transaction if isinstance(ending, Approved) else None
        return _settled(body, data, _status(ending), transaction)

    def refuse(
        self, message: Message, version: Version, failure: Failure, facts: Facts, *, at: str = ""
    ) -> did.Settled:
        """The decision that ends an exchange that was never planned."""
        body = failures.failed(message.header.message_category, failure, facts, request=message.body, at=at)
        assert body is not None, "every guarded category has an answer"
        return _settled(body, self.response(message.header, version, body), "REFUSED", None)

    def answer(self, message: Message, version: Version, body: Element, status: str) -> did.Settled:
        """The decision that ends an exchange whose answer its category knew at once."""
        return _settled(body, self.response(message.header, version, body), status, None)

    def provisional(self, exchange: Exchange, facts: Facts) -> bytes:
        """Not an answer: "not known yet", for a POS that cannot wait (rule R5)."""
        category = exchange.received.category
        body = failures.failed(category, FAILURES["IN_PROGRESS"], facts, request=exchange.request.body)
        assert body is not None, "every guarded category has an answer"
        return self.response(exchange.request.header, exchange.received.version, body)

    def stored(self, settled: did.Settled, version: Version) -> Message:
        """A settled answer read back; it was validated when it was written, and the journal keeps it as it was."""
        return codec.build(codec.parse(settled.answer.encode()), version, self._secret)

    def progress(self, exchange: Exchange, pending: Pending, facts: Facts) -> Shown:
        """What people should see while ``exchange`` is pending."""
        category = BY_NAME[exchange.received.category]
        return category.progress(exchange.request.body, pending, facts) if category.progress else Shown()

    def unknown_displays(self, session: Session | None) -> Shown:
        """Tell the cashier not to charge again, if the POS has a display for the cashier."""
        if session is None or "CashierDisplay" not in session.capabilities:
            return Shown()
        text = nexo.OutputText(text="Outcome not known yet. Do not charge again.")
        output = nexo.DisplayOutput(
            response_required_flag=False,
            device="CashierDisplay",
            info_qualify="Status",
            output_content=nexo.OutputContent(output_format="Text", output_text=(text,)),
        )
        return Shown(to_pos=(nexo.DisplayRequest(display_output=(output,)),))


def _settled(body: Element, data: bytes, status: str, transaction: Transaction | None) -> did.Settled:
    response = getattr(body, "response", None)
    assert isinstance(response, nexo.Response), "every answer of a guarded category has a Response"
    code = (response.additional_response or "").partition("code=")[2].partition(";")[0] or None
    authorised = None
    if transaction is not None:
        authorised = transaction.amount if transaction.authorised is None else transaction.authorised
    return did.Settled(
        result=response.result,
        condition=response.error_condition,
        code=code,
        status=status,
        authorised=authorised,
        currency=transaction.currency if transaction else None,
        answer=data.decode(),
    )


def _sendable(rejected: Secret | None) -> Secret:
    """RejectedMessage must be there in a Reject; what is only an HMAC (in replay) or never was is sent empty."""
    return rejected if rejected is not None and rejected.is_clear else Secret("", "")


def _status(ending: Ending) -> str:
    match ending:
        case Approved(transaction=transaction) | Declined(transaction=transaction):
            return transaction.status
        case NotSent():
            return "NOT_SENT"
        case _:
            names = {
                "NeverCreated": "NEVER_CREATED",
                "NotStarted": "NOT_STARTED",
                "ResolvedUnpaid": "RESOLVED",
            }
            return names[type(ending).__name__]


def _bare(ending: Ending) -> Ending:
    """``ending`` without what the platform adds in its own words."""
    if not isinstance(ending, Approved):
        return ending
    nothing = dict.fromkeys(("approval_code", "brand", "masked_pan", "entry_mode"))
    return Approved(transaction=ending.transaction.model_copy(update=nothing))
