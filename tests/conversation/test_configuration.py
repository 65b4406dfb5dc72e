"""A configuration with changes is still one that the bridge reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

from nexo_bridge.conversation import configuration


def test_changes_reach_their_tables(tmp_path: Path) -> None:
    source, target = tmp_path / "bridge.toml", tmp_path / "play.toml"
    source.write_text(
        '[[listen]]\nkind = "tcp"\nport = 0\n\n[platform]\nenvironment = "demo"\nfence = true\n\n'
        '[terminals."POI/1"]\nserial = "a\\"b"\n',
        encoding="utf-8",
    )
    changes = [
        ("platform.fence", "false"),
        ("pos.S 1.on_unknown", "answer"),
        ("pos.S 1.deadlines.answer_by", "90"),
    ]
    configuration.write(source, target, changes)
    assert tomllib.loads(target.read_text(encoding="utf-8")) == {
        "listen": [{"kind": "tcp", "port": 0}],
        "platform": {"environment": "demo", "fence": False},
        "terminals": {"POI/1": {"serial": 'a"b'}},
        "login_required": False,
        "pos": {"S 1": {"on_unknown": "answer", "deadlines": {"answer_by": 90}}},
    }


def test_a_script_may_ask_for_a_login(tmp_path: Path) -> None:
    source, target = tmp_path / "bridge.toml", tmp_path / "play.toml"
    source.write_text("", encoding="utf-8")
    configuration.write(source, target, [("login_required", "true")])
    assert tomllib.loads(target.read_text(encoding="utf-8")) == {"login_required": True}
