"""The device session: F33 to F36 as far as they concern tokens. What each grant asks is in ``test_grants``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from nexo_bridge.adapters.certificates import Files, load
from nexo_bridge.adapters.device_session import DeviceSession
from nexo_bridge.adapters.grants import MtlsGrant, SessionOf
from nexo_bridge.adapters.https import HttpsClient, Timeouts
from nexo_bridge.ppaas.grants import NoSessionError
from tests.adapters.scripted_platform import (
    CREDENTIALS,
    MERCHANT,
    SERIAL,
    TOKEN,
    Certificates,
    ScriptedPlatform,
    Silence,
    Time,
    bases,
    cut_at,
    hang_up,
    http,
    scripted,
    token,
)

INVALID_CLIENT = http(401, {"error": "invalid_client"})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def platform(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    async with scripted(certificates) as platform:
        yield platform


@pytest.fixture
async def client(certificates: Certificates) -> AsyncIterator[HttpsClient]:
    files = Files("test", certificates.certificate, certificates.key, ca=certificates.ca)
    client = HttpsClient((await asyncio.to_thread(load, files)).context, Timeouts())
    yield client
    await client.close()


@pytest.fixture
async def session(
    client: HttpsClient, platform: ScriptedPlatform, time: Time
) -> AsyncIterator[DeviceSession]:
    session = DeviceSession(MtlsGrant(whose(platform.port)), client, lambda: time.mono)
    yield session
    await session.close()


def whose(port: int, user_domain: str | None = None) -> SessionOf:
    where = bases(port)
    return SessionOf(SERIAL, where.auth, where.device_auth, user_domain=user_domain)


async def problem(session: DeviceSession) -> str:
    with pytest.raises(NoSessionError) as caught:
        await session.bearer()
    text = str(caught.value)
    assert "hush" not in text
    return text


async def settled() -> None:
    """Let a renewal in the background come to its end."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith("token-"):
            await asyncio.wait({task})


async def test_a_session_is_credentials_then_a_token(
    session: DeviceSession, platform: ScriptedPlatform
) -> None:
    assert session.age is None
    assert await session.bearer() == "token-1"
    assert session.age == 0.0
    first, second = platform.requests
    assert (first.base, first.method, first.target) == (
        "auth",
        "GET",
        f"{CREDENTIALS}?serial_number={SERIAL}",
    )
    assert (second.base, second.method, second.target) == ("device_auth", "POST", TOKEN)
    assert second.headers["content-type"] == "application/x-www-form-urlencoded"
    assert second.body == b"client_id=device-1&client_secret=hush-1&grant_type=client_credentials"
    assert "authorization" not in first.headers
    assert "authorization" not in second.headers


async def test_a_token_is_used_until_four_fifths_of_its_life_have_passed(
    session: DeviceSession, platform: ScriptedPlatform, time: Time
) -> None:
    await session.bearer()
    time.mono += 239.9
    assert await session.bearer() == "token-1"
    assert len(platform.asked(TOKEN)) == 1
    time.mono += 0.1
    assert await session.bearer() == "token-1"  # no call waits while the old one is still good
    await settled()
    assert await session.bearer() == "token-2"
    assert len(platform.asked(CREDENTIALS)) == 1
    assert len(platform.asked(TOKEN)) == 2


async def test_f34_a_renewal_that_fails_leaves_the_old_token_until_its_end(
    session: DeviceSession, platform: ScriptedPlatform, time: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    await session.bearer()
    assert session.trouble is None
    platform.says(TOKEN, http(503))
    time.mono += 299
    assert await session.bearer() == "token-1"
    await settled()
    assert session.trouble is not None
    assert "answered 503" in str(session.trouble[1])
    assert session.lives
    assert await session.bearer() == "token-1"
    await settled()
    assert capsys.readouterr().out.count("token not renewed") == 1
    time.mono += 1
    assert not session.lives
    assert "answered 503" in await problem(session)
    platform.says(TOKEN, token("recovered"))
    assert await session.bearer() == "recovered"
    assert session.trouble is None


async def test_f36_however_many_wait_one_renewal_runs(
    session: DeviceSession, platform: ScriptedPlatform
) -> None:
    silence = Silence(token("late"))
    platform.says(TOKEN, silence)
    waiting = [asyncio.create_task(session.bearer()) for _ in range(50)]
    await silence.begun.wait()
    waiting[0].cancel()
    silence.end.set()
    assert await asyncio.gather(*waiting[1:]) == ["late"] * 49
    assert len(platform.asked(TOKEN)) == 1
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_work_that_nobody_waits_for_is_known(
    session: DeviceSession, platform: ScriptedPlatform, time: Time
) -> None:
    await session.bearer()
    assert session.renewal is None
    silence = Silence(token("token-2"))
    platform.says(TOKEN, silence)
    time.mono += 299
    assert await session.bearer() == "token-1"
    assert session.renewal is not None
    time.mono += 1
    waiting = asyncio.create_task(session.bearer())
    await silence.begun.wait()
    assert session.renewal is None, "somebody waits for it now"
    silence.end.set()
    assert await waiting == "token-2"


async def test_f36_a_refused_token_is_replaced_once(
    session: DeviceSession, platform: ScriptedPlatform
) -> None:
    old = await session.bearer()
    session.refused(old)
    assert await session.bearer() == "token-2"
    session.refused(old)  # the second of two calls that were refused together
    assert await session.bearer() == "token-2"
    assert len(platform.asked(TOKEN)) == 2


async def test_a_renewed_client_secret_is_read_once_more(
    session: DeviceSession, platform: ScriptedPlatform
) -> None:
    session.refused(await session.bearer())
    platform.says(CREDENTIALS, http(200, [{**MERCHANT, "clientSecret": "hush-2"}]))
    platform.says(TOKEN, INVALID_CLIENT, token("with-new-secret"))
    assert await session.bearer() == "with-new-secret"
    assert len(platform.asked(CREDENTIALS)) == 2
    assert b"hush-2" in platform.requests[-1].body


async def test_a_client_that_stays_invalid_ends_the_session_until_asked_again(
    session: DeviceSession, platform: ScriptedPlatform
) -> None:
    session.refused(await session.bearer())
    platform.says(TOKEN, INVALID_CLIENT, INVALID_CLIENT, token("mended"))
    assert "INVALID_CLIENT" in await problem(session)
    assert len(platform.asked(CREDENTIALS)) == 2
    assert await session.bearer() == "mended"
    assert len(platform.asked(CREDENTIALS)) == 3


@pytest.mark.parametrize("expires_in", [0, -1, "soon", None])
async def test_f34_a_token_without_a_usable_life_is_good_for_one_call(
    session: DeviceSession, platform: ScriptedPlatform, expires_in: Any
) -> None:
    platform.says(TOKEN, token("short-1", expires_in), token("short-2", expires_in))
    assert [await session.bearer(), await session.bearer()] == ["short-1", "short-2"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (http(429), "answered 429"),
        (http(200, body=b"<html>login</html>"), "unreadable answer: not JSON"),
        (http(200, {"token_type": "Bearer"}), "no usable access_token"),
        (http(302, headers="Location: https://localhost/\r\n"), "answered 302"),
        (hang_up, "perhaps the platform refuses the client certificate"),
        (cut_at(60, token("cut")), "the connection failed"),
    ],
)
async def test_f34_a_token_endpoint_in_trouble_is_said_and_recovered_from(
    session: DeviceSession, platform: ScriptedPlatform, reply: Any, said: str
) -> None:
    platform.says(TOKEN, reply, token("recovered"))
    assert said in await problem(session)
    assert session.age is None
    assert await session.bearer() == "recovered"


