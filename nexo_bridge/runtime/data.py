"""Where the files are that the program reads as data: schemas and presets of environments.

They lie in the wheel under ``nexo_bridge/_data``; in a checkout they stay where people look for them.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

_CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDERS = {"xsd": "xsd", "ppaas": "config/ppaas"}
"""Folder of data, and where it is in a checkout."""


def data_folder(name: str) -> Traversable:
    """The folder ``xsd`` or ``ppaas``.

    Raises:
        FileNotFoundError: the installation is incomplete.
        KeyError: there is no such folder of data.
    """
    checkout = _FOLDERS[name]
    for folder in (files("nexo_bridge").joinpath("_data", name), _CHECKOUT.joinpath(checkout)):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the installation of nexo-bridge lacks its data folder {name}; install it again")


def read_data(path: str) -> bytes:
    """The bytes of a data file, e.g. ``read_data("xsd/nexo-retailer-3.1.xsd")`` or ``read_data("ppaas/demo.toml")``.

    Raises:
        FileNotFoundError: no such file.
        KeyError: there is no such folder of data.
    """
    folder, *rest = PurePosixPath(path).parts
    return data_folder(folder).joinpath(*rest).read_bytes()


def read_schemas() -> dict[str, bytes]:
    """Both schemas by version, as ``nexo.schema.Schemas`` takes them."""
    return {version: read_data(f"xsd/nexo-retailer-{version}.xsd") for version in ("3.1", "3.0")}
