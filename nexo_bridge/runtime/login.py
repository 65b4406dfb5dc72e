"""A person begins a session for the bridge: password or browser, and what comes of it is kept, sealed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nexo_bridge.adapters import authorization_code, terminal_access
from nexo_bridge.adapters.certificates import trusting
from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.adapters.grants import PasswordBeginning, exchange, read_secret
from nexo_bridge.adapters.https import HttpsClient, Timeouts
from nexo_bridge.adapters.terminal_access import CustomTokenAccess, PasswordAccess
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.grants import TOKEN_PATH, NoSessionError, Token
from nexo_bridge.runtime.access import (
    access_of,
    application_credential,
    bases_of,
    credential_file,
    keys_of,
    proxy_of,
)
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_mistakes import setting_name
from nexo_bridge.runtime.settings_terminals import CustomTokenTerminal

PATIENCE = 600.0
"""Seconds that a person may take in the browser."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Whoever sits at the keyboard.

    Attributes:
        tell: shows a line.
        ask_secretly: shows a question and gives the line that was typed, without showing it; blocks.
        paste: the browser is elsewhere: what it was redirected to is pasted.
        port: on which the redirect is waited for; 0: any.
    """

    tell: Callable[[str], None]
    ask_secretly: Callable[[str], str]
    paste: bool = False
    port: int = 0


class LoginFailed(Exception):
    """There is no session to be had; the text is one sentence."""


async def login(settings: Settings, poiid: str, desk: Desk) -> None:
    """Begin the session of terminal ``poiid``, and keep what is needed to go on with it.

    Raises:
        ConfigurationError: no such terminal, its grant needs no person, or a file cannot be used.
        LoginFailed: there is no session to be had.
        OSError: the credential cannot be written, or the port for the redirect is taken.
    """
    try:
        await _login(settings, poiid, desk)
    except NoSessionError as problem:
        raise LoginFailed(str(problem)) from None


async def login_application(settings: Settings, desk: Desk) -> None:
    """Begin the session of ``[application]`` by authorization code.

    Raises:
        ConfigurationError, LoginFailed, OSError: as ``login``.
    """
    try:
        await _login_application(settings, desk)
    except NoSessionError as problem:
        raise LoginFailed(str(problem)) from None


async def _login(settings: Settings, poiid: str, desk: Desk) -> None:
    if poiid not in settings.terminals:
        raise ConfigurationError(f"--terminal: there are {', '.join(settings.terminals)}")
    access = access_of(settings)[poiid]
    where = setting_name(("terminals", poiid, "grant"))
    match access:
        case PasswordAccess(password=Path() as path):
            raise ConfigurationError(f"{where}: the password is read from {path}, nobody needs to log in")
        case PasswordAccess():
            await _login_password(settings, poiid, access, desk)
        case CustomTokenAccess():
            await _login_custom(settings, poiid, access, desk)
        case _:
            raise ConfigurationError(f'{where}: "mtls" needs no login; certificate and key are enough')


async def _login_application(settings: Settings, desk: Desk) -> None:
    ours = settings.application
    if ours is None or ours.grant != "authorization_code":
        raise ConfigurationError('application: write [application] with grant = "authorization_code" first')
    secret = await asyncio.to_thread(read_secret, ours.client_secret) if ours.client_secret else ""
    keys = await asyncio.to_thread(keys_of, settings)
    context = await asyncio.to_thread(trusting, settings.platform.ca)
    async with _client(settings, context) as client:
        found = await _by_browser(
            client, desk, (bases_of(settings).auth, ours.realm, ours.client_id, ours.scope), "", secret
        )
        await _keep(application_credential(settings, keys), Credential(), _token(found))


async def _login_password(settings: Settings, poiid: str, access: PasswordAccess, desk: Desk) -> None:
    keys = await asyncio.to_thread(keys_of, settings)
    material = await asyncio.to_thread(terminal_access.load, poiid, access, settings.platform.ca)
    password = await asyncio.to_thread(desk.ask_secretly, f"Password of {access.username}: ")
    if not password:
        raise NoSessionError("no password was given", person=True)
    given = Credential(username=access.username, password=password)
    begin = PasswordBeginning(
        bases_of(settings).device_auth + TOKEN_PATH,
        access.username,
        None,
        client_id=access.client_id,
        scope=access.scope,
        monotonic=lambda: 0.0,
        person="try again",
    )
    async with _client(settings, material.context) as client:
        await _keep(credential_file(access.credential, keys, poiid), given, await begin(client, given))


async def _login_custom(settings: Settings, poiid: str, access: CustomTokenAccess, desk: Desk) -> None:
    keys = await asyncio.to_thread(keys_of, settings)
    material = await asyncio.to_thread(terminal_access.load, poiid, access, settings.platform.ca)
    terminal = settings.terminals[poiid]
    assert isinstance(terminal, CustomTokenTerminal)
    bases = bases_of(settings)
    async with _client(settings, material.context) as client:
        place = (bases.auth, access.realm, access.client_id, "openid")
        merchant = await _by_browser(client, desk, place, terminal.callback)
        bearer = merchant if isinstance(merchant, str) else merchant.bearer
        found = await exchange(client, terminal_access.custom_device(access, bases), bearer)
        if not found.refresh:
            raise NoSessionError("the platform gave no refresh token, so nothing can be kept")
        await _keep(credential_file(access.credential, keys, poiid), Credential(), found)


async def _by_browser(
    client: HttpsClient, desk: Desk, place: tuple[str, str, str, str], callback: str, client_secret: str = ""
) -> Token | str:
    """The token of whoever said yes in the browser, or the bare token that was pasted."""
    auth, realm, client_id, scope = place
    async with AsyncExitStack() as stack:
        loopback = None
        if not desk.paste or not callback:
            loopback = await stack.enter_async_context(authorization_code.Loopback(desk.port))
        redirect_uri = callback if loopback is None else loopback.redirect_uri
        request = authorization_code.begin(auth, realm, client_id, scope, redirect_uri)
        desk.tell(f"Open this address in a browser and log in:\n{request.url}")
        if loopback is not None:
            redirect = await loopback.redirect(request.state, PATIENCE)
        else:
            question = "Then paste the address it ends at, or a merchant token: "
            redirect = (await asyncio.to_thread(desk.ask_secretly, question)).strip()
            if "://" not in redirect:
                return redirect
    return await authorization_code.finish(client, request, redirect, client_secret)


def _token(found: Token | str) -> Token:
    if isinstance(found, str) or not found.refresh:
        raise NoSessionError("the platform gave no refresh token, so nothing can be kept")
    return found


@asynccontextmanager
async def _client(settings: Settings, context: ssl.SSLContext) -> AsyncIterator[HttpsClient]:
    client = HttpsClient(context, Timeouts(), await asyncio.to_thread(proxy_of, settings))
    try:
        yield client
    finally:
        await client.close()


async def _keep(file: CredentialFile, given: Credential, found: Token) -> None:
    async with file.alone():
        kept = replace(given, refresh=found.refresh, session_state=found.session_state)
        await asyncio.to_thread(file.save, kept)
