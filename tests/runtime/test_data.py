"""From the checkout here; from the wheel in tests/test_packaging.py."""

from __future__ import annotations

import pytest

from nexo_bridge.runtime.data import read_data, read_schemas


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_the_schemas_are_found(version: str) -> None:
    assert b"schema" in read_data(f"xsd/nexo-retailer-{version}.xsd")


@pytest.mark.parametrize("environment", ["demo", "nar", "ind", "eur"])
def test_the_presets_are_found(environment: str) -> None:
    assert f'name = "{environment}"'.encode() in read_data(f"ppaas/{environment}.toml")


@pytest.mark.parametrize("name", ["xsd/absent.xsd", "etc/passwd", "absent"])
def test_what_is_not_there_is_said(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_data(name)


def test_the_codec_gets_both_schemas() -> None:
    assert set(read_schemas()) == {"3.0", "3.1"}
