"""The configuration a script plays with: the sandbox's ``bridge.toml``, and what SET says otherwise."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

DEFAULTS = (("login_required", "false"),)
"""A script that is not about sessions needs no Login; ``SET login_required=true`` asks for one."""


def write(source: Path, target: Path, changes: Iterable[tuple[str, str]]) -> None:
    """Write ``target``: ``source`` with ``changes`` of dotted names; a value is TOML, or else text."""
    tree = tomllib.loads(source.read_text(encoding="utf-8"))
    for name, value in (*DEFAULTS, *changes):
        *tables, last = name.split(".")
        place = tree
        for table in tables:
            place = place.setdefault(table, {})
        place[last] = _value(value)
    target.write_text("\n".join(_lines(tree, ())) + "\n", encoding="utf-8")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {name: value for name, value in table.items() if not _is_table(value)}
    yield from (f"{json.dumps(name)} = {_written(value)}" for name, value in plain.items())
    for name, value in table.items():
        below = (*path, name)
        if isinstance(value, dict):
            yield f"[{_dotted(below)}]"
            yield from _lines(value, below)
        elif _is_table(value):
            for one in value:
                yield f"[[{_dotted(below)}]]"
                yield from _lines(one, below)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(json.dumps(name) for name in path)


def _written(value: Any) -> str:
    return json.dumps(value)  # what TOML and JSON write alike: texts, numbers, booleans, lists of them
