"""Each grant behind the platform's door: bases, session state, exchanged certificates, a clock that is off (F39)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.typing import EventDict

from nexo_bridge.adapters.ppaas_http import Clock, Platform, SessionState
from nexo_bridge.adapters.terminal_access import Access, CustomTokenAccess, PasswordAccess, TerminalAccess
from nexo_bridge.ppaas.grants import NoSessionError
from nexo_bridge.ppaas.models import Accepted, NotSent
from nexo_bridge.ppaas.operations import Call
from tests.adapters.scripted_platform import (
    COUNTRIES,
    SERIAL,
    TOKEN,
    Certificates,
    ScriptedPlatform,
    Silence,
    bases,
    http,
    scripted,
    write,
)
from tests.adapters.test_grants import CUSTOM, INVALID_GRANT, REALM_TOKEN, answer

ASK = Call("P1", "countries")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.make(tmp_path)


@pytest.fixture
async def platform(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    async with scripted(certificates) as platform:
        yield platform


@pytest.fixture
def merchant(tmp_path: Path) -> Path:
    path = tmp_path / "merchant.token"
    path.write_text("merchant.jwt", encoding="utf-8")
    return path


@pytest.fixture
def custom(tmp_path: Path, merchant: Path) -> CustomTokenAccess:
    return CustomTokenAccess(
        SERIAL, tmp_path / "P1.credential", "DX8000", f"ingenico-DX8000-{SERIAL}", merchant_token=merchant
    )


@pytest.fixture
def password(certificates: Certificates, tmp_path: Path) -> PasswordAccess:
    path = tmp_path / "user.password"
    path.write_text("hush", encoding="utf-8")
    return PasswordAccess(
        SERIAL,
        certificates.certificate,
        certificates.key,
        "cashier@shop",
        tmp_path / "P1.credential",
        password=path,
    )


@asynccontextmanager
async def ours(
    access: Access, platform: ScriptedPlatform, certificates: Certificates, clock: Clock | None = None
) -> AsyncIterator[Platform]:
    made = await asyncio.to_thread(
        Platform, {"P1": access}, bases(platform.port), ca=certificates.ca, clock=clock
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def open_door(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    """A platform that asks for no client certificate."""
    context = certificates.server()
    context.verify_mode = ssl.CERT_NONE
    async with scripted(certificates, context) as platform:
        yield platform


async def test_a_custom_token_goes_past_the_device_bases(
    custom: CustomTokenAccess, certificates: Certificates, open_door: ScriptedPlatform
) -> None:
    open_door.says(CUSTOM, answer("a-1", "r-1"))
    async with ours(custom, open_door, certificates) as made:
        assert isinstance(await made.perform(ASK), Accepted)
        state = made.session_state("P1")
    assert [request.base for request in open_door.requests] == ["auth", "api"]
    assert (state.ok, state.session_state, state.certificate_days) == (True, "state-1", None)
    assert state.ends_unused == pytest.approx(900, abs=60)


async def test_when_the_session_is_over_state_and_log_ask_for_a_person(
    custom: CustomTokenAccess,
    certificates: Certificates,
    open_door: ScriptedPlatform,
    logs: list[EventDict],
) -> None:
    open_door.says(CUSTOM, answer("a-1", "r-1"), http(401, {"code": "UNAUTHORISED"}))
    open_door.says(REALM_TOKEN, INVALID_GRANT)
    async with ours(custom, open_door, certificates) as made:
        await made.perform(ASK)
        made.refused("P1", "a-1")
        state = await made.probe("P1")
    assert (state.ok, state.person) == (False, True)
    assert 'run nexo-bridge login --terminal "P1"' in str(state.problem)
    assert [one["event"] for one in logs].count("device session needs a person") == 1


async def test_a_password_session_uses_the_device_bases_and_says_when_a_person_is_needed(
    password: PasswordAccess,
    certificates: Certificates,
    platform: ScriptedPlatform,
    logs: list[EventDict],
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1"), INVALID_GRANT)
    async with ours(password, platform, certificates) as made:
        assert isinstance(await made.perform(ASK), Accepted)
        assert [request.base for request in platform.requests] == ["device_auth", "device_api"]
        assert await made.bearer("P1") == "a-1"
        made.refused("P1", "a-1")
        found = await made.perform(ASK)
        state = made.session_state("P1")
    assert isinstance(found, NotSent)
    assert (state.ok, state.person) == (False, True)
    assert "user name or password is wrong: correct " in str(state.problem)
    assert "device session needs a person" in f"{logs}"
    assert "hush" not in f"{logs}"


async def test_a_certificate_exchanged_while_a_token_is_on_its_way_loses_neither(
    password: PasswordAccess, certificates: Certificates, platform: ScriptedPlatform
) -> None:
    silence = Silence(answer("a-1", "r-1"))
    platform.says(TOKEN, silence, answer("a-2", "r-2"))
    async with ours(password, platform, certificates) as made:
        running = asyncio.create_task(made.perform(ASK))
        await silence.begun.wait()
        renewed = certificates.authority.issue_cert("renewed.device.example")
        await asyncio.to_thread(write, renewed, certificates.certificate, certificates.key)
        await made.look_for_new_files("P1")
        silence.end.set()
        assert isinstance(await running, Accepted)
        assert isinstance(await made.perform(ASK), Accepted)
    assert [b"refresh_token=r-1" in request.body for request in platform.asked(TOKEN)] == [False]


async def test_any_call_of_a_person_uses_the_session(
    certificates: Certificates, platform: ScriptedPlatform
) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    platform.says(COUNTRIES, http(401), http(200, []))
    async with ours(access, platform, certificates) as made:
        assert (await made.send("P1", "GET", COUNTRIES)).status == 200
        assert platform.requests[-1].bearer == "token-2"
        assert (await made.send("P1", "POST", COUNTRIES, b"{}")).status == 200
        assert platform.requests[-1].headers["content-type"] == "application/json"
        with pytest.raises(KeyError):
            await made.send("P2", "GET", COUNTRIES)
        platform.says(TOKEN, http(503))
        made.refused("P1", "token-2")
        with pytest.raises(NoSessionError):
            await made.send("P1", "GET", COUNTRIES)


async def test_warnings_are_in_the_state_and_logged_once(
    certificates: Certificates, platform: ScriptedPlatform, logs: list[EventDict]
) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    leaf = certificates.authority.issue_cert("till", not_after=datetime(2040, 1, 1, tzinfo=UTC))
    await asyncio.to_thread(write, leaf, certificates.certificate, certificates.key)
    wall = [datetime(2039, 12, 1, tzinfo=UTC).timestamp()]
    async with ours(access, platform, certificates, Clock(wall=lambda: wall[0])) as made:
        assert made.session_state("P1").certificate_days == 31
        for days, times in ((0, 0), (10, 1), (10, 1), (20, 2), (25, 3), (30.5, 4)):
            wall[0] = datetime(2039, 12, 1, tzinfo=UTC).timestamp() + days * 86400
            state = await made.probe("P1")
            assert state.ok is True
            assert f"{logs}".count("the client certificate ends on 2040-01-01") == times
            assert len(state.warnings) == min(times, 1)


async def test_f39_a_clock_that_is_off_is_told_and_set_right_by_the_platform_s(
    certificates: Certificates, platform: ScriptedPlatform, logs: list[EventDict]
) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    real = datetime.now(UTC).replace(microsecond=0)
    date = f"Date: {real:%a, %d %b %Y %H:%M:%S} GMT\r\n"
    platform.says(COUNTRIES, http(200, [], headers=date))
    wall = [0.0]  # 1970 at boot
    async with ours(access, platform, certificates, Clock(wall=lambda: wall[0])) as made:
        before = made.session_state("P1")
        assert before.ok is False
        assert "valid only from" in str(before.problem)
        state = await made.probe("P1")
        assert (state.ok, state.problem) == (True, None)
        assert f"this machine's clock is {real.timestamp():.0f} s behind" in state.warnings[-1]
        assert [one["seconds"] for one in logs if one["event"] == "clock is off the platform"] == [
            round(real.timestamp())
        ]
        wall[0] = real.timestamp() + 600
        assert "600 s ahead of" in (await made.probe("P1")).warnings[-1]
        wall[0] = real.timestamp() + 2
        assert (await made.probe("P1")).warnings == ()
        assert "clock is right again" in f"{logs}"


async def test_another_configuration_begins_other_sessions_and_ends_old_ones(
    certificates: Certificates, platform: ScriptedPlatform, password: PasswordAccess
) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    silence = Silence(http(200, []))
    platform.says(COUNTRIES, silence, http(200, []))
    async with ours(access, platform, certificates) as made:
        running = asyncio.create_task(made.perform(ASK))
        await silence.begun.wait()
        await made.adopt(await made.prepare({"P2": access}))
        with pytest.raises(KeyError):
            made.session_state("P1")
        silence.end.set()
        assert isinstance(await running, Accepted)  # what was under way ended where it began
        assert isinstance(await made.perform(Call("P2", "countries")), Accepted)
        await made.adopt(await made.prepare({"P2": access}))
        assert made.session_state("P2").ok is True  # nothing has changed for it
        platform.says(TOKEN, answer("of-a-user", "r-1"))
        await made.adopt(await made.prepare({"P2": password}))
        assert await made.bearer("P2") == "of-a-user"


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (SessionState(ok=None), 30.0),
        (SessionState(ok=False, ends_unused=10), 30.0),
        (SessionState(ok=True), 300.0),
        (SessionState(ok=True, ends_unused=900), 300.0),
        (SessionState(ok=True, ends_unused=100), 50.0),
        (SessionState(ok=True, ends_unused=-5), 1.0),
    ],
)
def test_a_session_is_proved_again_before_its_refresh_token_ends(state: SessionState, seconds: float) -> None:
    assert state.pause(30.0, 300.0) == seconds
