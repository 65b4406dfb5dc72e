"""``resolve`` while the daemon is stopped: the same core, the journal's own lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_sqlite import JournalLocked
from nexo_bridge.runtime import offline
from tests.faults.stage import stage
from tests.runtime.test_control import unfenced

QUESTION = {"command": "resolve", "paid": False, "by": "Ada", "why": "looked", "checked": True}


async def test_r12_an_unknown_is_settled_while_the_bridge_is_stopped(tmp_path: Path) -> None:
    async with stage(tmp_path, edit=unfenced) as it:
        till = await it.logged_in()
        it.sandbox.inject("lose-create-request")
        await till.send(till.payment("11", "12.50"))
        await it.advance(300)
        exchange = it.app.bridge.in_hand()[0]["exchange"]
        key = it.settings.journal.key_file
        key.write_bytes(b"f" * 32)
        key.chmod(0o600)
        with pytest.raises(JournalLocked):
            await offline.resolve(it.settings, QUESTION | {"exchange": exchange})
        await it.end()
        wrong = await offline.resolve(it.settings, QUESTION | {"exchange": "X999999"})
        assert not wrong["ok"]
        done = await offline.resolve(it.settings, QUESTION | {"exchange": exchange})
        assert done["ok"], done
        assert not (await offline.resolve(it.settings, {"command": "reload"}))["ok"]
        await it.begin()
        till = await it.till()
        told = await till.status("12", "11")
        assert told.result == "Success"
        assert b"NB-318" in told.data
        await it.usable(await it.logged_in())
