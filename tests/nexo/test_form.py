from __future__ import annotations

import pytest

from nexo_bridge.nexo.form import Form, form_of
from tests.nexo.corpus import sample


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"", "xml"),
        (b"<SaleToPOIRequest/>", "xml"),
        (b"GET / HTTP/1.1", "xml"),
        (b"[]", "xml"),
        (b"\xef\xbb\xbf<SaleToPOIRequest/>", "xml"),
        (b"{", "json"),
        (b"{}", "json"),
        (b'{"SaleToPOIRequest": {}}', "json"),
        (b'\xef\xbb\xbf\r\n {\n"SaleToPOIResponse": {}}', "json"),
        (b'{"MessageHeader": {}}', "json-bare"),
        (b'\xef\xbb\xbf { "PaymentRequest": {}}', "json-bare"),
        (b'{"PaymentResponse": {}}', "json-bare"),
        (b'{"SecurityTrailer": {}}', "json-bare"),
        (b'{"PaymentReq', "json"),
        (b'{"Whatever": {"MessageHeader": {}}}', "json"),
    ],
)
def test_the_beginning_tells_the_form(data: bytes, form: Form) -> None:
    assert form_of(data) == form


def test_what_we_write_is_told_as_xml() -> None:
    assert form_of(sample("payment-response-approved")) == "xml"


def test_a_long_run_of_blanks_costs_nothing() -> None:
    assert form_of(b" " * 1_000_000) == "xml"
