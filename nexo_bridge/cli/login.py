"""``nexo-bridge login``: what a person must do for a session, once; the bridge goes on with it by itself.

Grant ``password`` asks for the password. Grant ``custom_token`` shows an address for a browser on this machine, or with
``--paste`` for any browser. What comes of it is kept sealed beside the journal, readable by its owner only. A running
bridge takes it up at its next attempt.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from pathlib import Path

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.login import Desk, LoginFailed, login, login_application
from nexo_bridge.runtime.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--terminal", metavar="POIID", help="the terminal whose session is begun")
    whose.add_argument("--application", action="store_true", help="the session of [application]")
    parser.add_argument(
        "--paste", action="store_true", help="paste the browser's last address, or a merchant token"
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port the browser comes back to (any)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: the session is there; 1: it is not; 78: the configuration is wrong; 130: given up."""
    desk = Desk(
        tell=lambda line: print(line, flush=True),
        ask_secretly=_secretly,
        paste=arguments.paste,
        port=arguments.port,
    )
    try:
        settings = load_settings(arguments.config)
        if arguments.application:
            asyncio.run(login_application(settings, desk))
        else:
            asyncio.run(login(settings, arguments.terminal, desk))
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    except (LoginFailed, OSError) as problem:
        print(f"not logged in: {problem}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("not logged in: given up", file=sys.stderr)
        return 130
    print("logged in")
    return 0


def _secretly(question: str) -> str:
    """A line that is not shown while it is typed; from a pipe where there is nobody."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    print(question, end="", flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")
