"""Hostile and broken bytes, by the numbers of the list of hostile inputs (H01 to H10, H12)."""

from __future__ import annotations

import socket

import pytest
from lxml import etree

from nexo_bridge.errors import NotXml, SchemaViolations
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.document import MAX_ATTRIBUTES, MAX_DEPTH, MAX_TAGS, Envelope, line_of, parse
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.data import read_schemas

XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def abort(reason: bytes = b"the customer left", root: bytes = b"SaleToPOIRequest") -> bytes:
    return b"""<%s>
  <MessageHeader MessageClass="Service" MessageCategory="Abort" MessageType="Request" ServiceID="2"
    SaleID="S" POIID="P"/>
  <AbortRequest>
    <MessageReference MessageCategory="Payment" ServiceID="1"/>
    <AbortReason>%s</AbortReason>
  </AbortRequest>
</%s>""" % (root, reason, root.split()[0])


def reason(data: bytes) -> str | None:
    return parse(data).root.findtext("AbortRequest/AbortReason")


def refused(data: bytes) -> str:
    with pytest.raises(NotXml) as caught:
        parse(data)
    assert caught.value.condition == "MessageFormat"
    return caught.value.text


BILLION = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "%s"><!ENTITY c "%s">]>' % (b"&a;" * 100, b"&b;" * 100)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BILLION + abort(b"&c;"), id="H01-billion-laughs"),
        pytest.param(BILLION + b'<SaleToPOIRequest a="&c;"/>', id="H01-in-an-attribute"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY a "%s">]>' % (b"x" * 50_000) + abort(b"&a;" * 20_000), id="H02-quadratic"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + abort(b"&a;"), id="H03-file"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY %% p SYSTEM "file:///etc/passwd"> %%p;]>' + abort(), id="H03-parameter"
        ),
        pytest.param(b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">' + abort(), id="H03-external"),
        pytest.param(b"<!DOCTYPE a>" + abort(), id="H03-empty"),
    ],
)
def test_any_doctype_is_refused_before_the_parse(data: bytes) -> None:
    assert refused(data) == "line 1: a DOCTYPE is never accepted; leave it out"


def test_h04_many_attributes_of_one_element() -> None:
    def header(count: int) -> bytes:
        return b"<SaleToPOIRequest %s/>" % b" ".join(b"a%d='1'" % place for place in range(count))

    assert parse(header(MAX_ATTRIBUTES)).envelope is None
    assert "more than 64 attributes" in refused(header(MAX_ATTRIBUTES + 1))
    assert "more than 64 attributes" in refused(header(60_000))


def test_quotes_in_text_are_no_attributes() -> None:
    text = b'{"a": "b", \'c\': "d"}' * 1000
    assert reason(abort(text)) == text.decode()
    assert reason(abort(b"<![CDATA[%s]]>" % text)) == text.decode()


def test_h05_many_elements() -> None:
    assert f"more than {MAX_TAGS} tags" in refused(abort(b"<a/>" * 1_000_000))


def test_h06_one_huge_text() -> None:
    assert "too long" in refused(abort(b"x" * 11_000_000))
    assert reason(abort(b"x" * 1_000_000)) == "x" * 1_000_000


@pytest.mark.parametrize("depth", [MAX_DEPTH, 250, 300, 20_000])
def test_h07_depth(depth: int) -> None:
    assert "nested" in refused(abort(b"<a>" * depth + b"</a>" * depth))