@pytest.mark.parametrize("path", [TOKEN, CREDENTIALS])
@pytest.mark.parametrize("status", [429, 503])
async def test_f34_a_token_endpoint_that_asks_for_quiet_gets_it(
    session: DeviceSession, platform: ScriptedPlatform, time: Time, status: int, path: str
) -> None:
    platform.says(TOKEN, token("recovered"))
    platform.says(path, http(status, headers="Retry-After: 5\r\n"), *platform._script[path])
    assert f"answered {status}" in await problem(session)
    assert "to be left alone" in await problem(session)
    time.mono += 4.9
    assert "to be left alone" in await problem(session)
    assert len(platform.asked(path)) == 1
    time.mono += 0.1
    assert await session.bearer() == "recovered"


async def test_f34_while_it_asks_for_quiet_the_old_token_is_used(
    session: DeviceSession, platform: ScriptedPlatform, time: Time
) -> None:
    await session.bearer()
    platform.says(TOKEN, http(429, headers="Retry-After: 30\r\n"))
    time.mono += 250
    assert await session.bearer() == "token-1"
    await settled()
    assert [await session.bearer() for _ in range(3)] == ["token-1"] * 3
    assert len(platform.asked(TOKEN)) == 2


async def test_new_connections_need_a_new_token_and_a_renewal_ends_on_the_old_ones(
    session: DeviceSession, certificates: Certificates, platform: ScriptedPlatform
) -> None:
    silence = Silence(token("from-the-old-ones"))
    platform.says(TOKEN, silence, token("from-the-new-ones"))
    waiting = asyncio.create_task(session.bearer())
    await silence.begun.wait()
    files = Files("test", certificates.certificate, certificates.key, ca=certificates.ca)
    other = HttpsClient((await asyncio.to_thread(load, files)).context, Timeouts())
    session.use(other)
    ended = asyncio.create_task(session.settled())
    silence.end.set()
    await ended
    assert await waiting == "from-the-old-ones"
    session.use(other)
    assert await session.bearer() == "from-the-new-ones"
    await session.settled()
    await other.close()


async def test_of_several_merchants_the_settings_choose(
    client: HttpsClient, platform: ScriptedPlatform, time: Time
) -> None:
    other = {**MERCHANT, "merchantName": "Durand", "userDomain": "durand", "clientId": "device-2"}
    platform.says(CREDENTIALS, http(200, [MERCHANT, other]))
    undecided = DeviceSession(MtlsGrant(whose(platform.port)), client, lambda: time.mono)
    assert "Dupont (dupont), Durand (durand)" in await problem(undecided)
    decided = DeviceSession(MtlsGrant(whose(platform.port, user_domain="durand")), client, lambda: time.mono)
    await decided.bearer()
    assert platform.requests[-1].body.startswith(b"client_id=device-2&")


async def test_f33_a_platform_that_refuses_our_certificate(
    client: HttpsClient, certificates: Certificates, time: Time
) -> None:
    async with scripted(certificates, certificates.server(trusts=trustme.CA())) as stranger:
        session = DeviceSession(MtlsGrant(whose(stranger.port)), client, lambda: time.mono)
        assert "perhaps the platform refuses the client certificate" in await problem(session)


async def test_f30_a_platform_that_is_not_there(client: HttpsClient, time: Time) -> None:
    where = SessionOf(SERIAL, "https://nowhere.invalid", "https://nowhere.invalid")
    assert "(DNS)" in await problem(DeviceSession(MtlsGrant(where), client, lambda: time.mono))


async def test_closing_ends_a_renewal(session: DeviceSession, platform: ScriptedPlatform) -> None:
    silence = Silence()
    platform.says(TOKEN, silence)
    waiting = asyncio.create_task(session.bearer())
    await silence.begun.wait()
    await session.close()
    with pytest.raises(NoSessionError, match="stopping"):
        await waiting
