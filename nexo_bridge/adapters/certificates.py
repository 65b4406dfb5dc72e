"""TLS with a certificate of ours: one ``SSLContext`` for each, and what is wrong with its files.

``load`` makes the client's side, towards the platform; ``load_server`` the side of a listener.

A certificate comes as PEM with its key in a second file, or with it in one PKCS#12 file. What only a person can mend
(a file missing or unreadable, a key that does not fit or that everybody may read) is a ``ConfigurationError``. What
time decides (expired, not yet valid) is a sentence: the bridge starts, and that terminal is out of order until it
changes. What is odd and may well work (a chain in disorder, another device's serial number) is a warning. Everything
here blocks on files: call it before the loop runs, or in a thread.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.redaction import printable

WARN_AHEAD = (30, 14, 7, 1)
"""Days before the end of a certificate at which people are told, each once."""

Asked = Literal["none", "optional", "required"]
"""Whether a peer is asked for its client certificate, and what happens when it shows none."""

_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_VERIFY: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclass(frozen=True, slots=True)
class Files:
    """Where the parts of a TLS identity lie; ``setting`` names the terminal in errors.

    Attributes:
        key: None when ``certificate`` is a PKCS#12 file, which holds it.
        key_password: of the key, or of the PKCS#12 file.
        ca: authorities that may sign the other side's certificate.
        ca_setting: names ``ca`` in errors.
    """

    setting: str
    certificate: Path
    key: Path | None = None
    key_password: Path | None = None
    ca: Path | None = None
    ca_setting: str = "platform.ca"

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(
            path for path in (self.certificate, self.key, self.key_password, self.ca) if path is not None
        )

    def versions(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when one of the files does (F33: rotated while running).

        Raises:
            OSError: one of them is gone.
        """
        stats = [path.stat() for path in self.paths]
        return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)


