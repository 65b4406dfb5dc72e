"""F63: another configuration while payments run. Whole bridge, real platform, a time that the test turns."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexo_bridge.adapters import terminal_access
from nexo_bridge.adapters.terminal_access import Access, Material
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.reloading import Reloader
from nexo_bridge.runtime.settings import load_settings
from tests.adapters.tls_rig import Papers
from tests.faults.stage import Stage, stage

FIRST, SECOND, THIRD = "POI00001", "POI00002", "POI00003"


def tables(*poiids: str, **changes: str) -> str:
    """Terminals as the sandbox writes them; ``changes`` names a file of another terminal for one of them."""
    return "".join(
        f'[terminals."{poiid}"]\nserial = "2097CD80000{changes.get(poiid, poiid)[-1]}"\n'
        f'certificate = "certificates/{changes.get(poiid, poiid)}.pem"\n'
        f'key = "certificates/{changes.get(poiid, poiid)}.key"\n'
        for poiid in poiids
    )


@dataclass
class Shop:
    """A bridge that can be told to read its file again."""

    stage: Stage
    reloader: Reloader

    @property
    def config(self) -> Path:
        return self.stage.folder / "tested.toml"

    def edit(self, change: Callable[[str], str]) -> None:
        self.config.write_text(change(self.config.read_text(encoding="utf-8")), encoding="utf-8")

    def serve(self, *poiids: str, **changes: str) -> None:
        self.edit(lambda text: text[: text.index("[terminals")] + tables(*poiids, **changes))

    async def reload(self) -> str:
        """Reload and be told that it is done."""
        answer = await self.reloader.reload()
        assert answer["ok"], answer
        return str(answer["text"])

    async def refused(self) -> str:
        answer = await self.reloader.reload()
        assert not answer["ok"]
        text = str(answer["text"])
        assert text.endswith("; the old configuration stays in force")
        return text

    def known(self) -> set[str]:
        """Terminals that the platform's adapter has a session for."""
        return set(self.stage.platform._lanes)


@asynccontextmanager
async def shop(folder: Path, *poiids: str, edit: Callable[[str], str] | None = None) -> AsyncIterator[Shop]:
    def of_terminals(text: str) -> str:
        return text[: text.index("[terminals")] + tables(*poiids)

    async with stage(folder, terminals=3, edit=edit or of_terminals) as it:
        channels = Channels(it.settings, it.platform, it.journal, clock=it.time)
        config = folder / "tested.toml"
        reloader = Reloader(
            it.settings, lambda: load_settings(config, {}), it.app, it.platform, channels, mono=it.time.mono
        )
        yield Shop(it, reloader)


async def test_a_new_terminal_can_pay_at_once(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST) as here:
        here.serve(FIRST, SECOND)
        assert await here.reload() == "2 terminals are served"
        till = await here.stage.logged_in(poi=SECOND)
        assert (await till.pay("11", "12.50")).result == "Success"
        await here.stage.usable(till)


async def test_a_terminal_taken_away_is_served_to_the_end_of_its_payment_however_often_the_file_is_read(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path, FIRST, SECOND) as here:
        it = here.stage
        till, other = await it.logged_in(), await it.logged_in(poi=SECOND)
        it.sandbox.hold(FIRST)
        await till.send(till.payment("11", "12.50"))
        here.serve(SECOND)
        for _ in range(3):
            assert await here.reload() == "1 terminals are served"
            await it.advance(5)
        assert here.known() == {FIRST, SECOND}
        assert (await till.pay("12", "1.00")).condition == "UnavailableDevice"
        it.sandbox.release(FIRST, "approve")
        answer = await till.hear()
        assert (answer.service, answer.result, answer.amount) == ("11", "Success", "12.50")

        await here.reloader.retire()
        assert here.known() == {FIRST, SECOND}  # a late look may still come (R8)
        await it.advance(91)
        await here.reloader.retire()
        assert here.known() == {SECOND}
        assert "FIRST" not in it.app.bridge.terminals()
        await it.usable(other)


async def test_a_terminal_that_nobody_pays_at_is_gone_at_once_and_may_come_back(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST, SECOND) as here:
        here.serve(FIRST)
        await here.reload()
        assert here.known() == {FIRST}
        here.serve(FIRST, SECOND)
        await here.reload()
        await here.stage.usable(await here.stage.logged_in(poi=SECOND))


