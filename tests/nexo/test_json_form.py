"""XML to JSON and back for everything the schema allows, and what is said of JSON that does not fit."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from nexo_bridge.errors import NotXml, SchemaViolations, Violation
from nexo_bridge.nexo import codec, json_form
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.document import Document
from nexo_bridge.nexo.elements import VERSIONS, Element, Place, Version, slots
from nexo_bridge.nexo.explain import MAX_VIOLATIONS
from nexo_bridge.nexo.form import Form, form_of
from nexo_bridge.nexo.messages import BODIES, ContentInformation, Message
from nexo_bridge.redaction import Secret
from tests.nexo.building import STRUCTURES, containing, structures
from tests.nexo.corpus import ROOT, SAMPLES, sample, schemas, seal
from tests.nexo.strategies import whole_messages

FORMS: tuple[Form, ...] = ("json", "json-bare")
GENERATED = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def members(name: str = "payment-request-card", version: Version = "3.1") -> Any:
    """A sample as the object a POS would build."""
    return json.loads(json_form.in_form(sample(name, version), "json"))


def body(message: Any) -> Any:
    """The body of a request or response."""
    (envelope,) = message.values()
    return next(value for name, value in envelope.items() if name in BODIES)


def read(message: Any, version: Version = "3.1") -> Message:
    return codec.decode(json_form.parse(json.dumps(message).encode()), version, schemas(), seal)


def refused(message: Any, version: Version = "3.1") -> tuple[Violation, ...]:
    with pytest.raises(SchemaViolations) as caught:
        read(message, version)
    return caught.value.violations


def only(message: Any, version: Version = "3.1") -> Violation:
    (violation,) = refused(message, version)
    return violation


def unreadable(message: Any) -> str:
    with pytest.raises(NotXml) as caught:
        json_form.parse(json.dumps(message).encode())
    return caught.value.text


# -- round trips ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("version", "name"), SAMPLES)
def test_every_sample_goes_to_json_and_back(version: Version, name: str, form: Form) -> None:
    data = sample(name, version)
    message, found = codec.read(codec.parse(data), version, schemas(), seal)
    written = json_form.in_form(data, form)
    assert form_of(written) == form
    document = codec.parse(written, form)
    again, found_in_json = codec.read(document, version, schemas(), seal)
    assert again == message
    assert [one.rule for one in found_in_json] == [one.rule for one in found]
    assert etree.tostring(document.in_version(version).root) == etree.tostring(
        codec.write(message, version).root
    )
    assert json_form.in_form(etree.tostring(document.in_version(version).root), form) == written


@GENERATED
@given(data=st.data(), version=st.sampled_from(VERSIONS), form=st.sampled_from(FORMS))
def test_whatever_can_be_written_comes_back_from_json(
    data: st.DataObject, version: Version, form: Form
) -> None:
    message = data.draw(whole_messages(version))
    written = json_form.in_form(etree.tostring(codec.write(message, version).root), form)
    document = codec.parse(written, form).in_version(version)
    assert document.faults == ()
    assert json_form.in_form(etree.tostring(document.root), form) == written
    # numbers that JSON has to write otherwise are equal, and everything else is as it was
    assert codec.build(document, version, seal) == message


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in VERSIONS for name in structures(version)]
)
def test_every_structure_in_full_comes_back(version: Version, name: str) -> None:
    choices = [len(fact["choice"]) for fact in STRUCTURES[name].get("elements", []) if "choice" in fact]
    for pick in range(max(choices, default=1)):
        root, _ = containing(name, version, pick=pick)
        written = json_form.in_form(etree.tostring(root), "json")
        document = json_form.parse(written).in_version(version)
        assert document.faults == ()
        assert codec.build(document, version, seal) == codec.build(Document(root), version, seal)


def test_no_two_fields_of_any_class_would_be_one_member() -> None:
    seen: set[type[Element]] = set()
    todo: list[type[Element]] = [*BODIES.values(), ContentInformation, nexo.MessageHeader]
    while todo:
        cls = todo.pop()
        if cls in seen:
            continue
        seen.add(cls)
        names = ["Recipient" if len(slot.classes) > 1 else slot.wire for slot in slots(cls)]
        assert len(set(names)) == len(names), cls
        assert json_form.REPEATED_BODY not in names
        todo += [child for slot in slots(cls) for child in slot.classes.values()]
    assert len(seen) > 150


# -- how things are written ----------------------------------------------------------------------------------------


def test_xml_stays_as_it_is() -> None:
    data = sample("payment-response-approved")
    assert json_form.in_form(data, "xml") is data


def test_a_payment_in_json() -> None:
    written = json_form.in_form(sample("payment-request-card"), "json")
    assert written.startswith(b'{"SaleToPOIRequest":{"MessageHeader":{"MessageClass":"Service"')
    assert b"\n" not in written
    payment = body(members())
    assert payment["PaymentTransaction"]["AmountsReq"]["Currency"] == "EUR"
    assert isinstance(payment["PaymentTransaction"]["AmountsReq"]["RequestedAmount"], float)


def test_amounts_keep_their_digits_both_ways() -> None:
    data = sample("payment-request-card")
    amount = codec.parse(data).root.find(".//AmountsReq")
    assert amount is not None
    amount.set("RequestedAmount", "10.0")
    written = json_form.in_form(etree.tostring(amount.getroottree()), "json")
    assert b'"RequestedAmount":10.0,' in written or b'"RequestedAmount":10.0}' in written
    back = json_form.parse(written).root.find(".//AmountsReq")
    assert back is not None
    assert back.get("RequestedAmount") == "10.0"


def test_the_repeated_response_stands_in_its_own_object() -> None:
    repeated = body(members("transaction-status-response-finished"))["RepeatedMessageResponse"]
    assert list(repeated) == ["MessageHeader", "RepeatedResponseMessageBody"]
    assert list(repeated["RepeatedResponseMessageBody"]) == ["PaymentResponse"]


def test_recipients_keep_their_order_under_the_names_of_their_kinds() -> None:
    trailer = members("payment-request-with-trailer")["SaleToPOIRequest"]["SecurityTrailer"]
    (recipient,) = trailer["AuthenticatedData"]["Recipient"]
    assert list(recipient) == ["KEK"]


@pytest.mark.parametrize(("version", "place"), [("3.0", ""), ("3.1", "BarcodeValue")])
def test_a_barcode_is_a_member_in_both_versions(version: Version, place: str) -> None:
    message = members("display-request-qrcode", version)
    (output,) = body(message)["DisplayOutput"]
    barcode = output["OutputContent"]["OutputBarcode"]
    assert barcode["BarcodeValue"]
    document = json_form.parse(json.dumps(message).encode()).in_version(version)
    node = document.root.find(f".//OutputBarcode/{place}" if place else ".//OutputBarcode")
    assert node is not None
    assert node.text == barcode["BarcodeValue"]


def test_a_barcode_of_3_0_without_a_value_is_an_empty_one() -> None:
    data = sample("display-request-qrcode", "3.0")
    root = codec.parse(data).root
    node = root.find(".//OutputBarcode")
    assert node is not None
    node.text = ""
    written = json_form.in_form(etree.tostring(root), "json")
    document = json_form.parse(written).in_version("3.0")
    assert document.faults == ()
    assert codec.build(document, "3.0", seal) == codec.build(Document(root), "3.0", seal)


def test_secrets_stay_secret() -> None:
    message = read(members("payment-request-scanned-acquirer-data"))
    payment = message.body
    assert isinstance(payment, nexo.PaymentRequest)
    assert isinstance(payment.sale_data.sale_to_acquirer_data, Secret)


# -- what is tolerated ---------------------------------------------------------------------------------------------


def test_one_alone_needs_no_array() -> None:
    message = members("display-request-text")
    display = body(message)
    display["DisplayOutput"] = display["DisplayOutput"][:1]
    in_array = read(message)
    (display["DisplayOutput"],) = display["DisplayOutput"]
    assert read(message) == in_array


@pytest.mark.parametrize(
    ("value", "modes"),
    [
        ("ICC", (("ICC",),)),
        (["ICC", "Contactless"], (("ICC", "Contactless"),)),
        ([["ICC", "Contactless"], ["Keyed"]], (("ICC", "Contactless"), ("Keyed",))),
        ([["ICC"]], (("ICC",),)),
        ([[]], ((),)),
        ([], ()),
        (None, ()),
    ],
)
def test_lists_of_codes(value: Any, modes: tuple[tuple[str, ...], ...]) -> None:
    message = members()
    transaction = body(message)["PaymentTransaction"]
    transaction["TransactionConditions"] = {"ForceEntryMode": value}
    payment = read(message).body
    assert isinstance(payment, nexo.PaymentRequest)
    conditions = payment.payment_transaction.transaction_conditions
    assert conditions is not None
    assert conditions.force_entry_mode == modes


def test_several_lists_of_codes_are_written_as_several() -> None:
    message = members()
    transaction = body(message)["PaymentTransaction"]
    values: list[Any] = [[["ICC", "Contactless"], ["Keyed"]], ["ICC", "Contactless"], [[]]]
    for value in values:
        transaction["TransactionConditions"] = {"ForceEntryMode": value}
        document = json_form.parse(json.dumps(message).encode())
        again = json.loads(json_form.in_form(etree.tostring(document.root), "json"))
        assert body(again)["PaymentTransaction"]["TransactionConditions"]["ForceEntryMode"] == value


def test_null_is_a_member_left_out() -> None:
    message = members()
    plain = read(message)
    message["SaleToPOIRequest"]["MessageHeader"]["DeviceID"] = None
    message["SaleToPOIRequest"]["SecurityTrailer"] = None
    body(message)["LoyaltyData"] = None
    assert read(message) == plain


def test_order_means_nothing() -> None:
    def turned(value: Any) -> Any:
        return (
            {name: turned(value[name]) for name in reversed(value)}
            if isinstance(value, dict)
            else [turned(item) for item in value]
            if isinstance(value, list)
            else value
        )

    message = members("payment-request-basket")
    assert read(turned(message)) == read(message)
    assert read(turned(message["SaleToPOIRequest"])) == read(message)


# -- what is refused, and where ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"Foo": {}},
        {"SaleToPOIRequest": []},
        {"SaleToPOIRequest": "x"},
        {"SaleToPOIRequest": {}, "SaleToPOIResponse": {}},
        {"SaleToPOIRequest": {}, "more": 1},
    ],
)
def test_what_is_no_message_says_so(message: Any) -> None:
    assert unreadable(message).startswith("not a message: ")


def test_an_envelope_without_a_header_is_read_as_far_as_it_goes() -> None:
    document = json_form.parse(b'{"SaleToPOIRequest": {}}')
    assert document.envelope is None
    assert {one.path for one in refused({"SaleToPOIRequest": {}})} == {"$.SaleToPOIRequest"}
    assert {one.path for one in refused({"MessageHeader": None})} == {"$"}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"MessageHeader": {}, "PaymentRequest": {}}, "request"),
        ({"MessageHeader": {"MessageType": "Request"}, "PaymentResponse": {}}, "response"),
        ({"MessageHeader": {"MessageType": "Response"}, "PaymentRequest": {}}, "request"),
        ({"MessageHeader": {"MessageType": "Response"}}, "response"),
        ({"MessageHeader": {"MessageType": "Notification"}}, "request"),
        ({"MessageHeader": 7}, "request"),
    ],
)
def test_without_an_envelope_the_body_tells_the_kind(message: Any, kind: str) -> None:
    envelope = json_form.parse(json.dumps(message).encode()).envelope
    assert envelope is not None
    assert envelope.kind == kind


def test_an_unknown_member_is_named_with_its_place_and_the_one_meant() -> None:
    message = members()
    amounts = body(message)["PaymentTransaction"]["AmountsReq"]
    amounts["CurrencyCode"] = amounts.pop("Currency")
    amounts["tipAmount"] = 1
    unknown, near, missing = refused(message)
    at = "$.SaleToPOIRequest.PaymentRequest.PaymentTransaction.AmountsReq"
    assert (unknown.rule, unknown.path) == ("JSON-MEMBER-UNKNOWN", f"{at}.CurrencyCode")
    assert "Currency, RequestedAmount" in unknown.expected
    assert (near.path, near.fix) == (f"{at}.tipAmount", "write TipAmount")
    assert (missing.rule, missing.path) == ("XSD-ATTRIBUTE-MISSING", f"{at}.Currency")
    assert (missing.expected, missing.fix) == (
        "the member Currency: three capital letters",
        "add the member Currency",
    )


def test_a_strange_name_stays_out_of_the_path_and_its_value_out_of_the_text() -> None:
    message = members()
    body(message)["a.b\n\ud800$"] = "4111111111111111"
    fault = only(message)
    assert fault.path == "$.SaleToPOIRequest.PaymentRequest"
    assert "\n" not in fault.found
    assert "4111" not in str(fault)


def test_of_unknown_members_of_the_envelope_and_the_repeated_body() -> None:
    message = members("transaction-status-response-finished")
    message["SaleToPOIResponse"]["PaymentRequest"] = {}
    repeated = body(message)["RepeatedMessageResponse"]
    repeated["PaymentResponse"] = {}
    repeated["RepeatedResponseMessageBody"]["Foo"] = {}
    at = "$.SaleToPOIResponse"
    inner = f"{at}.TransactionStatusResponse.RepeatedMessageResponse"
    assert [one.path for one in refused(message)] == [
        f"{at}.PaymentRequest",
        f"{inner}.RepeatedResponseMessageBody.Foo",
        f"{inner}.PaymentResponse",
    ]
    fitting = refused(message)[1].expected
    assert fitting.startswith(
        "a member of RepeatedResponseMessageBody: LoyaltyResponse, PaymentResponse, Rev"
    )
    repeated.pop("PaymentResponse")
    repeated["RepeatedResponseMessageBody"] = 7
    message["SaleToPOIResponse"].pop("PaymentRequest")
    assert refused(message)[0].path == f"{inner}.RepeatedResponseMessageBody"
    repeated["RepeatedResponseMessageBody"] = None
    assert refused(message)[0].path == inner, "one response is wanted"


def test_an_empty_object_may_have_no_member() -> None:
    message = members("logout-request-empty")
    body(message)["Foo"] = 1
    assert only(message).path == "$.SaleToPOIRequest.LogoutRequest.Foo"


@pytest.mark.parametrize(
    ("wrong", "found"),
    [("12.50", "a string"), (True, "true or false"), ({}, "an object"), ([1], "an array")],
)
def test_an_amount_is_a_number(wrong: Any, found: str) -> None:
    message = members()
    body(message)["PaymentTransaction"]["AmountsReq"]["RequestedAmount"] = wrong
    fault = only(message)
    assert (fault.rule, fault.expected, fault.found) == ("JSON-TYPE", "a number", found)
    assert fault.path == "$.SaleToPOIRequest.PaymentRequest.PaymentTransaction.AmountsReq.RequestedAmount"


@pytest.mark.parametrize("text", [b"1e2", b"1E-7", b"1.5e0"])
def test_an_exponent_is_no_amount(text: bytes) -> None:
    message = members()
    body(message)["PaymentTransaction"]["AmountsReq"]["RequestedAmount"] = "@"
    document = json_form.parse(json.dumps(message).encode().replace(b'"@"', text))
    with pytest.raises(SchemaViolations) as caught:
        codec.decode(document, "3.1", schemas(), seal)
    (fault,) = caught.value.violations
    assert (fault.rule, fault.found) == ("XSD-VALUE-TYPE", repr(text.decode()))


def test_numbers_and_flags_of_another_type() -> None:
    message = members("display-request-text")
    output = body(message)["DisplayOutput"][0]
    output["ResponseRequiredFlag"] = "false"
    output["MinimumDisplayTime"] = "3"
    assert [(one.expected, one.found) for one in refused(message)] == [
        ("true or false", "a string"),
        ("a number", "a string"),
    ]


def test_a_number_where_text_is_wanted_still_lets_the_header_be_read() -> None:
    message = members()
    message["SaleToPOIRequest"]["MessageHeader"]["ServiceID"] = 7
    envelope = json_form.parse(json.dumps(message).encode()).envelope
    assert envelope is not None
    assert envelope.header["ServiceID"] == "7"
    fault = only(message)
    assert (fault.path, fault.found) == ("$.SaleToPOIRequest.MessageHeader.ServiceID", "a number")


@pytest.mark.parametrize("wrong", ["\x01", "\ud800", "\ufffe", "a\x7f\x00b"])
def test_a_character_xml_cannot_carry(wrong: str) -> None:
    message = members()
    message["SaleToPOIRequest"]["MessageHeader"]["SaleID"] = wrong
    fault = only(message)
    assert (fault.rule, fault.path) == ("JSON-CHARACTER", "$.SaleToPOIRequest.MessageHeader.SaleID")
    body(message)["PaymentTransaction"]["AmountsReq"]["RequestedAmount"] = wrong
    assert [one.rule for one in refused(message)] == ["JSON-CHARACTER", "JSON-TYPE"]


@pytest.mark.parametrize("wrong", ["ICC Contactless", "", [""], ["ICC", "a\tb"]])
def test_a_code_has_no_blank(wrong: Any) -> None:
    message = members()
    body(message)["PaymentTransaction"]["TransactionConditions"] = {"ForceEntryMode": wrong}
    assert only(message).rule == "JSON-LIST-ITEM"


def test_a_list_of_codes_holds_texts() -> None:
    message = members()
    body(message)["PaymentTransaction"]["TransactionConditions"] = {"ForceEntryMode": ["ICC", None, {}]}
    assert [one.found for one in refused(message)] == ["null", "an object"]


def test_an_item_of_an_array_is_numbered_from_nought() -> None:
    message = members("payment-request-basket")
    items = body(message)["PaymentTransaction"]["SaleItem"]
    assert len(items) > 1
    items[1]["ItemID"] = -1
    items[1]["ProductCode"] = None
    at = "$.SaleToPOIRequest.PaymentRequest.PaymentTransaction.SaleItem[1]"
    assert {one.path for one in refused(message)} == {f"{at}.ProductCode"}
    items[1]["ProductCode"] = "7"
    assert {one.path for one in refused(message)} == {f"{at}.ItemID"}


def test_the_text_of_an_element_is_a_member_that_must_be_there() -> None:
    message = members("display-request-text")
    output = body(message)["DisplayOutput"][0]
    text = output["OutputContent"]["OutputText"][0]
    del text["Text"]
    fault = only(message)
    assert fault.rule == "JSON-MEMBER-MISSING"
    assert fault.path.endswith("DisplayOutput[0].OutputContent.OutputText[0].Text")
    text["Text"] = 7
    assert only(message).path == fault.path
    output["OutputContent"]["OutputText"][0] = "Welcome"
    assert only(message).path == fault.path.removesuffix(".Text")


def test_a_recipient_is_an_object_of_one_member() -> None:
    message = members("payment-request-with-trailer")
    data = message["SaleToPOIRequest"]["SecurityTrailer"]["AuthenticatedData"]
    at = "$.SaleToPOIRequest.SecurityTrailer.AuthenticatedData.Recipient"
    kek = data["Recipient"]
    wrongs: list[Any] = [[{}], [{"Foo": {}}], [{**kek[0], "KeyTransport": {}}], ["KEK"]]
    for wrong in wrongs:
        data["Recipient"] = wrong
        assert refused(message)[0].path == f"{at}[0]"
    (data["Recipient"],) = kek
    read(message)
    data["Recipient"] = [*kek, {"KEK": {**kek[0]["KEK"], "EncryptedKey": "?"}}]
    assert only(message).path == f"{at}[1].KEK.EncryptedKey"


def test_a_broken_rule_is_told_by_its_json_path() -> None:
    message = members()
    message["SaleToPOIRequest"]["MessageHeader"]["MessageType"] = "Response"
    fault = only(message)
    assert (fault.rule, fault.path) == ("NX-002", "$.SaleToPOIRequest.MessageHeader.MessageType")
    assert only(message["SaleToPOIRequest"]).path == "$.MessageHeader.MessageType"


def test_the_list_of_faults_ends() -> None:
    message = members()
    body(message)["LoyaltyData"] = [7] * (2 * MAX_VIOLATIONS)
    faults = json_form.parse(json.dumps(message).encode()).faults
    assert len(faults) == MAX_VIOLATIONS
    message = members()
    body(message).update({f"saleData{number}": 1 for number in range(2 * MAX_VIOLATIONS)})
    faults = json_form.parse(json.dumps(message).encode()).faults
    assert len(faults) == MAX_VIOLATIONS
    assert (faults[0].fix, faults[-1].fix) == ("write SaleData", json_form.RULES["JSON-MEMBER-UNKNOWN"].fix)


def test_what_only_the_other_version_has_is_named_so() -> None:
    message = members("display-request-qrcode-binary")
    fault = next(one for one in refused(message, "3.0") if "other protocol version" in one.fix)
    assert "OutputBarcode" in fault.path


def test_a_violation_of_another_document_is_left_as_it_is() -> None:
    document = json_form.parse(json.dumps(members()).encode())
    assert (
        document.place("/SaleToPOIRequest/MessageHeader/@SaleID") == "$.SaleToPOIRequest.MessageHeader.SaleID"
    )
    document.root.append(etree.Element("Foo"))  # put there by something else
    for path in ("/SaleToPOIResponse", "/SaleToPOIRequest/Foo", "/SaleToPOIRequest/PaymentRequest[2]"):
        violation = Violation("NX-001", 0, path, "a", "b", "c")
        assert document.located(violation) == violation


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(sorted(BODIES)), inner, max_size=3)
    ),
    max_leaves=8,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below ``value``."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in pairs for place in ((value, key), *_places(item))]


@GENERATED
@given(data=st.data(), sample_of=st.sampled_from(SAMPLES), version=st.sampled_from(VERSIONS))
def test_anything_anywhere_is_read_or_refused_with_a_place(
    data: st.DataObject, sample_of: tuple[Version, str], version: Version
) -> None:
    message = members(sample_of[1], sample_of[0])
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(_places(message)))
        container[key] = data.draw(_JSON)
    try:
        document = json_form.parse(json.dumps(message).encode())
        codec.read(document, version, schemas(), seal)
    except NotXml as refusal:
        text = refusal.text
    except SchemaViolations as refusal:
        text = "".join(
            f"{one.path.startswith('$')}{bool(one.expected)}{bool(one.fix)}" for one in refusal.violations
        )
    else:
        text = str(document.faults)
    assert text.startswith(("not a message: ", "True", "()"))
    assert "False" not in text


@GENERATED
@given(data=st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(json_form.in_form(sample("payment-request-card"), "json"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"}"])
        )
    with contextlib.suppress(NotXml, SchemaViolations):
        codec.decode(json_form.parse(bytes(whole)), "3.1", schemas(), seal)


def test_the_page_tells_what_is_so() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    example = page.partition("```json")[2].partition("```")[0]
    assert read(json.loads(example, parse_float=float)).body_name == "PaymentRequest"
    texts = {
        slot.wire
        for cls in vars(nexo).values()
        if isinstance(cls, type) and issubclass(cls, Element) and cls is not Element
        for slot in slots(cls)
        if slot.place in (Place.TEXT, Place.TEXT_IN_30)
    }
    assert len(texts) > 5
    assert {name for name in texts if f"`{name}`" in page} == texts
    for rule in json_form.RULES:
        assert f"### {rule}\n" in (ROOT / "docs" / "nexo-rules.md").read_text(encoding="utf-8")


def test_rules_have_words() -> None:
    for name, rule in json_form.RULES.items():
        assert name.startswith("JSON-")
        assert rule.says
        assert rule.fix
