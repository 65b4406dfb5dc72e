"""Which channels there are follows the settings, at the start and after each reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_channels import Webhook
from tests.adapters.channel_rig import ChannelStage, channel_stage


def with_results(settings: Settings, **results: str) -> Settings:
    """``settings`` with other channels for the terminals named."""
    terminals = {
        poiid: terminal.model_copy(update={"results": results.get(poiid, terminal.results)})
        for poiid, terminal in settings.terminals.items()
    }
    return settings.model_copy(update={"terminals": terminals})


def channels(it: ChannelStage) -> Channels:
    assert it.channels is not None
    return it.channels


async def test_where_results_are_polled_there_is_nothing(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "poll") as it:
        assert channels(it).state("POI00001") is None
        assert channels(it).webhook_address is None
        assert channels(it).shown("POI00001") == {"results": "poll", "up": True, "problem": None}
        assert channels(it).shown("POI00009") == {"results": "poll", "up": True, "problem": None}
        assert not channels(it).owns(Source("tcp", "tcp-1"))


async def test_a_reload_opens_and_closes_streams(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "stream", terminals=2) as it:
        await it.connected("POI00002")
        kept = channels(it)._streams["POI00001"]
        await channels(it).reconfigure(with_results(it.settings, POI00002="poll"))
        assert channels(it).state("POI00002") is None
        assert channels(it)._streams["POI00001"] is kept
        assert it.up("POI00001")
        assert channels(it).shown("POI00001") == {"results": "stream", "up": True, "problem": None}
        await channels(it).reconfigure(it.settings)
        await it.connected("POI00002")


async def test_a_reload_changes_whose_events_the_webhook_takes(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "webhook", terminals=2) as it:
        await channels(it).reconfigure(with_results(it.settings, POI00002="poll"))
        assert channels(it).state("POI00002") is None
        state = channels(it).state("POI00001")
        assert state is not None
        assert state.up


async def test_a_webhook_that_comes_with_a_reload_waits_for_a_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with channel_stage(tmp_path, "poll") as it:
        await channels(it).reconfigure(with_results(it.settings, POI00001="webhook"))
        assert channels(it).state("POI00001") is None
        assert channels(it).shown("POI00001") == {"results": "webhook", "up": False, "problem": None}
        assert "polled until the next start" in capsys.readouterr().out


async def test_a_webhook_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "webhook", begin=False) as it:
        section = it.settings.webhook
        assert isinstance(section, Webhook)
        spoilt: dict[str, Any] = {
            "webhook": section.model_copy(update={"certificate": tmp_path / "none.pem"})
        }
        it.settings = it.settings.model_copy(update=spoilt)
        with pytest.raises(ConfigurationError, match=r"webhook\.certificate"):
            await it.begin()
        await it.platform.close()
        await it.journal.close()
        del it.app
