"""Where settings come from: the environment, the file, the preset of the platform's environment. First one wins.

Each source is a plain nested dictionary wrapped for pydantic-settings, which merges them and validates the whole.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.redaction import printable

Tree = dict[str, Any]
Place = tuple[str | int, ...]
"""Where a setting stands: names of tables, indexes of arrays, its own name."""

PREFIX: Final = "NEXO_BRIDGE_"
FILE_ONLY: Final = ("listen", "terminals", "brands", "pos")
"""Tables whose keys are names (a POIID may hold any character, an environment variable's name may not)."""

MAX_BYTES: Final = 1024 * 1024
MAX_LINE: Final = 8192
"""tomllib takes quadratic time over the parts of one dotted key, and a key cannot leave its line (H38)."""


class Source(PydanticBaseSettingsSource):
    """One dictionary as a source of pydantic-settings."""

    def __init__(self, settings: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # the interface
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


def read_file(path: Path) -> Tree:
    """The configuration file as a tree.

    Raises:
        ConfigurationError: it cannot be read, is too large, or is not TOML; the line is named where there is one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({reason(error)}); give the file with --config"
        ) from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"{path}: larger than 1 MiB; a configuration is a few pages, give another file"
        )
    for number, line in enumerate(content.split(b"\n"), 1):
        if len(line) > MAX_LINE:
            raise ConfigurationError(f"{path}: line {number} is longer than {MAX_LINE} bytes; break it up")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: tables are nested too deeply; three levels are enough") from None
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python converts
        raise ConfigurationError(f"{path}: not TOML: {printable(str(error))}; correct that line") from None


def read_environment(environ: Mapping[str, str]) -> Tree:
    """The variables ``NEXO_BRIDGE_…`` as a tree; ``__`` goes one table deeper, case does not matter.

    Raises:
        ConfigurationError: a variable names a table that only the file can hold, or the part of another variable.
    """
    tree: Tree = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        *tables, name = variable[len(PREFIX) :].lower().split("__")
        shown = printable(variable)
        if (tables or [name])[0] in FILE_ONLY:
            raise ConfigurationError(
                f"{shown}: {(tables or [name])[0]} is read from the file only; write it there"
            )
        here = tree
        for table in tables:
            here = here.setdefault(table, {})
            if not isinstance(here, dict):
                raise ConfigurationError(
                    f"{shown}: another variable sets {printable(table)} itself; remove one"
                )
        if isinstance(here.get(name), dict):
            raise ConfigurationError(f"{shown}: other variables set parts of it; remove one")
        here[name] = environ[variable]
    return tree


def variable(place: Place) -> str:
    """The environment variable of the setting at ``place``."""
    return PREFIX + "__".join(str(part).upper() for part in place)


def leaves(tree: Mapping[str, Any], above: Place = ()) -> dict[Place, Any]:
    """Every value of ``tree`` that is not a table, by its place; an array of tables counts by index."""
    found: dict[Place, Any] = {}
    for name, value in tree.items():
        place = (*above, name)
        if isinstance(value, dict):
            found |= leaves(value, place)
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for index, item in enumerate(value):
                found |= leaves(item, (*place, index))
        else:
            found[place] = value
    return found


def reason(error: OSError) -> str:
    """Why the operating system refused, in its words without the path."""
    return (error.strerror or type(error).__name__).lower()
