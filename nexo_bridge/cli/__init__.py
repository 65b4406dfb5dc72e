"""What a person types. One file per command; each is imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from nexo_bridge import __version__

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("run", "nexo_bridge.cli.run", "run the bridge beside the POS"),
    (
        "check-config",
        "nexo_bridge.cli.check_config",
        "read the configuration, say what is wrong or what is in force",
    ),
    ("validate", "nexo_bridge.cli.validate", "check nexo messages against schema and rules"),
    ("pos", "nexo_bridge.cli.pos", "a scripted POS: log in, pay, ask, abort"),
    ("sandbox", "nexo_bridge.cli.sandbox", "a platform with terminals and cardholders, offline"),
    ("converse", "nexo_bridge.cli.converse", "play conversation scripts and say where one goes wrong"),
    ("journal", "nexo_bridge.cli.journal", "list and show what the bridge wrote down"),
    ("replay", "nexo_bridge.cli.replay", "feed a journal through the core again and compare"),
    ("status", "nexo_bridge.cli.status", "how the running bridge is"),
    ("reload", "nexo_bridge.cli.reload", "let the running bridge read its configuration again"),
    ("resolve", "nexo_bridge.cli.resolve", "settle by hand what no program can find out"),
    ("login", "nexo_bridge.cli.login", "begin a session that needs a person, and keep it for the bridge"),
    ("ppaas", "nexo_bridge.cli.ppaas", "the platform's first steps: a token, countries, any call"),
    ("demo", "nexo_bridge.cli.demo", "the main job on the sandbox, on one screen"),
)
"""(name, module, help). A module has ``add_arguments(parser)`` and ``main(arguments) -> int``, the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the console script's entrance.

    Exit code 2 is usage, as argparse has it; the others are each command's own. What a terminal's character set
    cannot show is written as an escape: an id of a till must not end the command that lists it (F72).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="nexo-bridge",
        description="Joins POS systems that speak nexo Retailer XML to payment terminals behind PPaaS.",
    )
    parser.add_argument("--version", action="version", version=f"nexo-bridge {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in words if not word.startswith("-")), None)
    for name, module, summary in COMMANDS:
        subparser = subparsers.add_parser(
            name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}."
        )
        if name == wanted:
            importlib.import_module(module).add_arguments(subparser)
    arguments = parser.parse_args(words)
    module = next(module for name, module, _ in COMMANDS if name == arguments.command)
    code: int = importlib.import_module(module).main(arguments)
    return code
