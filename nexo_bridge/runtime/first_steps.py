"""The platform's documented first steps, with the configured session and with nothing secret in what they give."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from nexo_bridge.adapters.certificates import trusting
from nexo_bridge.adapters.https import Answer, HttpsClient, LostError, NotSentError, Timeouts
from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.answers import UnreadableError, load
from nexo_bridge.ppaas.grants import NoSessionError, Token
from nexo_bridge.redaction import mask_free_text, printable
from nexo_bridge.runtime.access import application_grant, keys_of, platform_of, proxy_of
from nexo_bridge.runtime.settings import Settings

SECRET = re.compile(
    r"token$|secret|password|scannedpaymentid|authorization|^pan$|track|^code_verifier$", re.IGNORECASE
)
"""Names whose values are masked wherever they stand in an answer."""
CLAIMS = ("iss", "azp", "sub", "scope", "iat", "exp", "device_id")
"""What of a token may be shown: whose it is and until when."""

Told = tuple[Any, bool]
"""A JSON document for people, and whether the platform said yes."""
Step = Callable[[Platform, str], Awaitable[Told]]
ApplicationStep = Callable[[HttpsClient, Token], Awaitable[Told]]


class StepFailed(Exception):
    """There was no answer; the text is one sentence."""


async def at_terminal(settings: Settings, poiid: str, step: Step) -> Told:
    """Take ``step`` with the session of terminal ``poiid``.

    Raises:
        ConfigurationError: no such terminal, or a file cannot be used.
        StepFailed: no session, or no answer.
    """
    terminal = settings.terminals.get(poiid)
    if terminal is None:
        raise ConfigurationError(f"--terminal: there are {', '.join(settings.terminals)}")
    alone = settings.model_copy(update={"terminals": {poiid: terminal}})
    keys = await asyncio.to_thread(keys_of, settings)
    platform = await asyncio.to_thread(platform_of, alone, keys)
    try:
        return await step(platform, poiid)
    except (NoSessionError, NotSentError, LostError) as problem:
        raise StepFailed(str(problem)) from None
    finally:
        await platform.close()


async def token(platform: Platform, poiid: str) -> Told:
    """A token of the terminal's session: whose it is and until when."""
    bearer = await platform.bearer(poiid)
    state = platform.session_state(poiid)
    shown: dict[str, Any] = {
        "terminal": poiid,
        "access_token": masked(bearer),
        "expires_in": round(state.token_life or 0),
        "claims": claims(bearer),
    }
    if state.session_state:
        shown["session_state"] = state.session_state
    if state.ends_unused is not None:
        shown["refresh_expires_in"] = round(state.ends_unused)
    if state.warnings:
        shown["warnings"] = list(state.warnings)
    return shown, True


async def as_application(settings: Settings, step: ApplicationStep) -> Told:
    """Take ``step`` with a token of ``[application]``.

    Raises:
        ConfigurationError, StepFailed: as ``at_terminal``.
    """
    keys = await asyncio.to_thread(keys_of, settings)
    context = await asyncio.to_thread(trusting, settings.platform.ca)
    client = HttpsClient(context, Timeouts(), await asyncio.to_thread(proxy_of, settings))
    try:
        grant = await asyncio.to_thread(application_grant, settings, keys)
        return await step(client, await grant.fetch(client))
    except (NoSessionError, NotSentError, LostError) as problem:
        raise StepFailed(str(problem)) from None
    finally:
        await client.close()


async def application_token(_: HttpsClient, found: Token) -> Told:
    """Whose the application's token is and until when."""
    shown = {
        "access_token": masked(found.bearer),
        "expires_in": round(found.life),
        "claims": claims(found.bearer),
    }
    return shown, True


def application_call(url: str, method: str, body: bytes | None, *, bare: bool = False) -> ApplicationStep:
    """The step that makes one call of ``url`` with an application's token; the rest is as in ``call``."""

    async def step(client: HttpsClient, found: Token) -> Told:
        headers = {"Authorization": f"Bearer {found.bearer}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return _told(await client.send(method, url, headers, body), bare=bare)

    return step


def call(method: str, path: str, body: bytes | None, *, bare: bool = False) -> Step:
    """The step that makes one call.

    Args:
        method: HTTP method.
        path: path and query below the base of calls.
        body: JSON, None for none.
        bare: give the answer's body alone when it is a yes.
    """

    async def step(platform: Platform, poiid: str) -> Told:
        return _told(await platform.send(poiid, method, path, body), bare=bare)

    return step


def _told(answer: Answer, *, bare: bool) -> Told:
    good = 200 <= answer.status < 300
    document = _document(answer)
    return (document if bare and good else {"status": answer.status, "body": document}), good


def _document(answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return without_secrets(load(answer.headers, answer.body))
    except UnreadableError:
        return mask_free_text(printable(answer.body.decode("utf-8", "replace"), 2000))


def masked(secret: str) -> str:
    """That there is a secret, how long it is, and nothing of it."""
    return f"[masked {len(secret)} characters]"


def without_secrets(document: Any) -> Any:
    """``document`` with secret values masked."""
    if isinstance(document, dict):
        return {
            name: masked(str(value)) if SECRET.search(name) and value is not None else without_secrets(value)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [without_secrets(item) for item in document]
    return mask_free_text(document) if isinstance(document, str) else document


def claims(bearer: str) -> dict[str, Any]:
    """What a JWT says of itself, unchecked: it is the platform's to check. Empty for another kind of token."""
    try:
        part = bearer.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        shown = {name: said[name] for name in CLAIMS if isinstance(said.get(name), str | int | float)}
        return {name: int(value) if isinstance(value, float) else value for name, value in shown.items()}
    except (IndexError, ValueError, AttributeError, OverflowError):
        return {}
