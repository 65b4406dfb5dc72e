"""``nexo-bridge journal list | show | verify``: what the bridge wrote down, read beside the running daemon.

Shows the public projections alone, so it needs no key; what they hold is decided in the core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.journal_chain import JournalDamaged
from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import Entry
from nexo_bridge.errors import ConfigurationError, JournalFailure
from nexo_bridge.money import from_minor
from nexo_bridge.nexo.tolerance import told
from nexo_bridge.redaction import mask_free_text, printable

FIRST = ("category", "sale_id", "poi_id", "service_id", "amount", "currency", "state", "result", "condition")
"""What comes first in a line, in this order; everything else follows as it was written."""
_MINOR = ("amount", "authorised")
"""Whole numbers under these names are minor units, the platform's; a line has the POS's amounts beside them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="one line for each exchange, newest first")
    listing.add_argument("--limit", type=_count, default=50, help="at most so many (default 50)")
    listing.add_argument("--exchange", metavar="ID", help="this exchange only")
    showing = actions.add_parser("show", help="every entry of one exchange")
    showing.add_argument("exchange", metavar="EXCHANGE", help="the id that list prints")
    verifying = actions.add_parser("verify", help="walk the whole chain of checksums")
    verifying.add_argument(
        "--key", type=Path, metavar="FILE", help="open every sealed body with this key too"
    )
    for action in (listing, showing, verifying):
        place = action.add_mutually_exclusive_group(required=True)
        place.add_argument("--journal", type=Path, metavar="PATH", help="the journal file")
        place.add_argument(
            "--config", type=Path, metavar="FILE", help="the bridge's configuration, which names it"
        )
        action.add_argument("--json", action="store_true", help="for programs")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0, 1 (no such exchange; damaged), or 2 (the journal cannot be read)."""
    try:
        code = _perform(arguments)
        sys.stdout.flush()
        return code
    except JournalDamaged as damage:
        _say_damage(damage, as_json=arguments.json)
        return 1
    except (JournalFailure, ConfigurationError) as problem:
        print(f"nexo-bridge journal: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `journal list | head`; the interpreter flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _perform(arguments: argparse.Namespace) -> int:
    path = arguments.journal or _configured(arguments.config)
    if arguments.action == "verify":
        return _verify(path, arguments.key, as_json=arguments.json)
    with JournalReader(path) as reader:
        return _list(reader, arguments) if arguments.action == "list" else _show(reader, arguments)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number above 0")
    return number


def _configured(path: Path) -> Path:
    from nexo_bridge.runtime.settings import load_settings

    return load_settings(path).journal.path


def _list(reader: JournalReader, arguments: argparse.Namespace) -> int:
    one = arguments.exchange
    lines = [
        _summary(name, list(reader.entries(exchange=name))) for name in _wanted(reader, one, arguments.limit)
    ]
    lines = [line for line in lines if line]
    if arguments.json:
        print(json.dumps(lines, indent=2))
    else:
        for line in lines:
            _print_line(line)
    if one is not None and not lines:
        print(f"nexo-bridge journal: no exchange {printable(one)}", file=sys.stderr)
        return 1
    return 0


def _wanted(reader: JournalReader, one: str | None, limit: int) -> tuple[str, ...]:
    return reader.exchanges(limit) if one is None else (one,)


def _summary(name: str, entries: list[Entry]) -> dict[str, Any]:
    """One exchange in one dictionary: what its decisions say, each word as it was said first.

    The amount is then the POS's own, and a fact that came after the end does not hide the end.
    """
    decisions = [entry for entry in entries if entry.kind == "decision"]
    if not decisions:
        return {}
    said: dict[str, Any] = {}
    for entry in decisions:
        for key, value in entry.public.items():
            said.setdefault(key, value)
    said.setdefault("state", decisions[-1].name.lower())
    said["open"] = not any(entry.settles for entry in decisions)
    ordered = {key: said.pop(key) for key in FIRST if key in said}
    return {"exchange": name, "time": _time(entries[0].stamp.wall), **ordered, **said}


def _show(reader: JournalReader, arguments: argparse.Namespace) -> int:
    entries = list(reader.entries(exchange=arguments.exchange))
    if not entries:
        print(f"nexo-bridge journal: no exchange {printable(arguments.exchange)}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps([_shown(entry) for entry in entries], indent=2))
        return 0
    begun = entries[0].stamp.wall
    print(f"exchange {printable(arguments.exchange)}")
    for entry in entries:
        after = f"{entry.stamp.wall - begun:+.3f}s"
        words = " ".join(_words(entry.public))
        settled = " (settles)" if entry.settles else ""
        head = f"{entry.stamp.number:>8}  {_time(entry.stamp.wall)}  {after:>10}  {entry.kind:<8}"
        print(f"{head}  {printable(entry.name)}{settled}  {words}".rstrip())
    return 0


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.stamp.number,
        "time": _time(entry.stamp.wall),
        "kind": entry.kind,
        "name": entry.name,
        "settles": entry.settles,
        "public": entry.public,
    }


def _verify(path: Path, key: Path | None, *, as_json: bool) -> int:
    with JournalReader(path, None if key is None else Keys.load(key)) as reader:
        walked = reader.verify()
        if key is not None:
            for _ in reader.entries():
                pass  # each opens, or says which does not
    if as_json:
        print(json.dumps({"intact": True, "rows": walked.rows, "first": walked.first, "last": walked.last}))
    elif walked.rows:
        print(f"intact: {walked.rows} rows, {walked.first} to {walked.last}")
    else:
        print("intact: no rows")
    return 0


def _say_damage(damage: JournalDamaged, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"intact": False, "row": damage.number, "reason": str(damage)}))
    else:
        print(f"nexo-bridge journal: {damage}", file=sys.stderr)


def _print_line(line: dict[str, Any]) -> None:
    print(f"{printable(line.pop('exchange'))}  {line.pop('time')}  {' '.join(_words(line))}".rstrip())


def _words(public: dict[str, Any]) -> Iterator[str]:
    for key, value in public.items():
        if isinstance(value, bool):
            if value:
                yield printable(key)
            continue
        if value is None or value == "":
            continue
        if key in _MINOR:
            value = _major(value, public.get("currency"))  # noqa: PLW2901 - the same value, in the line's own unit
        if key == "tolerated":
            text = told(value)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
        text = printable(mask_free_text(text))
        yield f"{printable(key)}={json.dumps(text, ensure_ascii=False) if ' ' in text else text}"


def _major(value: Any, currency: Any) -> Any:
    """What the platform was told or said in minor units, as the POS writes amounts; anything else as it is."""
    if not isinstance(value, int) or not isinstance(currency, str):
        return value
    try:
        return str(from_minor(value, currency))
    except ValueError:  # no currency of today's
        return value


def _time(wall: float) -> str:
    """``wall`` in UTC with milliseconds; a time no calendar has as seconds."""
    try:
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{wall:.3f}"
