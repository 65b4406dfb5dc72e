from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas import environments

FOLDER = Path(__file__).parents[2] / "config" / "ppaas"
DEMO = (FOLDER / "demo.toml").read_text("utf-8")


def preset(name: str) -> environments.Environment:
    return environments.parse((FOLDER / f"{name}.toml").read_bytes())


def test_there_is_a_preset_for_each_name_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == sorted(environments.NAMES)


@pytest.mark.parametrize("name", environments.NAMES)
def test_a_preset_has_its_name_four_bases_and_their_marks(name: str) -> None:
    found = preset(name)
    assert found.name == name
    assert set(found.bases) == set(found.marks) == set(environments.BASES)
    assert f".{name}.ppaas." in found.bases["api"]
    assert found.bases["device_api"].endswith(":9021")
    assert found.bases["device_auth"].endswith(":9021")


def test_demo_is_as_printed() -> None:
    assert preset("demo").bases == {
        "auth": "https://auth.demo.ppaas.tech",
        "device_auth": "https://auth.device.demo.ppaas.tech:9021",
        "api": "https://api.demo.ppaas.tech",
        "device_api": "https://api.device.demo.ppaas.tech:9021",
    }
    assert preset("demo").marks["device_auth"] == "stated"
    assert preset("demo").marks["device_api"] == "assumed"


@pytest.mark.parametrize("name", ["ind", "eur"])
def test_the_slip_in_the_printed_table_is_kept_and_said(name: str) -> None:
    found = preset(name)
    assert found.bases["auth"] == found.bases["api"]
    (note,) = found.notes
    assert note.startswith("platform.auth: ")
    assert f"https://auth.{name}.ppaas.com" in note


@pytest.mark.parametrize("name", ["demo", "nar"])
def test_where_the_table_is_right_there_is_no_note(name: str) -> None:
    assert preset(name).notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "= 1",
        DEMO.replace('name = "demo"', 'name = "other"'),
        DEMO.replace("notes = []", 'notes = "x"'),
        DEMO.replace("notes = []", "notes = [1]"),
        DEMO.replace("[bases]", "[base]"),
        DEMO.replace('auth = "stated"', "auth = 1"),
        DEMO.replace("https://api.demo", "http://api.demo"),
    ],
)
def test_a_broken_preset_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        environments.parse(text.encode())


def test_an_unknown_mark_counts_as_assumed() -> None:
    found = environments.parse(DEMO.replace('api = "stated"', 'api = "heard"').encode())
    assert found.marks["api"] == "assumed"


@pytest.mark.parametrize(
    "url", ["https://h", "https://h:1/", "https://[::1]:8443/prefix/", "https://127.0.0.1"]
)
def test_a_base_is_host_port_and_prefix(url: str) -> None:
    assert environments.base_url("api", url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "http://h", "https://", "https://:1", "https://h:0", "https://h:70000", "https://h:x"),
        *("https://h?x=1", "https://h#x", "https://u:p@h", "https://h/a b", "https://h/\x00", "https://[::1"),
    ],
)
def test_another_url_is_refused_with_the_settings_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^platform\.api: .*write https://HOST"):
        environments.base_url("platform.api", url)
