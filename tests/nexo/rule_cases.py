"""For each rule: samples changed so that they break it, and where it must be found. For tests."""

from __future__ import annotations

from typing import NamedTuple

from nexo_bridge.nexo.elements import Version


class Case(NamedTuple):
    """A sample, texts to replace in it (each must occur), and the end of the path where ``rule`` is found."""

    rule: str
    sample: str
    changes: tuple[tuple[str, str], ...]
    at: str
    version: Version = "3.1"


_HEAD = "/MessageHeader"
_AMOUNTS = "/PaymentTransaction/AmountsReq"
_ORIGINAL = '<POITransactionID TransactionID="9b6f41c7" TimeStamp="2025-03-14T08:27:05.902Z"/>'
_ORIGINAL_ELEMENT = f"<OriginalPOITransaction>{_ORIGINAL}</OriginalPOITransaction>"
_CONFIRMED = "<ConfirmedFlag>true</ConfirmedFlag>"
_QR_TEXT = "https://pay.example/c/7Jk2-55Qp"
_MENU_REFERENCE = '<MenuEntry OutputFormat="MessageRef"'
_HOTEL = ' SaleReferenceID="ROOM-118-0314"'


def _card(rule: str, old: str, new: str, at: str) -> Case:
    return Case(rule, "payment-request-card", ((old, new),), at)


def _data(rule: str, payment_data: str, at: str, *changes: tuple[str, str]) -> Case:
    """The card payment with another PaymentData."""
    added = ("</PaymentTransaction>", f"</PaymentTransaction>{payment_data}")
    return Case(rule, "payment-request-card", (added, *changes), at)


HEADER_CASES: tuple[Case, ...] = (
    _card("NX-001", 'Category="Payment"', 'Category="Refund:Foo"', f"{_HEAD}/@MessageCategory"),
    _card("NX-001", 'Category="Payment"', 'Category="acme:Foo"', f"{_HEAD}/@MessageCategory"),
    _card("NX-001", 'Category="Payment"', 'Category="Login"', f"{_HEAD}/@MessageCategory"),
    Case(
        "NX-001", "event-reject", (('Category="Event"', 'Category="Display"'),), f"{_HEAD}/@MessageCategory"
    ),
    _card("NX-002", 'Type="Request"', 'Type="Response"', f"{_HEAD}/@MessageType"),
    _card("NX-002", 'Type="Request"', 'Type="Notification"', f"{_HEAD}/@MessageType"),
    _card("NX-002", 'Type="Request"', 'Type="acme:Wish"', f"{_HEAD}/@MessageType"),
    Case("NX-002", "event-reject", (('Type="Notification"', 'Type="Request"'),), f"{_HEAD}/@MessageType"),
    Case("NX-002", "logout-response", (('Type="Response"', 'Type="Request"'),), f"{_HEAD}/@MessageType"),
    _card("NX-003", 'Class="Service"', 'Class="Event"', f"{_HEAD}/@MessageClass"),
    _card("NX-003", 'Class="Service"', 'Class="acme:Foo"', f"{_HEAD}/@MessageClass"),
    Case(
        "NX-003", "display-request-text", (('Class="Device"', 'Class="Service"'),), f"{_HEAD}/@MessageClass"
    ),
    _card("NX-004", 'ServiceID="92653" ', "", _HEAD),
    Case("NX-005", "print-request", (('DeviceID="79" ', ""),), _HEAD),
    Case("NX-006", "event-reject", (('DeviceID="901"', 'ServiceID="901"'),), f"{_HEAD}/@ServiceID"),
    Case("NX-006", "event-reject", (('DeviceID="901" ', ""),), _HEAD),
    _card("NX-007", 'ServiceID="92653"', 'ServiceID="92653" DeviceID="1"', f"{_HEAD}/@DeviceID"),
    *(
        Case("NX-008", "login-request", (('ProtocolVersion="3.1"', f'ProtocolVersion="{text}"'),), at)
        for text in ("&gt;", "", "three", "3,1", "3.1.")
        for at in [f"{_HEAD}/@ProtocolVersion"]
    ),
    *(
        Case("NX-009", "login-request", (('ProtocolVersion="3.1"', f'ProtocolVersion="{text}"'),), at)
        for text in ("3.1&#10;", "3" * 21)
        for at in [f"{_HEAD}/@ProtocolVersion"]
    ),
    _card("NX-010", 'SaleID="KASSE-01"', 'SaleID=""', f"{_HEAD}/@SaleID"),
    _card("NX-010", 'POIID="POI00001"', 'POIID="  "', f"{_HEAD}/@POIID"),
    Case("NX-011", "print-request", (('SaleID="KASSE-01"', 'SaleID=""'),), f"{_HEAD}/@SaleID"),
)

