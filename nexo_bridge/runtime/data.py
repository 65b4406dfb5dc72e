"""Where the files are that the program reads as data: schemas and presets of environments.

They lie in the wheel under ``nexo_bridge/_data``; in a checkout they stay where people look for them.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDERS = {"xsd": "xsd", "ppaas": "config/ppaas"}
"""Folder of data, and where it is in a checkout."""


def read_data(name: str) -> bytes:
    """The bytes of a data file, e.g. ``read_data("xsd/nexo-retailer-3.1.xsd")`` or ``read_data("ppaas/demo.toml")``.

    Raises:
        FileNotFoundError: no such file, or the installation is incomplete.
    """
    folder, _, file = name.partition("/")
    if folder in _FOLDERS:
        for place in (files("nexo_bridge").joinpath("_data", folder), _CHECKOUT.joinpath(_FOLDERS[folder])):
            if place.joinpath(file).is_file():
                return place.joinpath(file).read_bytes()
    raise FileNotFoundError(f"nexo-bridge lacks its data file {name}; install it again")


def read_schemas() -> dict[str, bytes]:
    """Both schemas by version, as ``nexo.schema.Schemas`` takes them."""
    return {version: read_data(f"xsd/nexo-retailer-{version}.xsd") for version in ("3.1", "3.0")}
