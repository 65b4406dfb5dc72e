"""How a token is had, one class for each grant. ``device_session`` decides when.

A grant is asked by one task at a time. What it remembers between two tokens: the merchant (``mtls``, in memory only),
or a refresh token (the others, sealed on disk by ``credentials``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.adapters.https import Answer, HttpsClient, LostError, NotSentError
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas import grants
from nexo_bridge.ppaas import token_requests as ask
from nexo_bridge.ppaas.grants import Merchant, NoSessionError, Token

WRONG_PASSWORD_WAIT = 900.0
"""Seconds until a password that was refused is tried again: trying on and on locks accounts."""

log = structlog.get_logger(__name__)


class Grant(Protocol):
    """One way to a token."""

    @property
    def rotates(self) -> bool:
        """An answer may carry the only copy of a refresh token."""

    async def fetch(self, client: HttpsClient) -> Token:
        """A new token. Raises ``NoSessionError``: there is none to be had; says why."""


async def send(
    client: HttpsClient, method: str, url: str, headers: dict[str, str], body: bytes | None = None
) -> Answer:
    """One request of a session's.

    Raises:
        NoSessionError: no answer.
    """
    try:
        return await client.send(method, url, headers, body)
    except NotSentError as error:
        raise NoSessionError(f"{error} ({error.code})") from None
    except LostError as error:
        # In TLS 1.3 a refused client certificate shows like this, after the handshake seemed done (F33).
        raise NoSessionError(f"{error}; perhaps the platform refuses the client certificate") from None


async def token(client: HttpsClient, url: str, form: bytes, merchant: str = "") -> Token:
    """The answer of a token endpoint to ``form``, shown the bearer token ``merchant`` where one is given.

    Raises:
        NoSessionError: none, or one without a token.
    """
    headers = {"Content-Type": ask.FORM}
    if merchant:
        headers["Authorization"] = f"Bearer {merchant}"
    answer = await send(client, "POST", url, headers, form)
    return grants.token(answer.status, answer.headers, answer.body)


@dataclass(frozen=True, slots=True)
class SessionOf:
    """Whose session it is, and where it is opened.

    Attributes:
        serial: the terminal's serial number (``deviceId``).
        auth, device_auth: bases of merchants-credentials and of the token.
        merchant_name, user_domain: which merchant, where the device has several.
        send_serial: name the serial number in merchants-credentials, as Tetra devices must.
    """

    serial: str
    auth: str
    device_auth: str
    merchant_name: str | None = None
    user_domain: str | None = None
    send_serial: bool = True


class MtlsGrant:
    """Machine to machine: merchants-credentials with the client certificate, then a token for what they say."""

    rotates = False

    def __init__(self, whose: SessionOf) -> None:
        self._whose = whose
        self._merchant: Merchant | None = None

    async def fetch(self, client: HttpsClient) -> Token:
        """See ``Grant``."""
        remembered = self._merchant
        if remembered is not None:
            try:
                return await self._token(client, remembered)
            except NoSessionError as error:
                if not error.invalid_client:
                    raise
        # First time, or the client secret was renewed at the platform.
        self._merchant = None
        merchant = await self._read_merchant(client)
        found = await self._token(client, merchant)
        self._merchant = merchant
        return found

    async def _read_merchant(self, client: HttpsClient) -> Merchant:
        serial = self._whose.serial if self._whose.send_serial else None
        answer = await send(client, "GET", self._whose.auth + grants.credentials_query(serial), {})
        found = grants.merchants(answer.status, answer.headers, answer.body)
        return grants.choose(found, self._whose.merchant_name, self._whose.user_domain)

    async def _token(self, client: HttpsClient, merchant: Merchant) -> Token:
        return await token(client, self._whose.device_auth + grants.TOKEN_PATH, grants.token_form(merchant))


class Beginning(Protocol):
    """How a session that has no refresh token is begun."""

    async def __call__(self, client: HttpsClient, kept: Credential) -> Token:
        """A token. Raises ``NoSessionError``."""


class RefreshingGrant:
    """A refresh token while it lasts, else the grant's beginning.

    A rotated refresh token is on disk before anything that came with it is used (F37), and whoever refreshes holds
    the file alone: one that is shown twice ends the session at the platform.

    Args:
        kept: where the refresh token is.
        url: the token endpoint that takes it.
        client_id, client_secret: whose it is; a public client has no secret.
        begin: what is done without one.
    """

    rotates = True

    def __init__(
        self, kept: CredentialFile, url: str, client_id: str, begin: Beginning, client_secret: str = ""
    ) -> None:
        self._kept = kept
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._begin = begin
        self._unsaved: tuple[Credential, Credential] | None = None

    async def fetch(self, client: HttpsClient) -> Token:
        """See ``Grant``."""
        try:
            async with self._kept.alone():
                return await self._fetch(client, await self._load())
        except ConfigurationError as error:
            raise NoSessionError(str(error), person=True) from None

    async def _fetch(self, client: HttpsClient, kept: Credential) -> Token:
        if kept.refresh:
            form = ask.refresh_form(self._client_id, kept.refresh, self._client_secret)
            try:
                found = await token(client, self._url, form)
            except NoSessionError as error:
                if not error.invalid_grant:
                    raise
                log.info("refresh token is over", file=self._kept.path.name)
            else:
                return await self._taken(kept, found, found.refresh or kept.refresh)
        found = await self._begin(client, kept)
        return await self._taken(kept, found, found.refresh)

    async def _load(self) -> Credential:
        kept = await asyncio.to_thread(self._kept.load)
        if self._unsaved is not None:
            before, newer = self._unsaved
            self._unsaved = None
            if kept == before:  # nobody has logged in meanwhile
                await self._save(before, newer)
                if self._unsaved is not None:
                    raise NoSessionError("the refresh token cannot be saved, and so not be used")
                return newer
        return kept

    async def _taken(self, kept: Credential, found: Token, refresh: str) -> Token:
        """``found``, once what must outlive us is on disk."""
        newer = replace(kept, refresh=refresh, session_state=found.session_state)
        if newer != kept:
            await self._save(kept, newer)
        return found

    async def _save(self, before: Credential, newer: Credential) -> None:
        try:
            await asyncio.to_thread(self._kept.save, newer)
        except OSError as error:
            # Its access token may still be used; the refresh token waits until it is on disk.
            self._unsaved = before, newer
            log.warning("refresh token cannot be saved", file=self._kept.path, reason=error.strerror)


class PasswordBeginning:
    """End-user identification: user name and password, of the file or as given to ``nexo-bridge login``."""

    def __init__(
        self,
        url: str,
        username: str,
        password: Path | None,
        *,
        client_id: str = ask.POWERED_APP,
        scope: str = ask.USER_SCOPE,
        monotonic: Callable[[], float],
        person: str = "",
    ) -> None:
        self._url = url
        self._username = username
        self._password = password
        self._client_id = client_id
        self._scope = scope
        self._monotonic = monotonic
        self._person = person
        self._refused: tuple[str, float] | None = None

    async def __call__(self, client: HttpsClient, kept: Credential) -> Token:
        """See ``Beginning``."""
        password = kept.password if kept.username == self._username else ""
        if self._password is not None:
            password = await asyncio.to_thread(read_secret, self._password)
        if not password:
            raise NoSessionError(f"nobody has logged in yet: {self._person}", person=True)
        if self._refused is not None:
            wrong, since = self._refused
            if password == wrong and self._monotonic() - since < WRONG_PASSWORD_WAIT:
                raise NoSessionError(f"user name or password is wrong: {self._person}", person=True)
        form = ask.password_form(self._username, password, self._client_id, self._scope)
        try:
            found = await token(client, self._url, form)
        except NoSessionError as error:
            if error.invalid_grant:
                self._refused = password, self._monotonic()
                raise NoSessionError(
                    f"user name or password is wrong: {self._person}", code=error.code, person=True
                ) from None
            raise
        self._refused = None
        return found


class CustomTokenBeginning:
    """The demo's way without a certificate: a merchant's token, then the device's. See ``exchange``."""

    def __init__(self, device: CustomDevice, merchant_token: Path | None, *, person: str = "") -> None:
        self._device = device
        self._merchant_token = merchant_token
        self._person = person
        self._refused = ""

    async def __call__(self, client: HttpsClient, kept: Credential) -> Token:  # noqa: ARG002 -- the interface
        """See ``Beginning``."""
        if self._merchant_token is None:
            raise NoSessionError(
                f"the session is over, a person must begin another: {self._person}", person=True
            )
        merchant = await asyncio.to_thread(read_secret, self._merchant_token)
        if merchant == self._refused:
            raise NoSessionError(f"the merchant token in the file is over: {self._person}", person=True)
        try:
            return await exchange(client, self._device, merchant)
        except NoSessionError as error:
            if error.code:
                self._refused = merchant
                raise NoSessionError(
                    f"the merchant token in the file is over ({error.code}): {self._person}", person=True
                ) from None
            raise


