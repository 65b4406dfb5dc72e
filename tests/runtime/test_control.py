"""What people may ask a running bridge: how it is, and to settle what no program can find out (R12)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.core import decisions as did
from nexo_bridge.runtime import control
from nexo_bridge.runtime.control import Desk
from tests.faults import words
from tests.faults.stage import POIID, Stage, stage

NO_FENCE = 'environment = "demo"\nfence = false'


async def reloaded() -> dict[str, Any]:
    return {"ok": True, "text": "reloaded"}


def desk_of(it: Stage) -> Desk:
    desk = Desk(it.app.bridge, it.app.runner.feed, it.time.wall, it.platform.session_state, reloaded)
    it.app.runner.tell = desk.told
    return desk


def unfenced(text: str) -> str:
    return text.replace('environment = "demo"', NO_FENCE)


async def test_status_shows_terminals_and_what_is_in_hand(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        desk = desk_of(it)
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        answer = await desk.handle({"command": "status"})
        status = answer["status"]
        assert (answer["ok"], status["journal"], status["takes_payments"]) == (True, "ok", True)
        (terminal,) = status["terminals"]
        assert (terminal["poiid"], terminal["logged_in"], terminal["running"]) == (POIID, ["KASSE1"], 1)
        (one,) = status["exchanges"]
        assert (one["service_id"], one["amount"], one["state"]) == ("11", "12.50", "acknowledged")
        it.sandbox.release(POIID, "approve")
        assert (await till.hear()).result == "Success"
        assert desk.status()["exchanges"] == []


async def test_i9_health_is_ok_only_while_every_terminal_can_pay(tmp_path: Path) -> None:
    async with stage(tmp_path, terminals=2) as it:
        desk = desk_of(it)
        (first, second) = ("POI00001", "POI00002")
        assert desk.status()["health"] == "down", "nothing is proved yet"
        await it.platform.probe(first)
        assert (desk.status()["health"], desk.status()["unwell"]["terminals"]) == ("degraded", 1)
        await it.platform.probe(second)
        assert desk.status()["health"] == "ok"
        it.sandbox.inject("token-html", second, times=2)
        await it.advance(301)
        await it.platform.probe(second)
        (_, terminal) = desk.status()["terminals"]
        assert (desk.status()["health"], terminal["session"]) == ("degraded", "out of order")
        assert terminal["last_error"] == f"TOKEN: {terminal['problem']}"
        await it.platform.probe(second)
        assert desk.status()["health"] == "degraded"
        await it.platform.probe(second)
        assert desk.status()["health"] == "ok"


async def test_i9_a_token_that_cannot_be_renewed_is_told_before_it_ends(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        desk = desk_of(it)
        assert (await till.pay("11", "12.50")).result == "Success"
        await it.advance(250)
        it.sandbox.inject("token-down", times=99)
        assert (await till.pay("12", "12.50")).result == "Success"
        (terminal,) = desk.status()["terminals"]
        assert (desk.status()["health"], terminal["session"]) == ("degraded", "ok")
        assert terminal["problem"] == "no new token: the token endpoint answered 503 UNAVAILABLE"
        assert terminal["last_error"] == "TOKEN: the token endpoint answered 503 UNAVAILABLE"
        await it.advance(60)
        assert desk.status()["health"] == "down", "nobody has asked, and it is over all the same"
        it.sandbox.inject("token-down", times=0)
        await it.usable(till)
        assert desk.status()["health"] == "ok"


async def test_i9_a_listener_that_is_down_degrades_but_not_a_till_that_is_switched_off(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as it:
        states = [ListenerState("tcp", "127.0.0.1:7000", up=True), ListenerState("dial", "till:1", up=False)]
        desk = Desk(
            it.app.bridge,
            it.app.runner.feed,
            it.time.wall,
            it.platform.session_state,
            reloaded,
            listeners=lambda: states,
        )
        await it.platform.probe(POIID)
        assert desk.status()["health"] == "ok"
        states.append(ListenerState("mqtt", "broker:1883", up=False))
        assert (desk.status()["health"], desk.status()["unwell"]) == (
            "degraded",
            {"terminals": 0, "listeners": 1},
        )


async def test_what_is_not_known_is_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        desk = desk_of(it)
        assert (await desk.handle({"command": "reload"}))["text"] == "reloaded"
        assert not (await desk.handle({"command": "juggle"}))["ok"]
        assert not (await desk.handle({"command": "resolve", "exchange": "X1", "paid": True, "by": " "}))[
            "ok"
        ]
        desk.told(99, True, "nobody asked")


async def test_r12_resolve_settles_what_no_fence_can_prove(tmp_path: Path) -> None:
    async with stage(tmp_path, edit=unfenced) as it:
        till = await it.logged_in()
        desk = desk_of(it)
        it.sandbox.inject("lose-create-request")
        await till.send(till.payment("11", "12.50"))
        await it.advance(300)
        (one,) = desk.status()["exchanges"]
        assert one["state"] == "parked"
        assert desk.status()["terminals"][0]["unknown"] == 1
        question = {
            "command": "resolve",
            "exchange": one["exchange"],
            "paid": False,
            "by": "Ada",
            "why": "the platform's page shows nothing",
        }
        refused = await desk.handle(question)
        assert not refused["ok"]
        assert "--i-have-checked-the-platform" in refused["text"]
        done = await desk.handle(question | {"checked": True})
        assert done == {"ok": True, "text": f"{one['exchange']} is settled as not paid."}
        assert (await till.hear()).code == "NB-318"
        again = await desk.handle(question | {"checked": True})
        assert not again["ok"]
        decisions = (await it.decisions())[one["exchange"]]
        assert [type(decision) for decision in decisions][-3:-1] == [did.Resolved, did.Settled]
        await it.usable(till)


async def test_r12_paid_is_refused_while_a_stop_may_still_act(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till, other = await it.logged_in(), await it.till()
        desk = desk_of(it)
        it.sandbox.hold(POIID)
        it.sandbox.inject("late-approval-after-cancel")
        await till.send(till.payment("11", "12.50"))
        (one,) = desk.status()["exchanges"]
        question = {
            "command": "resolve",
            "exchange": one["exchange"],
            "paid": True,
            "by": "Ada",
            "why": "the slip says so",
        }
        await other.send(words.abort("12", "KASSE1", POIID, "11"))
        refused = await desk.handle(question)
        assert not refused["ok"]
        assert refused["text"].startswith(f"A stop of {one['exchange']} may still undo it")
        await it.advance(59)
        assert not (await desk.handle(question))["ok"]
        await it.advance(2)
        it.sandbox.release(POIID, "approve")  # the platform's page shows it; no look has been since
        done = await desk.handle(question)
        assert done == {"ok": True, "text": f"{one['exchange']} is settled as paid."}
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        told = await till.status("13", "11")
        assert told.inner == ("Success", None)
        await it.usable(till)


async def test_without_room_on_the_disk_no_payment_is_taken(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.platform.probe(POIID)
        state, room = it.platform.session_state, False
        desk = Desk(it.app.bridge, it.app.runner.feed, it.time.wall, state, reloaded, has_room=lambda: room)
        status = desk.status()
        assert (status["journal"], status["takes_payments"]) == ("no room", False)
        room = True
        assert desk.status()["takes_payments"]
        assert desk.status()["tolerated"] == {}


async def test_status_tells_what_was_put_right_for_whom(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        done = {"KASSE1": {"missing-zone": 2}}
        desk = Desk(
            it.app.bridge,
            it.app.runner.feed,
            it.time.wall,
            it.platform.session_state,
            reloaded,
            tolerated=lambda: done,
        )
        assert desk.status()["tolerated"] == done


async def test_status_tells_the_last_error_of_each_terminal(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        desk = desk_of(it)
        (terminal,) = desk.status()["terminals"]
        assert (terminal["last_error"], terminal["last_error_age"]) == (None, None)
        it.sandbox.inject("create-500-after-storing")
        assert (await till.pay("11", "12.50")).result == "Success"
        await it.advance(100)
        (terminal,) = desk.status()["terminals"]
        assert terminal["last_error"] == "SERVER_ERROR: answered 500"
        assert 100 <= terminal["last_error_age"] < 120
        assert (terminal["session"], terminal["problem"]) == ("ok", None)
        assert terminal["certificate_days"] > 0


async def test_a_journal_that_does_not_answer_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.01)
    async with stage(tmp_path) as it:
        desk = Desk(it.app.bridge, lambda _: None, it.time.wall, it.platform.session_state, reloaded)
        question = {"command": "resolve", "exchange": "X1", "paid": True, "by": "Ada", "why": "slip"}
        assert "did not answer in time" in (await desk.handle(question))["text"]
        desk.told(1, True, "too late")
