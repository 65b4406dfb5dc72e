from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from nexo_bridge.errors import SchemaViolations
from nexo_bridge.money import Amount
from nexo_bridge.nexo import codec, rules
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.document import Document
from nexo_bridge.nexo.elements import VERSIONS, Element, Version
from nexo_bridge.nexo.messages import CATEGORIES, Message, MessageHeader
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.tolerance import TOLERANT
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.data import read_schemas
from tests.nexo import corpus
from tests.nexo.building import STRUCTURES, containing, structures
from tests.nexo.strategies import seal, whole_messages

SCHEMAS = Schemas(read_schemas())
GENERATED = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

PAYMENT = b"""<?xml version='1.0' encoding='utf-8'?>
<SaleToPOIRequest>
  <MessageHeader MessageClass="Service" MessageCategory="Payment" MessageType="Request" ServiceID="7" SaleID="S1"
    POIID="POI00001"/>
  <PaymentRequest>
    <SaleData OperatorID="Ann">
      <SaleTransactionID TransactionID="4711" TimeStamp="2026-01-31T24:00:00+01:00"/>
      <SaleToAcquirerData>scannedPaymentId=281234567890123456</SaleToAcquirerData>
    </SaleData>
    <PaymentTransaction>
      <AmountsReq Currency="EUR" RequestedAmount="10.0"/>
      <TransactionConditions><ForceEntryMode>ICC Contactless</ForceEntryMode></TransactionConditions>
      <SaleItem ItemID="1" ProductCode="123" ItemAmount="10.00"><UnitOfMeasure>Other</UnitOfMeasure>
        <Quantity>2.50</Quantity><UnitPrice>4</UnitPrice></SaleItem>
    </PaymentTransaction>
    <PaymentData PaymentType="Normal"/>
  </PaymentRequest>
</SaleToPOIRequest>"""


def decode(data: bytes, version: Version = "3.1") -> Message:
    return codec.decode(codec.parse(data), version, SCHEMAS, seal)


def encode(message: Message, version: Version = "3.1") -> bytes:
    return codec.encode(message, version, SCHEMAS)


def message(body: Element, **header: Any) -> Message:
    name = type(body).__name__
    kind = "request" if name in nexo.REQUESTS else "response"
    category = next(one for one, row in CATEGORIES.items() if type(body) in (row.request, row.response))
    ids = {"service_id": "7"} if CATEGORIES[category].message_class == "Service" else {"device_id": "8"}
    return Message(
        kind="request" if kind == "request" else "response",
        header=MessageHeader.model_validate(
            {
                "message_class": CATEGORIES[category].message_class,
                "message_category": category,
                "message_type": {"EventNotification": "Notification"}.get(name, kind.capitalize()),
                "sale_id": "S1",
                "poi_id": "POI00001",
                **ids,
                **header,
            }
        ),
        body=body,
    )


@GENERATED
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_whatever_is_written_is_valid_and_read_back_equal(data: st.DataObject, version: Version) -> None:
    written = data.draw(whole_messages(version))
    document = codec.write(written, version)
    assert SCHEMAS.validate(document, version) == ()
    parsed = codec.parse(etree.tostring(document.root))
    back = codec.build(parsed, version, seal)
    assert back == written
    assert etree.tostring(codec.write(back, version).root) == etree.tostring(document.root)


@GENERATED
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_decode_of_encode_is_the_message_or_a_rule_is_named(data: st.DataObject, version: Version) -> None:
    written = data.draw(whole_messages(version))
    broken = [one.rule for one in rules.violations(written) if not one.warning]
    if broken:
        with pytest.raises(codec.InvalidOutput) as refused:
            encode(written, version)
        assert [one.rule for one in refused.value.violations] == broken
    else:
        assert decode(encode(written, version), version) == written


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in VERSIONS for name in structures(version)]
)
def test_every_structure_in_full_comes_back(version: Version, name: str) -> None:
    choices = [len(fact["choice"]) for fact in STRUCTURES[name].get("elements", []) if "choice" in fact]
    for pick in range(max(choices, default=1)):
        root, _ = containing(name, version, pick=pick)
        read = codec.build(Document(root), version, seal)
        again = codec.write(read, version)
        assert codec.build(again, version, seal) == read
        assert etree.tostring(again.root, method="c14n") == etree.tostring(root, method="c14n")


def test_times_amounts_and_numbers_keep_their_text() -> None:
    body = decode(PAYMENT).body
    assert isinstance(body, nexo.PaymentRequest)
    assert str(body.payment_transaction.amounts_req.requested_amount) == "10.0"
    assert body.sale_data.sale_transaction_id.time_stamp == "2026-01-31T24:00:00+01:00"
    written = encode(decode(PAYMENT))
    for text in (b'"10.0"', b'"10.00"', b"2.50", b"24:00:00+01:00", b"ICC Contactless"):
        assert text in written


