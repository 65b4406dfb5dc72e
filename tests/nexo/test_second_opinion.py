"""xmlschema as second judge: it agrees with the first, and sees no secret."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nexo_bridge.nexo import codec, second_opinion
from nexo_bridge.nexo.elements import VERSIONS, Version
from tests.nexo import corpus


@pytest.mark.parametrize("version", VERSIONS)
def test_it_has_nothing_against_the_samples(version: Version) -> None:
    for name in ("payment-response-approved", "login-request", "payment-request-keyed", "pin-request-verify"):
        document = codec.parse(corpus.sample(name, version))
        assert second_opinion.opinions(corpus.xsd(version), document.root) == ()


def test_every_fault_has_line_path_and_words() -> None:
    text = corpus.sample("payment-request-card").decode()
    text = text.replace('Class="Service"', 'Class="Serviec"').replace("<AmountsReq", "<Stranger/><AmountsReq")
    first, second = second_opinion.opinions(corpus.xsd("3.1"), codec.parse(text.encode()).root)
    assert first.line == 3
    assert first.path == "/SaleToPOIRequest/MessageHeader"
    assert "Serviec" in first.text
    assert second.path == "/SaleToPOIRequest/PaymentRequest/PaymentTransaction"
    assert "Stranger" in second.text
    assert "\n" not in second.text


def test_secrets_are_judged_by_their_shape_and_never_shown() -> None:
    text = corpus.sample("payment-request-keyed").decode()
    text = text.replace('PAN="4111111111111111"', 'PAN="41S7"')
    text = text.replace(
        "</SaleData>", "<SaleToAcquirerData>hush<Inner>deep</Inner></SaleToAcquirerData></SaleData>"
    )
    document = codec.parse(text.encode())
    found = second_opinion.opinions(corpus.xsd("3.1"), document.root)
    assert any("PAN='00A0'" in one.text for one in found)
    assert "41S7" not in repr(found)
    assert "hush" not in repr(found)
    assert document.root.xpath("//@PAN") == ["41S7"]


def test_what_the_daemon_imports_never_loads_xmlschema() -> None:
    code = (
        "import sys, nexo_bridge.nexo.codec, nexo_bridge.cli.validate; sys.exit('xmlschema' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
