"""What a till says, written by hand, and what it reads in an answer: no line of the bridge's own codec."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

MOMENT = "2026-03-01T10:15:30Z"


def header(category: str, service: str, sale: str, poi: str, *, version: str = "") -> str:
    spoken = f'ProtocolVersion="{version}" ' if version else ""
    return (
        f'<MessageHeader {spoken}MessageClass="Service" MessageCategory="{category}" MessageType="Request" '
        f'ServiceID="{service}" SaleID="{sale}" POIID="{poi}"/>'
    )


def request(head: str, body: str) -> bytes:
    return f"<SaleToPOIRequest>{head}{body}</SaleToPOIRequest>".encode()


def login(service: str, sale: str, poi: str, *, capabilities: str = "") -> bytes:
    terminal = (
        f'<SaleTerminalData TerminalEnvironment="Attended"><SaleCapabilities>{capabilities}</SaleCapabilities>'
        "</SaleTerminalData>"
        if capabilities
        else ""
    )
    return request(
        header("Login", service, sale, poi, version="3.1"),
        f'<LoginRequest OperatorLanguage="en"><DateTime>{MOMENT}</DateTime><SaleSoftware '
        'ProviderIdentification="Kornblume" ApplicationName="Kasse" SoftwareVersion="7" CertificationCode="K7"/>'
        f"{terminal}</LoginRequest>",
    )


def payment(
    service: str,
    sale: str,
    poi: str,
    amount: str,
    *,
    transaction: str | None = None,
    qr: bool = False,
    scanned: str = "",
    sale_data: str = "",
    currency: str = "EUR",
) -> bytes:
    """A purchase. ``sale_data`` are attributes of SaleData."""
    instrument = ""
    if scanned:
        instrument = (
            '<PaymentData><PaymentInstrumentData PaymentInstrumentType="Mobile"><CardData EntryMode="Scanned">'
            f'<PaymentToken TokenRequestedType="Transaction" TokenValue="{scanned}"/>'
            "</CardData></PaymentInstrumentData></PaymentData>"
        )
    elif qr:
        instrument = '<PaymentData><PaymentInstrumentData PaymentInstrumentType="Mobile"/></PaymentData>'
    return request(
        header("Payment", service, sale, poi),
        f'<PaymentRequest><SaleData{sale_data}><SaleTransactionID TransactionID="{transaction or f"B-{service}"}" '
        f'TimeStamp="{MOMENT}"/></SaleData><PaymentTransaction><AmountsReq Currency="{currency}" '
        f'RequestedAmount="{amount}"/></PaymentTransaction>{instrument}</PaymentRequest>',
    )


def status(service: str, sale: str, poi: str, reference: str | None = None) -> bytes:
    named = f'<MessageReference MessageCategory="Payment" ServiceID="{reference}"/>' if reference else ""
    return request(
        header("TransactionStatus", service, sale, poi),
        f"<TransactionStatusRequest>{named}</TransactionStatusRequest>",
    )


def abort(service: str, sale: str, poi: str, reference: str, reason: str = "Cashier pressed stop") -> bytes:
    return request(
        header("Abort", service, sale, poi),
        f'<AbortRequest><MessageReference MessageCategory="Payment" ServiceID="{reference}"/>'
        f"<AbortReason>{reason}</AbortReason></AbortRequest>",
    )


def diagnosis(service: str, sale: str, poi: str) -> bytes:
    return request(
        header("Diagnosis", service, sale, poi, version="3.1"), '<DiagnosisRequest HostDiagnosisFlag="true"/>'
    )


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True)
class Answer:
    """A message to the till; what several elements could say is that of the first one in the document."""

    data: bytes

    @property
    def root(self) -> etree._Element:
        return etree.fromstring(self.data)

    def value(self, path: str) -> str | None:
        found = self.root.xpath(path)
        assert isinstance(found, list)
        return str(found[0]) if found else None

    @property
    def category(self) -> str | None:
        return self.value("/*/MessageHeader/@MessageCategory")

    @property
    def service(self) -> str | None:
        return self.value("/*/MessageHeader/@ServiceID")

    @property
    def result(self) -> str | None:
        return self.value("/*/*[2]/Response/@Result")

    @property
    def condition(self) -> str | None:
        return self.value("/*/*[2]/Response/@ErrorCondition")

    @property
    def said(self) -> str:
        """AdditionalResponse, or the details of an Event."""
        return (
            self.value("/*/*[2]/Response/AdditionalResponse/text()")
            or self.value("//EventDetails/text()")
            or ""
        )

    def _part(self, name: str) -> str:
        found = re.search(rf"(?:^|; ){name}=([^;]*)", self.said)
        return found.group(1) if found else ""

    @property
    def code(self) -> str:
        return self._part("code")

    @property
    def retry(self) -> str:
        return self._part("retry")

    @property
    def at(self) -> str:
        return self._part("at")

    @property
    def event(self) -> str | None:
        return self.value("/*/EventNotification/@EventToNotify")

    @property
    def amount(self) -> str | None:
        return self.value("//AmountsResp/@AuthorizedAmount")

    @property
    def inner(self) -> tuple[str | None, str | None]:
        """Result and condition inside a TransactionStatusResponse."""
        inside = "//RepeatedMessageResponse//Response/"
        return self.value(f"{inside}@Result"), self.value(f"{inside}@ErrorCondition")

    def __str__(self) -> str:
        return f"{self.category} {self.result} {self.condition} {self.said}"