def test_h07_the_deepest_allowed() -> None:
    inside = MAX_DEPTH - 3
    assert parse(abort(b"<a>" * inside + b"</a>" * inside)).envelope
    assert "deeper than 32" in refused(abort(b"<a>" * (inside + 1) + b"</a>" * (inside + 1)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(abort().decode().encode("utf-16"), "not UTF-8", id="utf-16-with-mark"),
        pytest.param(abort().decode().encode("utf-16-le"), "NUL", id="utf-16-without-mark"),
        pytest.param(abort().decode().encode("utf-32"), "not UTF-8", id="utf-32"),
        pytest.param(abort().decode().encode("utf-32-be"), "not UTF-8", id="utf-32-without-mark"),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-7"?>+ADw-!DOCTYPE a+AD4-', "another encoding", id="utf-7"
        ),
        pytest.param(b"+/v8-" + abort(), "not UTF-8", id="utf-7-mark"),
        pytest.param(
            b"<?xml version='1.0' encoding='ISO-8859-1'?>" + abort(), "another encoding", id="latin-1"
        ),
        pytest.param(abort(b"a\x00b"), "line 6: a NUL", id="NUL"),
        pytest.param(abort(b"caf\xe9"), "line 6: not UTF-8", id="wrong-bytes"),
        pytest.param(abort(b"\xed\xa0\x80"), "line 6: not UTF-8", id="surrogate"),
        pytest.param(abort(b"\xc0\xbcb/>"), "line 6: not UTF-8", id="overlong"),
        pytest.param(abort(b"\x08"), "line 6, column", id="control-character"),
    ],
)
def test_h08_utf8_only(data: bytes, said: str) -> None:
    assert said in refused(data)


@pytest.mark.parametrize(
    "before",
    [b"", b"\xef\xbb\xbf", b"\r\n ", b"<?xml version='1.0'?>", b'<?xml version="1.0" encoding="utf-8"?>\n'],
)
def test_usual_beginnings(before: bytes) -> None:
    assert reason(before + abort("café €".encode())) == "café €"


@pytest.mark.parametrize("between", [b"<!-- -->", b"<?x y?>", b"<!-- --><!-- -->", b"<![CDATA[]]>"])
def test_h09_nothing_splits_a_text(between: bytes) -> None:
    assert reason(abort(b"user" + between + b"cancel")) == "usercancel"


def test_h10_hints_and_instructions_are_ignored_and_nothing_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = b"http://127.0.0.1:%d/a.xsd" % server.getsockname()[1]
        data = abort(root=b'SaleToPOIRequest %s xsi:schemaLocation="urn:x %s"' % (XSI, url))
        data = data.replace(b"<AbortRequest>", b'<AbortRequest xsi:noNamespaceSchemaLocation="%s">' % url)
        document = parse(b'<?xml-stylesheet href="%s"?>' % url + data)
        assert Schemas(read_schemas()).validate(document, "3.1") == ()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has connected
            server.accept()


def test_h10_xinclude_is_an_unknown_element() -> None:
    include = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>'
    rules = [one.rule for one in Schemas(read_schemas()).validate(parse(abort(include)), "3.1")]
    assert rules == ["XSD-ELEMENT-UNKNOWN"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'<x:SaleToPOIRequest xmlns:x="urn:x"/>', "the root has the namespace urn:x"),
        (b'<SaleToPOIRequest xmlns="urn:x"/>', "nexo 3 has none"),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:casp.001.001.04"/>', "nexo Retailer 4 or later"),
        (b"<Document/>", "nexo Retailer 4 or later"),
        (b"<html/>", "the root element is html"),
        (b"<SaleToPOIRequest %s xsi:type='a'/>" % XSI, "xsi attribute"),
        (abort(b"<a %s xsi:nil='true'/>" % XSI), "line 6: an xsi attribute"),
        (b"<x:SaleToPOIRequest/>", "a prefix without a namespace"),
    ],
)
def test_h10_other_languages(data: bytes, said: str) -> None:
    assert said in refused(data)


