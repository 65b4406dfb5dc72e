"""A person begins a session at the sandbox, and the bridge goes on with what was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.models import Accepted
from nexo_bridge.ppaas.operations import Call
from nexo_bridge.runtime.access import application_grant, credential_of, keys_of, platform_of
from nexo_bridge.runtime.login import Desk, LoginFailed, login, login_application
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.sandbox import realms
from nexo_bridge.sandbox.server import Sandbox
from tests.runtime.login_rig import POIID, Browser, sandbox_for, settings_of

APPLICATION = """
[application]
grant = "authorization_code"
realm = "sandbox-ma"
client_id = "sandbox-application"
client_secret = "application.secret"
"""


class Person:
    """At the desk: types what a test gives, and sends the browser where it is told to."""

    def __init__(self, browser: Browser | None = None, typed: str = "") -> None:
        self.told: list[str] = []
        self.asked: list[str] = []
        self._browser = browser
        self._typed = typed
        self.walk: asyncio.Task[str] | None = None

    def desk(self, *, paste: bool = False) -> Desk:
        return Desk(self._hear, self._type, paste=paste)

    def _hear(self, line: str) -> None:
        self.told.append(line)
        if self._browser is not None:
            self.walk = asyncio.create_task(self._browser.follow(self.url))

    @property
    def url(self) -> str:
        return self.told[-1].splitlines()[-1]

    def _type(self, question: str) -> str:
        self.asked.append(question)
        return self._typed


async def pays(settings: Settings) -> bool:
    """Whether a bridge started now has a session."""
    keys = await asyncio.to_thread(keys_of, settings)
    platform = await asyncio.to_thread(platform_of, settings, keys)
    try:
        return isinstance(await platform.perform(Call(POIID, "countries")), Accepted)
    finally:
        await platform.close()


async def test_a_password_is_asked_for_proved_and_kept(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "password") as (sandbox, path):
        settings = await settings_of(path)
        assert not await pays(settings)
        person = Person(typed=realms.PASSWORD)
        await login(settings, POIID, person.desk())
        assert person.asked == ["Password of merchant@sandbox-ma: "]
        assert await pays(settings)
        sandbox.end_sessions(POIID)
        assert await pays(settings)  # the password was kept too
        kept = credential_of(settings, POIID)
        assert kept.stat().st_mode & 0o777 == 0o600
        assert realms.PASSWORD.encode() not in kept.read_bytes()


@pytest.mark.parametrize("typed", ["wrong", ""])
async def test_a_wrong_password_is_not_kept(tmp_path: Path, typed: str) -> None:
    async with sandbox_for(tmp_path, "password") as (_, path):
        settings = await settings_of(path)
        with pytest.raises(LoginFailed):
            await login(settings, POIID, Person(typed=typed).desk())
        assert not credential_of(settings, POIID).exists()


async def test_a_browser_on_this_machine_comes_back_by_itself(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        settings = await settings_of(path)
        browser = Browser(sandbox)
        person = Person(browser)
        await login(settings, POIID, person.desk())
        assert person.walk is not None
        assert (await person.walk).startswith("http://127.0.0.1:")
        assert "The login is done" in browser.pages[0]
        assert "code_challenge_method=S256" in person.url
        assert credential_of(settings, POIID).stat().st_mode & 0o777 == 0o600
        assert await pays(settings)
        sandbox.end_sessions(POIID)
        assert not await pays(settings)  # only a person can begin another
        person = Person(Browser(sandbox))
        await login(settings, POIID, person.desk())
        assert await pays(settings)


async def test_a_person_who_says_no_is_heard(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        browser = Browser(sandbox, consent="no")
        person = Person(browser)
        with pytest.raises(LoginFailed, match="access_denied"):
            await login(await settings_of(path), POIID, person.desk())
        assert person.walk is not None
        await person.walk
        assert "was refused" in browser.pages[0]


async def _pasted(
    sandbox: Sandbox, settings: Settings, paste: Callable[[str], Coroutine[Any, Any, str]]
) -> None:
    """Log in with a browser elsewhere, whose last address ``paste`` makes of the first."""
    loop = asyncio.get_running_loop()
    told: list[str] = []

    def typed(_question: str) -> str:
        url = told[-1].splitlines()[-1]
        return asyncio.run_coroutine_threadsafe(paste(url), loop).result()

    await login(settings, POIID, Desk(told.append, typed, paste=True))


async def test_a_browser_elsewhere_has_its_last_address_pasted(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        settings = await settings_of(path)
        browser = Browser(sandbox)
        await _pasted(sandbox, settings, lambda url: browser.follow(url, back=False))
        assert browser.end.startswith("https://portal.demo.ppaas.tech?")
        assert await pays(settings)


async def test_a_merchant_token_may_be_pasted_instead(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        settings = await settings_of(path)
        person = Person(typed=sandbox.realms.merchant_token())
        await login(settings, POIID, person.desk(paste=True))
        assert await pays(settings)


@pytest.mark.parametrize("typed", ["made.up.token", "https://portal.demo.ppaas.tech/?code=x&state=other", ""])
async def test_what_is_pasted_wrongly_is_refused(tmp_path: Path, typed: str) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (_, path):
        settings = await settings_of(path)
        with pytest.raises(LoginFailed):
            await login(settings, POIID, Person(typed=typed).desk(paste=True))
        assert not credential_of(settings, POIID).exists()


async def test_where_nobody_is_needed_it_says_so(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "mtls") as (_, path):
        with pytest.raises(ConfigurationError, match='"mtls" needs no login'):
            await login(await settings_of(path), POIID, Person().desk())
        with pytest.raises(ConfigurationError, match="there are POI00001"):
            await login(await settings_of(path), "NONE", Person().desk())
        with pytest.raises(ConfigurationError, match="authorization_code"):
            await login_application(await settings_of(path), Person().desk())


async def test_a_password_in_a_file_needs_no_login(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "password") as (sandbox, _):
        with pytest.raises(ConfigurationError, match="nobody needs to log in"):
            await login(await settings_of(sandbox.config_path), POIID, Person().desk())


async def test_an_application_logs_in_at_its_realm(tmp_path: Path) -> None:
    secret = tmp_path / "application.secret"
    secret.touch(mode=0o600)
    secret.write_text(realms.APPLICATION_SECRET, encoding="utf-8")
    async with sandbox_for(tmp_path, "mtls", lambda text: text + APPLICATION) as (sandbox, path):
        settings = await settings_of(path)
        person = Person(Browser(sandbox))
        await login_application(settings, person.desk())
        assert person.walk is not None
        await person.walk
        keys = await asyncio.to_thread(keys_of, settings)
        grant = await asyncio.to_thread(application_grant, settings, keys)
        assert grant.rotates
