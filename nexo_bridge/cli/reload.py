"""``nexo-bridge reload``: let the running bridge read its configuration again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nexo_bridge.adapters.control import NotRunningError, ask
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: in force; 1: refused, the old configuration stays; 69: not running; 78: the file is wrong."""
    try:
        answer = ask(load_settings(arguments.config).control_path, {"command": "reload"})
    except ConfigurationError as mistake:
        print(f"{mistake}; a bridge that runs keeps its old configuration", file=sys.stderr)
        return 78
    except NotRunningError as problem:
        print(problem, file=sys.stderr)
        return 69
    print(answer["text"], file=sys.stdout if answer["ok"] else sys.stderr)
    return 0 if answer["ok"] else 1
