"""HTTPS with real handshakes: our certificate, and the POS's if it is asked for one (H30, H32)."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from nexo_bridge.adapters.intake import Speaker
from tests.adapters.http_rig import Rig, answer, listening, payment

CA, OTHER = trustme.CA(), trustme.CA()
SERVER, POS, STRANGER = (
    CA.issue_cert("localhost"),
    CA.issue_cert("pos.example"),
    OTHER.issue_cert("pos.example"),
)


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """The settings of a listener with TLS."""
    SERVER.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in SERVER.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    return {"certificate": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}


def client(own: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return context


async def refused(rig: Rig, context: ssl.SSLContext) -> None:
    """Ask, and raise what tells that nobody answers: in TLS 1.3 that is the first read, not the handshake."""
    pos = await rig.connect(tls=context)
    await pos.ask(payment())
    if await pos.reader.read() == b"":
        raise ConnectionResetError


async def test_a_pos_that_trusts_our_authority_is_served(tls: dict[str, Any]) -> None:
    async with listening(**tls) as rig:
        pos = await rig.connect(tls=client())
        await pos.ask(payment())
        taken = await rig.intake.taken.get()
        assert taken.speaker == Speaker(certificate="")
        assert await rig.listener.write(taken.source, answer())
        assert (await pos.response()).body == answer()


@pytest.mark.parametrize("mode", ["optional", "required"])
async def test_h30_the_intake_is_told_whose_certificate_it_is(tls: dict[str, Any], mode: str) -> None:
    async with listening(**tls, client_ca=tls["key"].with_name("ca.pem"), client_certificate=mode) as rig:
        pos = await rig.connect(tls=client(POS))
        await pos.ask(payment())
        der = ssl.PEM_cert_to_DER_cert(POS.cert_chain_pems[0].bytes().decode())
        expected = hashlib.sha256(der).hexdigest()
        assert (await rig.intake.taken.get()).speaker == Speaker(certificate=expected)


async def test_an_optional_certificate_may_be_left_away(tls: dict[str, Any]) -> None:
    async with listening(
        **tls, client_ca=tls["key"].with_name("ca.pem"), client_certificate="optional"
    ) as rig:
        pos = await rig.connect(tls=client())
        await pos.ask(payment())
        assert (await rig.intake.taken.get()).speaker == Speaker(certificate="")


@pytest.mark.parametrize("own", [None, STRANGER], ids=["none", "another authority's"])
async def test_h32_without_a_certificate_of_the_authority_nothing_is_read(
    tls: dict[str, Any], own: trustme.LeafCert | None
) -> None:
    async with listening(
        **tls, client_ca=tls["key"].with_name("ca.pem"), client_certificate="required"
    ) as rig:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await refused(rig, client(own))
        assert rig.intake.taken.empty()


async def test_plain_http_on_the_tls_port_gets_nothing(tls: dict[str, Any]) -> None:
    async with listening(**tls) as rig:
        pos = await rig.connect()
        await pos.ask(payment())
        assert not (await pos.reader.read()).startswith(b"HTTP")
        assert rig.intake.taken.empty()
