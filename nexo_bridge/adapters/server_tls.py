"""Who is at the other end of a connection that a POS made."""

from __future__ import annotations

import ssl

from nexo_bridge.adapters.certificates import fingerprint


def client_fingerprint(tls: ssl.SSLObject | None) -> str:
    """SHA-256 of the client's certificate (DER), hexadecimal; empty without TLS or certificate."""
    shown = None if tls is None else tls.getpeercert(binary_form=True)
    return fingerprint(shown) if shown else ""
