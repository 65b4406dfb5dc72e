"""TLS towards the platform: one ``SSLContext`` for each client certificate, and what is wrong with its files.

What only a person can mend (a file missing or unreadable, a key that does not fit) is a
``ConfigurationError``. What time decides (expired, not yet valid) is a sentence: the bridge starts, and that
terminal is out of order until it changes. Everything here blocks on files: call it before the loop runs, or in a
thread.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from nexo_bridge.errors import ConfigurationError

_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True, slots=True)
class Files:
    """Where the parts of a TLS identity lie; ``setting`` names the terminal in errors."""

    setting: str
    certificate: Path
    key: Path
    key_password: Path | None = None
    ca: Path | None = None

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
    """A usable client certificate.

    Attributes:
        context: TLS 1.2 to 1.3; chain and subject alternative name of the platform are checked.
        not_before, not_after: when it is valid, UTC.
    """

    context: ssl.SSLContext
    not_before: datetime
    not_after: datetime

    def problem(self, now: float) -> str | None:
        """What is wrong with the certificate at wall time ``now``, in seconds since the epoch; None: nothing."""
        moment = datetime.fromtimestamp(now, UTC)
        if moment > self.not_after:
            return f"the client certificate expired on {self.not_after:%Y-%m-%d %H:%M} UTC"
        if moment < self.not_before:
            return f"the client certificate is valid only from {self.not_before:%Y-%m-%d %H:%M} UTC"
        return None


def load(files: Files) -> Identity:
    """Read the files and build the context.

    Raises:
        ConfigurationError: a file is missing, unreadable or not PEM, the key needs another password, or the key
            is not the certificate's.
    """
    leaf = _certificate(files)
    password = _password(files)
    if _public_of_key(files, password) != leaf.public_key().public_bytes(serialization.Encoding.DER, _SPKI):
        raise ConfigurationError(
            f"{files.setting}.key: {files.key} does not belong to {files.certificate}; give the key made with it"
        )
    # Not ssl.create_default_context: it obeys SSLKEYLOGFILE, which would write session keys to a file.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    try:
        context.load_cert_chain(files.certificate, files.key, password=password or b"")
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f"{files.setting}.certificate: TLS refuses {files.certificate}; give the certificate first, then its chain"
        ) from None
    if files.ca is None:
        context.load_default_certs()
    else:
        _trust(context, files.ca)
    return Identity(context, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {path} cannot be read: {error.strerror}; correct path or rights"
        ) from None


def _certificate(files: Files) -> x509.Certificate:
    content = _read(f"{files.setting}.certificate", files.certificate)
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        raise ConfigurationError(
            f"{files.setting}.certificate: {files.certificate} is not a PEM certificate; give client.pem"
        ) from None


def _password(files: Files) -> bytes | None:
    if files.key_password is None:
        return None
    return _read(f"{files.setting}.key_password", files.key_password).rstrip(b"\r\n")


def _public_of_key(files: Files, password: bytes | None) -> bytes:
    content = _read(f"{files.setting}.key", files.key)
    encrypted = b"ENCRYPTED" in content
    if encrypted and password is None:
        raise ConfigurationError(
            f"{files.setting}.key: {files.key} is encrypted; name the file with its password as key_password"
        )
    try:
        key = serialization.load_pem_private_key(content, password if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fix = "correct the password in key_password" if encrypted else "give client.key"
        raise ConfigurationError(f"{files.setting}.key: {files.key} is not a usable PEM key; {fix}") from None
    return key.public_key().public_bytes(serialization.Encoding.DER, _SPKI)


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    bundle = _read("platform.ca", ca)
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(
            f"platform.ca: {ca} holds no PEM certificates; give the bundle, bundle.pem"
        ) from None
