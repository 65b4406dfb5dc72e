"""Grants over real TLS: what is asked, what is kept, and when a person is needed (F34, F37)."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.typing import EventDict

from nexo_bridge.adapters.certificates import Files, load
from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.adapters.device_session import DeviceSession
from nexo_bridge.adapters.grants import (
    WRONG_PASSWORD_WAIT,
    ApplicationGrant,
    CustomDevice,
    CustomTokenBeginning,
    Grant,
    MtlsGrant,
    PasswordBeginning,
    RefreshingGrant,
    SessionOf,
    exchange,
    read_secret,
)
from nexo_bridge.adapters.https import HttpsClient, Timeouts
from nexo_bridge.ppaas.grants import NoSessionError, Token
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
    hang_up,
    http,
    scripted,
)

REALM_TOKEN = "/auth/realms/sandbox-ma/protocol/openid-connect/token"
CUSTOM = "/auth/realms/sandbox-ma/custom-token"
FULL = (
    b"username=cashier%40shop&password=hush+1&grant_type=password&client_id=ppaas-powered-app"
    b"&scope=openid+profile+email"
)
INVALID_GRANT = http(400, {"error": "invalid_grant", "error_description": "hush"})


def answer(bearer: str, refresh: str | None, **more: Any) -> bytes:
    said = {"access_token": bearer, "token_type": "Bearer", "expires_in": 300, **more}
    if refresh is not None:
        said = {"refresh_token": refresh, "refresh_expires_in": 900, "session_state": "state-1"} | said
    return http(200, said)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


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
def kept(tmp_path: Path) -> CredentialFile:
    return CredentialFile(tmp_path / "P1.credential", b"k" * 32, "P1")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "user.password"
    path.write_text("hush 1\n", encoding="utf-8")
    return path


@pytest.fixture
def password(platform: ScriptedPlatform, kept: CredentialFile, time: Time, password_file: Path) -> Grant:
    return password_grant(platform, kept, time, password_file)


def password_grant(
    platform: ScriptedPlatform, kept: CredentialFile, time: Time, file: Path | None
) -> RefreshingGrant:
    url = bases(platform.port).device_auth + TOKEN
    beginning = PasswordBeginning(
        url, "cashier@shop", file, monotonic=lambda: time.mono, person="run nexo-bridge login"
    )
    return RefreshingGrant(kept, url, "ppaas-powered-app", beginning)


def custom(platform: ScriptedPlatform, kept: CredentialFile, merchant: Path | None = None) -> RefreshingGrant:
    auth = bases(platform.port).auth
    beginning = CustomTokenBeginning(device(platform), merchant, person="run nexo-bridge login")
    return RefreshingGrant(kept, auth + REALM_TOKEN, "ppaas-portal", beginning)


def device(platform: ScriptedPlatform) -> CustomDevice:
    auth = bases(platform.port).auth
    return CustomDevice(auth, "sandbox-ma", "DX8000", "ingenico-DX8000-2097CD800007", "[api, device_flow]")


async def problem(grant: Grant, client: HttpsClient) -> NoSessionError:
    with pytest.raises(NoSessionError) as caught:
        await grant.fetch(client)
    assert "hush" not in str(caught.value)
    return caught.value


def forms(platform: ScriptedPlatform, path: str) -> list[bytes]:
    return [request.body for request in platform.asked(path)]


# -- mtls ---------------------------------------------------------------------------------------------------------


async def test_a_device_that_is_known_by_its_certificate_sends_no_serial_number(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    where = bases(platform.port)
    grant = MtlsGrant(SessionOf(SERIAL, where.auth, where.device_auth, send_serial=False))
    await grant.fetch(client)
    assert platform.asked(CREDENTIALS)[0].target == CREDENTIALS


async def test_a_renewed_secret_is_read_once_and_a_merchant_taken_away_is_said(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    where = bases(platform.port)
    grant = MtlsGrant(SessionOf(SERIAL, where.auth, where.device_auth, user_domain="dupont"))
    await grant.fetch(client)
    platform.says(TOKEN, http(401, {"error": "invalid_client"}))
    platform.says(CREDENTIALS, http(200, [{**MERCHANT, "userDomain": "durand"}]))
    assert "no merchant fits" in str(await problem(grant, client))
    assert len(platform.asked(CREDENTIALS)) == 2


# -- password -----------------------------------------------------------------------------------------------------


async def test_a_user_is_identified_once_and_then_refreshed(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1"), answer("a-2", "r-2"), answer("a-3", None))
    first = await password.fetch(client)
    assert (first.bearer, first.refresh_life, first.session_state) == ("a-1", 900.0, "state-1")
    assert (await asyncio.to_thread(kept.load)) == Credential(refresh="r-1", session_state="state-1")
    assert (await password.fetch(client)).bearer == "a-2"
    assert (await password.fetch(client)).bearer == "a-3"
    assert (
        await asyncio.to_thread(kept.load)
    ).refresh == "r-2"  # not rotated this time: the old one stays good
    assert forms(platform, TOKEN) == [
        FULL,
        b"client_id=ppaas-powered-app&refresh_token=r-1&grant_type=refresh_token",
        b"client_id=ppaas-powered-app&refresh_token=r-2&grant_type=refresh_token",
    ]
    assert platform.requests[0].base == "device_auth"


async def test_a_refresh_token_that_is_over_is_followed_by_a_full_grant(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="old"))
    platform.says(TOKEN, INVALID_GRANT, answer("a-1", "r-1"))
    assert (await password.fetch(client)).bearer == "a-1"
    assert (await asyncio.to_thread(kept.load)).refresh == "r-1"


async def test_a_full_grant_without_a_refresh_token_leaves_no_dead_one(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="old"))
    platform.says(TOKEN, INVALID_GRANT, answer("a-1", None))
    await password.fetch(client)
    assert (await asyncio.to_thread(kept.load)).refresh == ""


@pytest.mark.parametrize("reply", [http(503), http(429), hang_up, http(200, body=b"<html>")])
async def test_f34_a_token_endpoint_in_trouble_costs_no_refresh_token(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, reply: Any
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="r-0"))
    platform.says(TOKEN, reply, answer("a-1", "r-1"))
    assert not (await problem(password, client)).person
    assert (await asyncio.to_thread(kept.load)).refresh == "r-0"
    assert (await password.fetch(client)).bearer == "a-1"


async def test_a_wrong_password_is_not_tried_on_and_on(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, time: Time, password_file: Path
) -> None:
    platform.says(TOKEN, INVALID_GRANT, answer("a-1", "r-1"))
    wrong = await problem(password, client)
    assert wrong.person
    assert "user name or password is wrong" in str(wrong)
    assert (await problem(password, client)).person
    assert len(platform.asked(TOKEN)) == 1
    time.mono += WRONG_PASSWORD_WAIT
    assert (await password.fetch(client)).bearer == "a-1"


async def test_a_corrected_password_is_tried_at_once(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, password_file: Path
) -> None:
    platform.says(TOKEN, INVALID_GRANT, answer("a-1", "r-1"))
    await problem(password, client)
    await asyncio.to_thread(password_file.write_text, "hush 2")
    assert (await password.fetch(client)).bearer == "a-1"


async def test_a_platform_in_trouble_says_nothing_about_a_password(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform
) -> None:
    platform.says(TOKEN, http(503), answer("a-1", "r-1"))
    assert not (await problem(password, client)).person
    assert (await password.fetch(client)).bearer == "a-1"


async def test_without_a_file_the_password_of_the_login_is_used(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, time: Time
) -> None:
    grant = password_grant(platform, kept, time, None)
    assert (await problem(grant, client)).person
    await asyncio.to_thread(kept.save, Credential("somebody@else", "hush other"))
    assert (await problem(grant, client)).person
    assert platform.requests == []
    await asyncio.to_thread(kept.save, Credential("cashier@shop", "hush given"))
    platform.says(TOKEN, answer("a-1", "r-1"))
    await grant.fetch(client)
    assert b"password=hush+given" in forms(platform, TOKEN)[0]
    assert (await asyncio.to_thread(kept.load)) == Credential("cashier@shop", "hush given", "r-1", "state-1")


# -- what must outlive us (F37) -----------------------------------------------------------------------------------


async def test_f37_a_rotated_refresh_token_is_on_disk_before_anything_is_used(
    platform: ScriptedPlatform, client: HttpsClient, kept: CredentialFile, password_file: Path, time: Time
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1"), answer("a-2", "r-2"))
    grant = password_grant(platform, kept, time, password_file)
    await grant.fetch(client)
    # The daemon is killed as soon as it could use the token; another one begins.
    after = CredentialFile(kept.path, b"k" * 32, "P1")
    assert (await asyncio.to_thread(after.load)).refresh == "r-1"
    second = password_grant(platform, after, time, password_file)
    assert (await second.fetch(client)).bearer == "a-2"
    assert b"refresh_token=r-1&" in forms(platform, TOKEN)[1]


async def test_f37_a_refresh_token_that_cannot_be_saved_is_not_used_until_it_can(
    password: Grant,
    client: HttpsClient,
    platform: ScriptedPlatform,
    kept: CredentialFile,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[EventDict],
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1"), answer("a-2", "r-2"), answer("a-3", "r-3"))
    await password.fetch(client)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert (await password.fetch(client)).bearer == "a-2"  # the access token pays on
    assert [(one["event"], one["reason"]) for one in logs] == [
        ("refresh token cannot be saved", "No space left on device")
    ]
    assert "cannot be saved" in str(await problem(password, client))
    assert len(platform.asked(TOKEN)) == 2
    monkeypatch.undo()
    assert (await password.fetch(client)).bearer == "a-3"
    assert b"refresh_token=r-2&" in forms(platform, TOKEN)[2]


async def test_f37_a_login_meanwhile_wins_over_what_could_not_be_saved(
    password: Grant,
    client: HttpsClient,
    platform: ScriptedPlatform,
    kept: CredentialFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1"), answer("a-2", "r-2"))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    await password.fetch(client)
    monkeypatch.undo()
    await asyncio.to_thread(kept.save, Credential(refresh="of-the-login"))
    await password.fetch(client)
    assert b"refresh_token=of-the-login&" in forms(platform, TOKEN)[1]


async def test_f37_two_programs_never_show_one_refresh_token_twice(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, password_file: Path, time: Time
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="r-0"))
    silence = Silence(answer("a-1", "r-1"))
    platform.says(TOKEN, silence, answer("a-2", "r-2"))
    one = password_grant(platform, kept, time, password_file)
    two = password_grant(platform, CredentialFile(kept.path, b"k" * 32, "P1"), time, password_file)
    first = asyncio.create_task(one.fetch(client))
    await silence.begun.wait()
    second = asyncio.create_task(two.fetch(client))
    silence.end.set()
    assert [found.bearer for found in await asyncio.gather(first, second)] == ["a-1", "a-2"]
    assert [b"r-0" in form for form in forms(platform, TOKEN)] == [True, False]


async def test_f37_stopping_waits_for_a_refresh_token_on_its_way(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, time: Time
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="r-0"))
    silence = Silence(answer("a-1", "r-1"))
    platform.says(TOKEN, silence)
    session = DeviceSession(password, client, lambda: time.mono)
    waiting = asyncio.create_task(session.bearer())
    await silence.begun.wait()
    closing = asyncio.create_task(session.close())
    silence.end.set()
    await closing
    assert await waiting == "a-1"
    assert (await asyncio.to_thread(kept.load)).refresh == "r-1"
    assert session.session_state == "state-1"
    assert session.ends_unused == 900.0


async def test_a_refresh_token_that_ends_before_its_token_is_used_in_time(
    password: Grant, client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, time: Time
) -> None:
    platform.says(TOKEN, answer("a-1", "r-1", refresh_expires_in=100), answer("a-2", "r-2"))
    session = DeviceSession(password, client, lambda: time.mono)
    assert await session.bearer() == "a-1"
    time.mono += 79
    assert await session.bearer() == "a-1"
    assert len(platform.asked(TOKEN)) == 1
    time.mono += 1
    assert await session.bearer() == "a-1"
    await session.settled()
    assert await session.bearer() == "a-2"


async def test_a_credential_of_another_installation_asks_for_a_person(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, password: Grant
) -> None:
    await asyncio.to_thread(CredentialFile(kept.path, b"x" * 32, "P1").save, Credential(refresh="r"))
    assert (await problem(password, client)).person
    assert platform.requests == []


# -- custom token -------------------------------------------------------------------------------------------------


async def test_a_custom_token_is_had_for_the_merchant_s(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, tmp_path: Path
) -> None:
    merchant = tmp_path / "merchant.token"
    merchant.write_text("merchant.jwt\n", encoding="utf-8")
    platform.says(CUSTOM, answer("a-1", "r-1"))
    platform.says(REALM_TOKEN, answer("a-2", "r-2"))
    grant = custom(platform, kept, merchant)
    assert (await grant.fetch(client)).bearer == "a-1"
    assert (await grant.fetch(client)).bearer == "a-2"
    first, second = platform.requests
    assert (first.base, first.bearer) == ("auth", "merchant.jwt")
    assert first.body == (
        b"device_model=DX8000&device_id=ingenico-DX8000-2097CD800007&method=%5Bapi%2C+device_flow%5D"
    )
    assert second.body == b"client_id=ppaas-portal&refresh_token=r-1&grant_type=refresh_token"
    assert "authorization" not in second.headers


async def test_when_its_refresh_ends_a_person_is_asked_for(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, logs: list[EventDict]
) -> None:
    await asyncio.to_thread(kept.save, Credential(refresh="r-0"))
    platform.says(REALM_TOKEN, INVALID_GRANT)
    grant = custom(platform, kept)
    over = await problem(grant, client)
    assert over.person
    assert str(over) == "the session is over, a person must begin another: run nexo-bridge login"
    assert [(one["event"], one["file"]) for one in logs] == [("refresh token is over", kept.path.name)]
    await asyncio.to_thread(kept.save, Credential(refresh="of-the-login"))  # while the daemon runs
    platform.says(REALM_TOKEN, answer("a-1", "r-1"))
    assert (await grant.fetch(client)).bearer == "a-1"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_merchant_token_that_is_over_is_shown_once(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, tmp_path: Path, status: int
) -> None:
    merchant = tmp_path / "merchant.token"
    merchant.write_text("old.jwt", encoding="utf-8")
    platform.says(CUSTOM, http(status, {"code": "UNAUTHORISED"}), answer("a-1", "r-1"))
    grant = custom(platform, kept, merchant)
    over = await problem(grant, client)
    assert over.person
    assert "the merchant token in the file is over" in str(over)
    assert (await problem(grant, client)).person
    assert len(platform.asked(CUSTOM)) == 1
    merchant.write_text("new.jwt", encoding="utf-8")
    assert (await grant.fetch(client)).bearer == "a-1"


async def test_a_platform_in_trouble_says_nothing_about_a_merchant_token(
    client: HttpsClient, platform: ScriptedPlatform, kept: CredentialFile, tmp_path: Path
) -> None:
    merchant = tmp_path / "merchant.token"
    merchant.write_text("good.jwt", encoding="utf-8")
    platform.says(CUSTOM, http(503), answer("a-1", "r-1"))
    grant = custom(platform, kept, merchant)
    assert not (await problem(grant, client)).person
    assert (await grant.fetch(client)).bearer == "a-1"


async def test_what_cannot_be_a_token_is_not_sent(client: HttpsClient, platform: ScriptedPlatform) -> None:
    with pytest.raises(NoSessionError, match="is no token"):
        await exchange(client, device(platform), "two\r\nlines")
    assert platform.requests == []


# -- applications -------------------------------------------------------------------------------------------------


async def test_an_application_has_a_token_of_its_own(
    client: HttpsClient, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    secret = tmp_path / "application.secret"
    secret.write_text("hush", encoding="utf-8")
    platform.says(REALM_TOKEN, answer("app", None, expires_in=18000))
    grant = ApplicationGrant(bases(platform.port).auth, "sandbox-ma", "reporting", secret)
    assert await grant.fetch(client) == Token("app", 18000.0)
    assert forms(platform, REALM_TOKEN) == [
        b"client_id=reporting&client_secret=hush&grant_type=client_credentials"
    ]


def test_a_credential_file_has_one_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for content in (None, b"", b"\n", b"\xff"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(NoSessionError, match="put the credential there") as caught:
            read_secret(path)
        assert caught.value.person
