"""The one locator of the files that data needs: inside the wheel, else beside the package in the checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

_CHECKOUT: Final = {"xsd": Path("xsd"), "ppaas": Path("config", "ppaas")}
"""Folder in the wheel's ``nexo_bridge/_data`` → folder in the checkout; ``pyproject.toml`` says the same."""


def read_data(name: str) -> bytes:
    """The file ``name``, e.g. ``xsd/nexo-retailer-3.1.xsd`` or ``ppaas/demo.toml``.

    Raises:
        FileNotFoundError: there is no such file; the installation is broken.
    """
    installed = resources.files("nexo_bridge") / "_data" / name
    if installed.is_file():
        return installed.read_bytes()
    folder, _, file = name.partition("/")
    if folder not in _CHECKOUT:
        raise FileNotFoundError(f"no data folder {folder!r}")
    return (Path(__file__).parents[2] / _CHECKOUT[folder] / file).read_bytes()