VALUE_CASES: tuple[Case, ...] = (
    *(
        _card("NX-012", 'ServiceID="92653"', f'ServiceID="9{sign}2"', f"{_HEAD}/@ServiceID")
        for sign in ("&#10;", "&#9;", "\u202e", "\u00a0", "\u0085")
    ),
    _card(
        "NX-012", 'TransactionID="B-20418"', 'TransactionID="B&#10;1"', "/SaleTransactionID/@TransactionID"
    ),
    *(
        _card("NX-013", 'ServiceID="92653"', f'ServiceID="{text}"', f"{_HEAD}/@ServiceID")
        for text in ("../../etc", "/etc", "a/../b", "..", "C:\\x", "~root", "..\\x")
    ),
    _card("NX-013", 'POIID="POI00001"', 'POIID="a/./b"', f"{_HEAD}/@POIID"),
    _card("NX-014", 'POIID="POI00001"', f'POIID="{"P" * 4000}"', f"{_HEAD}/@POIID"),
    _card("NX-014", 'SaleID="KASSE-01"', f'SaleID="{"S" * 65}"', f"{_HEAD}/@SaleID"),
    _card("NX-015", "B-20418", "9" * 100_000, "/SaleTransactionID/@TransactionID"),
    Case("NX-015", "payment-request-basket", (('"Jana"', f'"{"J" * 129}"'),), "/SaleData/@OperatorID"),
    _card("NX-016", 'POIID="POI00001"', f'POIID="{"P" * 33}"', f"{_HEAD}/@POIID"),
    _card("NX-016", 'SaleID="KASSE-01"', f'SaleID="{"ä" * 17}"', f"{_HEAD}/@SaleID"),
    _card("NX-017", "B-20418", "9" * 36, "/SaleTransactionID/@TransactionID"),
    _card("NX-018", "B-20418", "", "/SaleTransactionID/@TransactionID"),
    _card("NX-018", "B-20418", " ", "/SaleTransactionID/@TransactionID"),
    _card("NX-019", 'SaleID="KASSE-01"', 'SaleID=" KASSE-01"', f"{_HEAD}/@SaleID"),
    Case("NX-019", "diagnosis-response", (("KASSE-02", "KASSE-02 "),), "/LoggedSaleID[2]"),
    *(
        _card("NX-020", "12.50", text, f"{_AMOUNTS}/@RequestedAmount")
        for text in (" 12.50 ", "+5", "5.", ".5", "0" * 13 + "1", "1." + "0" * 13, "&#10;7")
    ),
    Case("NX-020", "payment-response-tip-and-fees", ((">69.92<", ">-69.92<"),), "/ConvertedAmount"),
    Case(
        "NX-020",
        "diagnosis-response",
        (('UnitValue="20"', 'UnitValue=" 20"'),),
        "/CoinsOrBills[2]/@UnitValue",
    ),
    _card("NX-021", "12.50", "1.123456", f"{_AMOUNTS}/@RequestedAmount"),
    _card("NX-021", "12.50", "1.001", f"{_AMOUNTS}/@RequestedAmount"),
    Case("NX-021", "payment-request-yen", (("1980", "1980.5"),), f"{_AMOUNTS}/@RequestedAmount"),
    Case("NX-021", "payment-response-tip-and-fees", ((">69.92<", ">69.923<"),), "/ConvertedAmount"),
    Case(
        "NX-021",
        "payment-response-approved",
        (('dAmount="12.50"', 'dAmount="12.505"'),),
        "/@AuthorizedAmount",
    ),
    _card("NX-022", '"EUR"', '"XXZ"', f"{_AMOUNTS}/@Currency"),
    Case("NX-022", "get-totals-response", (('"EUR"', '"EUX"'),), "/TransactionTotals[1]/@PaymentCurrency"),
    Case("NX-023", "input-request-digits", (('Time="45"', 'Time="-45"'),), "/InputData/@MaxInputTime"),
    Case(
        "NX-023",
        "get-totals-response",
        (('Count="41"', 'Count="-1"'),),
        "/PaymentTotals[1]/@TransactionCount",
    ),
    *(
        _card("NX-024", '"2025-03-14T', f'"{year}-03-14T', "/SaleTransactionID/@TimeStamp")
        for year in ("9999", "1999", "2100", "0001", "-2025", "12025")
    ),
    Case("NX-024", "login-request", (("<DateTime>2025", "<DateTime>1970"),), "/LoginRequest/DateTime"),
    *(
        Case("NX-025", "payment-request-first-reservation", (("2025-03-21", day),), "/RequestedValidityDate")
        for day in ("31.03.2025", "2025-02-30", "", "20250321")
    ),
)