async def test_a_terminal_that_comes_back_while_its_payment_runs_is_the_same(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST, SECOND) as here:
        it = here.stage
        till = await it.logged_in()
        it.sandbox.hold(FIRST)
        await till.send(till.payment("11", "12.50"))
        here.serve(SECOND)
        await here.reload()
        here.serve(SECOND, FIRST)
        await here.reload()
        it.sandbox.release(FIRST, "approve")
        assert (await till.hear()).result == "Success"
        await here.reloader.retire()
        assert here.known() == {FIRST, SECOND}
        await it.usable(till)


async def test_another_certificate_under_a_running_payment(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST) as here:
        it = here.stage
        till = await it.logged_in()
        it.sandbox.hold(FIRST)
        await till.send(till.payment("11", "12.50"))
        folder = tmp_path / "certificates"
        for suffix in ("pem", "key"):
            (folder / f"new.{suffix}").write_bytes((folder / f"{FIRST}.{suffix}").read_bytes())
        (folder / "new.key").chmod(0o600)
        here.edit(lambda text: text.replace(f"{FIRST}.pem", "new.pem").replace(f"{FIRST}.key", "new.key"))
        await here.reload()
        it.sandbox.release(FIRST, "approve")
        assert (await till.hear()).result == "Success"
        await it.usable(till)


async def test_no_device_is_exchanged_under_its_payment(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST) as here:
        it = here.stage
        till = await it.logged_in()
        it.sandbox.hold(FIRST)
        await till.send(till.payment("11", "12.50"))
        here.serve(FIRST, **{FIRST: THIRD})
        assert f'terminals."{FIRST}".serial: a payment of the device 2097CD800001' in await here.refused()
        it.sandbox.release(FIRST, "approve")
        assert (await till.hear()).result == "Success"
        await here.reload()
        await it.usable(till)
        assert {row["deviceId"][-1] for row in it.sandbox.ledger()} == {"1", "3"}


async def test_no_payment_begins_on_a_device_while_it_is_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(tmp_path, FIRST) as here:
        it = here.stage
        till = await it.logged_in()
        reading, go_on = asyncio.Event(), threading.Event()
        loop, load = asyncio.get_running_loop(), terminal_access.load

        def slowly(poiid: str, access: Access, ca: Path | None) -> Material:
            loop.call_soon_threadsafe(reading.set)
            assert go_on.wait(20)
            return load(poiid, access, ca)

        monkeypatch.setattr(terminal_access, "load", slowly)
        here.serve(FIRST, **{FIRST: THIRD})
        reload = asyncio.create_task(here.refused())
        await reading.wait()
        it.sandbox.hold(FIRST)
        await till.send(till.payment("11", "12.50"))
        go_on.set()
        assert "a payment of the device 2097CD800001" in await reload
        it.sandbox.release(FIRST, "approve")
        assert (await till.hear()).result == "Success"
        await it.usable(till)


async def test_after_a_start_with_another_device_the_old_one_s_payment_is_not_taken_for_never_created(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path, FIRST) as here:
        it = here.stage
        till = await it.logged_in()
        it.sandbox.inject("lose-create-answer")
        await till.send(till.payment("11", "12.50"))
        await it.end()
        here.serve(FIRST, **{FIRST: THIRD})
        it.settings = await asyncio.to_thread(load_settings, here.config, {})
        await it.begin()
        await it.advance(400)
        (one,) = it.app.bridge.in_hand()
        assert one["state"] == "parked"
        failed = it.platform.session_state(FIRST).last_error
        assert failed == "CALL: the terminal has another serial number than when this began"

        await it.end()
        here.serve(FIRST)
        it.settings = await asyncio.to_thread(load_settings, here.config, {})
        await it.begin()
        await it.advance(60)
        told = await (await it.till()).status("12", "11")
        assert (told.inner, it.sandbox.ledger()[0]["charges"]) == (("Success", None), 1)
        await it.usable(await it.logged_in())


