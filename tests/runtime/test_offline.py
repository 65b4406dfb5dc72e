"""``resolve`` while the daemon is stopped: the same core, the journal's own lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_sqlite import JournalLocked
from nexo_bridge.cli import main
from nexo_bridge.runtime import offline
from tests.faults import words
from tests.faults.clockwork import Alarm, Clockwork
from tests.faults.stage import POIID, Stage, stage
from tests.runtime.test_control import unfenced

QUESTION = {"command": "resolve", "paid": False, "by": "Ada", "why": "looked", "checked": True}


def own_key(it: Stage) -> None:
    """The stage's key as a file, where a process would look for it."""
    key = it.settings.journal.key_file
    key.write_bytes(b"f" * 32)
    key.chmod(0o600)


async def replayed(it: Stage) -> int:
    """Exit code of ``replay`` on the journal as it lies there."""
    return await asyncio.to_thread(main, ["replay", str(it.settings.journal.path)])


async def test_r12_an_unknown_is_settled_while_the_bridge_is_stopped(tmp_path: Path) -> None:
    async with stage(tmp_path, edit=unfenced) as it:
        till = await it.logged_in()
        it.sandbox.inject("lose-create-request")
        await till.send(till.payment("11", "12.50"))
        await it.advance(300)
        exchange = it.app.bridge.in_hand()[0]["exchange"]
        own_key(it)
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
        assert await replayed(it) == 0


class Hurried(Clockwork):
    """What is to happen later happens at once, and it is later then."""

    def call_later(self, delay: float, action: Callable[[], None]) -> Alarm:
        alarm = super().call_later(delay, action)
        if getattr(action, "__qualname__", "") == "Event.set":
            self.turn(self.passed + delay)
        return alarm


async def test_r12_paid_waits_until_no_stop_of_the_daemon_s_can_act_any_more(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        it.sandbox.inject("late-approval-after-cancel")
        await till.send(till.payment("11", "12.50"))
        other = await it.till()
        await other.send(words.abort("12", "KASSE1", POIID, "11"))
        (one,) = it.app.bridge.in_hand()
        assert one["wished"]
        await it.end()
        own_key(it)
        it.sandbox.release(POIID, "approve")
        said: list[str] = []
        question = QUESTION | {"exchange": one["exchange"], "paid": True}
        clock = Hurried(it.time.wall())
        done = await offline.resolve(it.settings, question, say=said.append, clock=clock)
        assert done["ok"], done
        assert said == ["a stop was sent; waiting 60 s until none can act any more"]
        await it.begin()
        told = await (await it.till()).status("12", "11")
        assert told.inner == ("Success", None)
        assert await replayed(it) == 0
