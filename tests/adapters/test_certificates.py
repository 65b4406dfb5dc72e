from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from nexo_bridge.adapters import certificates
from nexo_bridge.adapters.certificates import Files
from nexo_bridge.errors import ConfigurationError

SETTING = 'terminals."P1"'


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = trustme.CA()
    leaf = authority.issue_cert("device.example", not_after=datetime(2050, 1, 2, 3, 4, tzinfo=UTC))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    authority.cert_pem.write_to_path(str(tmp_path / "bundle.pem"))
    return Files(SETTING, tmp_path / "client.pem", tmp_path / "client.key", ca=tmp_path / "bundle.pem")


def refusal(files: Files) -> str:
    with pytest.raises(ConfigurationError) as caught:
        certificates.load(files)
    text = str(caught.value)
    assert "\n" not in text
    return text


def encrypted(files: Files, password: bytes) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def test_the_context_checks_chain_and_name_and_speaks_tls_1_2_or_later(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    context = certificates.load(files).context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None
    assert len(context.get_ca_certs()) == 1


def test_without_a_bundle_the_systems_authorities_are_trusted(files: Files) -> None:
    assert (
        certificates.load(Files(SETTING, files.certificate, files.key)).context.verify_mode
        is ssl.CERT_REQUIRED
    )


def test_certificate_and_key_may_lie_in_one_file(files: Files, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    assert certificates.load(Files(SETTING, both, both)).not_after.year == 2050


def test_a_key_may_have_a_password_in_a_file(files: Files, tmp_path: Path) -> None:
    encrypted(files, b"open sesame")
    password = tmp_path / "password"
    password.write_bytes(b"open sesame\n")
    certificates.load(Files(SETTING, files.certificate, files.key, password))
    password.write_bytes(b"open barley")
    assert "correct the password" in refusal(Files(SETTING, files.certificate, files.key, password))
    assert "key_password" in refusal(files)


def test_a_password_for_an_open_key_does_no_harm(files: Files, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_bytes(b"x")
    certificates.load(Files(SETTING, files.certificate, files.key, password))


@pytest.mark.parametrize("name", ["certificate", "key", "ca"])
def test_a_missing_file_is_named(files: Files, name: str) -> None:
    path: Path = getattr(files, name)
    path.unlink()
    setting = "platform.ca" if name == "ca" else f"{SETTING}.{name}"
    assert refusal(files).startswith(f"{setting}: {path} cannot be read: No such file")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("name", ["certificate", "key", "ca"])
def test_a_file_that_is_no_pem_is_named(files: Files, name: str, content: bytes) -> None:
    path: Path = getattr(files, name)
    path.write_bytes(content)
    assert str(path) in refusal(files)


def test_a_broken_chain_behind_the_certificate_is_refused(files: Files) -> None:
    with files.certificate.open("ab") as file:
        file.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "TLS refuses" in refusal(files)


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(str(files.key))
    assert "does not belong to" in refusal(files)


def test_a_certificates_time_is_a_sentence_not_an_error(files: Files) -> None:
    identity = certificates.load(files)
    assert identity.problem(datetime(2049, 12, 31, tzinfo=UTC).timestamp()) is None
    late = identity.problem(datetime(2050, 1, 3, tzinfo=UTC).timestamp())
    assert late == "the client certificate expired on 2050-01-02 03:04 UTC"
    early = identity.problem(0)
    assert early is not None
    assert early.startswith("the client certificate is valid only from ")


def test_versions_change_when_a_file_does(files: Files) -> None:
    before = files.versions()
    assert files.versions() == before
    files.key.write_bytes(files.key.read_bytes() + b"\n")
    assert files.versions() != before
    files.key.unlink()
    with pytest.raises(FileNotFoundError):
        files.versions()
