"""The daemon's start: one ready line, one instance, one line for a mistake. Its end: tests/faults/test_process.py."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree

from nexo_bridge.runtime import daemon as daemon_module
from nexo_bridge.runtime.daemon import run
from nexo_bridge.runtime.settings import Settings, load_settings
from tests.faults.daemon import command, daemon, site


async def test_f64_a_second_instance_is_refused_with_75_in_one_line(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        code, out, errors = await command("run", "--config", str(here.config), cwd=here.folder)
        assert (code, out) == (75, b"")
        assert len(errors.splitlines()) == 1
        till = await bridge.logged_in()
        await till.usable()


async def test_ready_is_one_line_on_standard_output_and_logs_are_not(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        await bridge.says(b"terminal session proved")
        assert await bridge.stop() == 0
        assert bridge.process.stdout is not None
        assert await bridge.process.stdout.read() == b""


async def configured(folder: Path) -> Path:
    async with site(folder) as here:
        return here.config


def test_h04_an_old_parser_takes_small_messages_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(asyncio.run(configured(tmp_path)), {})
    monkeypatch.setattr(etree, "LIBXML_VERSION", (2, 9, 14))
    assert run(settings) == 78
    assert capsys.readouterr().err.startswith("listen[0].max_frame: this libxml2 is too old")


def test_a_hang_up_while_starting_is_a_reload_once_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(asyncio.run(configured(tmp_path)), {})
    read: list[Settings] = []

    def checkpoint(name: str) -> None:
        if name == "Started.taken":
            signal.raise_signal(signal.SIGHUP)

    def read_again() -> Settings:
        read.append(settings)
        os.kill(os.getpid(), signal.SIGTERM)
        return settings

    assert run(settings, checkpoint=checkpoint, read_again=read_again) == 0
    assert read == [settings]
    assert json.loads(capsys.readouterr().out.splitlines()[0])["ready"] == "bridge"


def test_i9_the_line_of_systemd_follows_how_things_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the platform is gone, so it never says that payments are taken; and nothing once it stops."""
    settings = load_settings(asyncio.run(configured(tmp_path)), {})
    monkeypatch.setattr(daemon_module, "TELL_AGAIN", 0.01)
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def listen() -> None:
            while len(heard) < 4:
                heard.append(systemd.recv(4096))
            os.kill(os.getpid(), signal.SIGTERM)
            while not heard[-1].startswith(b"STOPPING=1"):
                heard.append(systemd.recv(4096))

        with ThreadPoolExecutor(1) as pool:
            ear = pool.submit(listen)
            assert run(settings) == 0
            ear.result()
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(4096)
    ready, *lines, stopping = (line.decode() for line in heard)
    address = json.loads(capsys.readouterr().out.splitlines()[0])["tcp"]
    assert ready == f"READY=1\nSTATUS=1 terminals, listening on {address}"
    assert set(lines) == {f"STATUS=TAKES NO PAYMENTS; journal ok; 1 terminals, listening on {address}"}
    assert stopping.startswith("STOPPING=1\n")


@pytest.mark.parametrize("what", ["port", "control"])
async def test_a_door_that_cannot_be_opened_is_78_in_one_line_and_leaves_nothing_behind(
    tmp_path: Path, what: str
) -> None:
    async with site(tmp_path) as here:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = other.getsockname()[1]
            text = f"port = {taken}\n" if what == "port" else 'port = 0\n[control]\npath = "precious"\n'
            (here.folder / "precious").write_text("precious", encoding="utf-8")
            here.write(lambda old: old.replace("port = 0\n", text, 1))
            code, out, errors = await command("run", "--config", str(here.config), cwd=here.folder)
        lines = [line for line in errors.decode().splitlines() if not line.startswith("20")]
        assert (code, out, len(lines)) == (78, b"", 1)
        assert lines[0].startswith("listen: " if what == "port" else "control.path: ")
        assert (here.folder / "precious").read_text(encoding="utf-8") == "precious"
        here.write(lambda old: old)
        async with daemon(here.config) as bridge:  # nothing holds the journal any more
            await (await bridge.logged_in()).usable()
