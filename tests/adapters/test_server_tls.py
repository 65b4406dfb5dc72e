"""The context a listener serves TLS with; that it works is shown over sockets in test_http_tls."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from nexo_bridge.adapters.server_tls import client_fingerprint, server_context
from nexo_bridge.errors import ConfigurationError

CA = trustme.CA()
SERVER = CA.issue_cert("localhost")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    SERVER.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in SERVER.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "junk.pem").write_text("made up", encoding="utf-8")
    return tmp_path


def test_nothing_older_than_tls_1_2(files: Path) -> None:
    context = server_context("listen", files / "cert.pem", files / "key.pem")
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("mode", "meant"), [("optional", ssl.CERT_OPTIONAL), ("required", ssl.CERT_REQUIRED)]
)
def test_a_client_certificate_is_asked_for(files: Path, mode: str, meant: ssl.VerifyMode) -> None:
    context = server_context(
        "listen",
        files / "cert.pem",
        files / "key.pem",
        client_ca=files / "ca.pem",
        client_certificate=mode,  # type: ignore[arg-type]  # one of the words
    )
    assert context.verify_mode is meant


@pytest.mark.parametrize(
    ("certificate", "key", "ca", "said"),
    [
        ("junk.pem", "key.pem", "ca.pem", r"listen\.certificate: .*junk\.pem and its key cannot be used"),
        ("cert.pem", "junk.pem", "ca.pem", r"listen\.certificate: "),
        ("cert.pem", "absent.pem", "ca.pem", r"listen\.certificate: "),
        ("cert.pem", "key.pem", "junk.pem", r"listen\.client_ca: .*junk\.pem holds no PEM certificates"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(
    files: Path, certificate: str, key: str, ca: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        server_context(
            "listen", files / certificate, files / key, client_ca=files / ca, client_certificate="required"
        )
    assert "\n" not in str(caught.value)


def test_without_tls_there_is_no_certificate() -> None:
    assert client_fingerprint(None) == ""
