from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import pytest

from nexo_bridge.cli import main
from nexo_bridge.sandbox import realms
from tests.runtime.login_rig import POIID, Browser, sandbox_for


async def run(*words: str) -> int:
    return await asyncio.to_thread(main, ["login", *words])


async def test_a_password_comes_from_a_pipe_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with sandbox_for(tmp_path, "password") as (_, path):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{realms.PASSWORD}\n"))
        assert await run("--config", str(path), "--terminal", POIID) == 0
        out = capsys.readouterr().out
        assert out == "Password of merchant@sandbox-ma: logged in\n"
        monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\n"))
        assert await run("--config", str(path), "--terminal", POIID) == 1
        assert "not logged in: user name or password is wrong" in capsys.readouterr().err
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        assert await run("--config", str(path), "--terminal", POIID) == 130


async def test_a_browser_is_sent_to_the_address_that_is_printed(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "nexo_bridge", "login", "--config", str(path), "--terminal", POIID),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"Open this address in a browser and log in:\n"
        await Browser(sandbox).follow((await process.stdout.readline()).decode().strip())
        out, _ = await process.communicate()
        assert (process.returncode, out) == (0, b"logged in\n")


async def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with sandbox_for(tmp_path, "mtls") as (_, path):
        assert await run("--config", str(path), "--terminal", POIID) == 78
        assert await run("--config", str(path), "--application") == 78
    assert len(capsys.readouterr().err.splitlines()) == 2
