"""The TLS listener: files that change while it runs, and what people are told about them."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate
from structlog.testing import capture_logs

from nexo_bridge.adapters.tls import TlsListener
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.framing import frame
from tests.adapters.tcp_rig import Peer, Recorder, request, response
from tests.adapters.tls_rig import Papers, TlsRig, encrypting


def shown(peer: Peer) -> bytes:
    """The listener's certificate, as the peer saw it."""
    tls: ssl.SSLObject = peer.writer.get_extra_info("ssl_object")
    seen = tls.getpeercert(binary_form=True)
    assert seen is not None
    return seen


def refreshing(rig: TlsRig) -> TlsListener:
    assert isinstance(rig.listener, TlsListener)
    return rig.listener


async def test_new_connections_get_the_new_certificate_and_standing_ones_go_on(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        standing = await rig.encrypted()
        await standing.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        rig.papers.issue("bridge")
        await refreshing(rig).refresh()
        fresh = await rig.encrypted()
        assert shown(fresh) != shown(standing)
        assert await rig.listener.write(source, response())
        assert await standing.receive() == response()


async def test_files_are_looked_at_without_being_asked(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        before = shown(await rig.encrypted())
        rig.papers.issue("bridge")
        await rig.timer.waits(60)
        rig.timer.advance(60)
        await rig.timer.waits(60)
        assert shown(await rig.encrypted()) != before


async def test_unusable_files_keep_the_old_ones_in_use_and_say_so(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        before = shown(await rig.encrypted())
        key = (tmp_path / "bridge.key").read_bytes()
        rig.papers.issue("other")
        (tmp_path / "bridge.key").write_bytes((tmp_path / "other.key").read_bytes())
        with capture_logs() as records:
            await refreshing(rig).refresh()
            await refreshing(rig).refresh()
        assert [one["event"] for one in records] == ["certificate of a listener"]  # once
        assert "does not belong to" in records[0]["problem"]
        assert str(refreshing(rig).state().problem).endswith("; the old certificate stays in use")
        assert shown(await rig.encrypted()) == before
        (tmp_path / "bridge.key").unlink()
        await refreshing(rig).refresh()
        assert shown(await rig.encrypted()) == before
        (tmp_path / "bridge.key").write_bytes(key)
        (tmp_path / "bridge.key").chmod(0o600)
        await refreshing(rig).refresh()
        assert refreshing(rig).state().problem is None


async def test_a_new_authority_of_the_clients_holds_for_the_next_connection(tmp_path: Path) -> None:
    async with encrypting(tmp_path, client_certificate="required") as rig:
        other = tmp_path / "other"
        other.mkdir()
        stranger = Papers(other)
        stranger.ca.replace(rig.papers.ca)
        await refreshing(rig).refresh()
        tls = rig.papers.client()
        tls.load_verify_locations(cadata=rig.papers.authority.cert_pem.bytes().decode())
        tls.load_cert_chain(*stranger.issue("kasse1", "kasse1@shop.example"))
        peer = await rig.encrypted(tls=tls)
        await peer.send(frame(request()))
        await rig.intake.frames.get()


@pytest.mark.parametrize(("days", "says"), [(5, "ends on"), (-1, "expired on")])
async def test_the_end_of_a_certificate_is_told_ahead(days: int, says: str, tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        rig.papers.issue("bridge", until=datetime.now(UTC) + timedelta(days=days, hours=1))
        with capture_logs() as records:
            await refreshing(rig).refresh()
        told = [one["problem"] for one in records if one["event"] == "certificate of a listener"]
        assert len(told) == 1
        assert says in told[0]
        state = refreshing(rig).state()
        assert (state.certificate_days, state.problem) == (days, told[0])


async def test_the_state_of_a_listener(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        await rig.encrypted()
        state = rig.listener.state()
        assert (state.kind, state.address) == ("tls", f"{rig.host}:{rig.port}")
        assert (state.up, state.connections, state.problem) == (True, 1, None)
        rig.listener.stop_accepting()
        assert not rig.listener.state().up


def test_a_key_with_a_password(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    certificate, key = papers.issue("bridge")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )
    password = tmp_path / "bridge.password"
    password.write_text("word\n")
    password.chmod(0o600)
    section = TlsListen(kind="tls", port=0, certificate=certificate, key=key, key_password=password)
    TlsListener(section, Recorder())
    with pytest.raises(ConfigurationError, match=r"^listen\[1\]\.key: .* is encrypted; name the file"):
        TlsListener(section.model_copy(update={"key_password": None}), Recorder(), setting="listen[1]")


def test_a_pkcs_12_file(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    certificate, key = papers.issue("bridge")
    both = tmp_path / "bridge.p12"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    both.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"bridge",
            private,  # type: ignore[arg-type]  # trustme's are of a kind that fits
            load_pem_x509_certificate(certificate.read_bytes()),
            None,
            serialization.NoEncryption(),
        )
    )
    both.chmod(0o600)
    TlsListener(TlsListen(kind="tls", port=0, certificate=both), Recorder())
    both.chmod(0o644)
    with pytest.raises(ConfigurationError, match="open to every user"):
        TlsListener(TlsListen(kind="tls", port=0, certificate=both), Recorder())


def test_authorities_that_are_none(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    certificate, key = papers.issue("bridge")
    section = TlsListen(
        kind="tls", port=0, certificate=certificate, key=key, client_ca=key, client_certificate="required"
    )
    with pytest.raises(ConfigurationError, match=r"^listen\.client_ca: .* holds no PEM certificates"):
        TlsListener(section, Recorder())


async def test_after_close_nothing_looks_any_more(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        await rig.encrypted()
    assert not [task for task in asyncio.all_tasks() if "certificate" in task.get_name()]
    assert not [task for task in asyncio.all_tasks() if "handshake" in task.get_name()]
