"""What the scripted POS says: one method for each request, and numbers for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from nexo_bridge import __version__
from nexo_bridge.money import Amount
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import (
    AbortRequest,
    AmountsReq,
    CardData,
    LoginRequest,
    LogoutRequest,
    Message,
    MessageHeader,
    MessageReference,
    PaymentData,
    PaymentInstrumentData,
    PaymentRequest,
    PaymentToken,
    PaymentTransaction,
    SaleData,
    SaleSoftware,
    SaleTerminalData,
    TransactionIdentification,
    TransactionStatusRequest,
)
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.redaction import Secret

CAPABILITIES = ("CashierStatus", "CashierError", "CashierDisplay", "CustomerDisplay", "PrinterReceipt")
"""What this POS can show: texts, and a QR code for the customer. Receipts are taken in the response."""


class ServiceIds:
    """Numbers for requests, from the clock: of ten digits, rising, unique for 115 days on one till.

    Args:
        wall: seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._last = -1

    def next(self) -> str:
        """The next ServiceID."""
        self._last = max(self._last + 1, int(self._wall() * 1000))
        return f"{self._last % 10**10:010d}"


class Requests:
    """Makes the messages of one Sale System and POI pair.

    Args:
        sale_id: SaleID of every header.
        poi_id: POIID of every header.
        version: protocol version told at Login, and in whose form the rest is written.
        now: the time of day, with its zone.
    """

    def __init__(
        self,
        sale_id: str,
        poi_id: str,
        *,
        version: Version = "3.1",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.sale_id = sale_id
        self.poi_id = poi_id
        self.version = version
        self._now = now

    def login(self, service_id: str) -> Message:
        """Opens the session."""
        newer = self.version == "3.1"
        software = SaleSoftware(
            provider_identification="nexo-bridge" if newer else None,
            manufacturer_id=None if newer else "nexo-bridge",
            application_name="nexo-bridge pos",
            software_version=__version__,
            certification_code="none",
        )
        terminal = SaleTerminalData(terminal_environment="Attended", sale_capabilities=CAPABILITIES)
        body = LoginRequest(
            operator_language="en",
            date_time=self._moment(),
            sale_software=software,
            sale_terminal_data=terminal,
        )
        return self._request("Login", service_id, body, version=self.version)

    def logout(self, service_id: str) -> Message:
        """Closes the session."""
        return self._request("Logout", service_id, LogoutRequest())

    def payment(
        self,
        service_id: str,
        transaction_id: str,
        amount: Amount,
        currency: str,
        *,
        mobile: bool = False,
        scanned: Secret | None = None,
    ) -> Message:
        """A purchase: by card, by a code the customer scans (``mobile``), or by a code the till ``scanned``."""
        instrument = None
        if scanned is not None:
            kind = "Transaction"  # a token for this one payment
            token = PaymentToken(token_requested_type=kind, token_value=scanned)
            instrument = PaymentInstrumentData(
                payment_instrument_type="Mobile",
                card_data=CardData(entry_mode=("Scanned",), payment_token=token),
            )
        elif mobile:
            instrument = PaymentInstrumentData(payment_instrument_type="Mobile")
        body = PaymentRequest(
            sale_data=SaleData(
                sale_transaction_id=TransactionIdentification(
                    transaction_id=transaction_id, time_stamp=self._moment()
                )
            ),
            payment_transaction=PaymentTransaction(
                amounts_req=AmountsReq(currency=currency, requested_amount=amount)
            ),
            payment_data=None if instrument is None else PaymentData(payment_instrument_data=instrument),
        )
        return self._request("Payment", service_id, body)

    def status(self, service_id: str, reference: str | None) -> Message:
        """How the payment with the ServiceID ``reference`` ended; None: the last one of this pair."""
        body = TransactionStatusRequest(
            message_reference=None if reference is None else self._payment(reference)
        )
        return self._request("TransactionStatus", service_id, body)

    def abort(self, service_id: str, reference: str) -> Message:
        """A wish to stop the payment with the ServiceID ``reference``; nothing answers it."""
        body = AbortRequest(message_reference=self._payment(reference), abort_reason="Stopped at the till")
        return self._request("Abort", service_id, body)

    def _payment(self, reference: str) -> MessageReference:
        return MessageReference(
            message_category="Payment", service_id=reference, sale_id=self.sale_id, poi_id=self.poi_id
        )

    def _request(
        self, category: str, service_id: str, body: Element, *, version: str | None = None
    ) -> Message:
        header = MessageHeader(
            protocol_version=version,
            message_class="Service",
            message_category=category,
            message_type="Request",
            service_id=service_id,
            sale_id=self.sale_id,
            poi_id=self.poi_id,
        )
        return Message(kind="request", header=header, body=body)

    def _moment(self) -> Timestamp:
        return Timestamp.of(self._now())
