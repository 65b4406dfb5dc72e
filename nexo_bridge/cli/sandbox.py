"""``nexo-bridge sandbox``: a platform with terminals and cardholders, offline.

stdout carries one JSON line, when everything listens; logs go to stderr. SIGTERM and SIGINT stop it, exit code 0.
A wrong option is 2; a port or folder that cannot be used, or a missing extra, is one line and 78.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nexo_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from nexo_bridge.sandbox.server import Options

_NEEDS = "the sandbox needs packages that are not installed; run: pip install 'nexo-bridge[sandbox]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, as ``docs/sandbox.md`` describes them."""
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep certificates and bridge.toml here")
    parser.add_argument("--host", default="127.0.0.1", help="address of the platform (%(default)s)")
    for name, what in (
        ("--port", "the operations (device_api)"),
        ("--auth-port", "merchants-credentials (auth)"),
        ("--device-auth-port", "the token (device_auth)"),
        ("--api-port", "sessions without a certificate (api)"),
        ("--control-port", "the control interface, always on loopback"),
    ):
        parser.add_argument(name, type=_port, default=0, metavar="N", help=f"port of {what}; 0 chooses")
    parser.add_argument(
        "--think", type=_seconds, default=1.0, metavar="SECONDS", help="a cardholder's time (1)"
    )
    parser.add_argument(
        "--limit", type=_seconds, default=60.0, metavar="SECONDS", help="then it expires (60)"
    )
    parser.add_argument(
        "--dedup", choices=("on", "off"), default="off", help="merge creates of one key (off)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same ids in every run")
    parser.add_argument("--terminals", type=_count, default=3, metavar="N", help="how many (3)")
    parser.add_argument(
        "--grant",
        choices=("mtls", "password", "custom_token"),
        default="mtls",
        help="how bridge.toml opens sessions (%(default)s)",
    )
    parser.add_argument(
        "--refresh-life", type=_count, default=900, metavar="SECONDS", help="of a refresh token (900)"
    )
    parser.add_argument("--token-life", type=_count, default=300, metavar="SECONDS", help="of a token (300)")
    parser.add_argument(
        "--slow", type=_seconds, default=5.0, metavar="SECONDS", help="faults slow-answers and token-slow (5)"
    )
    parser.add_argument("--late", type=_seconds, default=5.0, metavar="SECONDS", help="fault late-create (5)")
    parser.add_argument(
        "--results",
        choices=("poll", "stream"),
        default="poll",
        help="how bridge.toml lets results come (poll)",
    )
    parser.add_argument(
        "--webhook-port",
        type=_port,
        default=0,
        metavar="N",
        help="results come by webhook to this port instead",
    )
    parser.add_argument(
        "--schedule",
        type=_schedule,
        default={},
        metavar="LIST",
        help="when events are sent: STATUS=SECONDS+…,…",
    )
    parser.add_argument(
        "--provider", choices=("on", "off"), default="off", help="a service provider for QR (off)"
    )
    parser.add_argument(
        "--mqtt", type=_address, metavar="HOST:PORT", help="bridge.toml also hears POS at this broker"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run until a signal comes; the exit code."""
    try:
        from nexo_bridge.sandbox.server import Options
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "nexo_bridge":
            raise
        print(f"nexo-bridge sandbox: {_NEEDS}", file=sys.stderr)
        return 78
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    options = Options(
        state=arguments.state,
        host=arguments.host,
        port=arguments.port,
        auth_port=arguments.auth_port,
        device_auth_port=arguments.device_auth_port,
        api_port=arguments.api_port,
        control_port=arguments.control_port,
        think=arguments.think,
        limit=arguments.limit,
        dedup=arguments.dedup == "on",
        seed=arguments.seed,
        terminals=arguments.terminals,
        token_life=arguments.token_life,
        refresh_life=arguments.refresh_life,
        grant=arguments.grant,
        slow=arguments.slow,
        late=arguments.late,
        results="webhook" if arguments.webhook_port else arguments.results,
        webhook_port=arguments.webhook_port,
        schedule=arguments.schedule,
        provider=arguments.provider == "on",
        mqtt=arguments.mqtt,
    )
    try:
        asyncio.run(_serve(options))
    except ConfigurationError as wrong:
        print(f"nexo-bridge sandbox: {wrong}", file=sys.stderr)
        return 78
    return 0


async def _serve(options: Options) -> None:
    from nexo_bridge.sandbox.server import Sandbox

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Sandbox(options) as sandbox:
        ready = {
            "ready": "sandbox",
            "api": sandbox.api_url,
            "control": sandbox.control_url,
            "config": str(sandbox.config_path),
            "poiids": list(sandbox.poiids),
        }
        print(json.dumps(ready), flush=True)
        await stop.wait()


def _port(text: str) -> int:
    return _bounded(text, 0, 65535)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _count(text: str) -> int:
    return _bounded(text, 1, 99999)


def _bounded(text: str, least: int, most: int) -> int:
    with suppress(ValueError):
        if least <= (value := int(text)) <= most:
            return value
    raise argparse.ArgumentTypeError(f"must be a number between {least} and {most}")


def _schedule(text: str) -> dict[str, tuple[float, ...]]:
    try:
        from nexo_bridge.sandbox.events import parse_schedule
    except ModuleNotFoundError:
        return {}  # said by ``main``
    try:
        return parse_schedule(text)
    except ValueError as mistake:
        raise argparse.ArgumentTypeError(str(mistake)) from None


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) < float("inf"):
            return value
    raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")