def test_what_a_model_looks_like() -> None:
    read = decode(PAYMENT)
    assert (read.kind, read.body_name, read.header.service_id, read.trailer) == (
        "request",
        "PaymentRequest",
        "7",
        None,
    )
    body = read.body
    assert isinstance(body, nexo.PaymentRequest)
    assert body.sale_data.operator_id == "Ann"
    assert body.sale_data.sale_to_acquirer_data == seal("scannedPaymentId=281234567890123456")
    conditions = body.payment_transaction.transaction_conditions
    assert conditions is not None
    assert conditions.force_entry_mode == (("ICC", "Contactless"),)
    assert conditions.loyalty_handling == "Forbidden"
    assert body.payment_transaction.sale_item[0].item_id == 1
    assert body.loyalty_data == ()


def test_one_line_without_white_space_and_no_default_that_was_not_set() -> None:
    written = encode(decode(PAYMENT))
    assert written.startswith(b'<?xml version="1.0" encoding="UTF-8"?><SaleToPOIRequest><MessageHeader ')
    assert b"\n" not in written
    assert b'<PaymentData PaymentType="Normal"/>' in written, "as it came"
    bare = nexo.PaymentRequest(
        sale_data=nexo.SaleData(
            sale_transaction_id=nexo.TransactionIdentification(
                transaction_id="1", time_stamp=Timestamp("2026-01-31T12:00:00Z")
            )
        ),
        payment_transaction=nexo.PaymentTransaction(
            amounts_req=nexo.AmountsReq(currency="EUR", requested_amount=Amount("1.00"))
        ),
        payment_data=nexo.PaymentData(),
    )
    assert b"<PaymentData/>" in encode(message(bare))


@pytest.mark.parametrize(
    ("lexical", "value"), [("1", True), ("true", True), ("0", False), (" false ", False)]
)
def test_booleans(lexical: str, value: bool) -> None:
    header = PAYMENT[PAYMENT.index(b"<MessageHeader") : PAYMENT.index(b"<PaymentRequest>")].replace(
        b"Payment", b"Logout"
    )
    data = b'<SaleToPOIRequest>%s<LogoutRequest MaintenanceAllowed="%s"/></SaleToPOIRequest>'
    body = decode(data % (header, lexical.encode())).body
    assert body == nexo.LogoutRequest(maintenance_allowed=value)


def test_recipients_keep_their_order() -> None:
    algorithm = nexo.Algorithm(algorithm="id-dukpt-wrap")
    kek = nexo.KEK(
        encrypted_key=seal("AAEC"),
        kek_identifier=nexo.KEKIdentifier(key_identifier="k", key_version="2026010112"),
        key_encryption_algorithm=algorithm,
    )
    serial = nexo.IssuerAndSerialNumber(
        issuer=nexo.Issuer(
            relative_distinguished_name=(
                nexo.RelativeDistinguishedName(attribute_type="id-at-commonName", attribute_value="x"),
            )
        ),
        serial_number=7,
    )
    transport = nexo.KeyTransport(
        encrypted_key=seal("AAEC"),
        recipient_identifier=nexo.RecipientIdentifier(issuer_and_serial_number=serial),
        key_encryption_algorithm=algorithm,
    )
    trailer = nexo.SecurityTrailer(
        content_type="id-ct-authData",
        authenticated_data=nexo.AuthenticatedData(
            mac="AAEC",
            recipients=(kek, transport, kek),
            mac_algorithm=nexo.Algorithm(algorithm="id-retail-cbc-mac"),
            encapsulated_content=nexo.EncapsulatedContent(content_type="id-data"),
        ),
    )
    sent = message(nexo.LogoutRequest()).model_copy(update={"trailer": trailer})
    assert decode(encode(sent)).trailer == trailer
    assert Message.load(sent.dump()) == sent


def barcode(value: str | None, **more: Any) -> Message:
    output = nexo.DisplayOutput(
        response_required_flag=False,
        device="CustomerDisplay",
        info_qualify="Display",
        output_content=nexo.OutputContent(
            output_format="BarCode",
            output_barcode=nexo.OutputBarcode(barcode_type="QRCODE", barcode_value=value, **more),
        ),
    )
    return message(nexo.DisplayRequest(display_output=(output,)))


def test_the_barcode_is_written_as_its_version_has_it() -> None:
    assert b">123</OutputBarcode>" in encode(barcode("123"), "3.0")
    assert b"<BarcodeValue>123</BarcodeValue>" in encode(barcode("123"), "3.1")
    for version in VERSIONS:
        assert decode(encode(barcode("123"), version), version) == barcode("123")
    with pytest.raises(codec.InvalidOutput, match=r"3\.0 needs BarcodeValue"):
        encode(barcode(None), "3.0")


