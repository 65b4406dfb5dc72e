"""The sandbox's certificate authority, and the certificates of its gateway and its devices.

P-256 keys, since a start must not take a second. Everything lies in one folder and is kept over restarts, so
that a bridge configured once goes on working: only what is missing, expired or names the wrong host is made
anew.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=825)
_SPARE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates below one root kept in ``folder``; everything here blocks on files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.root = KeyPair(folder / "ca.pem", folder / "ca.key")
        loaded = _load(self.root)
        if loaded is None or not _fresh(loaded[0]):
            loaded = self._make_root()
        self._certificate, self._key = loaded

    def server(self, hosts: Sequence[str]) -> KeyPair:
        """A gateway certificate whose alternative names cover ``hosts``; kept if the stored one does."""
        pair = KeyPair(self.folder / "server.pem", self.folder / "server.key")
        loaded = _load(pair)
        if loaded is None or not self._valid(loaded[0]) or not set(hosts) <= _names(loaded[0]):
            self._issue(pair, _subject(hosts[0]), ExtendedKeyUsageOID.SERVER_AUTH, hosts=hosts)
        return pair

    def client(
        self,
        name: str,
        serial: str,
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> KeyPair:
        """A device certificate whose subject carries ``serial``, in ``NAME.pem`` and ``NAME.key``.

        With ``valid_from`` or ``valid_until`` it is made anew; without, a stored one that is valid is kept.
        """
        pair = KeyPair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        loaded = None if valid_from or valid_until else _load(pair)
        if loaded is None or not self._valid(loaded[0]) or _subject(name, serial) != loaded[0].subject:
            self._issue(
                pair,
                _subject(name, serial),
                ExtendedKeyUsageOID.CLIENT_AUTH,
                valid_from=valid_from,
                valid_until=valid_until,
            )
        return pair

    def _valid(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _fresh(certificate)

    def _make_root(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _subject("nexo-bridge sandbox CA")
        now = datetime.now(UTC)
        certificate = (
            _builder(name, name, key, now - _SPARE, now + _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _store(self.root, certificate, key)
        return certificate, key

    def _issue(
        self,
        pair: KeyPair,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        *,
        hosts: Sequence[str] = (),
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            _builder(
                subject,
                self._certificate.subject,
                key,
                valid_from or now - _SPARE,
                valid_until or now + _LEAF_LIFE,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        _store(pair, builder.sign(self._key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    valid_from: datetime,
    valid_until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str, serial: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if serial is not None:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(parts)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _fresh(certificate: x509.Certificate) -> bool:
    now = datetime.now(UTC)
    return certificate.not_valid_before_utc <= now and now + _SPARE < certificate.not_valid_after_utc


def _load(pair: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """The pair on disk; None when a file is missing, unreadable, or the two do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _store(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.key.unlink(missing_ok=True)  # a leftover would keep its own, wider mode
    with os.fdopen(os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
