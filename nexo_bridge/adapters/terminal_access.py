"""How each terminal opens its device session: one class for each grant, and what is made of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from nexo_bridge.adapters import certificates
from nexo_bridge.adapters.credentials import CredentialFile
from nexo_bridge.adapters.grants import (
    CustomDevice,
    CustomTokenBeginning,
    Grant,
    MtlsGrant,
    PasswordBeginning,
    RefreshingGrant,
    SessionOf,
)
from nexo_bridge.ppaas import token_requests
from nexo_bridge.ppaas.grants import TOKEN_PATH
from nexo_bridge.ppaas.operations import Base
from nexo_bridge.redaction import printable


@dataclass(frozen=True, slots=True)
class TerminalAccess:
    """Grant ``mtls``: with the client certificate alone.

    Attributes:
        key: None when ``certificate`` is a PKCS#12 file.
        send_serial: name the serial number when asking for the merchants, as Tetra devices must.
    """

    serial: str
    certificate: Path
    key: Path | None
    key_password: Path | None = None
    merchant_name: str | None = None
    user_domain: str | None = None
    send_serial: bool = True


@dataclass(frozen=True, slots=True)
class PasswordAccess:
    """Grant ``password``: an end user, over the client certificate.

    Attributes:
        username: userName@userDomain.
        credential: sealed file of the refresh token, and of a password that was asked for.
        password: file with the password; None: ``nexo-bridge login`` asks for it.
    """

    serial: str
    certificate: Path
    key: Path | None
    username: str
    credential: Path
    key_password: Path | None = None
    password: Path | None = None
    client_id: str = token_requests.POWERED_APP
    scope: str = token_requests.USER_SCOPE


@dataclass(frozen=True, slots=True)
class CustomTokenAccess:
    """Grant ``custom_token``: the demo's way without a certificate.

    Attributes:
        credential: sealed file of the refresh token.
        merchant_token: file with a merchant's token; None: ``nexo-bridge login`` gets one.
    """

    serial: str
    credential: Path
    device_model: str
    device_id: str
    method: str = token_requests.DEVICE_METHOD
    realm: str = token_requests.MERCHANT_REALM
    client_id: str = token_requests.PORTAL
    merchant_token: Path | None = None


Access: TypeAlias = TerminalAccess | PasswordAccess | CustomTokenAccess


@dataclass(frozen=True, slots=True)
class Bases:
    """The four bases, without a slash at the end."""

    auth: str
    device_auth: str
    api: str
    device_api: str

    def of(self, access: Access, base: Base) -> str:
        """The URL of ``base`` for a session of ``access``: one without a certificate goes past port 9021."""
        if isinstance(access, CustomTokenAccess):
            return {"device_auth": self.auth, "device_api": self.api}.get(base) or self._named(base)
        return self._named(base)

    def _named(self, base: Base) -> str:
        url: str = getattr(self, base)
        return url


@dataclass(frozen=True, slots=True)
class Material:
    """What TLS needs of one version of the files.

    Attributes:
        context: with the client certificate, where there is one.
        identity: None for a session without a certificate.
        versions: what changes when one of the files does.
    """

    context: ssl.SSLContext
    identity: certificates.Identity | None
    versions: tuple[object, ...]


def files_of(poiid: str, access: Access, ca: Path | None) -> certificates.Files | None:
    """The files of the terminal's certificate; None for a session without one."""
    if isinstance(access, CustomTokenAccess):
        return None
    return certificates.Files(f'terminals."{poiid}"', access.certificate, access.key, access.key_password, ca)


def versions_of(files: certificates.Files | None, ca: Path | None) -> tuple[object, ...]:
    """What changes when a file does; blocks.

    Raises:
        OSError: one of them is gone.
    """
    if files is not None:
        return files.versions()
    return () if ca is None else certificates.Files("", ca).versions()


def load(poiid: str, access: Access, ca: Path | None) -> Material:
    """Read the terminal's files; blocks.

    Raises:
        ConfigurationError: as ``certificates.load``.
        OSError: a file went away meanwhile.
    """
    files = files_of(poiid, access, ca)
    if files is None:
        return Material(certificates.trusting(ca), None, versions_of(None, ca))
    versions = files.versions() if all(path.exists() for path in files.paths) else ()
    identity = certificates.load(files)
    return Material(identity.context, identity, versions)


def grant_of(poiid: str, access: Access, bases: Bases, key: bytes, monotonic: Callable[[], float]) -> Grant:
    """The grant that ``access`` describes; ``key`` seals what it must keep."""
    person = f'run nexo-bridge login --terminal "{printable(poiid)}"'
    match access:
        case TerminalAccess():
            return MtlsGrant(
                SessionOf(
                    access.serial,
                    bases.auth,
                    bases.device_auth,
                    access.merchant_name,
                    access.user_domain,
                    access.send_serial,
                )
            )
        case PasswordAccess():
            url = bases.device_auth + TOKEN_PATH
            beginning = PasswordBeginning(
                url,
                access.username,
                access.password,
                client_id=access.client_id,
                scope=access.scope,
                monotonic=monotonic,
                person=person if access.password is None else f"correct {access.password}",
            )
            kept = CredentialFile(access.credential, key, poiid)
            return RefreshingGrant(kept, url, access.client_id, beginning)
        case CustomTokenAccess():
            url = bases.auth + token_requests.realm_path(access.realm, "token")
            custom = CustomTokenBeginning(custom_device(access, bases), access.merchant_token, person=person)
            kept = CredentialFile(access.credential, key, poiid)
            return RefreshingGrant(kept, url, access.client_id, custom)


def custom_device(access: CustomTokenAccess, bases: Bases) -> CustomDevice:
    """The device a custom token is asked for."""
    return CustomDevice(bases.auth, access.realm, access.device_model, access.device_id, access.method)


def without_secrets(access: Access) -> Access:
    """``access`` as ``nexo-bridge login`` uses it: nothing is taken from files of secrets, a person is there."""
    match access:
        case PasswordAccess():
            return replace(access, password=None)
        case CustomTokenAccess():
            return replace(access, merchant_token=None)
        case _:
            return access
