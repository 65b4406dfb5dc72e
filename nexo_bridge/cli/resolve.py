"""``nexo-bridge resolve``: a person settles an exchange whose outcome no program can find out (docs/guarantees.md)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.control import NotRunningError, ask
from nexo_bridge.errors import ConfigurationError, JournalFailure
from nexo_bridge.runtime.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exchange", metavar="EXCHANGE", help="the id that nexo-bridge journal list prints")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
    outcome = parser.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--paid", action="store_true", help="it was paid")
    outcome.add_argument("--not-paid", action="store_true", help="it was not paid")
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides")
    parser.add_argument("--why", required=True, metavar="TEXT", help="what was found, and where")
    parser.add_argument(
        "--i-have-checked-the-platform",
        action="store_true",
        dest="checked",
        help="the platform's own records say that it was not paid",
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: settled; 1: refused, and why; 75: the journal cannot be used now; 78: a setting is wrong."""
    question: dict[str, Any] = {
        "command": "resolve",
        "exchange": arguments.exchange,
        "paid": bool(arguments.paid),
        "by": arguments.by,
        "why": arguments.why,
        "checked": bool(arguments.checked),
    }
    try:
        settings = load_settings(arguments.config)
        try:
            answer = ask(settings.control_path, question)
        except NotRunningError:
            from nexo_bridge.runtime.offline import resolve

            answer = asyncio.run(resolve(settings, question, say=_say))
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    except JournalFailure as failure:
        print(failure, file=sys.stderr)
        return 75
    print(answer["text"], file=sys.stdout if answer["ok"] else sys.stderr)
    return 0 if answer["ok"] else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
