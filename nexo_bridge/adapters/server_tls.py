"""TLS of the listeners POS connect to: the server's context, and who is at the other end of it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final, Literal

from nexo_bridge.adapters.certificates import fingerprint
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.redaction import printable

HANDSHAKE_WITHIN: Final = 10.0
"""Seconds from a connection to the end of its handshake."""

_MODES: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(
    name: str,
    certificate: Path,
    key: Path,
    *,
    client_ca: Path | None = None,
    client_certificate: Literal["none", "optional", "required"] = "none",
) -> ssl.SSLContext:
    """TLS 1.2 or newer under our certificate. Reads files and blocks.

    Args:
        name: the section that names the files, e.g. ``listen``, for the error text.
        certificate: PEM, ours first, then its chain.
        key: PEM, without a password.
        client_ca: PEM bundle that signs client certificates.
        client_certificate: whether one is asked for. One that is shown must be signed by ``client_ca`` in any case.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key, password=b"")
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigurationError(
            f"{name}.certificate: {printable(str(certificate))} and its key cannot be used together; give PEM files, "
            "the certificate first, then its chain, and a key without a password"
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(
                f"{name}.client_ca: {printable(str(client_ca))} holds no PEM certificates; give the bundle"
            ) from None
    context.verify_mode = _MODES[client_certificate]
    return context


def tell_when_flushed(transport: asyncio.WriteTransport) -> None:
    """Let ``pause_writing`` and ``resume_writing`` say whether everything written was handed on.

    Plain sockets: to the kernel. TLS: to the socket, whose own buffer is small. asyncio's TLS transport pauses at its
    limit and not above it, so that a limit of nothing would never resume.
    """
    tls = transport.get_extra_info("ssl_object") is not None
    transport.set_write_buffer_limits(high=1 if tls else 0, low=0)


def client_fingerprint(tls: ssl.SSLObject | None) -> str:
    """SHA-256 of the client's certificate (DER), hexadecimal; empty without TLS or certificate."""
    shown = None if tls is None else tls.getpeercert(binary_form=True)
    return fingerprint(shown) if shown else ""
