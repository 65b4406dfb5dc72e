from __future__ import annotations

import json
import signal
from pathlib import Path

from nexo_bridge.sandbox.server import Sandbox
from tests.faults import words
from tests.faults.daemon import Site, command, daemon, site


def only(*poiids: str) -> str:
    """The part of a configuration from its first terminal on, for these terminals alone."""
    return "".join(
        f'[terminals."{poiid}"]\nserial = "2097CD80000{poiid[-1]}"\ncertificate = "certificates/{poiid}.pem"\n'
        f'key = "certificates/{poiid}.key"\n'
        for poiid in poiids
    )


def serving(here: Site, *poiids: str) -> None:
    here.write(lambda text: text[: text.index("[terminals")] + only(*poiids))


def waiting(sandbox: Sandbox) -> bool:
    return any(row["status"] == "PENDING" for row in sandbox.ledger())


async def reload(here: Site) -> tuple[int, str]:
    code, out, errors = await command("reload", "--config", str(here.config), cwd=here.folder)
    return code, (out + errors).decode()


async def test_f63_terminals_come_and_go_and_what_runs_goes_on(tmp_path: Path) -> None:
    async with site(tmp_path, terminals=3) as here:
        serving(here, "POI00001", "POI00002")
        async with daemon(here.config) as bridge:
            first = await bridge.logged_in()
            third = await bridge.line("KASSE3", "POI00003")
            answer = await third.ask(words.login("1", "KASSE3", "POI00003"))
            assert answer.condition == "UnavailableDevice"
            here.sandbox.hold("POI00001")
            await first.send(words.payment("11", "KASSE1", "POI00001", "12.50"))
            told = await first.ask(words.status("12", "KASSE1", "POI00001", "11"))
            assert told.condition == "InProgress"

            serving(here, "POI00002", "POI00003")
            code, text = await reload(here)
            assert (code, text) == (0, "2 terminals are served\n")
            await third.login()
            await third.usable()
            here.sandbox.release("POI00001", "approve")
            answer = await first.hear()
            assert (answer.service, answer.result) == ("11", "Success")
            assert (await first.pay("13", "1.00")).condition == "UnavailableDevice"

            serving(here, "POI00001", "POI00002", "POI00003")
            bridge.process.send_signal(signal.SIGHUP)
            await bridge.says(b'"configuration reloaded" terminals=3')
            assert (await first.pay("14", "1.00")).result == "Success"
            assert await bridge.stop() == 0
        code, out, _ = await command("replay", "journal.sqlite", cwd=here.folder)
        assert (code, out.split(b":")[0]) == (0, b"the same decisions")


async def test_f63_an_invalid_file_keeps_the_old_one_and_says_so(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        async with daemon(here.config) as bridge:
            till = await bridge.logged_in()
            good = here.config.read_text(encoding="utf-8")
            here.config.write_text(good + '\n[terminals."POI9"]\nserial = "S9"\n', encoding="utf-8")
            bridge.process.send_signal(1)
            await bridge.says(b"configuration not reloaded")
            await till.usable()
            code, text = await reload(here)
            assert code == 78
            assert "POI9" in text
            assert "keeps its old configuration" in text
            code, out, errors = await command("status", "--config", str(here.config), cwd=here.folder)
            assert (code, out.split(b"\n")[0].split()[2:4]) == (0, [b"takes", b"payments;"])
            assert b"wrong since the bridge was started" in errors
            assert b"POI9" in errors
            here.config.write_text(good, encoding="utf-8")
            assert (await reload(here))[0] == 0
            code, out, _ = await command("status", "--json", "--config", str(here.config), cwd=here.folder)
            assert code == 0
            assert [one["poiid"] for one in json.loads(out)["terminals"]] == ["POI00001"]
            await till.usable("778")


async def test_what_needs_a_start_is_named(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config):
        here.write(lambda text: text.replace("port = 0", "port = 0\nmax_connections = 7"))
        assert await reload(here) == (
            0,
            "1 terminals are served; changes of listen take effect at the next start\n",
        )


async def test_not_running_is_69(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code, text = await reload(here)
        assert code == 69
        assert "no bridge answers" in text
