"""The bridge as a process: told to stop (F62), started twice (F64), without a log (F68), in other countries (F72)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.sandbox.ledger import Transaction
from tests.faults import words
from tests.faults.daemon import Daemon, Line, Site, command, daemon, site
from tests.faults.stage import POIID

TURKISH = "KASSE \N{LATIN CAPITAL LETTER I WITH DOT ABOVE}I\N{LATIN SMALL LETTER DOTLESS I}i \xc4"
"""Letters that other locales fold in other ways."""


async def begun(here: Site, lines: list[Line]) -> None:
    """Each line sends a payment, and each customer stands at a terminal and thinks."""
    ledger, there = here.sandbox._platform.ledger, asyncio.Event()
    add = ledger.add

    def added(transaction: Transaction) -> None:
        add(transaction)
        if len(ledger.payments()) == len(lines):
            there.set()

    ledger.add = added  # type: ignore[method-assign]  # the real one, watched
    for poiid in here.sandbox.poiids:
        here.sandbox.hold(poiid)
    for line in lines:
        await line.send(words.payment("11", line.sale, line.poi, "12.50"))
    if lines:
        await there.wait()


@pytest.mark.parametrize("running", [0, 1, 20])
async def test_f62_sigterm_finishes_what_runs_and_begins_nothing(running: int, tmp_path: Path) -> None:
    async with site(tmp_path, terminals=running + 1) as here:
        async with daemon(here.config) as bridge:
            lines = [
                await bridge.logged_in(f"KASSE{number}", poiid)
                for number, poiid in enumerate(here.sandbox.poiids[:running], start=1)
            ]
            late = await bridge.logged_in("KASSE99", here.sandbox.poiids[-1])
            await begun(here, lines)
            bridge.process.terminate()
            await bridge.says(b"stopping")
            if running:
                refused = await late.pay("12", "12.50")
                assert (refused.result, refused.condition, refused.code) == ("Failure", "Busy", "NB-343")
                with pytest.raises(OSError):
                    await asyncio.open_connection(*bridge.address)
                told = await late.ask(words.status("13", lines[0].sale, lines[0].poi, "11"))
                assert told.condition == "InProgress"
            for poiid in here.sandbox.poiids:
                here.sandbox.release(poiid)
            for line in lines:
                answer = await line.hear()
                assert (answer.service, answer.result, answer.amount) == ("11", "Success", "12.50")
            assert await bridge.ended() == 0
        assert sum(row["charges"] for row in here.sandbox.ledger()) == running
        async with daemon(here.config) as bridge:
            again = await bridge.line("KASSE99", here.sandbox.poiids[-1])
            await again.usable()


async def test_f64_a_second_instance_on_the_same_journal_is_75_and_harms_nobody(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        till = await bridge.logged_in()
        await begun(here, [till])
        code, out, errors = await command("run", "--config", str(here.config), cwd=tmp_path)
        assert (code, out) == (75, b"")
        assert errors.count(b"\n") == 1
        assert f"in use by process {bridge.process.pid}".encode() in errors
        here.sandbox.release(POIID)
        assert (await till.hear()).result == "Success"
        await till.usable()


async def test_f64_a_port_that_is_held_is_told_with_the_setting(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            here.write(lambda text: text.replace("port = 0", f"port = {port}"))
            code, out, errors = await command("run", "--config", str(here.config), cwd=tmp_path)
            assert (code, out) == (78, b"")
            assert b"listen: cannot listen on 127.0.0.1 port" in errors
            assert errors.strip().count(b"\n") == 0
        async with daemon(here.config) as bridge:
            assert bridge.address[1] == port
            await (await bridge.logged_in()).usable()


async def pays_often(bridge: Daemon) -> None:
    till = await bridge.logged_in()
    for service in range(
        11, 31
    ):  # each message that is wrong is a line of the log, and the last is a payment
        assert (await till.ask(words.payment(str(service), till.sale, "NOWHERE", "1.00"))).code == "NB-204"
    await till.usable()


async def test_f68_a_log_that_is_full_or_gone_stops_no_payment(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.write(lambda text: text + '[log]\nlevel = "debug"\n')
        full = os.open("/dev/full", os.O_WRONLY)
        reading, gone = os.pipe()
        os.close(reading)
        for stream in (full, gone):
            async with daemon(here.config, stderr=stream) as bridge:
                os.close(stream)
                await pays_often(bridge)
                assert await bridge.stop() == 0


async def test_f68_a_log_that_nobody_reads_stops_no_payment(tmp_path: Path) -> None:
    """A pipe whose reader hangs takes no more lines: waiting for it would stop every terminal."""
    async with site(tmp_path) as here:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(
            writing, True
        )  # it belongs to both ends' processes: the bridge finds it as others would
        os.set_blocking(reading, False)
        try:
            async with daemon(here.config, stderr=writing) as bridge:
                os.close(writing)
                await pays_often(bridge)
                assert os.read(reading, 1 << 20).strip(b"x") == b""
                till = await bridge.logged_in("KASSE2")
                await till.usable("12")
                assert await bridge.stop() == 0
            assert b"lines lost" in os.read(reading, 1 << 20)
        finally:
            os.close(reading)


@pytest.mark.parametrize(
    "abroad",
    [
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["far east, Turkish", "far west, C"],
)
async def test_f72_neither_time_zone_nor_locale_changes_an_answer(
    abroad: dict[str, Any], tmp_path: Path
) -> None:
    async with site(tmp_path) as here, daemon(here.config, **abroad) as bridge:
        till = await bridge.logged_in(TURKISH)
        answer = await till.pay("11", "1234.50", transaction=TURKISH[6:])
        assert (answer.result, answer.amount) == ("Success", "1234.50")
        assert answer.value("/*/MessageHeader/@SaleID") == TURKISH
        assert (answer.value("//POITransactionID/@TimeStamp") or "").endswith("Z")
        journal = str(tmp_path / "journal.sqlite")
        code, out, errors = await command(
            "journal", "list", "--journal", journal, "--json", cwd=tmp_path, **abroad
        )
        assert code == 0, errors
        assert any(one.get("sale_id") == TURKISH for one in json.loads(out))
        code, _, errors = await command("journal", "list", "--journal", journal, cwd=tmp_path, **abroad)
        assert code == 0, errors
        await till.usable()
