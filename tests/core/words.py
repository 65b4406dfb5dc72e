"""What POS and platform say in tests, made from the models; every argument has the value of an ordinary day."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from nexo_bridge.core.signals import Arrived, HeaderIds, PlatformEvent, Unreadable
from nexo_bridge.core.source import Source
from nexo_bridge.money import Amount
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.canonical import canonical
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import Message, MessageHeader, MessageReference
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.policy import Policy, Terminal
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    QrCode,
    TerminalIs,
    Transaction,
    Unknown,
)
from nexo_bridge.redaction import Secret

POLICY = Policy(
    environment="sandbox",
    installation="0b1c2d3e-0000-4000-8000-000000000001",
    software_version="0.1.0",
    terminals={
        "POI1": Terminal("POI1", "SER1"),
        "POI2": Terminal("POI2", "SER2"),
        "QR": Terminal("QR", "SER3", default="qr"),
    },
    brands={"TWINT": "TW", "OwnWallet": "", "Visa": None},
)
A, B = Source("tcp", "A"), Source("tcp", "B")
MOMENT = Timestamp("2025-03-14T09:40:00+01:00")


def request(
    body: Element,
    category: str,
    *,
    service: str = "1",
    sale: str = "TILL",
    poi: str = "POI1",
    version: Version = "3.1",
    source: Source = A,
    present: bool = True,
    ack: int | None = None,
    **header: Any,
) -> Arrived:
    """A request that reached the core."""
    made = MessageHeader(
        message_class="Service",
        message_category=category,
        message_type="Request",
        service_id=service,
        sale_id=sale,
        poi_id=poi,
        **header,
    )
    digest = hashlib.sha256(canonical(body)).hexdigest()
    message = Message(kind="request", header=made, body=body)
    return Arrived(source=source, message=message, version=version, digest=digest, present=present, ack=ack)


def payment(
    amount: str | None = "10.00",
    *,
    currency: str = "EUR",
    transaction: str | None = None,
    kind: str | None = None,
    split: bool = False,
    instrument: nexo.PaymentInstrumentData | None = None,
    brands: tuple[str, ...] = (),
    tip: str | None = None,
    cash_back: str | None = None,
    acquirer_data: Secret | None = None,
    acquisition: bool = False,
    **header: Any,
) -> Arrived:
    """A PaymentRequest; its SaleTransactionID follows its ServiceID unless named."""
    body = nexo.PaymentRequest(
        sale_data=nexo.SaleData(
            sale_transaction_id=nexo.TransactionIdentification(
                transaction_id=transaction or f"T{header.get('service', '1')}", time_stamp=MOMENT
            ),
            sale_to_acquirer_data=acquirer_data,
        ),
        payment_transaction=nexo.PaymentTransaction(
            amounts_req=nexo.AmountsReq(
                currency=currency,
                requested_amount=None if amount is None else Amount(amount),
                tip_amount=None if tip is None else Amount(tip),
                cash_back_amount=None if cash_back is None else Amount(cash_back),
            ),
            transaction_conditions=nexo.TransactionConditions(allowed_payment_brand=brands)
            if brands
            else None,
        ),
        payment_data=nexo.PaymentData(
            payment_type=kind or "Normal",
            split_payment_flag=split,
            payment_instrument_data=instrument,
            card_acquisition_reference=nexo.TransactionIdentification(
                transaction_id="acquired", time_stamp=MOMENT
            )
            if acquisition
            else None,
        )
        if kind or split or instrument or acquisition
        else None,
    )
    return request(body, "Payment", **header)


def login(
    *capabilities: str, training: bool = False, terminal: bool = True, service: str = "L1", **header: Any
) -> Arrived:
    """A LoginRequest."""
    body = nexo.LoginRequest(
        training_mode_flag=training,
        operator_language="en",
        date_time=MOMENT,
        sale_software=nexo.SaleSoftware(
            provider_identification="Kornblume",
            manufacturer_id="Kornblume",
            application_name="Kasse",
            software_version="1",
            certification_code="1",
            component_type="APPL",
        ),
        sale_terminal_data=nexo.SaleTerminalData(sale_capabilities=capabilities) if terminal else None,
    )
    return request(body, "Login", service=service, **header)


def logout(**header: Any) -> Arrived:
    return request(nexo.LogoutRequest(), "Logout", **{"service": "L9", **header})


def abort(of: str | None = "1", **more: Any) -> Arrived:
    """An AbortRequest; ``about`` replaces its MessageReference."""
    about = more.pop("about", None) or MessageReference(message_category="Payment", service_id=of)
    body = nexo.AbortRequest(message_reference=about, abort_reason="Cashier pressed stop")
    return request(body, "Abort", **{"service": "A1", **more})


def status(of: str | None = None, **more: Any) -> Arrived:
    """A TransactionStatusRequest; without ``of`` about the last payment."""
    about = more.pop("about", None)
    if of is not None:
        about = MessageReference(message_category="Payment", service_id=of)
    body = nexo.TransactionStatusRequest(message_reference=about)
    return request(body, "TransactionStatus", **{"service": "Q1", **more})


def diagnosis(*, host: bool = False, of: str | None = None, **header: Any) -> Arrived:
    body = nexo.DiagnosisRequest(host_diagnosis_flag=host, poi_id=of)
    return request(body, "Diagnosis", **{"service": "D1", **header})


def unreadable(*, answerable: bool = True, **more: Any) -> Unreadable:
    """Something that breaks the schema."""
    header = {"message_class": "Service", "category": "Payment", "service_id": "1"}
    header |= {"sale_id": "TILL", "poi_id": "POI1", **more.pop("header", {})}
    told = {
        "condition": "MessageFormat",
        "code": "NB-103",
        "retry": "no",
        "at": "/SaleToPOIRequest",
        "text": "wrong",
    }
    return Unreadable(
        source=A, header=HeaderIds(**header), answerable=answerable, version="3.1", **(told | more)
    )


def transaction(key: str, status: str = "PENDING", **more: Any) -> Transaction:
    """The platform's word about the transaction created under ``key``."""
    facts = {
        "transaction_id": "pp-1",
        "client_transaction_id": key,
        "device_id": "SER1",
        "status": status,
        "amount": 1000,
        "currency": "EUR",
    }
    return Transaction(**(facts | more))


def pending(key: str, **more: Any) -> Pending:
    return Pending(transaction=transaction(key, more.pop("status", "PENDING"), **more))


def approved(key: str, **more: Any) -> Approved:
    return Approved(transaction=transaction(key, more.pop("status", "APPROVED"), **more))


def declined(key: str, status: str = "DECLINED", **more: Any) -> Declined:
    return Declined(transaction=transaction(key, status, **more))


def event(outcome: Outcome | None, **more: Any) -> PlatformEvent:
    """The platform tells something unasked."""
    facts: dict[str, Any] = {"source": Source("stream", "S"), "ack": 7, "poiid": "POI1", "event_id": "E1"}
    return PlatformEvent(outcome=outcome, **(facts | more))


QR_CODE = QrCode(content="https://pay.example/1")
ABSENT, ACCEPTED = Absent(), Accepted()
IDLE, BUSY = TerminalIs(state="IDLE"), TerminalIs(state="BUSY")
LOST = Unknown(reason="no answer in time")
NOT_SENT = NotSent(code="CONNECT", reason="nobody listens")


def plain(value: Any) -> str:
    """Anything as one line of JSON, to compare what is not comparable."""
    return json.dumps(value, sort_keys=True, default=str)
