from __future__ import annotations

import asyncio
import ssl
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.sandbox.server import Options, Sandbox

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]


async def test_the_written_settings_reach_this_sandbox(sandbox: Sandbox) -> None:
    settings = tomllib.loads(sandbox.config_path.read_text())
    assert settings["platform"]["device_api"] == sandbox.api_url
    assert {name: settings["platform"][name] for name in sandbox.bases} == sandbox.bases
    terminal = settings["terminals"]["POI00003"]
    folder = sandbox.config_path.parent
    tls = ssl.create_default_context(cafile=str(folder / settings["platform"]["ca"]))
    tls.load_cert_chain(folder / terminal["certificate"], folder / terminal["key"])
    async with httpx.AsyncClient(verify=tls) as client:
        answer = await client.get(
            f"{settings['platform']['auth']}/oauth2-mtls/v1/merchants-credentials",
            params={"serial_number": terminal["serial"]},
        )
    assert answer.status_code == 200


async def test_a_restart_keeps_certificates_and_sessions(tmp_path: Path) -> None:
    state = tmp_path / "with blank"
    async with Sandbox(Options(state=state)) as first:
        before = {path.name: path.read_bytes() for path in (state / "certificates").iterdir()}
        text = first.config_path.read_text()
    async with Sandbox(Options(state=state)) as second:
        assert {path.name: path.read_bytes() for path in (state / "certificates").iterdir()} == before
        assert second.config_path == first.config_path
        assert second.api_url in second.config_path.read_text()
        assert second.config_path.read_text() != text


async def test_terminals_by_the_hundred(tmp_path: Path) -> None:
    async with Sandbox(Options(state=tmp_path, terminals=200)) as sandbox:
        assert sandbox.poiids[-1] == "POI00200"
        assert len(sandbox.terminals()) == 200
        settings = await asyncio.to_thread(load_settings, sandbox.config_path, {})
        assert tuple(settings.terminals) == tuple(sandbox.poiids)


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with Sandbox(Options(state=tmp_path / "a")) as first:
        taken = int(first.api_url.rpartition(":")[2])
        second = Sandbox(Options(state=tmp_path / "b", port=taken))
        with pytest.raises(ConfigurationError, match="cannot listen"):
            await second.start()


async def test_a_state_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigurationError, match="--state"):
        await Sandbox(Options(state=tmp_path / "state")).start()


async def test_a_renewed_secret_voids_the_old_one(sandbox: Sandbox, connect: Enter) -> None:
    client = await connect("POI00001")
    url = f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials"
    before = (await client.get(url)).json()
    sandbox.renew_secret("POI00001")
    assert (await client.get(url)).json() != before


async def test_without_a_state_folder_there_is_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sandbox = Sandbox()
    await sandbox.close()
    async with sandbox:
        assert sandbox.config_path.is_relative_to(tmp_path)
        assert sandbox.deliver_late() == 0


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
async def test_a_time_that_is_none_is_refused(sandbox: Sandbox, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        sandbox.set_think(seconds)
