"""``nexo-bridge status``: how the running bridge is, for people and with ``--json`` for programs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.control import NotRunningError, ask
from nexo_bridge.cli.output import show
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.tolerance import told
from nexo_bridge.redaction import printable
from nexo_bridge.runtime.health import headline
from nexo_bridge.runtime.settings import door_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a page")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: payments can be taken; 1: they cannot; 69: not running; 78: the file is wrong."""
    try:
        door, wrong = door_of(arguments.config)
        answer = ask(door, {"command": "status"})
    except ConfigurationError as mistake:
        print(mistake, file=sys.stderr)
        return 78
    except NotRunningError as problem:
        print(problem if wrong is None else wrong, file=sys.stderr)
        return 69 if wrong is None else 78
    if wrong is not None:
        print(f"the file is wrong since the bridge was started: {wrong}", file=sys.stderr)
    status: dict[str, Any] = answer["status"]
    show(json.dumps(status, ensure_ascii=False) if arguments.json else "\n".join(page(status)))
    return 0 if status["takes_payments"] else 1


def _said(terminal: dict[str, Any]) -> str:
    """What people must know of a terminal: a problem first, else what will become one."""
    warnings = "; ".join(terminal.get("warnings", ()))
    return terminal["problem"] or terminal["channel"]["problem"] or warnings or "-"


def page(status: dict[str, Any]) -> list[str]:
    """The status as lines for a terminal."""
    lines = [f"nexo-bridge {status['version']} {headline(status)}", ""]
    rows: list[tuple[str, ...]] = [
        (
            "terminal",
            "session",
            "token",
            "certificate",
            "results",
            "running",
            "unknown",
            "logged in",
            "problem",
        )
    ]
    rows += [
        (
            printable(terminal["poiid"]),
            terminal["session"],
            _ago(terminal["token_age"]),
            "-" if terminal["certificate_days"] is None else f"{terminal['certificate_days']} days",
            terminal["channel"]["results"] + ("" if terminal["channel"]["up"] else " (down)"),
            str(terminal["running"]),
            str(terminal["unknown"]),
            printable(", ".join(terminal["logged_in"])) or "-",
            printable(_said(terminal)),
        )
        for terminal in status["terminals"]
    ]
    lines += _aligned(rows)
    if status.get("listeners"):
        rows = [("listener", "address", "state", "connections", "certificate", "problem")]
        rows += [
            (
                one["kind"],
                printable(one["address"]) or "-",
                "up" if one["up"] else "down",
                str(one["connections"]),
                "-" if one["certificate_days"] is None else f"{one['certificate_days']} days",
                printable(one["problem"] or "-"),
            )
            for one in status["listeners"]
        ]
        lines += ["", *_aligned(rows)]
    if status["exchanges"]:
        lines.append("")
        rows = [("exchange", "terminal", "sale", "service", "amount", "state", "age")]
        rows += [
            (
                one["exchange"],
                printable(one["poi_id"]),
                printable(one["sale_id"]),
                printable(one["service_id"]),
                f"{one['amount'] or '-'} {one['currency'] or ''}".strip(),
                one["state"],
                _ago(one["age"]),
            )
            for one in status["exchanges"]
        ]
        lines += _aligned(rows)
    failed = [terminal for terminal in status["terminals"] if terminal["last_error"]]
    if failed:
        rows = [("last error of", "ago", "what")]
        rows += [
            (
                printable(terminal["poiid"]),
                _ago(terminal["last_error_age"]),
                printable(terminal["last_error"]),
            )
            for terminal in failed
        ]
        lines += ["", *_aligned(rows)]
    if status.get("tolerated"):
        rows = [("put right for", "what, since the start")]
        rows += [(printable(sale_id), told(counts)) for sale_id, counts in status["tolerated"].items()]
        lines += ["", *_aligned(rows)]
    return lines


def _ago(seconds: float | None) -> str:
    """A duration in the largest unit that leaves two digits or so."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
