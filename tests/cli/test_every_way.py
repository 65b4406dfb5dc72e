"""One bridge that listens on every transport at once, and a POS that changes its way in the middle of a recovery."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
import trustme

from nexo_bridge.conversation.ways import free_port
from nexo_bridge.demo.stage import Stage
from tests.broker import need_mosquitto


async def pos(way: str, *words: str) -> tuple[int, dict[str, Any]]:
    code, line, _ = await seen(way, *words)
    return code, line


async def seen(way: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON line, and what a person sees."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nexo_bridge", "pos", "--connect", way, "--sale-id", "TILL1"),
        *("--poiid", "POI00001", *words),
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    assert out, err.decode()
    return process.returncode or 0, json.loads(out), err.decode()


def listeners(folder: Path, config: Path) -> Path:
    """Add TLS and HTTP to what the sandbox has written; the authority of the certificate."""
    authority, certificate, key = trustme.CA(), folder / "way.pem", folder / "way.key"
    leaf = authority.issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(certificate)
    leaf.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    authority.cert_pem.write_to_path(folder / "way-ca.pem")
    more = f"""
[[listen]]
kind = "tls"
port = 0
certificate = "{certificate}"
key = "{key}"
[[listen]]
kind = "http"
port = 0
"""
    config.write_text(config.read_text(encoding="utf-8") + more, encoding="utf-8")
    return folder / "way-ca.pem"


@pytest.mark.long
async def test_what_was_sent_by_mqtt_is_asked_for_by_every_other_way() -> None:
    need_mosquitto()
    with tempfile.TemporaryDirectory(prefix="ways-") as name:  # short: a Unix socket's path is
        folder = Path(name)
        stage = Stage(folder, 0.1, mqtt=True)
        try:
            await stage.open_sandbox()
            ca = await asyncio.to_thread(listeners, folder, stage.config)
            _, ready = await stage._start("run", "--config", str(stage.config))
            assert set(ready) == {"ready", "tcp", "tls", "mqtt", "http"}
            await stage.until("the bridge was to be at the broker", stage._at_the_broker)
            assert (await pos(f"tcp://{ready['tcp']}", "login"))[0] == 0
            await stage.cardholder("POI00001", "hold")
            begun = ("--service-id", "7", "--timeout", "2", "--recover", "0", "pay", "12.50", "EUR")
            code, told = await pos(f"mqtt://{ready['mqtt']}", *begun)
            assert (code, told["result"], told["condition"]) == (3, "Unknown", "InProgress")
            assert (await pos(f"tcp://{ready['tcp']}", "status", "7"))[0] == 3
            await stage.cardholder("POI00001", "approve")

            async def known() -> bool:
                return (await pos(f"tcp://{ready['tcp']}", "status", "7"))[0] == 0

            await stage.until("the payment was to be known", known)
            for way in (f"tls://{ready['tls']}", f"http://{ready['http']}", f"mqtt://{ready['mqtt']}"):
                more = ("--ca", str(ca)) if way.startswith("tls") else ()
                code, told = await pos(way, *more, "status", "7")
                assert (code, told["result"], told["authorized"]) == (0, "Success", "12.50")
            assert sum(row["charges"] for row in await stage.ledger()) == 1
        finally:
            await stage.close()


async def test_a_pos_that_speaks_http_listens_for_the_code_that_its_customer_scans() -> None:
    with tempfile.TemporaryDirectory(prefix="ways-") as name:
        stage, ear = Stage(Path(name), 0.1), f"127.0.0.1:{free_port()}"
        try:
            await stage.open_sandbox()
            more = f'\n[[listen]]\nkind = "http"\nport = 0\n[pos."TILL1"]\nhttp = "http://{ear}"\n'
            text = await asyncio.to_thread(stage.config.read_text, "utf-8")
            await asyncio.to_thread(stage.config.write_text, text + more, "utf-8")
            _, ready = await stage._start("run", "--config", str(stage.config))
            way = f"http://{ready['http']}"
            assert (await pos(way, "login"))[0] == 0
            code, told, shown = await seen(way, "--listen", ear, "pay", "7.40", "EUR", "--qr")
            assert (code, told["authorized"]) == (0, "7.40")
            assert "CustomerDisplay: http" in shown
            assert "█" in shown
        finally:
            await stage.close()
