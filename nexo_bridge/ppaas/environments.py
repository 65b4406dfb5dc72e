"""The platform's environments: four bases each, from a preset file that runtime reads.

Presets follow the platform's printed table, also where it looks like a slip; a note then says so. Every base
can be set otherwise in ``[platform]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.operations import Base, Mark

NAMES = ("demo", "nar", "ind", "eur")
"""The environments there are presets for, ``config/ppaas/NAME.toml``."""

BASES: tuple[Base, ...] = get_args(Base)


@dataclass(frozen=True, slots=True)
class Environment:
    """One preset.

    Attributes:
        name: demo, nar, ind or eur.
        bases: URL of each of the four bases, without a slash at the end.
        marks: for each base, whether its URL is stated, derived or assumed.
        notes: what ``check-config`` should say about it, one sentence each.
    """

    name: str
    bases: dict[str, str]
    marks: Mapping[str, Mark]
    notes: tuple[str, ...] = ()


def parse(preset: bytes) -> Environment:
    """Read a preset file.

    Raises:
        ConfigurationError: it is not TOML, or a table, base, mark or note is missing or wrong.
    """
    try:
        tree = tomllib.loads(preset.decode())
    except ValueError:
        raise ConfigurationError(
            "platform.environment: the preset is not a TOML file; install it again"
        ) from None
    name, notes = tree.get("name"), tree.get("notes", [])
    if name not in NAMES or not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise ConfigurationError(
            "platform.environment: the preset has no name or unreadable notes; install it again"
        )
    bases: dict[str, str] = {
        base: base_url(f"preset {name}, {base}", _text(tree, "bases", base)) for base in BASES
    }
    marks: dict[str, Mark] = {}
    for base in BASES:
        mark = _text(tree, "marks", base)
        marks[base] = next((one for one in get_args(Mark) if one == mark), "assumed")
    return Environment(name, bases, marks, tuple(notes))


def _text(tree: Mapping[str, Any], table: str, name: str) -> str:
    rows = tree.get(table)
    value = rows.get(name) if isinstance(rows, dict) else None
    if not isinstance(value, str):
        raise ConfigurationError(f"platform.environment: the preset has no {table}.{name}; install it again")
    return value


def base_url(setting: str, value: str) -> str:
    """``value`` checked as a base, without the slash at its end.

    Args:
        setting: name of the setting, for the error.
        value: ``https://HOST[:PORT][/PREFIX]``.

    Raises:
        ConfigurationError: not https, no host, a port out of range, or more than host, port and prefix.
    """
    hint = "write https://HOST[:PORT][/PREFIX]"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ConfigurationError(f"{setting}: not a URL; {hint}") from None
    if url.scheme != "https" or not url.hostname or port == 0:
        raise ConfigurationError(f"{setting}: not an https URL with a host; {hint}")
    if url.query or url.fragment or "@" in url.netloc or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{setting}: more than host, port and prefix; {hint}")
    return value.rstrip("/")
