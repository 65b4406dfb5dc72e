"""One slow or dead till, terminal or message does not hold up another (I8): by order of events, not by a watch."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from nexo_bridge.sandbox.wire import Answer, Handler, Request
from tests.faults import words
from tests.faults.stage import POIID, TAKEN, stage
from tests.faults.wire import proxy

OTHER = "POI00002"


async def test_i8_a_terminal_that_hangs_leaves_the_others_alone(tmp_path: Path) -> None:
    """Every answer of the platform for one terminal is held back for ever; the other pays three times meanwhile."""
    never = asyncio.Event()

    async def hang(request: Request, handler: Handler) -> Answer:
        answer = await handler(request)
        if request.certificate is not None and request.certificate.name == POIID:
            await never.wait()
        return answer

    async with stage(tmp_path, terminals=2, begin=False) as it, proxy(it, "device_api") as between:
        await it.begin()
        stuck, till = await it.logged_in(), await it.logged_in("KASSE2", OTHER)
        between.spoil = hang
        it.held = 1
        await stuck.send(stuck.payment("11", "12.50"))
        for service in ("11", "12", "13"):
            answer = await till.pay(service, "5.00")
            assert (answer.service, answer.result) == (service, "Success")
        assert stuck.answers.empty()
        assert (await stuck.status("12", "11")).condition == "InProgress"
        between.spoil, it.held = None, 0
        never.set()
        assert (await stuck.hear()).result == "Success"
        await it.usable(stuck)
        await it.usable(till)


async def test_i8_a_session_that_cannot_be_opened_yet_leaves_the_others_alone(tmp_path: Path) -> None:
    """The token endpoint takes one terminal's request and says nothing; the others get tokens and pay."""
    never = asyncio.Event()

    async def hang(request: Request, handler: Handler) -> Answer:
        answer = await handler(request)
        if request.certificate is not None and request.certificate.name == POIID:
            await never.wait()
        return answer

    async with stage(tmp_path, terminals=2, begin=False) as it, proxy(it, "device_auth") as between:
        await it.begin()
        stuck, till = await it.logged_in(), await it.logged_in("KASSE2", OTHER)
        between.spoil = hang
        it.held = 1
        await stuck.send(stuck.payment("11", "12.50"))
        assert (await till.pay("11", "5.00")).result == "Success"
        assert stuck.answers.empty()
        assert (await till.status("12", "11")).inner == ("Success", None)
        between.spoil, it.held = None, 0
        never.set()
        await it.settle()
        assert (await stuck.hear()).result == "Success"
        await it.usable(stuck)
        await it.usable(till)


@pytest.mark.parametrize("broken", ["token-down", "token-429", "token-html", "another device's certificate"])
async def test_i8_a_credential_that_is_refused_leaves_the_others_alone(broken: str, tmp_path: Path) -> None:
    """Again and again one terminal asks for a session in vain, while a customer stands at the other."""

    def foreign(text: str) -> str:
        return text.replace(f"certificates/{POIID}", "certificates/POI00003")

    fault = broken.startswith("token")
    async with stage(tmp_path, terminals=3, edit=str if fault else foreign) as it:
        refused, till = await it.logged_in(), await it.logged_in("KASSE2", OTHER)
        if fault:
            it.sandbox.inject(broken, POIID, 99)
        await till.send(till.payment("11", "5.00"))
        for service in ("11", "12", "13"):
            answer = await refused.pay(service, "12.50")
            assert (answer.service, answer.result) == (service, "Failure")
        assert till.answers.empty()
        assert (await till.hear()).result == "Success"
        await it.usable(till)


async def test_i8_a_till_that_reads_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    def edit(text: str) -> str:
        return text.replace("port = 0\n", "port = 0\nwrite_timeout = 3\n", 1)

    async with stage(tmp_path, terminals=2, edit=edit) as it:
        deaf, till = await it.logged_in("KASSE1"), await it.logged_in("KASSE2", OTHER)
        await deaf.pay("11", "12.50")
        it.exact = False
        deaf._task.cancel()
        plain: socket.socket = deaf.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = [words.status(str(number), "KASSE1", POIID, "11") for number in range(100, 300)]
        deaf.writer.write(b"".join(words.framed(one) for one in asked))
        await it.until(lambda: it.reached["Arrived.taken"] > 100)
        till.writer.write(words.framed(words.status("10", "KASSE2", OTHER, "1")))
        answer = await till.answers.get()
        assert answer is not None
        assert (answer.service, it.reached["PosGone.taken"]) == ("10", 0)
        await it.until(lambda: it.reached["PosGone.taken"] == 1)  # it took no answer for so long
        it.expected = sum(it.reached[name] for name in TAKEN)
        for service in ("11", "12"):
            assert (await till.pay(service, "5.00")).result == "Success"
        await it.usable(till)


@pytest.mark.parametrize("size", [4, 300, 15_000, 900_000])
async def test_i8_a_message_that_does_not_end_holds_up_its_own_connection_only(
    size: int, tmp_path: Path
) -> None:
    async with stage(tmp_path) as it:
        slow, till = await it.logged_in(), await it.logged_in("KASSE2")
        whole = words.framed(b"<a>" + b"x" * 900_000 + b"</a>")
        slow.writer.write(whole[:size])
        await slow.writer.drain()
        await it.usable(till)
        assert slow.answers.empty()


async def test_i8_connections_that_come_and_go_cost_nobody_anything(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        for _ in range(50):
            await (await it.till("KASSE9")).drop()
        assert (await till.hear()).result == "Success"
        await it.usable(till)
        assert it.app.runner._alarms == {}
