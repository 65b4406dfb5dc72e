"""docs/mqtt.md is followed to the letter: mosquitto_pub and mosquitto_sub alone log in, pay and get the answer."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nexo_bridge.conversation.ways import free_port
from tests.broker import need_mosquitto
from tests.faults import words

pytestmark = pytest.mark.timeout(180)  # several processes start, on a machine that may be busy

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
PATIENCE = 40.0


def commands(port: int) -> list[str]:
    """The lines of the page's shell blocks, at a port that is free."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line.replace("1883", str(port)) for block in blocks for line in block.splitlines()]


@asynccontextmanager
async def under_way(line: str, folder: Path, *more: str) -> AsyncIterator[Process]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line.removesuffix("&")), *more, cwd=folder, stdout=PIPE, env={**os.environ, "PATH": path}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def says(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return await process.stdout.readline()


async def done(line: str, folder: Path, *more: str) -> bytes:
    async with under_way(line, folder, *more) as process, asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
        assert process.returncode == 0, line
        return out


async def test_mosquitto_pub_and_sub_alone_log_in_pay_and_get_the_answer(tmp_path: Path) -> None:
    need_mosquitto()
    broker, sandbox, bridge, status, listen, login, pay, clear = commands(free_port())
    (tmp_path / "login.xml").write_bytes(words.login("1", "KASSE1", "POI00001"))
    (tmp_path / "payment.xml").write_bytes(words.payment("2", "KASSE1", "POI00001", "12.50"))
    (tmp_path / "sandbox").mkdir()
    async with under_way(broker, tmp_path), under_way(sandbox, tmp_path) as platform:
        assert b'"ready": "sandbox"' in await says(platform)
        async with under_way(bridge, tmp_path) as process:
            assert b'"mqtt": "127.0.0.1:' in await says(process)
            assert b'"online"' in await done(status, tmp_path)
            await done(listen, tmp_path, "-E")  # its session stays, so nothing is missed from here on
            async with under_way(listen, tmp_path, "-C", "2") as till:
                await done(login, tmp_path)
                await done(pay, tmp_path)
                async with asyncio.timeout(PATIENCE):
                    answers, _ = await till.communicate()
        assert b"<LoginResponse" in answers
        assert b"<PaymentResponse" in answers
        assert answers.count(b'Result="Success"') == 2
        assert b'AuthorizedAmount="12.50"' in answers
        await done(clear, tmp_path)
