"""That a certificate is told as it is is shown over sockets, in test_tls and test_http_tls."""

from __future__ import annotations

from nexo_bridge.adapters.server_tls import client_fingerprint


def test_without_tls_there_is_no_certificate() -> None:
    assert client_fingerprint(None) == ""