def test_a_foreign_attribute_inside_is_a_violation_that_can_be_answered() -> None:
    document = parse(abort().replace(b"<AbortRequest>", b'<AbortRequest xmlns:x="urn:x" x:y="1">'))
    assert document.envelope
    (found,) = Schemas(read_schemas()).validate(document, "3.1")
    assert (found.rule, found.line) == ("XSD-ATTRIBUTE-UNKNOWN", 4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (abort() + b"x", "line 8, column 20: something follows"),
        (abort() + abort(), "something follows"),
        (abort() + b"<!-- -->\n", ""),
        (
            abort().replace(b'SaleID="S"', b'SaleID="S" SaleID="T"'),
            "line 3, column 36: an attribute is given twice",
        ),
        (abort()[:-1], "line 8, column 19: "),
        (abort()[:-30], "line 7"),
        (abort(b"</AbortRequest>"), "an end tag does not match"),
        (abort(b"&euro;"), "an entity is used"),
        (abort().replace(b'POIID="P"', b'POIID="<"'), "write &lt;"),
        (abort().replace(b'POIID="P"', b"POIID=P"), "without quotes"),
        (b" <?xml version='1.0'?>" + abort(), "not at the very beginning"),
        (b"<!-- -->", "not well-formed"),
        (b"<", "not well-formed"),
        (b"", "the message is empty"),
        (b"  \r\n", "the message is empty"),
        (b'{"SaleToPOIRequest": {}}', "this is JSON"),
        (b"[]", "this is JSON"),
        (b"GET / HTTP/1.1", "begins with <"),
    ],
)
def test_h12_not_one_well_formed_document(data: bytes, said: str) -> None:
    if said:
        assert said in refused(data)
    else:
        assert parse(data).envelope


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (abort().replace(b"<AbortRequest>", b'<AbortRequest Foo="1">'), "XSD-ATTRIBUTE-UNKNOWN"),
        (
            abort().replace(b"</SaleToPOIRequest>", b"<LogoutRequest/></SaleToPOIRequest>"),
            "XSD-ELEMENT-REPEATED",
        ),
        (abort()[: abort().index(b"<AbortRequest>")] + b"</SaleToPOIRequest>", "XSD-ELEMENT-MISSING"),
        (abort(b"</AbortReason><MessageReference/><AbortReason>"), "XSD-ELEMENT-ORDER"),
    ],
)
def test_h12_well_formed_and_invalid(data: bytes, rule: str) -> None:
    document = parse(data)
    assert document.envelope
    with pytest.raises(SchemaViolations) as caught:
        codec.decode(document, "3.1", Schemas(read_schemas()), lambda clear: Secret.seal(clear, b"k"))
    assert rule in [one.rule for one in caught.value.violations]


def test_no_refusal_quotes_the_content() -> None:
    for data in (
        abort(b"4111111111111111<"),
        abort(b"&n4111111111111111;"),
        abort(b'<a b="1" 4111111111111111="">'),
    ):
        assert "4111" not in refused(data)


def test_the_envelope_is_read_even_of_an_invalid_body() -> None:
    data = (
        abort()
        .replace(b"<AbortRequest>", b"<Foo/><AbortRequest>")
        .replace(b'ServiceID="2"', b'ServiceID="\t"')
    )
    assert parse(data).envelope == Envelope(
        kind="request",
        body_name="Foo",
        header={
            "MessageClass": "Service",
            "MessageCategory": "Abort",
            "MessageType": "Request",
            "ServiceID": " ",
            "SaleID": "S",
            "POIID": "P",
        },
    )


def test_envelopes_of_little() -> None:
    assert parse(b"<SaleToPOIResponse/>").envelope is None
    assert parse(
        b"<SaleToPOIResponse><MessageHeader/><SecurityTrailer/></SaleToPOIResponse>"
    ).envelope == Envelope(kind="response", body_name="", header={})


def test_lines_are_found_by_path() -> None:
    document = parse(abort(b"</AbortReason>\n<AbortReason>"))
    assert document.line("/SaleToPOIRequest") == 1
    assert document.line("/SaleToPOIRequest/MessageHeader/@SaleID") == 3
    assert document.line("/SaleToPOIRequest/AbortRequest/AbortReason") == 6
    assert document.line("/SaleToPOIRequest/AbortRequest/AbortReason[2]") == 7
    assert document.line("/SaleToPOIRequest/AbortRequest/AbortReason[3]") == 0
    assert document.line("/SaleToPOIResponse/AbortRequest") == 0


def test_a_document_of_our_own_has_no_lines() -> None:
    assert line_of(etree.Element("a")) == 0


def test_xml_is_called_as_it_is_in_every_version() -> None:
    document = parse(abort())
    assert (
        document.place("/SaleToPOIRequest/MessageHeader/@SaleID") == "/SaleToPOIRequest/MessageHeader/@SaleID"
    )
    assert document.in_version("3.0") is document
    assert document.faults == ()
