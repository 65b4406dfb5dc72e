"""The platform's first steps from the shell, over the sandbox, with nothing secret on the screen."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexo_bridge.cli import main
from nexo_bridge.sandbox import realms
from nexo_bridge.sandbox.server import Options, Sandbox
from tests.runtime.login_rig import POIID

README = Path(__file__).parents[2] / "README.md"
APPLICATION = """
[application]
realm = "sandbox-ma"
client_id = "sandbox-application"
client_secret = "application.secret"
"""


@pytest.fixture(params=["mtls", "password", "custom_token"])
async def sandbox(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    async with Sandbox(Options(state=tmp_path, grant=request.param, terminals=1, think=0)) as sandbox:
        yield sandbox


async def ppaas(sandbox: Sandbox, *words: str, whose: tuple[str, ...] = ("--terminal", POIID)) -> int:
    arguments = ["ppaas", words[0], "--config", str(sandbox.config_path), *whose, *words[1:]]
    return await asyncio.to_thread(main, arguments)


async def test_the_documented_first_steps(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ppaas(sandbox, "token") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["terminal"] == POIID
    assert shown["access_token"].startswith("[masked ")
    assert shown["claims"]["device_id"] == "2097CD800001"
    assert shown["expires_in"] == 300
    assert isinstance(shown["claims"]["exp"], int)
    assert ("refresh_expires_in" in shown) == (sandbox.options.grant != "mtls")
    assert await ppaas(sandbox, "countries") == 0
    assert {"code": "BG", "display": "Bulgaria"} in json.loads(capsys.readouterr().out)
    assert await ppaas(sandbox, "call", "GET", "/terminal/v1/status") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"status": 200, "body": {"deviceId": "2097CD800001", "state": "IDLE"}}


async def test_the_lines_of_the_readme_do_what_they_say(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = re.findall(r"^nexo-bridge (ppaas .*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["token", "countries", "call"]
    for line in lines:
        words = shlex.split(line.replace("sandbox/bridge.toml", str(sandbox.config_path)))
        assert await asyncio.to_thread(main, words) == 0
        assert json.loads(capsys.readouterr().out)


async def test_a_call_may_carry_a_body_and_be_refused(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"format": "TEXT", "text": "Grüße"}
    assert await ppaas(sandbox, "call", "POST", "/terminal/v1/display", "--data", json.dumps(body)) == 0
    assert json.loads(capsys.readouterr().out) == {"status": 204, "body": None}
    assert sandbox.screens()[0]["text"] == "Grüße"
    file = tmp_path / "body.json"
    await asyncio.to_thread(file.write_text, json.dumps({**body, "text": "from a file"}))
    assert await ppaas(sandbox, "call", "POST", "/terminal/v1/display", "--data", f"@{file}") == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"format": "TEXT"}'))
    assert await ppaas(sandbox, "call", "POST", "/terminal/v1/display", "--data", "-") == 1
    assert '"BAD_REQUEST"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("call", "GET", "terminal/v1/status"),
        ("call", "GET", "//evil.example/"),
        ("call", "POST", "/x", "--data", "{"),
        ("call", "POST", "/x", "--data", "@/absent"),
    ],
)
async def test_a_wrong_word_is_one_line(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert await ppaas(sandbox, *words) == 78
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_terminal_that_is_not_there_and_a_platform_that_is_not(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ppaas(sandbox, "token", whose=("--terminal", "NONE")) == 78
    assert "there are POI00001" in capsys.readouterr().err
    sandbox.inject("token-down", times=9)
    assert await ppaas(sandbox, "countries") == 1
    assert "answered 503" in capsys.readouterr().err


async def test_an_application_has_its_own_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Sandbox(Options(state=tmp_path, terminals=1)) as sandbox:
        assert await ppaas(sandbox, "token", whose=("--application",)) == 78
        secret = tmp_path / "application.secret"
        secret.touch(mode=0o600)
        await asyncio.to_thread(secret.write_text, realms.APPLICATION_SECRET)
        with sandbox.config_path.open("a", encoding="utf-8") as file:
            file.write(APPLICATION)
        assert await ppaas(sandbox, "token", whose=("--application",)) == 0
        assert json.loads(capsys.readouterr().out)["expires_in"] == 18000
        assert await ppaas(sandbox, "countries", whose=("--application",)) == 0
        assert {"code": "BG", "display": "Bulgaria"} in json.loads(capsys.readouterr().out)
        data = ("POST", "/terminal/v1/display", "--data", '{"format": "TEXT", "text": "hello"}')
        assert await ppaas(sandbox, "call", *data, whose=("--application",)) == 1, "it is no device"
        assert json.loads(capsys.readouterr().out)["status"] == 401
        sandbox.inject("token-down")
        assert await ppaas(sandbox, "countries", whose=("--application",)) == 1
        assert "answered 503" in capsys.readouterr().err
