from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.demo import stage as module
from nexo_bridge.demo.stage import DemoError, Stage
from tests.broker import need_mosquitto


async def test_a_process_that_cannot_start_is_told_with_its_own_last_words(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 0.1)
    stage.config = tmp_path / "absent.toml"
    with pytest.raises(DemoError, match=r"run did not start: .*absent\.toml"):
        await stage.open_bridge()
    assert [line.partition(":")[0] for line in await stage.last_words()] == ["run"]
    await stage.close()


async def test_sandbox_and_bridge_are_started_asked_killed_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXO_BRIDGE_LOG__LEVEL", "nonsense")  # what configures a bridge here is left out
    stage = Stage(tmp_path, 0.1)
    try:
        assert (await stage.open_sandbox()).startswith("https://127.0.0.1:")
        assert await stage.ledger() == []
        assert await stage.screen_of("POI00001") is None
        await stage.cardholder("POI00001", "hold")
        with pytest.raises(DemoError, match=r"/cardholders: 400 .*nobody"):
            await stage.cardholder("nobody", "hold")
        host, port = (await stage.open_bridge()).split(":")
        assert stage.address == (host, int(port))
        assert await stage.kill_bridge() > 0
        with pytest.raises(DemoError, match="exit code -9, expected 0"):
            await stage.stop_bridge()
        await stage.open_bridge()
        await stage.stop_bridge()
        assert (await stage.replay())[0] == 0
    finally:
        await stage.close()
    with pytest.raises(DemoError, match="does not answer /ledger"):
        await stage.ledger()


async def test_waiting_in_vain_says_what_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)

    async def never() -> bool:
        return False

    with pytest.raises(DemoError, match="in vain: the sun to rise in the west"):
        await Stage(tmp_path, 0.1).until("the sun to rise in the west", never)


async def test_without_mosquitto_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(DemoError, match="run: sudo apt-get install -y mosquitto"):
        await Stage(tmp_path, 0.1, mqtt=True).open_sandbox()


async def test_at_a_broker_the_bridge_is_there_when_it_is_said_to_be(tmp_path: Path) -> None:
    need_mosquitto()
    stage = Stage(tmp_path, 0.1, mqtt=True)
    try:
        await stage.open_sandbox()
        assert await stage.open_bridge() == f"127.0.0.1:{stage.broker[1]}"
    finally:
        await stage.close()
