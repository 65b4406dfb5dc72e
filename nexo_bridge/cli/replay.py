"""``nexo-bridge replay JOURNAL``: every incident again, offline, through the core as it is today."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.errors import ConfigurationError, JournalFailure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="the journal file; it may be in use")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="its key (default: beside it, ending in .key)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: every decision the same; 1: the first difference is printed; 2: the journal cannot be read."""
    from nexo_bridge.runtime.replay import replay

    journal: Path = arguments.journal
    try:
        JournalReader(journal).close()  # first: without a journal there is no key to look for
        keys = Keys.load(arguments.key or journal.with_suffix(".key"))
        with JournalReader(journal, keys) as reader:
            result = replay(reader.entries(after=max(0, reader.inputs_from() - 1)))
    except (ConfigurationError, JournalFailure, ValueError) as problem:
        print(f"nexo-bridge replay: {problem}", file=sys.stderr)
        return 2
    done = f"{result.starts} starts, {result.inputs} inputs, {result.decisions} decisions"
    if result.difference is None:
        print(f"the same decisions: {done}")
        return 0
    where = f"entry {result.difference.number}"
    if result.difference.exchange:
        where += f", exchange {result.difference.exchange}"
    print(f"the first difference, at {where}: {result.difference.what}\nup to there {done}")
    return 1
