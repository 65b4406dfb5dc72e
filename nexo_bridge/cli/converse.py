"""``nexo-bridge converse``: play conversation scripts against a bridge and a platform of their own.

Exit code 0: all went as written; 1: one did not, and its line, what was expected and what came are told; 2: usage;
78: packages of the sandbox are not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
from pathlib import Path

from nexo_bridge.conversation.grammar import ScriptError, parse
from nexo_bridge.conversation.scenery import CHANNELS, FORMS, GRANTS, Scenery
from nexo_bridge.conversation.transports import TRANSPORTS, want_broker
from nexo_bridge.runtime.telemetry import configure_logging

_NEEDS = "the sandbox needs packages that are not installed; run: pip install 'nexo-bridge[sandbox]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="scripts (docs/conversations.md)")
    parser.add_argument(
        "--dedup", action="store_true", help="on a platform that merges creates of one key, too"
    )
    parser.add_argument("--grant", choices=GRANTS, default="mtls", help="how terminals get their tokens")
    parser.add_argument("--results", choices=CHANNELS, default="poll", help="how results come")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp", help="how POS speak to the bridge")
    parser.add_argument(
        "--broker", type=_broker, metavar="HOST:PORT", help="where a broker is, for MQTT (without a login)"
    )
    parser.add_argument("--form", choices=FORMS, default="xml", help="how they write")
    parser.add_argument("--log", action="store_true", help="show the bridge's log of scripts that fail")


def main(arguments: argparse.Namespace) -> int:
    """See the module."""
    try:
        from nexo_bridge.sandbox import server  # noqa: F401 - asked for before anything is played
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "nexo_bridge":
            raise
        print(f"nexo-bridge converse: {_NEEDS}", file=sys.stderr)
        return 78
    if want_broker([arguments.transport]) and arguments.broker is None:
        print(f"nexo-bridge converse: --transport {arguments.transport} needs --broker", file=sys.stderr)
        return 2
    failed = 0
    for path in arguments.files:
        for dedup in (False, True) if arguments.dedup else (False,):
            log = io.StringIO()
            configure_logging(stream=log)
            problem = _played(path, _scenery(arguments, dedup=dedup))
            name = f"{path} (with de-duplication)" if dedup else f"{path}"
            if problem is None:
                print(f"ok      {name}")
                continue
            failed += 1
            print(f"FAILED  {name}\n    {problem}")
            if arguments.log:
                print(log.getvalue(), file=sys.stderr, end="")
    return 1 if failed else 0


def _scenery(arguments: argparse.Namespace, *, dedup: bool) -> Scenery:
    return Scenery(
        arguments.grant,
        arguments.results,
        dedup,
        arguments.transport,
        arguments.form,
        broker=arguments.broker,
    )


def _broker(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _played(path: Path, scenery: Scenery) -> str | None:
    """What went wrong, None if nothing did."""
    from nexo_bridge.conversation.player import ScriptFailed, play

    try:
        script = parse(path.read_text(encoding="utf-8"))
        if not scenery.suits(script.only):
            only = " ".join(sorted(script.only))
            return f"it goes as written with ONLY {only}: see --grant, --results, --transport and --form"
        if scenery.broker is None and want_broker(script.ways):
            return "a POS of it comes by MQTT: say --broker HOST:PORT"
        with tempfile.TemporaryDirectory(prefix="nexo-bridge-") as folder:
            asyncio.run(play(script, Path(folder), path.parent, scenery=scenery))
    except ScriptError as mistake:
        return f"line {mistake.line}: {mistake}"
    except ScriptFailed as failure:
        return str(failure)
    except (OSError, UnicodeDecodeError) as problem:
        return f"cannot be read: {problem}"
    return None
