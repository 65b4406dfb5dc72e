from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

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
    for name in ("both.pem", "client.key"):
        (tmp_path / name).chmod(0o600)
    authority.cert_pem.write_to_path(str(tmp_path / "bundle.pem"))
    return Files(SETTING, tmp_path / "client.pem", tmp_path / "client.key", ca=tmp_path / "bundle.pem")


def refusal(files: Files) -> str:
    with pytest.raises(ConfigurationError) as caught:
        certificates.load(files)
    text = str(caught.value)
    assert "\n" not in text
    return text


def key_of(files: Files) -> Path:
    assert files.key is not None
    return files.key


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def encrypted(files: Files, password: bytes) -> None:
    key = serialization.load_pem_private_key(key_of(files).read_bytes(), None)
    key_of(files).write_bytes(
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
    assert context.maximum_version is ssl.TLSVersion.TLSv1_3
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
    password = private(tmp_path / "password", b"open sesame\n")
    certificates.load(Files(SETTING, files.certificate, files.key, password))
    password.write_bytes(b"open barley")
    assert "correct the password" in refusal(Files(SETTING, files.certificate, files.key, password))
    assert "key_password" in refusal(files)


def test_a_password_for_an_open_key_does_no_harm(files: Files, tmp_path: Path) -> None:
    password = private(tmp_path / "password", b"x")
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
    assert "is not a PEM certificate" in refusal(files)


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(str(files.key))
    key_of(files).chmod(0o600)
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
    key_of(files).write_bytes(key_of(files).read_bytes() + b"\n")
    assert files.versions() != before
    key_of(files).unlink()
    with pytest.raises(FileNotFoundError):
        files.versions()


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_h38_a_key_open_to_everyone_is_refused(files: Files, mode: int) -> None:
    key_of(files).chmod(mode)
    assert refusal(files) == (
        f"{SETTING}.key: {files.key} is open to every user of this machine; run chmod 600 on it"
    )


def test_h38_so_is_a_password_and_a_pkcs12_file(files: Files, tmp_path: Path) -> None:
    store = pkcs12_of(files, b"open sesame")
    store.chmod(0o604)
    password = private(tmp_path / "password", b"open sesame")
    assert refusal(Files(SETTING, store, key_password=password)).startswith(
        f"{SETTING}.certificate: {store} is open"
    )
    store.chmod(0o600)
    password.chmod(0o604)
    assert refusal(Files(SETTING, store, key_password=password)).startswith(f"{SETTING}.key_password: ")


def pkcs12_of(files: Files, password: bytes | None, *others: x509.Certificate, whole: bool = True) -> Path:
    key = serialization.load_pem_private_key(key_of(files).read_bytes(), None)
    leaf = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return private(
        files.certificate.with_name("client.p12"),
        pkcs12.serialize_key_and_certificates(
            b"device",
            key if whole else None,
            leaf,
            others,
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
        ),
    )


@pytest.mark.parametrize("secret", [b"open sesame", None])
def test_a_pkcs12_file_holds_all_of_it(files: Files, tmp_path: Path, secret: bytes | None) -> None:
    store = pkcs12_of(files, secret)
    password = None if secret is None else private(tmp_path / "password", secret + b"\n")
    identity = certificates.load(Files(SETTING, store, key_password=password, ca=files.ca))
    assert identity.not_after.year == 2050
    assert identity.oddities == ()


def test_a_pkcs12_file_that_does_not_open_is_said(files: Files, tmp_path: Path) -> None:
    store = pkcs12_of(files, b"open sesame")
    wrong = private(tmp_path / "password", b"open barley")
    assert "correct the password in key_password" in refusal(Files(SETTING, store, key_password=wrong))
    assert "correct the password in key_password" in refusal(Files(SETTING, store))
    without_key = pkcs12_of(files, None, whole=False)
    assert "lacks the certificate or its key" in refusal(Files(SETTING, without_key))


def test_a_pem_certificate_needs_its_key(files: Files) -> None:
    assert refusal(Files(SETTING, files.certificate)) == f'{SETTING}.key: missing; add key = "client.key"'


@dataclass
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issued(name: str, by: Issued | None = None, *, serial: str = "", days: int = 365) -> Issued:
    """A certificate valid from an hour before ``NOW``, signed by ``by`` or itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if serial:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    subject = x509.Name(parts)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(by.key if by else key, hashes.SHA256())
    )
    return Issued(certificate, key)


NOW = datetime(2030, 6, 1, tzinfo=UTC)


def laid(folder: Path, leaf: Issued, *chain: Issued) -> Files:
    pem = [one.certificate.public_bytes(serialization.Encoding.PEM) for one in (leaf, *chain)]
    certificate = folder / "device.pem"
    certificate.write_bytes(b"".join(pem))
    key = private(
        folder / "device.key",
        leaf.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return Files(SETTING, certificate, key)


def test_a_certificate_of_another_device_is_a_warning(tmp_path: Path) -> None:
    identity = certificates.load(laid(tmp_path, issued("till", serial="2097CD800007")))
    assert identity.serial == "2097CD800007"
    assert identity.warnings(NOW.timestamp(), "2097CD800007") == ()
    assert identity.warnings(NOW.timestamp(), "1850") == (
        "the client certificate is of device 2097CD800007, the terminal's serial is 1850",
    )


def test_a_certificate_without_a_serial_number_says_nothing_of_it(tmp_path: Path) -> None:
    identity = certificates.load(laid(tmp_path, issued("till")))
    assert identity.serial is None
    assert identity.warnings(NOW.timestamp(), "1850") == ()


def test_a_chain_in_disorder_is_a_warning_and_the_first_to_end_counts(tmp_path: Path) -> None:
    root = issued("root")
    middle = issued("middle", root, days=100)
    leaf = issued("till", middle)
    good = certificates.load(laid(tmp_path, leaf, middle, root))
    assert good.oddities == ()
    assert good.days_left(NOW.timestamp()) == 100
    odd = certificates.load(laid(tmp_path, leaf, root, middle))
    assert "is not in order" in odd.oddities[0]
    assert odd.warnings(NOW.timestamp(), "1850") == odd.oddities


def test_a_pkcs12_file_keeps_a_chain_in_any_order(tmp_path: Path) -> None:
    root = issued("root")
    middle = issued("middle", root)
    files = laid(tmp_path, issued("till", middle))
    stranger = issued("stranger")
    for others in ((root, middle), (middle, root)):
        store = pkcs12_of(files, None, *(one.certificate for one in others))
        assert certificates.load(Files(SETTING, store)).oddities == ()
    store = pkcs12_of(files, None, stranger.certificate)
    assert len(certificates.load(Files(SETTING, store)).oddities) == 1


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=30), None),
        (timedelta(days=29, hours=23), "less than 30 days"),
        (timedelta(days=14), "less than 30 days"),
        (timedelta(days=13), "less than 14 days"),
        (timedelta(days=6), "less than 7 days"),
        (timedelta(hours=30), "less than 7 days"),
        (timedelta(hours=23), "less than 1 day;"),
        (timedelta(hours=-1), None),
    ],
)
def test_the_end_is_told_30_14_7_and_1_days_ahead(tmp_path: Path, left: timedelta, said: str | None) -> None:
    identity = certificates.load(laid(tmp_path, issued("till")))
    warnings = identity.warnings((identity.not_after - left).timestamp(), "1850")
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]