PAYMENT_CASES: tuple[Case, ...] = (
    _data("NX-030", '<PaymentData PaymentType="acme:Foo"/>', "/PaymentData/@PaymentType"),
    _card("NX-031", ' RequestedAmount="12.50"', "", _AMOUNTS),
    *(
        _data("NX-031", f'<PaymentData PaymentType="{kind}"/>', _AMOUNTS, (' RequestedAmount="12.50"', ""))
        for kind in (
            "Normal",
            "Refund",
            "FirstReservation",
            "Completion",
            "CashAdvance",
            "Recurring",
            "PaidOut",
        )
    ),
    _card("NX-032", "12.50", "0", f"{_AMOUNTS}/@RequestedAmount"),
    Case("NX-032", "payment-request-refund", (("12.50", "0.00"),), f"{_AMOUNTS}/@RequestedAmount"),
    Case(
        "NX-033", "payment-request-one-time-reservation", ((' MinimumAmountToDeliver="5.00"', ""),), _AMOUNTS
    ),
    Case("NX-034", "payment-request-cashback-tip", (("64.00", "23.99"),), f"{_AMOUNTS}/@RequestedAmount"),
    Case(
        "NX-034",
        "payment-request-cashback-tip",
        (('TipAmount="4.00"', 'TipAmount="44.01"'),),
        "RequestedAmount",
    ),
    Case("NX-035", "payment-request-split", (('Flag="true"', 'Flag="false"'),), f"{_AMOUNTS}/@PaidAmount"),
    _data("NX-036", '<PaymentData PaymentType="Completion"/>', "/PaymentTransaction"),
    _data("NX-036", '<PaymentData PaymentType="UpdateReservation"/>', "/PaymentTransaction"),
    Case("NX-037", "payment-request-first-reservation", ((_HOTEL, ""),), "/PaymentRequest/SaleData"),
    Case("NX-037", "payment-request-completion", ((_HOTEL, ""),), "/PaymentRequest/SaleData"),
    _data("NX-038", '<PaymentData PaymentType="Instalment"/>', "/PaymentData"),
    _data("NX-038", '<PaymentData PaymentType="IssuerInstalment"/>', "/PaymentData"),
    _data("NX-039", '<PaymentData PaymentType="VoiceAuthorisation"/>', "/PaymentTransaction"),
    Case(
        "NX-039",
        "payment-request-voice-authorisation",
        (("<ApprovalCode>T48213</ApprovalCode>", ""),),
        "/PaymentTransaction",
    ),
    Case("NX-040", "payment-request-refund", ((_ORIGINAL, ""),), "/OriginalPOITransaction"),
    Case("NX-040", "reversal-request", ((_ORIGINAL, ""),), "/OriginalPOITransaction"),
    Case("NX-040", "reversal-request", ((_ORIGINAL, ""),), "/OriginalPOITransaction", "3.0"),
    Case("NX-040", "reversal-request-reservation", ((_HOTEL, ""),), "/OriginalPOITransaction"),
    Case("NX-040", "reversal-request-reservation", ((_HOTEL, ""),), "/OriginalPOITransaction", "3.0"),
    Case("NX-041", "reversal-request", (("12.50", "0.00"),), "/ReversalRequest/@ReversedAmount"),
    Case("NX-042", "payment-request-basket", (("<UnitPrice>3.00</UnitPrice>", ""),), "/SaleItem[1]"),
    Case(
        "NX-042", "payment-request-basket", (("<UnitOfMeasure>Kilogram</UnitOfMeasure>", ""),), "/SaleItem[2]"
    ),
)