def test_content_of_the_other_version_is_refused_by_name() -> None:
    with pytest.raises(
        codec.InvalidOutput, match=r"QRCodeVersion of OutputBarcode exists in version 3\.1 only"
    ):
        encode(barcode("123", qr_code_version="7"), "3.0")
    report = nexo.TransactionReportRequest(
        search_criterias=nexo.SearchCriterias(
            search_or=(nexo.SearchOR(search_and=(nexo.SearchAND(target="a", operator="EQ", value="b"),)),)
        )
    )
    assert decode(encode(message(report))) == message(report)
    with pytest.raises(codec.InvalidOutput, match="XSD-") as caught:
        encode(message(report), "3.0")
    assert any("other protocol version" in one.fix for one in caught.value.violations)


def test_a_secret_that_is_an_hmac_alone_cannot_be_written() -> None:
    loaded = Message.load(decode(PAYMENT).dump())
    with pytest.raises(codec.InvalidOutput, match="PaymentRequest cannot be written: this secret was read"):
        encode(loaded)
    assert isinstance(loaded.body, nexo.PaymentRequest)
    bare = loaded.model_copy(update={"body": loaded.body.without_secrets()})
    assert b"SaleToAcquirerData" not in encode(bare)


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31m", "\ud800", "\uffff"])
def test_what_xml_cannot_carry_is_not_sent(text: str) -> None:
    abort = nexo.AbortRequest(message_reference=nexo.MessageReference(service_id="1"), abort_reason=text)
    with pytest.raises(codec.InvalidOutput, match="AbortRequest cannot be written"):
        encode(message(abort))


def test_our_own_output_satisfies_schema_and_rules() -> None:
    with pytest.raises(codec.InvalidOutput, match="XSD-VALUE-LENGTH") as caught:
        encode(message(nexo.LogoutRequest(), service_id="12345678901"))
    assert isinstance(caught.value, AssertionError)
    with pytest.raises(codec.InvalidOutput, match="NX-"):
        encode(message(nexo.LogoutRequest(), message_category="Login"))


def test_rules_are_judged_when_the_schema_is_content() -> None:
    with pytest.raises(SchemaViolations) as caught:
        decode(PAYMENT.replace(b'MessageCategory="Payment"', b'MessageCategory="Login"'))
    assert [one.rule for one in caught.value.violations if not one.rule.startswith("NX-")] == []
    assert caught.value.violations[0].line > 0


def test_a_number_longer_than_python_reads_is_a_violation() -> None:
    for number in (b"1" * 101, b"1" * 5000):
        with pytest.raises(SchemaViolations) as caught:
            decode(PAYMENT.replace(b'ItemID="1"', b'ItemID="%s"' % number))
        (found,) = caught.value.violations
        assert (found.rule, found.line, found.path.rpartition("/")[2]) == ("XSD-VALUE-RANGE", 13, "@ItemID")


def test_no_clear_secret_in_texts_of_a_message() -> None:
    read = decode(PAYMENT)
    assert "2812" not in repr(read)
    assert "2812" not in str(read.dump())
    assert isinstance(read.body, nexo.PaymentRequest)
    assert isinstance(read.body.sale_data.sale_to_acquirer_data, Secret)


def test_200_faults_are_no_slips() -> None:
    def basket(number: int) -> codec.Document:
        items = b"".join(
            b'<SaleItem ItemID="%d" ProductCode="1" ItemAmount="1.00" shopId="A"/>' % item
            for item in range(number)
        )
        sample = corpus.sample("payment-request-card")
        return codec.parse(sample.replace(b"</PaymentTransaction>", items + b"</PaymentTransaction>"))

    read = codec.decode_any(basket(199), VERSIONS, corpus.schemas(), corpus.seal, TOLERANT)
    assert (read.version, read.tolerated) == ("3.1", {"unknown-attribute": 199})
    with pytest.raises(SchemaViolations):
        codec.decode_any(basket(199), VERSIONS, corpus.schemas(), corpus.seal)
    with pytest.raises(SchemaViolations) as refused:
        codec.decode_any(basket(200), VERSIONS, corpus.schemas(), corpus.seal, TOLERANT)
    assert len(refused.value.violations) == 200


def test_what_nobody_forgives_is_told_and_the_rest_is_not() -> None:
    data = corpus.sample("payment-request-card").replace(b'"EUR"', b'"EUR" Surcharge="1.00" Colour="green"')
    with pytest.raises(SchemaViolations) as refused:
        codec.decode_any(codec.parse(data), VERSIONS, corpus.schemas(), corpus.seal, TOLERANT)
    assert [one.path.rpartition("/")[2] for one in refused.value.violations] == ["@Surcharge"]
