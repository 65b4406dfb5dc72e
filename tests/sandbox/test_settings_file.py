from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nexo_bridge.sandbox.settings_file import TerminalEntry, WebhookEntry, render, write

BASES = {name: f"https://127.0.0.1/{name}" for name in ("auth", "device_auth", "api", "device_api")}


def test_the_file_has_the_names_a_bridge_reads(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    write(path, render(BASES, "certificates/ca.pem", [TerminalEntry("POI00001", "S1", "c/a.pem", "c/a.key")]))
    assert tomllib.loads(path.read_text()) == {
        "listen": [{"kind": "tcp", "host": "127.0.0.1", "port": 0}],
        "journal": {"path": "journal.sqlite"},
        "platform": {"environment": "demo", **BASES, "ca": "certificates/ca.pem"},
        "terminals": {
            "POI00001": {"serial": "S1", "grant": "mtls", "certificate": "c/a.pem", "key": "c/a.key"}
        },
    }


def test_results_come_by_a_channel_where_one_is_wanted() -> None:
    terminal = TerminalEntry("POI00001", "S1", "c/a.pem", "c/a.key")
    webhook = WebhookEntry(8443, "c/w.pem", "c/w.key", "c/w.secret")
    told = tomllib.loads(render(BASES, "ca.pem", [terminal], "webhook", webhook))

    assert told["terminals"]["POI00001"]["results"] == "webhook"
    assert told["webhook"] == {
        "port": 8443,
        "certificate": "c/w.pem",
        "key": "c/w.key",
        "secret": "c/w.secret",
    }


@pytest.mark.parametrize(
    ("grant", "named"),
    [
        ("password", {"username", "password", "certificate", "key"}),
        ("custom_token", {"device_model", "merchant_token"}),
    ],
)
def test_each_grant_has_the_settings_it_needs(grant: str, named: set[str]) -> None:
    text = render(BASES, "ca.pem", [TerminalEntry("POI00001", "S1", "c/a.pem", "c/a.key", grant)])
    terminal = tomllib.loads(text)["terminals"]["POI00001"]
    assert terminal["grant"] == grant
    assert terminal.keys() == {"serial", "grant", *named}


def test_odd_names_are_quoted() -> None:
    text = render(BASES, 'a "quoted" \\ path/ä', [])
    assert tomllib.loads(text)["platform"]["ca"] == 'a "quoted" \\ path/ä'


def test_writing_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("old")
    write(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bridge.toml"]
    assert path.read_text() == "new"


def test_a_broker_is_a_listener_beside_tcp() -> None:
    told = tomllib.loads(
        render(BASES, "ca.pem", [TerminalEntry("POI00001", "S1", "a", "b")], mqtt=("127.0.0.1", 1883))
    )
    assert told["listen"][1] == {"kind": "mqtt", "host": "127.0.0.1", "port": 1883}
