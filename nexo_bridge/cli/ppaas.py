"""``nexo-bridge ppaas``: the platform's documented first steps from the shell, with the configured session.

Prints JSON. Tokens, secrets and scanned codes are masked: what is printed can be shown to support.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.certificates import trusting
from nexo_bridge.adapters.https import Answer, HttpsClient, LostError, NotSentError, Timeouts
from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.answers import UnreadableError, load
from nexo_bridge.ppaas.grants import NoSessionError
from nexo_bridge.redaction import mask_free_text, printable
from nexo_bridge.runtime.access import application_grant, keys_of, platform_of, proxy_of
from nexo_bridge.runtime.settings import Settings, load_settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SECRET = re.compile(
    r"token$|secret|password|scannedpaymentid|authorization|^pan$|track|^code_verifier$", re.IGNORECASE
)
"""Names whose values are masked wherever they stand in an answer."""
CLAIMS = ("iss", "azp", "sub", "scope", "iat", "exp", "device_id")
"""What of a token may be shown: whose it is and until when."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    token = commands.add_parser("token", help="get a token and show whose it is and until when")
    countries = commands.add_parser("countries", help="the first call that proves a session")
    call = commands.add_parser("call", help="any call; what it does, it does")
    for one in (token, countries, call):
        one.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
    whose = token.add_mutually_exclusive_group(required=True)
    whose.add_argument("--terminal", metavar="POIID", help="whose session")
    whose.add_argument("--application", action="store_true", help="that of [application]")
    for one in (countries, call):
        one.add_argument("--terminal", required=True, metavar="POIID", help="whose session")
    call.add_argument("method", choices=METHODS, metavar="METHOD", help=", ".join(METHODS))
    call.add_argument("path", metavar="PATH", help="path and query, e.g. /terminal/v1/status")
    call.add_argument("--data", metavar="JSON", help="the body; @FILE reads a file, - standard input")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: done; 1: the platform or the way to it said no; 78: the configuration is wrong."""
    try:
        settings = load_settings(arguments.config)
        if getattr(arguments, "application", False):
            shown, good = asyncio.run(_application(settings))
        else:
            shown, good = asyncio.run(_with_platform(settings, arguments.terminal, _step(arguments)))
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    except (NoSessionError, NotSentError, LostError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return 0 if good else 1


Step = Callable[[Platform, str], Awaitable[tuple[Any, bool]]]


def _step(arguments: argparse.Namespace) -> Step:
    if arguments.step == "token":
        return _token
    if arguments.step == "countries":
        return lambda platform, poiid: _call(
            platform, poiid, "GET", "/resources/v1/countries", None, bare=True
        )
    if not re.fullmatch(r"/[\x21-\x7e]*", arguments.path) or arguments.path.startswith("//"):
        raise ConfigurationError("PATH: write a path that starts with one /, without blanks")
    body = _body(arguments.data)
    return lambda platform, poiid: _call(platform, poiid, arguments.method, arguments.path, body, bare=False)


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    try:
        text = sys.stdin.read() if data == "-" else data
        if data.startswith("@"):
            text = Path(data[1:]).read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise ConfigurationError(f"--data: {data[1:]} cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigurationError("--data: this is not JSON") from None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def _with_platform(settings: Settings, poiid: str, step: Step) -> tuple[Any, bool]:
    terminal = settings.terminals.get(poiid)
    if terminal is None:
        raise ConfigurationError(f"--terminal: there are {', '.join(settings.terminals)}")
    alone = settings.model_copy(update={"terminals": {poiid: terminal}})
    keys = await asyncio.to_thread(keys_of, settings)
    platform = await asyncio.to_thread(platform_of, alone, keys)
    try:
        return await step(platform, poiid)
    finally:
        await platform.close()


async def _token(platform: Platform, poiid: str) -> tuple[Any, bool]:
    bearer = await platform.bearer(poiid)
    state = platform.session_state(poiid)
    shown: dict[str, Any] = {"terminal": poiid, "access_token": masked(bearer), "claims": claims(bearer)}
    if state.session_state:
        shown["session_state"] = state.session_state
    if state.ends_unused is not None:
        shown["refresh_expires_in"] = round(state.ends_unused)
    if state.warnings:
        shown["warnings"] = list(state.warnings)
    return shown, True


async def _application(settings: Settings) -> tuple[Any, bool]:
    keys = await asyncio.to_thread(keys_of, settings)
    grant = await asyncio.to_thread(application_grant, settings, keys)
    context = await asyncio.to_thread(trusting, settings.platform.ca)
    client = HttpsClient(context, Timeouts(), await asyncio.to_thread(proxy_of, settings))
    try:
        found = await grant.fetch(client)
    finally:
        await client.close()
    shown = {"access_token": masked(found.bearer), "expires_in": found.life, "claims": claims(found.bearer)}
    return shown, True


async def _call(
    platform: Platform, poiid: str, method: str, path: str, body: bytes | None, *, bare: bool
) -> tuple[Any, bool]:
    answer = await platform.send(poiid, method, path, body)
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
        return {name: said[name] for name in CLAIMS if isinstance(said.get(name), str | int | float)}
    except (IndexError, ValueError, AttributeError):
        return {}