@dataclass(frozen=True, slots=True)
class Identity:
    """A usable certificate.

    Attributes:
        context: TLS 1.2 to 1.3. A client's checks chain and subject alternative name of the other side.
        not_before, not_after: when it is valid, UTC; the chain's certificates count too.
        serial: the device's serial number in the subject; None when there is none.
        oddities: what is odd about the files, one sentence each.
        kind: what people call it.
    """

    context: ssl.SSLContext
    not_before: datetime
    not_after: datetime
    serial: str | None = None
    oddities: tuple[str, ...] = ()
    kind: str = "client certificate"

    def problem(self, now: float) -> str | None:
        """What is wrong with the certificate at wall time ``now``, in seconds since the epoch; None: nothing."""
        moment = datetime.fromtimestamp(now, UTC)
        if moment > self.not_after:
            return f"the {self.kind} expired on {self.not_after:%Y-%m-%d %H:%M} UTC"
        if moment < self.not_before:
            return f"the {self.kind} is valid only from {self.not_before:%Y-%m-%d %H:%M} UTC"
        return None

    def days_left(self, now: float) -> int:
        """Whole days from ``now`` to the certificate's end; negative after it."""
        return int((self.not_after.timestamp() - now) // 86400)

    def warnings(self, now: float, serial: str | None = None) -> tuple[str, ...]:
        """What people should know of this certificate, one sentence each; ``serial``: of the terminal it is for.

        The sentence about its end changes when a day of ``WARN_AHEAD`` is reached and not in between.
        """
        found = list(self.oddities)
        if serial is not None and self.serial is not None and self.serial != serial:
            found.append(
                f"the client certificate is of device {printable(self.serial, 64)}, the terminal's serial is {serial}"
            )
        stage = min((days for days in WARN_AHEAD if self.days_left(now) < days), default=None)
        if stage is not None and self.problem(now) is None:
            found.append(
                f"the {self.kind} ends on {self.not_after:%Y-%m-%d %H:%M} UTC, "
                f"in less than {stage} day{'s' if stage > 1 else ''}; renew it"
            )
        return tuple(found)


def load(files: Files) -> Identity:
    """Read the files and build the context.

    Raises:
        ConfigurationError: a file is missing, unreadable, open to others or neither PEM nor PKCS#12, the key needs
            another password, or the key is not the certificate's.
    """
    context = trusting(files.ca, files.ca_setting)
    return _identity(files, context, "client certificate")


def load_server(files: Files, asked: Asked) -> Identity:
    """Read the files of a listener and build the context.

    TLS 1.3 sessions are not resumed; those of TLS 1.2, which Python cannot prevent, only under the same context, so
    that new files mean that everybody proves anew who he is.

    Args:
        files: with ``ca``, the authorities of the peers' certificates, unless ``asked`` is "none".
        asked: whether a peer must show one.

    Raises:
        ConfigurationError: as ``load``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    if files.ca is not None:
        _trust(context, files.ca, files.ca_setting)
    context.verify_mode = _VERIFY[asked]
    return _identity(files, context, "certificate")


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate (DER), hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def fingerprints(setting: str, path: Path) -> frozenset[str]:
    """Of every certificate in a PEM file: more than one while a peer changes from an old one to a new one.

    Raises:
        ConfigurationError: it cannot be read, or holds none.
    """
    content = _read(setting, path)
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ConfigurationError(
            f"{setting}: {path} is not a PEM certificate; give the certificate that the POS shows"
        ) from None
    return frozenset(fingerprint(one.public_bytes(serialization.Encoding.DER)) for one in found)


def _identity(files: Files, context: ssl.SSLContext, kind: str) -> Identity:
    """``context`` with the certificate of ``files`` in it."""
    content = _read(f"{files.setting}.certificate", files.certificate)
    password = _password(files)
    if b"-----BEGIN CERTIFICATE-----" in content:
        chain = _certificates(files, content)
        key = _key(files, password)
    else:
        key, chain = _pkcs12(files, content, password)
    leaf = chain[0]
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise ConfigurationError(
            f"{files.setting}.key: {files.key or files.certificate} does not belong to {files.certificate}; "
            "give the key made with it"
        )
    try:
        _use(context, key, chain)
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f"{files.setting}.certificate: TLS refuses {files.certificate}; give the certificate first, then its chain"
        ) from None
    serials = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return Identity(
        context,
        max(certificate.not_valid_before_utc for certificate in chain),
        min(certificate.not_valid_after_utc for certificate in chain),
        str(serials[0].value) if serials else None,
        _disorder(chain),
        kind,
    )


def trusting(ca: Path | None, setting: str = "platform.ca") -> ssl.SSLContext:
    """A context without a client certificate: TLS 1.2 to 1.3, and ``ca`` or the system's authorities.

    Raises:
        ConfigurationError: ``ca`` cannot be read or holds no certificates.
    """
    # Not ssl.create_default_context: it obeys SSLKEYLOGFILE, which would write session keys to a file.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.hostname_checks_common_name = False
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca, setting)
    return context


def _read(setting: str, path: Path, *, private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {path} cannot be read: {error.strerror}; correct path or rights"
        ) from None
    if private:
        _refuse_open(setting, path, mode)
    return content


def _refuse_open(setting: str, path: Path, mode: int) -> None:
    if mode & stat.S_IRWXO:
        raise ConfigurationError(
            f"{setting}: {path} is open to every user of this machine; run chmod 600 on it"
        )


def _certificates(files: Files, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ConfigurationError(
            f"{files.setting}.certificate: {files.certificate} is not a PEM certificate; give a file that "
            "begins with -----BEGIN CERTIFICATE-----"
        ) from None


def _password(files: Files) -> bytes | None:
    if files.key_password is None:
        return None
    return _read(f"{files.setting}.key_password", files.key_password, private=True).rstrip(b"\r\n")


def _key(files: Files, password: bytes | None) -> PrivateKeyTypes:
    if files.key is None:
        raise ConfigurationError(f'{files.setting}.key: missing; add key = "client.key"')
    content = _read(f"{files.setting}.key", files.key, private=True)
    encrypted = b"ENCRYPTED" in content
    if encrypted and password is None:
        raise ConfigurationError(
            f"{files.setting}.key: {files.key} is encrypted; name the file with its password as key_password"
        )
    try:
        return serialization.load_pem_private_key(content, password if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fix = (
            "correct the password in key_password"
            if encrypted
            else "give a file that begins with -----BEGIN PRIVATE KEY-----"
        )
        raise ConfigurationError(f"{files.setting}.key: {files.key} is not a usable PEM key; {fix}") from None


def _pkcs12(
    files: Files, content: bytes, password: bytes | None
) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    setting = f"{files.setting}.certificate"
    if not content.startswith(b"\x30"):  # an ASN.1 sequence
        raise ConfigurationError(
            f"{setting}: {files.certificate} is not a PEM certificate (-----BEGIN CERTIFICATE-----) nor PKCS#12; "
            "give one of them"
        )
    _refuse_open(setting, files.certificate, files.certificate.stat().st_mode)
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            f"{setting}: {files.certificate} is no PKCS#12 file that opens; correct the password in key_password"
        ) from None
    if key is None or leaf is None:
        raise ConfigurationError(
            f"{setting}: {files.certificate} lacks the certificate or its key; export both into it"
        )
    return key, [leaf, *_in_order(leaf, others)]


def _in_order(leaf: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    """PKCS#12 keeps a chain in no order: each issuer after what it issued, the rest at the end."""
    rest, ordered, last = list(others), [], leaf
    while issuer := next((one for one in rest if last.issuer == one.subject), None):
        rest.remove(issuer)
        ordered.append(issuer)
        last = issuer
    return ordered + rest


def _disorder(chain: list[x509.Certificate]) -> tuple[str, ...]:
    for issued, issuer in pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return (
                "the chain behind the certificate is not in order: each certificate is followed by its issuer's",
            )
    return ()


def _use(context: ssl.SSLContext, key: PrivateKeyTypes, chain: list[x509.Certificate]) -> None:
    """Hand both to TLS, which reads files only: one in memory, ours alone, for the moment it takes.

    Who could read it can read the key in our memory as well; encrypting it took most of the time of a start.
    """
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem += b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    handle = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(handle, pem)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, _SPKI)


def _trust(context: ssl.SSLContext, ca: Path, setting: str) -> None:
    bundle = _read(setting, ca)
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(
            f"{setting}: {ca} holds no PEM certificates; give the bundle, bundle.pem"
        ) from None