async def test_what_waits_for_a_start_is_not_in_force_and_named_each_time(tmp_path: Path) -> None:
    async with shop(tmp_path, FIRST) as here:
        before = here.stage.app.policy
        here.edit(
            lambda text: (
                text.replace('environment = "demo"', 'environment = "eur"\nfence = false').replace(
                    '"journal.sqlite"', '"journal.sqlite"\nkeep_answers = 9'
                )
                + '\n[pos."KASSE1"]\nhttp = "http://10.0.0.21/nexo"\n'
            )
        )
        for _ in range(2):
            assert await here.reload() == (
                "1 terminals are served; changes of journal, platform, http in pos take effect at the next start"
            )
        policy = here.stage.app.policy
        assert (policy.environment, policy.keys_kept) == ("demo", before.keys_kept)
        assert not policy.certainty.fence  # this is the core's alone
        here.edit(
            lambda text: (
                text.replace('"eur"', '"demo"')
                .replace("keep_answers = 9", "")
                .replace('http = "http://10.0.0.21/nexo"', "")
            )
        )
        assert await here.reload() == "1 terminals are served"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[listen]]", "[[listen", "not TOML"),
        ('"demo"', '"nowhere"', "platform.environment"),
        (f"{SECOND}.pem", "absent.pem", "does not exist"),
        (f"{SECOND}.pem", f"{FIRST}.pem", "does not belong to"),
    ],
)
async def test_an_invalid_file_changes_nothing_and_is_told(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    async with shop(tmp_path, FIRST) as here:
        here.serve(FIRST, SECOND)
        here.edit(lambda text: text.replace(old, new))
        assert said in await here.refused()
        assert here.known() == {FIRST}
        assert here.stage.app.bridge.terminals() == (FIRST,)
        await here.stage.usable(await here.stage.logged_in())


async def test_a_file_that_goes_away_while_it_is_read_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(poiid: str, access: Access, ca: Path | None) -> Material:
        raise FileNotFoundError(2, "No such file or directory", "POI00002.pem")

    async with shop(tmp_path, FIRST) as here:
        here.serve(FIRST, SECOND)
        monkeypatch.setattr(terminal_access, "load", gone)
        assert "a file went away while it was read" in await here.refused()
        assert here.known() == {FIRST}


async def test_r14_the_mode_of_a_pos_changes_with_a_reload(tmp_path: Path) -> None:
    """Strict and tolerant from one message to the next; what it is and how often it was needed is told."""

    def without_zone(data: bytes) -> bytes:
        shorter = re.sub(rb'TimeStamp="([^"Z]*)Z"', rb'TimeStamp="\1"', data)
        assert shorter != data
        return shorter

    async with shop(tmp_path, FIRST) as it:
        till = await it.stage.logged_in(poi=FIRST)
        answer = await till.ask(without_zone(till.payment("11", "12.50")))
        assert (answer.result, answer.condition) == ("Failure", "MessageFormat")
        it.edit(lambda text: text + '[pos."KASSE1"]\nmode = "tolerant"\nrelax = ["missing-zone"]\n')
        await it.reload()
        answer = await till.ask(without_zone(till.payment("12", "12.50")))
        assert answer.result == "Success"
        assert it.stage.app.tolerated == {"KASSE1": {"missing-zone": 1}}
        it.edit(lambda text: text.replace("tolerant", "strict").replace("relax", "# relax"))
        await it.reload()
        answer = await till.ask(without_zone(till.payment("13", "12.50")))
        assert (answer.result, answer.condition) == ("Failure", "MessageFormat")


def certified(text: str, name: str) -> str:
    return f'{text.partition("[pos.")[0]}[pos."KASSE1"]\ncertificate = "{name}.pem"\n'


async def test_another_certificate_of_a_pos_is_taken_over(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    async with shop(tmp_path, FIRST) as here:
        papers.issue("kasse1")
        here.edit(lambda text: certified(text, "kasse1"))
        await here.reload()
        till = await here.stage.till()
        assert (await till.pay("11", "1.00")).code == "NB-105"
        (tmp_path / "wrong.pem").write_text("wrong", encoding="utf-8")
        here.edit(lambda text: certified(text, "wrong"))
        assert await here.refused() == (
            f'pos."KASSE1".certificate: {tmp_path / "wrong.pem"} is not a PEM certificate; give the certificate that '
            "the POS shows; the old configuration stays in force"
        )
        assert (await till.pay("12", "1.00")).code == "NB-105"
        here.edit(lambda text: text.partition("[pos.")[0])
        await here.reload()
        await till.login()
        assert (await till.pay("13", "1.00")).result == "Success"


async def test_listeners_look_at_their_files(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.issue("bridge")

    def edit(text: str) -> str:
        listen = '[[listen]]\nkind = "tls"\nport = 0\ncertificate = "bridge.pem"\nkey = "bridge.key"\n'
        return listen + text[: text.index("[terminals")] + tables(FIRST)

    async with shop(tmp_path, FIRST, edit=edit) as here:

        async def serial() -> str:
            till = await here.stage.till(tls=papers.client())
            return str(till.writer.get_extra_info("peercert")["serialNumber"])

        before = await serial()
        papers.issue("bridge")
        await here.reload()
        assert await serial() != before
