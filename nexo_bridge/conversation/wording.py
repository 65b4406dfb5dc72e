"""What a POS of a script says: a statement becomes XML, written by hand so that it can also be wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from nexo_bridge.conversation.grammar import Say

MOMENT = "2026-03-01T10:15:30Z"
"""TimeStamp of every SaleTransactionID unless the script says another: the same words are the same body."""

_PAIRS = {"tip": "TipAmount", "cashback": "CashBackAmount"}


def request(said: Say, ids: Mapping[str, str], version: str) -> bytes:
    """The message of ``said``.

    Args:
        said: anything but ``repeat`` and ``raw``.
        ids: SaleID, POIID and ServiceID to use where the statement has none.
        version: protocol version the POS speaks; Login writes it down.
    """
    words = {**ids, **said.words}
    response = said.request == "DisplayResponse"
    category = "Display" if response else said.request
    root = etree.Element("SaleToPOIResponse" if response else "SaleToPOIRequest")
    header = etree.SubElement(root, "MessageHeader")
    told = said.words.get("version") or (version if said.request == "Login" else None)
    if told:
        header.set("ProtocolVersion", told)
    header.set("MessageClass", "Device" if response else "Service")
    header.set("MessageCategory", category)
    header.set("MessageType", "Response" if response else "Request")
    for name in ("ServiceID", "DeviceID", "SaleID", "POIID"):
        if name in words:
            header.set(name, words[name])
    body = etree.SubElement(root, f"{category}{'Response' if response else 'Request'}")
    _BODIES[said.request](body, words, told or version)
    return etree.tostring(root, encoding="UTF-8")


def _login(body: etree._Element, words: Mapping[str, str], version: str) -> None:
    if "training" in words:
        body.set("TrainingModeFlag", "true")
    body.set("OperatorLanguage", "en")
    etree.SubElement(body, "DateTime").text = MOMENT
    maker = "ManufacturerID" if version == "3.0" else "ProviderIdentification"
    software = {maker: "Kornblume", "ApplicationName": "Kasse", "SoftwareVersion": "7"}
    etree.SubElement(body, "SaleSoftware", {**software, "CertificationCode": "K7"})
    if "capabilities" in words:
        terminal = etree.SubElement(body, "SaleTerminalData", TerminalEnvironment="Attended")
        etree.SubElement(terminal, "SaleCapabilities").text = words["capabilities"].replace(",", " ")


def _payment(body: etree._Element, words: Mapping[str, str], version: str) -> None:  # noqa: ARG001 - one shape
    sale = etree.SubElement(body, "SaleData")
    transaction = words.get("sale") or f"T{words['ServiceID']}"
    etree.SubElement(
        sale, "SaleTransactionID", TransactionID=transaction, TimeStamp=words.get("time", MOMENT)
    )
    if "acquirer" in words:
        etree.SubElement(sale, "SaleToAcquirerData").text = words["acquirer"]
    paid = etree.SubElement(body, "PaymentTransaction")
    amounts = etree.SubElement(paid, "AmountsReq", Currency=words.get("currency", "EUR"))
    amounts.set("RequestedAmount", words["amount"])
    for word, name in _PAIRS.items():
        if word in words:
            amounts.set(name, words[word])
    if "brand" in words:
        conditions = etree.SubElement(paid, "TransactionConditions")
        etree.SubElement(conditions, "AllowedPaymentBrand").text = words["brand"]
    if not words.keys() & {"type", "split", "qr", "scan"}:
        return
    data = etree.SubElement(body, "PaymentData")
    if "type" in words:
        data.set("PaymentType", words["type"])
    if "split" in words:
        data.set("SplitPaymentFlag", "true")
    if words.keys() & {"qr", "scan"}:
        instrument = etree.SubElement(data, "PaymentInstrumentData", PaymentInstrumentType="Mobile")
        if "scan" in words:
            card = etree.SubElement(instrument, "CardData", EntryMode="Scanned")
            etree.SubElement(card, "PaymentToken", TokenRequestedType="Transaction", TokenValue=words["scan"])


def _status(body: etree._Element, words: Mapping[str, str], version: str) -> None:  # noqa: ARG001 - one shape
    if words.keys() & {"ref", "category"}:
        _reference(body, words)


def _abort(body: etree._Element, words: Mapping[str, str], version: str) -> None:  # noqa: ARG001 - one shape
    _reference(body, words)
    etree.SubElement(body, "AbortReason").text = "Stopped at the till"


def _reference(body: etree._Element, words: Mapping[str, str]) -> None:
    reference = etree.SubElement(body, "MessageReference", MessageCategory=words.get("category", "Payment"))
    if "ref" in words:
        reference.set("ServiceID", words["ref"])


def _diagnosis(body: etree._Element, words: Mapping[str, str], version: str) -> None:  # noqa: ARG001 - one shape
    if "host" in words:
        body.set("HostDiagnosisFlag", "true")


def _display_response(body: etree._Element, words: Mapping[str, str], version: str) -> None:  # noqa: ARG001
    result = etree.SubElement(body, "OutputResult", Device="CustomerDisplay", InfoQualify="Display")
    etree.SubElement(result, "Response", Result="Success")


def _logout(body: etree._Element, words: Mapping[str, str], version: str) -> None:
    """It has no content that matters here."""


_BODIES = {
    "Login": _login,
    "Logout": _logout,
    "Payment": _payment,
    "TransactionStatus": _status,
    "Abort": _abort,
    "Diagnosis": _diagnosis,
    "DisplayResponse": _display_response,
}