@dataclass(frozen=True, slots=True)
class CustomDevice:
    """Which device a custom token is for, and where it is had.

    Attributes:
        auth: base of the sign-on.
        realm: the merchant's realm.
        device_model, device_id, method: as the form has them.
    """

    auth: str
    realm: str
    device_model: str
    device_id: str
    method: str


async def exchange(client: HttpsClient, device: CustomDevice, merchant: str) -> Token:
    """The device's token for the merchant's.

    Raises:
        NoSessionError: there is none; its ``code`` is not empty when the merchant token was refused.
    """
    if not grants.is_token(merchant):
        raise NoSessionError("the merchant token is no token", code="INVALID_TOKEN")
    form = ask.custom_token_form(device.device_model, device.device_id, device.method)
    return await token(client, device.auth + ask.custom_token_path(device.realm), form, merchant)


class ApplicationGrant:
    """An application's own token, for the platform's application-level APIs: client credentials at a realm."""

    rotates = False

    def __init__(self, auth: str, realm: str, client_id: str, client_secret: Path) -> None:
        self._url = auth + ask.realm_path(realm, "token")
        self._client_id = client_id
        self._client_secret = client_secret

    async def fetch(self, client: HttpsClient) -> Token:
        """See ``Grant``."""
        secret = await asyncio.to_thread(read_secret, self._client_secret)
        return await token(client, self._url, ask.application_form(self._client_id, secret))


def read_secret(path: Path) -> str:
    """The one line in a credential file; blocks.

    Raises:
        NoSessionError: it cannot be read, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise NoSessionError(f"{path} cannot be read; put the credential there", person=True) from None
    if not text:
        raise NoSessionError(f"{path} is empty; put the credential there", person=True)
    return text