SERVICE_CASES: tuple[Case, ...] = (
    Case(
        "NX-050",
        "enable-service-request-start",
        (("<ServicesEnabled>CardAcquisition Payment</ServicesEnabled>", ""),),
        "/EnableServiceRequest",
    ),
    Case(
        "NX-051",
        "enable-service-request-start",
        (("StartTransaction", "AbortTransaction"),),
        "/ServicesEnabled",
    ),
    Case(
        "NX-052",
        "transaction-status-request-reprint",
        (
            ("<DocumentQualifier>CustomerReceipt</DocumentQualifier>", ""),
            ("<DocumentQualifier>CashierReceipt</DocumentQualifier>", ""),
        ),
        "/TransactionStatusRequest",
    ),
    Case("NX-053", "abort-request", ((' ServiceID="92653"/>', "/>"),), "/AbortRequest/MessageReference"),
    Case("NX-053", "input-update", ((' DeviceID="77"/>', "/>"),), "/InputUpdate/MessageReference"),
    Case("NX-054", "loyalty-request", (('"Award"', '"acme:Gift"'),), "/@LoyaltyTransactionType"),
    Case(
        "NX-054", "stored-value-request", (('"Activate"', '"acme:Melt"'),), "[1]/@StoredValueTransactionType"
    ),
    *(
        Case("NX-055", "loyalty-request", (('"Award"', f'"{kind}"'),), "/LoyaltyTransaction")
        for kind in ("AwardRefund", "RebateRefund", "RedemptionRefund")
    ),
    *(
        Case("NX-055", "stored-value-request", (('"Load"', f'"{kind}"'),), "/StoredValueData[2]")
        for kind in ("Reverse", "Duplicate")
    ),
    Case(
        "NX-056",
        "batch-request-collect",
        (('"true"/>', '"true"><TransactionToPerform/></BatchRequest>'),),
        "orm",
    ),
    Case(
        "NX-057",
        "reconciliation-request",
        (("/>\n</", ' POIReconciliationID="3"/>\n</'),),
        "/@POIReconciliationID",
    ),
    Case(
        "NX-058",
        "reconciliation-request-acquirer",
        (("AcquirerSynchronisation", "SaleReconciliation"),),
        "ID",
    ),
)

RESPONSE_CASES: tuple[Case, ...] = (
    Case(
        "NX-070",
        "reversal-response-not-found",
        ((' ErrorCondition="NotFound"', ""),),
        "/ReversalResponse/Response",
    ),
    Case(
        "NX-070",
        "display-response",
        ((' ErrorCondition="UnavailableDevice"', ""),),
        "/DisplayResponse/OutputResult[2]/Response",
    ),
    Case("NX-071", "payment-response-partial", ((' ErrorCondition="PaymentRestriction"', ""),), "/Response"),
    Case("NX-072", "payment-response-declined", (('"Failure"', '"Success"'),), "/Response/@ErrorCondition"),
    Case("NX-073", "login-response-version-refused", (('"Failure"', '"Success"'),), "/LoginResponse"),
    Case("NX-073", "reversal-response-not-found", (('"Failure"', '"Success"'),), "/ReversalResponse"),
    Case("NX-073", "payment-response-declined", (('"Failure"', '"Success"'),), "/PaymentResponse"),
    Case("NX-073", "payment-response-busy", (('"Failure"', '"Success"'),), "/PaymentResponse"),
    Case(
        "NX-073",
        "transaction-status-response-not-found",
        (('"Failure"', '"Success"'),),
        "/TransactionStatusResponse",
    ),
    Case("NX-073", "input-response-card-inserted", (('"Failure"', '"Success"'),), "/InputResult"),
    Case(
        "NX-073",
        "diagnosis-response-terminal-unreachable",
        (('<POIStatus GlobalStatus="Unreachable" CommunicationOKFlag="false"/>', ""),),
        "/DiagnosisResponse",
    ),
    Case(
        "NX-074", "payment-response-approved", (('"Success"', '"Failure"'),), "/AmountsResp/@AuthorizedAmount"
    ),
    Case(
        "NX-075",
        "transaction-status-response-finished",
        (('Category="Payment" MessageType', 'Category="Login" MessageType'),),
        "/RepeatedMessageResponse/MessageHeader/@MessageCategory",
    ),
    Case(
        "NX-075",
        "transaction-status-response-reversal",
        (('Category="Reversal" MessageType="Response"', 'Category="Reversal" MessageType="Request"'),),
        "/RepeatedMessageResponse/MessageHeader/@MessageType",
    ),
)

