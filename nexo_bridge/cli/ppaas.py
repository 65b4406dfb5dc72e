"""``nexo-bridge ppaas``: the platform's documented first steps from the shell, with the configured session.

Prints JSON. Tokens, secrets and scanned codes are masked: what is printed can be shown to support.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from pathlib import Path

from nexo_bridge.cli.output import show
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.first_steps import (
    ApplicationStep,
    Step,
    StepFailed,
    application_call,
    application_token,
    as_application,
    at_terminal,
    call,
    token,
)
from nexo_bridge.runtime.settings import Settings, load_settings

COUNTRIES = "/resources/v1/countries"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    one_token = commands.add_parser("token", help="get a token and show whose it is and until when")
    countries = commands.add_parser("countries", help="the first call that proves a session")
    any_call = commands.add_parser("call", help="any call; what it does, it does")
    for one in (one_token, countries, any_call):
        one.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
        whose = one.add_mutually_exclusive_group(required=True)
        whose.add_argument("--terminal", metavar="POIID", help="whose session")
        whose.add_argument("--application", action="store_true", help="that of [application], at base api")
    any_call.add_argument("method", choices=METHODS, metavar="METHOD", help=", ".join(METHODS))
    any_call.add_argument("path", metavar="PATH", help="path and query, e.g. /terminal/v1/status")
    any_call.add_argument("--data", metavar="JSON", help="the body; @FILE reads a file, - standard input")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: done; 1: the platform or the way to it said no; 78: the configuration is wrong."""
    try:
        settings = load_settings(arguments.config)
        if arguments.application:
            shown, good = asyncio.run(as_application(settings, _step_of_application(arguments, settings)))
        else:
            shown, good = asyncio.run(at_terminal(settings, arguments.terminal, _step(arguments)))
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    except StepFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    show(json.dumps(shown, indent=2, ensure_ascii=False))
    return 0 if good else 1


def _step(arguments: argparse.Namespace) -> Step:
    if arguments.step == "token":
        return token
    if arguments.step == "countries":
        return call("GET", COUNTRIES, None, bare=True)
    return call(arguments.method, _path(arguments), _body(arguments.data))


def _step_of_application(arguments: argparse.Namespace, settings: Settings) -> ApplicationStep:
    base = settings.platform.api
    if arguments.step == "token":
        return application_token
    if arguments.step == "countries":
        return application_call(base + COUNTRIES, "GET", None, bare=True)
    return application_call(base + _path(arguments), arguments.method, _body(arguments.data))


def _path(arguments: argparse.Namespace) -> str:
    path: str = arguments.path
    if not re.fullmatch(r"/[\x21-\x7e]*", path) or path.startswith("//"):
        raise ConfigurationError("PATH: write a path that starts with one /, without blanks")
    return path


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
