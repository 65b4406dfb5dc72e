"""From settings to the platform's door: what each terminal's session is opened with."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.adapters.grants import ApplicationGrant, Grant, RefreshingGrant, read_secret
from nexo_bridge.adapters.https import HttpsClient, Proxy, Timeouts
from nexo_bridge.adapters.ppaas_http import Clock, Platform
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.adapters.terminal_access import (
    Access,
    Bases,
    CustomTokenAccess,
    PasswordAccess,
    TerminalAccess,
)
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas import token_requests
from nexo_bridge.ppaas.grants import NoSessionError, Token
from nexo_bridge.ppaas.operations import with_paths
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_terminals import MtlsTerminal, PasswordTerminal, Terminal


def credential_of(settings: Settings, poiid: str) -> Path:
    """Where the sealed credential of a terminal is, unless its settings say it: beside the journal."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", poiid)[:40]
    tail = hashlib.sha256(poiid.encode()).hexdigest()[:8]  # names that read the same are told apart
    return settings.journal.path.with_name(f"{settings.journal.path.stem}-{readable}-{tail}.credential")


def credential_file(path: Path, keys: Keys, name: str) -> CredentialFile:
    """The sealed credential of the session ``name`` at ``path``."""
    return CredentialFile(path, keys.credentials, name)


def application_credential(settings: Settings, keys: Keys) -> CredentialFile:
    """The sealed credential of ``[application]``."""
    own = None if settings.application is None else settings.application.credential
    path = settings.journal.path
    return credential_file(
        own or path.with_name(f"{path.stem}-application.credential"), keys, "[application]"
    )


def application_grant(settings: Settings, keys: Keys) -> Grant:
    """How ``[application]`` gets its token.

    Raises:
        ConfigurationError: there is no ``[application]``.
        NoSessionError: its secret cannot be read.
    """
    ours = settings.application
    if ours is None:
        raise ConfigurationError("application: missing; add [application] with realm and client_id")
    auth = settings.platform.auth
    if ours.grant == "client_credentials" and ours.client_secret is not None:
        return ApplicationGrant(auth, ours.realm, ours.client_id, ours.client_secret)

    async def begin(client: HttpsClient, kept: Credential) -> Token:  # noqa: ARG001 -- the interface
        raise NoSessionError(
            "the application's session is over: run nexo-bridge login --application", person=True
        )

    secret = "" if ours.client_secret is None else read_secret(ours.client_secret)
    url = auth + token_requests.realm_path(ours.realm, "token")
    return RefreshingGrant(application_credential(settings, keys), url, ours.client_id, begin, secret)


def access_of(settings: Settings) -> dict[str, Access]:
    """How each terminal opens its device session."""
    return {poiid: _access(settings, poiid, terminal) for poiid, terminal in settings.terminals.items()}


def _access(settings: Settings, poiid: str, terminal: Terminal) -> Access:
    if isinstance(terminal, MtlsTerminal):
        return TerminalAccess(
            serial=terminal.serial,
            certificate=terminal.certificate,
            key=terminal.key,
            key_password=terminal.key_password,
            merchant_name=terminal.merchant_name,
            user_domain=terminal.user_domain,
            send_serial=terminal.send_serial,
        )
    credential = terminal.credential or credential_of(settings, poiid)
    if isinstance(terminal, PasswordTerminal):
        return PasswordAccess(
            serial=terminal.serial,
            certificate=terminal.certificate,
            key=terminal.key,
            key_password=terminal.key_password,
            username=terminal.username,
            password=terminal.password,
            client_id=terminal.client_id,
            scope=terminal.scope,
            credential=credential,
        )
    return CustomTokenAccess(
        serial=terminal.serial,
        device_model=terminal.device_model,
        device_id=terminal.device_id or token_requests.device_id_of(terminal.device_model, terminal.serial),
        method=terminal.method,
        realm=terminal.realm,
        client_id=terminal.client_id,
        merchant_token=terminal.merchant_token,
        credential=credential,
    )


def bases_of(settings: Settings) -> Bases:
    """The four bases."""
    platform = settings.platform
    return Bases(platform.auth, platform.device_auth, platform.api, platform.device_api)


def proxy_of(settings: Settings) -> Proxy | None:
    """The proxy, with what it asks for; blocks on that file.

    Raises:
        ConfigurationError: the file is not ``USER:PASSWORD``.
    """
    platform = settings.platform
    if platform.proxy is None:
        return None
    if platform.proxy_credentials is None:
        return Proxy(platform.proxy)
    try:
        line = platform.proxy_credentials.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        line = ""
    username, colon, password = line.partition(":")
    if not username or not colon:
        raise ConfigurationError(
            f"platform.proxy_credentials: {platform.proxy_credentials} is not one line USER:PASSWORD; write that"
        )
    return Proxy(platform.proxy, username, password)


def platform_of(
    settings: Settings, keys: Keys, *, clock: Clock | None = None, timeouts: Timeouts | None = None
) -> Platform:
    """The platform as the settings describe it; blocks on certificate files.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    return Platform(
        access_of(settings),
        bases_of(settings),
        ca=settings.platform.ca,
        proxy=proxy_of(settings),
        credentials_key=keys.credentials,
        operations=with_paths(settings.platform.paths),
        clock=clock,
        timeouts=timeouts,
    )


def keys_of(settings: Settings) -> Keys:
    """The installation's keys, made at the first use; blocks.

    Raises:
        ConfigurationError: as ``Keys.load_or_create``.
    """
    return Keys.load_or_create(settings.journal.key_file, journal=settings.journal.path)
