"""Whole payments with each grant, and credentials that change under them (F33 to F37, I1 to I3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.runtime.access import credential_of
from nexo_bridge.sandbox.clock import LoopClock
from tests.faults.stage import KEYS, POIID, Stage, stage

GRANTS = ("mtls", "password", "custom_token")
REFRESHED = ("password", "custom_token")
SERIAL = "2097CD800001"


def credential(it: Stage) -> CredentialFile:
    return CredentialFile(credential_of(it.settings, POIID), KEYS.credentials, POIID)


async def kept(it: Stage) -> Credential:
    return await asyncio.to_thread(credential(it).load)


@pytest.mark.parametrize("qr", [False, True])
@pytest.mark.parametrize("grant", GRANTS)
async def test_a_payment_with_each_grant(tmp_path: Path, grant: str, *, qr: bool) -> None:
    async with stage(tmp_path, grant=grant) as it:
        till = await it.logged_in()
        answer = await till.pay("11", "12.50", qr=qr)
        assert (answer.result, answer.amount) == ("Success", "12.50")
        assert (await till.pay("12", "12.05", qr=qr)).result == "Failure"  # the issuer refuses
        state = it.platform.session_state(POIID)
        assert state.ok is True
        assert bool(state.session_state) == (grant != "mtls")
        await it.usable(till)


@pytest.mark.parametrize("grant", GRANTS)
async def test_f35_a_token_that_ends_during_a_payment(tmp_path: Path, grant: str) -> None:
    async with stage(tmp_path, grant=grant, token_life=2) as it:
        till = await it.logged_in()
        assert (await till.pay("11", "12.62")).result == "Success"  # the customer takes half a minute
        await it.usable(till)


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("fault", ["token-down", "token-429", "token-html", "token-without-token"])
async def test_f34_a_token_endpoint_in_trouble_costs_one_payment_and_no_money(
    tmp_path: Path, grant: str, fault: str
) -> None:
    async with stage(tmp_path, grant=grant) as it:
        till = await it.logged_in()
        assert (await till.pay("11", "12.50")).result == "Success"
        await it.advance(301)
        it.sandbox.inject(fault, POIID)
        answer = await till.pay("12", "12.50")
        assert (answer.result, answer.code, answer.retry) == ("Failure", "NB-311", "yes")
        assert len(it.sandbox.ledger()) == 1
        await it.advance(5)
        await it.usable(till)


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize(
    "fault", ["token-life-missing", "token-life-zero", "token-life-negative", "token-life-string"]
)
async def test_f34_a_token_without_a_life_pays(tmp_path: Path, grant: str, fault: str) -> None:
    async with stage(tmp_path, grant=grant) as it:
        it.sandbox.inject(fault, POIID, 3)
        till = await it.logged_in()
        assert (await till.pay("11", "12.50")).result == "Success"
        await it.usable(till)


@pytest.mark.parametrize("grant", REFRESHED)
async def test_f37_killed_after_each_rotation_the_session_goes_on(tmp_path: Path, grant: str) -> None:
    async with stage(tmp_path, grant=grant) as it:
        shown: list[str] = []
        for service in ("11", "12", "13"):
            till = await it.logged_in()
            assert (await till.pay(service, "12.50")).result == "Success"
            shown.append((await kept(it)).refresh)
            await it.restart()  # access tokens are in memory only
        assert len(set(shown)) == 3
        family = {token.partition(".")[0] for token in shown}
        assert len(family) == 1  # one session at the platform: each start went on with the token on disk
        await it.usable(await it.logged_in())


async def test_f37_an_answer_lost_after_a_rotation_is_followed_by_a_full_grant(tmp_path: Path) -> None:
    async with stage(tmp_path, grant="password") as it:
        till = await it.logged_in()
        assert (await till.pay("11", "12.50")).result == "Success"
        before = (await kept(it)).session_state
        await it.advance(301)
        it.sandbox.inject("lose-refresh-answer", POIID)
        assert (await till.pay("12", "12.50")).result == "Failure"
        await it.usable(till)
        assert (await kept(it)).session_state != before


async def test_when_refresh_ends_payments_wait_for_a_person_and_go_on_after_a_login(tmp_path: Path) -> None:
    def by_hand(text: str) -> str:
        return text.replace('merchant_token = "merchant.token"\n', "")

    async with stage(tmp_path, grant="custom_token", edit=by_hand) as it:
        till = await it.logged_in()
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.code) == ("Failure", "NB-311")
        state = it.platform.session_state(POIID)
        assert (state.ok, state.person) == (False, True)
        assert f'run nexo-bridge login --terminal "{POIID}"' in str(state.problem)
        found = it.sandbox.realms.custom_token(
            it.sandbox.realms.merchant_token(),
            {"device_model": "DX8000", "device_id": f"ingenico-DX8000-{SERIAL}", "method": "x"},
        )
        await asyncio.to_thread(credential(it).save, Credential(refresh=found["refresh_token"]))
        await it.usable(till)


@pytest.mark.parametrize("grant", REFRESHED)
async def test_a_session_ended_at_the_platform_is_begun_again(tmp_path: Path, grant: str) -> None:
    async with stage(tmp_path, grant=grant) as it:
        till = await it.logged_in()
        await it.usable(till)
        assert it.sandbox.end_sessions(POIID) == 1
        await it.advance(301)
        await it.usable(till)


async def test_a_secret_renewed_and_a_token_refused_during_a_payment(tmp_path: Path) -> None:
    async with stage(tmp_path, token_life=5) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        it.sandbox.renew_secret(POIID)
        await it.advance(10)
        it.sandbox.inject("unauthorised-once", POIID)
        it.sandbox.release(POIID, "approve")
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)


@pytest.mark.parametrize("grant", ["mtls", "password"])
async def test_f33_a_certificate_replaced_during_a_payment(tmp_path: Path, grant: str) -> None:
    async with stage(tmp_path, grant=grant) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        later = LoopClock().now().replace(year=LoopClock().now().year + 5)
        await asyncio.to_thread(it.sandbox.authority.client, POIID, SERIAL, valid_until=later)
        await it.platform.look_for_new_files(POIID)
        assert (it.platform.session_state(POIID).certificate_days or 0) > 1000
        it.sandbox.release(POIID, "approve")
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)
