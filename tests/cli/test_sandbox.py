from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexo_bridge.cli import main


@asynccontextmanager
async def _started(*words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexo_bridge",
        "sandbox",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_line_when_ready_and_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    async with _started("--state", str(tmp_path / "a state"), "--terminals", "2") as (process, ready):
        assert list(ready) == ["ready", "api", "control", "config", "poiids"]
        assert ready["ready"] == "sandbox"
        assert ready["api"].startswith("https://127.0.0.1:")
        assert ready["poiids"] == ["POI00001", "POI00002"]
        assert Path(ready["config"]) == tmp_path / "a state" / "bridge.toml"
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{ready['control']}/ledger")).json() == {"payments": []}
        process.send_signal(number)
        rest, log = await process.communicate()
        assert process.returncode == 0
        assert rest == b""
        assert str(tmp_path).encode() in log


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    async with _started("--state", str(tmp_path / "a")) as (_, ready):
        port = ready["api"].rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "nexo_bridge", "sandbox", "--state", str(tmp_path / "b"), "--port", port),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, log = await second.communicate()
    assert second.returncode == 78
    assert out == b""
    assert log.decode().count("\n") == 1
    assert "--port" in log.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "must be a number between 0 and 65535"),
        (["--port", "x"], "must be a number between 0 and 65535"),
        (["--think", "-1"], "must be a number of seconds, 0 or more"),
        (["--think", "nan"], "must be a number of seconds, 0 or more"),
        (["--think", "x"], "must be a number of seconds, 0 or more"),
        (["--dedup", "yes"], "invalid choice"),
        (["--terminals", "0"], "must be a number between 1 and 99999"),
        (["--schedule", "soon"], "write STATUS=SECONDS"),
        (["--mqtt", "broker"], "must be HOST:PORT"),
    ],
)
def test_wrong_options_are_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("module", ["jwt", "h11"])
async def test_a_missing_extra_names_the_command(module: str) -> None:
    hide = f"import sys; sys.modules[{module!r}] = None"
    program = f"{hide}; from nexo_bridge.cli import main; sys.exit(main(['sandbox']))"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", program),
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await process.communicate()
    assert process.returncode == 78
    assert log.decode().count("\n") == 1
    assert "run: pip install 'nexo-bridge[sandbox]'" in log.decode()
