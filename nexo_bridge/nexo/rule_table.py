"""What the XSD cannot say, as a table: the rules of ``nexo_bridge.nexo.rules`` in words.

Ids are stable: a rule that goes leaves a gap, a new one takes a new number. ``docs/nexo-rules.md`` is this table
(``python -m nexo_bridge.nexo.rules_page``). A rule that published examples of the protocol break is a warning: it
is shown and counted, and never refuses a message.
"""

from __future__ import annotations

from nexo_bridge.nexo.rule import (
    ADDRESS_LIMIT,
    FIRST_YEAR,
    ID_LIMIT,
    LAST_YEAR,
    POIID_PUBLISHED_LIMIT,
    TRANSACTION_ID_PUBLISHED_LIMIT,
    VERSION_LIMIT,
    Rule,
)

GROUPS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    (
        "Header",
        (
            Rule(
                "NX-001",
                "MessageCategory names the body element",
                '<MessageHeader MessageCategory="Refund" …/><PaymentRequest>…',
                "write the category that belongs to the body: PaymentRequest is Payment, EventNotification is Event",
            ),
            Rule(
                "NX-002",
                "MessageType fits the root element and the body: Request or Notification in SaleToPOIRequest, "
                "Response in SaleToPOIResponse",
                '<SaleToPOIRequest><MessageHeader MessageType="Response" …/><PaymentRequest>…',
                "write Request beside a request body, Notification beside EventNotification, Response beside a "
                "response body",
            ),
            Rule(
                "NX-003",
                "MessageClass is the class of its category",
                '<MessageHeader MessageClass="Event" MessageCategory="Payment" …/>',
                "write Device for Display, Input, InputUpdate, Print, Sound, PIN, CardReader… and Transmit, Event for "
                "Event, Service for everything else",
            ),
            Rule(
                "NX-004",
                "A Service message has a ServiceID",
                '<MessageHeader MessageClass="Service" MessageCategory="Payment" … SaleID="S1" POIID="P1"/>',
                'add a ServiceID that no other request of the day had, for instance ServiceID="104512"',
                repeated=True,
            ),
            Rule(
                "NX-005",
                "A Device message has a DeviceID",
                '<MessageHeader MessageClass="Device" MessageCategory="Print" … SaleID="S1" POIID="P1"/>',
                'add a DeviceID, for instance DeviceID="71"; the answer repeats it',
                warning=True,
            ),
            Rule(
                "NX-006",
                "An Event has a DeviceID and no ServiceID",
                '<MessageHeader MessageClass="Event" … ServiceID="9" SaleID="S1" POIID="P1"/>',
                "write a DeviceID in place of the ServiceID",
                warning=True,
            ),
            Rule(
                "NX-007",
                "A Service message has no DeviceID",
                '<MessageHeader MessageClass="Service" … ServiceID="9" DeviceID="9" …/>',
                "leave the DeviceID out; it counts device exchanges",
                warning=True,
            ),
            Rule(
                "NX-008",
                "ProtocolVersion is a number, a point and a number",
                '<MessageHeader ProtocolVersion=">" …/>',
                'write ProtocolVersion="3.1" (or "3.0") at Login and Diagnosis, or leave the attribute out',
                warning=True,
            ),
            Rule(
                "NX-009",
                f"ProtocolVersion has at most {VERSION_LIMIT} characters, all of them printable",
                '<MessageHeader ProtocolVersion="3.1&#10;" …/>',
                'write ProtocolVersion="3.1" (or "3.0"), or leave the attribute out',
            ),
        ),
    ),
    (
        "Identifiers",
        (
            Rule(
                "NX-010",
                "SaleID and POIID of a Service message are not empty",
                '<MessageHeader … SaleID="" POIID="P1"/>',
                "write the name of the Sale System and of the terminal as they were agreed",
                repeated=True,
            ),
            Rule(
                "NX-011",
                "SaleID and POIID are not empty",
                '<MessageHeader MessageClass="Device" … SaleID="" POIID="P1"/>',
                "write the name of the Sale System and of the terminal as they were agreed",
                warning=True,
            ),
            Rule(
                "NX-012",
                "An identifier holds printable characters and plain blanks only",
                'ServiceID="12&#10;34"',
                "leave out line breaks, control characters and direction marks",
                repeated=True,
            ),
            Rule(
                "NX-013",
                "An identifier is not a file path",
                'ServiceID="../../etc"',
                "write a plain name or number, such as 104512 or LANE-3",
                repeated=True,
            ),
            Rule(
                "NX-014",
                f"SaleID and POIID have at most {ADDRESS_LIMIT} characters",
                'POIID="PPPPPPPP… (4000 characters)"',
                f"shorten it to {ADDRESS_LIMIT} characters, better to {POIID_PUBLISHED_LIMIT}",
                repeated=True,
            ),
            Rule(
                "NX-015",
                f"An identifier other than SaleID and POIID has at most {ID_LIMIT} characters",
                'TransactionID="99999999… (100 kB)"',
                f"shorten it to {ID_LIMIT} characters",
                repeated=True,
            ),
            Rule(
                "NX-016",
                f"SaleID and POIID have at most {POIID_PUBLISHED_LIMIT} bytes in UTF-8",
                'POIID="shopping-centre-north-floor-2-till-14"',
                f"shorten it to {POIID_PUBLISHED_LIMIT} bytes; other terminals refuse more",
                warning=True,
            ),
            Rule(
                "NX-017",
                f"A TransactionID has at most {TRANSACTION_ID_PUBLISHED_LIMIT} characters",
                'TransactionID="2025-03-14/branch-0044/till-12/receipt-000918"',
                f"shorten it to {TRANSACTION_ID_PUBLISHED_LIMIT} characters; other acquirers refuse more",
                warning=True,
            ),
            Rule(
                "NX-018",
                "A TransactionID is not empty",
                '<SaleTransactionID TransactionID="" TimeStamp="…"/>',
                "write the number of the receipt or of the transaction",
                repeated=True,
            ),
            Rule(
                "NX-019",
                "An identifier neither begins nor ends with a blank",
                'SaleID="TILL 4 "',
                "leave the outer blanks out; they are part of the identifier and must be repeated with it",
                warning=True,
            ),
        ),
    ),
    (
        "Amounts, currencies, numbers and times",
        (
            Rule(
                "NX-020",
                "An amount is written with digits and at most one point between them: no blank, no sign",
                'RequestedAmount=" +12.50 "',
                'write RequestedAmount="12.50"',
            ),
            Rule(
                "NX-021",
                "An amount has no more decimals than its currency (zeros at the end do not count)",
                '<AmountsReq Currency="EUR" RequestedAmount="1.123"/>',
                "round it in the Sale System: two decimals for EUR, none for JPY, three for KWD",
            ),
            Rule(
                "NX-022",
                "A currency is an active ISO 4217 code",
                '<AmountsReq Currency="XXZ" …/>',
                "write the three letters of the currency, for instance EUR",
            ),
            Rule(
                "NX-023",
                "A count, a length or a number of seconds is not negative",
                'MaxInputTime="-1"',
                "write 0 or more, or leave the attribute out",
            ),
            Rule(
                "NX-024",
                f"A time stamp lies in the years {FIRST_YEAR} to {LAST_YEAR}",
                'TimeStamp="9999-12-31T23:59:59Z"',
                "write the time of the transaction; set the clock of the Sale System",
                repeated=True,
            ),
            Rule(
                "NX-025",
                "A date is a day of the calendar, written YYYY-MM-DD",
                "<RequestedValidityDate>31.03.2025</RequestedValidityDate>",
                "write it as 2025-03-31",
                warning=True,
            ),
        ),
    ),
    (
        "Payment and reversal",
        (
            Rule(
                "NX-030",
                "PaymentType is one of the protocol's own values",
                '<PaymentData PaymentType="acme:Foo"/>',
                "write Normal, Refund or another value of the list; a value of one's own must be agreed first",
            ),
            Rule(
                "NX-031",
                "RequestedAmount is given, except in OneTimeReservation and UpdateReservation",
                '<AmountsReq Currency="EUR"/>',
                'add RequestedAmount="…", cash back and tip included',
            ),
            Rule(
                "NX-032",
                "RequestedAmount is greater than 0",
                '<AmountsReq Currency="EUR" RequestedAmount="0.00"/>',
                "write the amount to be paid; nothing to pay needs no payment",
            ),
            Rule(
                "NX-033",
                "A OneTimeReservation without RequestedAmount says MinimumAmountToDeliver",
                '<AmountsReq Currency="EUR"/> with PaymentType="OneTimeReservation"',
                'add MinimumAmountToDeliver="…" or RequestedAmount="…"',
            ),
            Rule(
                "NX-034",
                "CashBackAmount and TipAmount together are not more than RequestedAmount, which includes them",
                '<AmountsReq Currency="EUR" RequestedAmount="10.00" CashBackAmount="20.00"/>',
                'add them to the total: RequestedAmount="30.00"',
            ),
            Rule(
                "NX-035",
                "PaidAmount stands only in a split payment",
                '<AmountsReq … PaidAmount="5.00"/> without SplitPaymentFlag',
                'add <PaymentData SplitPaymentFlag="true"/>, or leave PaidAmount out',
            ),
            Rule(
                "NX-036",
                "UpdateReservation and Completion name the reservation",
                '<PaymentData PaymentType="Completion"/> without OriginalPOITransaction and SaleReferenceID',
                "add OriginalPOITransaction with the POITransactionID of the reservation, and its SaleReferenceID",
            ),
            Rule(
                "NX-037",
                "A reservation and its completion have a SaleReferenceID",
                '<SaleData> without SaleReferenceID, PaymentType="FirstReservation"',
                'add SaleReferenceID="…" to SaleData, the same in every step of the reservation',
                warning=True,
            ),
            Rule(
                "NX-038",
                "Instalment and IssuerInstalment have an Instalment",
                '<PaymentData PaymentType="Instalment"/>',
                "add the Instalment element with the plan",
            ),
            Rule(
                "NX-039",
                "VoiceAuthorisation has the ApprovalCode told on the telephone",
                '<PaymentData PaymentType="VoiceAuthorisation"/>',
                "add OriginalPOITransaction with ApprovalCode",
            ),
            Rule(
                "NX-040",
                "OriginalPOITransaction says which transaction it is",
                "<OriginalPOITransaction/>",
                "add POITransactionID (both attributes as the terminal gave them), HostTransactionID, ApprovalCode or "
                "LastTransactionFlag; for a reservation its SaleReferenceID",
            ),
            Rule(
                "NX-041",
                "ReversedAmount is greater than 0",
                '<ReversalRequest ReversedAmount="0" …>',
                "write the part to give back, or leave ReversedAmount out to reverse all of it",
            ),
            Rule(
                "NX-042",
                "Quantity comes with UnitOfMeasure and UnitPrice",
                "<SaleItem …><Quantity>2</Quantity></SaleItem>",
                "add UnitOfMeasure before and UnitPrice after it",
                warning=True,
            ),
        ),
    ),
    (
        "Other services",
        (
            Rule(
                "NX-050",
                "StartTransaction says which services the customer may begin",
                '<EnableServiceRequest TransactionAction="StartTransaction"/>',
                "add <ServicesEnabled>Payment</ServicesEnabled>",
            ),
            Rule(
                "NX-051",
                "AbortTransaction has no ServicesEnabled",
                '<EnableServiceRequest TransactionAction="AbortTransaction"><ServicesEnabled>…',
                "leave ServicesEnabled out",
                warning=True,
            ),
            Rule(
                "NX-052",
                "ReceiptReprintFlag says which document with DocumentQualifier",
                '<TransactionStatusRequest ReceiptReprintFlag="true"/>',
                "add <DocumentQualifier>CustomerReceipt</DocumentQualifier>, CashierReceipt, or both",
            ),
            Rule(
                "NX-053",
                "Abort and InputUpdate name the message they mean by ServiceID or DeviceID",
                '<AbortRequest><MessageReference MessageCategory="Payment"/>…',
                "add the ServiceID of the request to be stopped, or the DeviceID of the running Input",
                warning=True,
            ),
            Rule(
                "NX-054",
                "The kind of loyalty or stored value work is one of the protocol's own values",
                '<StoredValueData StoredValueTransactionType="acme:Melt" …/>',
                "write a value of the list, for instance Award or Load",
            ),
            Rule(
                "NX-055",
                "Loyalty refunds, and stored value Reverse and Duplicate, have OriginalPOITransaction",
                '<LoyaltyTransaction LoyaltyTransactionType="AwardRefund"/>',
                "add OriginalPOITransaction with the POITransactionID of the first transaction",
            ),
            Rule(
                "NX-056",
                "TransactionToPerform holds one request",
                "<TransactionToPerform/>",
                "put a PaymentRequest, LoyaltyRequest or ReversalRequest in it, or leave it out to collect results",
            ),
            Rule(
                "NX-057",
                "POIReconciliationID is asked for only with PreviousReconciliation",
                '<ReconciliationRequest ReconciliationType="SaleReconciliation" POIReconciliationID="312"/>',
                "leave POIReconciliationID out; the terminal numbers the period",
            ),
            Rule(
                "NX-058",
                "AcquirerID is asked for only with AcquirerReconciliation and AcquirerSynchronisation",
                '<ReconciliationRequest ReconciliationType="SaleReconciliation"><AcquirerID>…',
                "leave AcquirerID out, or ask for AcquirerSynchronisation",
            ),
        ),
    ),
    (
        "Responses",
        (
            Rule(
                "NX-070",
                "A Failure says why in ErrorCondition",
                '<Response Result="Failure"/>',
                'add ErrorCondition="…", for instance Refusal or Busy',
            ),
            Rule(
                "NX-071",
                "A Partial result says why in ErrorCondition",
                '<Response Result="Partial"/>',
                'add ErrorCondition="…"',
                warning=True,
            ),
            Rule(
                "NX-072",
                "A Success has no ErrorCondition",
                '<Response Result="Success" ErrorCondition="Refusal"/>',
                "leave ErrorCondition out, or write Failure",
                warning=True,
            ),
            Rule(
                "NX-073",
                "A Success carries what was asked for: POISystemData after Login, POIStatus after Diagnosis, the "
                "authorised amount after Payment, POIData after Reversal, RepeatedMessageResponse after "
                "TransactionStatus, Input after Input",
                '<LoginResponse><Response Result="Success"/></LoginResponse>',
                "add the missing element",
            ),
            Rule(
                "NX-074",
                "A failed payment has no AuthorizedAmount above 0",
                '<Response Result="Failure" …/>… <AmountsResp AuthorizedAmount="12.50"/>',
                "leave AmountsResp out: the amount to book is the authorised one",
                warning=True,
            ),
            Rule(
                "NX-075",
                "The header inside RepeatedMessageResponse is that of the response it repeats",
                '<RepeatedMessageResponse><MessageHeader MessageCategory="Login" …/><PaymentResponse>…',
                "write the header of the original response: its category, Response, its ServiceID",
            ),
        ),
    ),
    (
        "Devices and events",
        (
            Rule(
                "NX-080",
                "OutputFormat names the content: MessageRef has PredefinedContent, Text OutputText, XHTML OutputXHTML, "
                "BarCode OutputBarcode, and nothing else",
                '<OutputContent OutputFormat="Text"><OutputXHTML>…',
                "write the OutputFormat of the content, or the content of the OutputFormat",
            ),
            Rule(
                "NX-081",
                "A bar code has exactly one value",
                '<OutputBarcode BarcodeType="QRCODE"/>',
                "write BarcodeValue or QRCodeBinaryValue (3.0: the text of OutputBarcode)",
            ),
            Rule(
                "NX-082",
                "QRCodeVersion is a number from 1 to 40",
                '<OutputBarcode BarcodeType="QRCODE" QRCodeVersion="99">',
                "write 1 to 40, or leave it out",
            ),
            Rule(
                "NX-083",
                "A Display has at most one output for each pair of Device and InfoQualify",
                '<DisplayOutput Device="CustomerDisplay" InfoQualify="Display"> twice',
                "join the texts into one DisplayOutput, or send two messages",
            ),
            Rule(
                "NX-084",
                "An option of InputData belongs to its InputCommand",
                '<InputData InputCommand="GetConfirmation" MaxLength="4" …/>',
                "leave the option out; lengths and masks are for TextString, DigitString and DecimalString, "
                "MenuBackFlag for GetMenuEntry, ImmediateResponseFlag for GetAnyKey",
            ),
            Rule(
                "NX-085",
                "MinLength is not more than MaxLength",
                '<InputData InputCommand="DigitString" MinLength="6" MaxLength="4" …/>',
                "exchange the two",
            ),
            Rule(
                "NX-086",
                "GetMenuEntry shows a menu",
                '<InputRequest><InputData InputCommand="GetMenuEntry" …/></InputRequest>',
                "add DisplayOutput with MenuEntry elements",
            ),
            Rule(
                "NX-087",
                "Input holds the answer of its InputCommand and no other",
                '<Input InputCommand="GetConfirmation"><DigitInput>1</DigitInput></Input>',
                "write ConfirmedFlag for GetConfirmation and SiteManager, TextInput for TextString, DigitInput for "
                "DigitString, MenuEntryNumber for GetMenuEntry, FunctionKey for GetFunctionKey, Password for Password, "
                "nothing for GetAnyKey",
            ),
            Rule(
                "NX-090",
                "An Event Reject carries the RejectedMessage",
                '<EventNotification EventToNotify="Reject" …/>',
                "add RejectedMessage with the refused bytes in base64",
            ),
            Rule(
                "NX-091",
                "An Event CustomerLanguage says the language",
                '<EventNotification EventToNotify="CustomerLanguage" …/>',
                'add CustomerLanguage="sv"',
            ),
        ),
    ),
)
"""All rules, in the order of the page."""

RULES: dict[str, Rule] = {rule.id: rule for _, rules in GROUPS for rule in rules}
