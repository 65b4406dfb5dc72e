"""``nexo-bridge run``: the daemon beside the POS."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.runtime.telemetry import configure_logging, install_hooks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: drained and stopped; 75: the journal is held by another or cannot be opened; 78: a setting."""
    try:
        settings = load_settings(arguments.config)
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    from nexo_bridge.runtime import daemon  # loaded for a configuration that is good only: it takes its time

    configure_logging(settings.log.format, settings.log.level)
    install_hooks()
    return daemon.run(settings, read_again=lambda: load_settings(arguments.config))
