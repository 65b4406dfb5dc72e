"""Certificates made for a test, and a TLS listener on port 0 with peers on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from nexo_bridge.adapters.certificates import fingerprint
from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.adapters.tls import TlsListener
from nexo_bridge.adapters.tls_settings import TlsListen
from tests.adapters.tcp_rig import Peer, Recorder, Rig


class Papers:
    """An authority, and what it signs, as files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))

    def issue(
        self, name: str, *names: str, until: datetime | None = None, by: trustme.CA | None = None
    ) -> tuple[Path, Path]:
        """``name.pem`` and ``name.key`` for these names, over what was there; valid for a year unless ``until``."""
        made = (by or self.authority).issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            common_name=name,
            not_after=until or datetime.now(UTC) + timedelta(days=365),
        )
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for path, blob in ((certificate, made.cert_chain_pems[0]), (key, made.private_key_pem)):
            draft = path.with_suffix(".draft")
            draft.write_bytes(blob.bytes())
            draft.chmod(0o600)
            draft.replace(path)
        return certificate, key

    def client(self, name: str | None = None, by: trustme.CA | None = None) -> ssl.SSLContext:
        """A peer that trusts the authority and shows the certificate ``name``, made if it is not there."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if name is not None:
            certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
            if not certificate.exists():
                self.issue(name, f"{name}@shop.example", by=by)
            context.load_cert_chain(certificate, key)
        return context

    def fingerprint(self, name: str) -> str:
        return fingerprint(ssl.PEM_cert_to_DER_cert((self.folder / f"{name}.pem").read_text()))


@dataclass
class TlsRig(Rig):
    papers: Papers = None  # type: ignore[assignment]  # always given; behind fields that have defaults

    async def encrypted(self, name: str | None = None, *, tls: ssl.SSLContext | None = None) -> Peer:
        """A peer whose handshake is done on its own side."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=tls or self.papers.client(name), server_hostname="localhost"
        )
        peer = Peer(reader, writer)
        self.peers.append(peer)
        return peer


@asynccontextmanager
async def encrypting(folder: Path, **settings: Any) -> AsyncIterator[TlsRig]:
    papers = Papers(folder)
    certificate, key = papers.issue("bridge")
    if settings.get("client_certificate", "none") != "none":
        settings.setdefault("client_ca", papers.ca)
    intake, timer = Recorder(), HandTimer()
    made = TlsListen(kind="tls", port=0, **{"certificate": certificate, "key": key} | settings)
    listener = await asyncio.to_thread(TlsListener, made, intake, timer=timer)
    host, _, port = (await listener.start()).rpartition(":")
    rig = TlsRig(listener, intake, timer, host, int(port), papers=papers)
    try:
        yield rig
    finally:
        for peer in rig.peers:
            peer.writer.transport.abort()
        await listener.close()
