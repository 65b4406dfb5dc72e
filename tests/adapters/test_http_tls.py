"""HTTPS with real handshakes: our certificate, and the POS's if it is asked for one (H30, H32)."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.intake import Speaker
from nexo_bridge.errors import ConfigurationError
from tests.adapters.http_rig import Recorder, Rig, answer, listening, payment

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
    (tmp_path / "key.pem").chmod(0o600)
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


async def test_h24_plain_http_on_the_tls_port_is_told_so(tls: dict[str, Any]) -> None:
    async with listening(**tls) as rig:
        pos = await rig.connect()
        await pos.ask(payment())
        response = await pos.response()
        assert (response.status, response.text) == (400, "This port speaks TLS.\r\n")
        assert rig.intake.taken.empty()


@pytest.mark.parametrize("how", ["resets", "says that it ends"])
async def test_a_client_that_leaves_is_told_as_without_tls(tls: dict[str, Any], how: str) -> None:
    async with listening(**tls) as rig:
        pos = await rig.connect(tls=client())
        await pos.ask(payment())
        source = (await rig.intake.taken.get()).source
        if how == "resets":
            pos.leave()
        else:
            pos.writer.close()
        assert await rig.intake.ends.get() == source


async def test_h23_whoever_does_not_encrypt_takes_a_place_and_only_for_a_while(tls: dict[str, Any]) -> None:
    async with listening(**tls, max_connections=1, handshake_timeout=7) as rig:
        silent = await rig.connect()
        await rig.timer.waits(7)
        assert await (await rig.connect()).closed()
        rig.timer.advance(7)
        assert await silent.closed()
        pos = await rig.connect(tls=client())
        await pos.ask(payment())
        await rig.intake.taken.get()


async def test_a_large_message_and_its_answer_come_whole(tls: dict[str, Any]) -> None:
    padding = (b"<x>" + b"x" * 100_000 + b"</x>") * 9
    async with listening(**tls) as rig:
        pos = await rig.connect(tls=client())
        sent = payment().replace(b"</SaleToPOIRequest>", padding + b"</SaleToPOIRequest>")
        await pos.ask(sent)
        taken = await rig.intake.taken.get()
        assert taken.data == sent
        back = answer().replace(b"</SaleToPOIResponse>", padding + b"</SaleToPOIResponse>")
        writing = asyncio.create_task(rig.listener.write(taken.source, back))
        assert (await pos.response()).body == back
        assert await writing


async def test_f33_files_that_change_are_for_the_next_connection(tls: dict[str, Any]) -> None:
    async with listening(**tls) as rig:
        stands = await rig.connect(tls=client())
        state = rig.listener.state()
        assert (state.kind, state.up, state.connections, state.problem) == ("http", True, 1, None)
        assert state.certificate_days is not None
        fresh = CA.issue_cert("localhost")
        fresh.private_key_pem.write_to_path(tls["key"])
        fresh.cert_chain_pems[0].write_to_path(tls["certificate"])
        await rig.listener.refresh()
        newer = await rig.connect(tls=client())
        shown = [
            one.writer.get_extra_info("ssl_object").getpeercert()["serialNumber"] for one in (stands, newer)
        ]
        assert shown[0] != shown[1]


async def test_a_listener_without_tls_tells_how_it_is() -> None:
    async with listening() as rig:
        await rig.asked()
        await rig.listener.refresh()
        state = rig.listener.state()
        assert (state.address, state.connections) == (f"127.0.0.1:{rig.port}", 1)
        assert state.certificate_days is None


async def test_files_that_cannot_be_used_are_one_line(tls: dict[str, Any]) -> None:
    tls["certificate"].write_text("made up", encoding="utf-8")
    settings = HttpListen.model_validate({"kind": "http", "port": 0, **tls})
    with pytest.raises(ConfigurationError, match=r"^listen\[3\]\.certificate: ") as caught:
        await asyncio.to_thread(HttpListener, settings, Recorder(), setting="listen[3]")
    assert "\n" not in str(caught.value)