DEVICE_CASES: tuple[Case, ...] = (
    Case(
        "NX-080",
        "display-request-text",
        (('Format="Text"', 'Format="XHTML"'),),
        "/DisplayOutput[1]/OutputContent",
    ),
    Case("NX-080", "display-request-qrcode", (('Format="BarCode"', 'Format="Text"'),), "/OutputContent"),
    Case(
        "NX-080",
        "display-request-text",
        (
            (
                '<OutputContent OutputFormat="Text">',
                '<OutputContent OutputFormat="Text"><PredefinedContent ReferenceID="A"/>',
            ),
        ),
        "/DisplayOutput[1]/OutputContent",
    ),
    Case(
        "NX-080",
        "input-request-menu",
        ((_MENU_REFERENCE, '<MenuEntry OutputFormat="Text"'),),
        "/MenuEntry[3]",
    ),
    Case(
        "NX-080",
        "input-request-menu",
        ((_MENU_REFERENCE, '<MenuEntry OutputFormat="BarCode"'),),
        "/MenuEntry[3]",
    ),
    Case(
        "NX-081",
        "display-request-qrcode",
        ((f"<BarcodeValue>{_QR_TEXT}</BarcodeValue>", ""),),
        "/OutputBarcode",
    ),
    Case(
        "NX-081",
        "display-request-qrcode",
        ((f">{_QR_TEXT}<", "><"),),
        "/OutputBarcode",
        "3.0",
    ),
    Case(
        "NX-081",
        "display-request-qrcode",
        (("</BarcodeValue>", "</BarcodeValue><QRCodeBinaryValue>AA==</QRCodeBinaryValue>"),),
        "/OutputBarcode",
    ),
    Case(
        "NX-082",
        "display-request-qrcode",
        (('Version="7"', 'Version="99"'),),
        "/OutputBarcode/@QRCodeVersion",
    ),
    Case(
        "NX-082", "display-request-qrcode", (('Version="7"', 'Version="0"'),), "/OutputBarcode/@QRCodeVersion"
    ),
    Case(
        "NX-083",
        "display-request-text",
        (('Device="CashierDisplay" InfoQualify="Status"', 'Device="CustomerDisplay" InfoQualify="Display"'),),
        "/DisplayOutput[2]",
    ),
    *(
        Case("NX-084", "input-request-confirmation", (('MaxInputTime="60"', option),), "/InputData")
        for option in (
            'MinLength="1"',
            'MenuBackFlag="true"',
            'ImmediateResponseFlag="1"',
            'MaxDecimalLength="0"',
        )
    ),
    Case("NX-084", "input-request-digits", (('"DigitString"', '"GetFunctionKey"'),), "/InputData"),
    Case("NX-085", "input-request-digits", (('MinLength="4"', 'MinLength="7"'),), "/InputData/@MinLength"),
    Case("NX-085", "input-update", (('MinLength="4"', 'MinLength="9"'),), "/InputUpdate/@MinLength"),
    Case("NX-086", "input-request-confirmation", (("GetConfirmation", "GetMenuEntry"),), "/InputRequest"),
    Case("NX-086", "input-request-digits", (("DigitString", "GetMenuEntry"),), "/InputRequest"),
    Case("NX-087", "input-response", (("GetConfirmation", "DigitString"),), "/InputResult/Input"),
    Case("NX-087", "input-response", (("GetConfirmation", "GetAnyKey"),), "/InputResult/Input"),
    Case("NX-087", "input-response", ((_CONFIRMED, ""),), "/InputResult/Input"),
    Case(
        "NX-087",
        "input-response",
        (("</ConfirmedFlag>", "</ConfirmedFlag><FunctionKey>1</FunctionKey>"),),
        "/InputResult/Input",
    ),
    Case("NX-090", "event-card-inserted", (('"CardInserted"', '"Reject"'),), "/EventNotification"),
    Case("NX-091", "event-card-inserted", (('"CardInserted"', '"CustomerLanguage"'),), "/EventNotification"),
)

CASES = (*HEADER_CASES, *VALUE_CASES, *PAYMENT_CASES, *SERVICE_CASES, *RESPONSE_CASES, *DEVICE_CASES)


class Fine(NamedTuple):
    """A sample, texts to replace in it, and the rules that must all keep silent."""

    sample: str
    changes: tuple[tuple[str, str], ...]
    version: Version = "3.1"


FINE: tuple[Fine, ...] = (
    *(
        Fine("login-request", (('"3.1"', f'"{text}"'),))
        for text in ("3.2", "v3", "1.0", "3.1-dmg", "99.99", "3.1.0")
    ),
    Fine("payment-request-card", (('"92653"', '"A.b-7:_#+"'),)),
    Fine("payment-request-card", (('"KASSE-01"', '"shop 4/lane 2"'),)),
    Fine("payment-request-card", (('"92653"', '"..."'),)),
    *(
        Fine("payment-request-card", (("12.50", text),))
        for text in ("12.5", "12", "12.500000", "0012.50", "99999999.99")
    ),
    Fine("payment-request-yen", (("1980", "1980.00"),)),
    Fine("payment-request-card", (('"EUR" RequestedAmount="12.50"', '"KWD" RequestedAmount="1.125"'),)),
    Fine("payment-request-card", (('"EUR" RequestedAmount="12.50"', '"CLF" RequestedAmount="1.1255"'),)),
    *(
        Fine("payment-request-card", (('"2025-03-14T09:26:53', f'"{text}'),))
        for text in ("2000-01-01T00:00:00", "2099-12-31T24:00:00")
    ),
    Fine("card-acquisition-response", (("2027-03-14T00:00:00Z", "9999-12-31T23:59:59Z"),)),
    Fine("payment-request-cashback-tip", (("64.00", "24.00"),)),
    Fine("payment-request-one-time-reservation", (("MinimumAmountToDeliver", "RequestedAmount"),)),
    Fine("payment-request-update-reservation", ((' RequestedAmount="550.00"', ""),)),
    Fine("payment-request-completion", ((' ReuseCardDataFlag="true"', ' LastTransactionFlag="true"'),)),
    Fine("payment-request-refund", ((_ORIGINAL, _ORIGINAL.replace("POIT", "HostT")),)),
    Fine("reversal-request", ((' ReversedAmount="12.50"', ""),)),
    Fine(
        "reversal-request-reservation",
        (
            ("<OriginalPOITransaction/>", f"<OriginalPOITransaction>{_ORIGINAL}</OriginalPOITransaction>"),
            (_HOTEL, ""),
        ),
    ),
    Fine("input-response", (("GetConfirmation", "SiteManager"),)),
    Fine("input-response", (("GetConfirmation", "acme:Nod"),)),
    Fine(
        "input-response",
        (
            ("GetConfirmation", "DecimalString"),
            (_CONFIRMED, "<DigitInput>125</DigitInput>"),
        ),
    ),
    Fine(
        "input-response",
        (
            ("GetConfirmation", "DecimalString"),
            (_CONFIRMED, "<TextInput>1,25</TextInput>"),
        ),
    ),
    Fine("input-response", (("GetConfirmation", "GetAnyKey"), (_CONFIRMED, ""))),
    Fine(
        "input-request-confirmation",
        (("GetConfirmation", "acme:Nod"), ('MaxInputTime="60"', 'MaxLength="60"')),
    ),
    Fine(
        "input-request-confirmation",
        (("GetConfirmation", "GetAnyKey"), ('MaxInputTime="60"', 'ImmediateResponseFlag="true"')),
    ),
    Fine("input-update", ((' MaxLength="8"', ""),)),
    Fine("input-update", ((' MinLength="4"', ""),)),
    Fine("display-request-text", (('Format="MessageRef"', 'Format="acme:Neon"'),)),
    Fine("event-card-inserted", (('"CardInserted"', '"CustomerLanguage" CustomerLanguage="sv"'),)),
    Fine("abort-request", ((' ServiceID="92653"/>', ' DeviceID="9"/>'),)),
    Fine("payment-response-partial", (('"Partial" ErrorCondition="PaymentRestriction"', '"Success"'),)),
    Fine(
        "payment-response-declined",
        (("</PaymentInstrumentData>", '</PaymentInstrumentData><AmountsResp AuthorizedAmount="0"/>'),),
    ),
    Fine("payment-request-basket", (("<Quantity>2</Quantity>", "<Quantity> -2 </Quantity>"),)),
    Fine("reconciliation-request-acquirer", (("AcquirerSynchronisation", "AcquirerReconciliation"),)),
    Fine("payment-response-approved", (('"EUR" Auth', '"XAF" Auth'), ('"12.50"', '"12"'))),
)
