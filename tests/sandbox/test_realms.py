from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nexo_bridge.sandbox import realms as r
from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.oauth import OAuthError, TokenOffice
from nexo_bridge.sandbox.realms import Realms

USER = {"username": r.USERNAME, "password": r.PASSWORD, "client_id": r.POWERED_APP}
DEVICE = {"device_model": "DX8000", "device_id": "ingenico-DX8000-S1", "method": "[api, device_flow]"}
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:4711/back"
ASKED = {
    "response_type": "code",
    "client_id": r.PORTAL,
    "redirect_uri": BACK,
    "scope": "openid",
    "state": "st<>",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def office(clock: VirtualClock) -> TokenOffice:
    return TokenOffice(b"k" * 32, ["S1", "S2"], clock)


@pytest.fixture
def realms(office: TokenOffice, clock: VirtualClock) -> Realms:
    return Realms(office, clock)


def refused(call: Any, *words: Any, **more: Any) -> str:
    with pytest.raises(OAuthError) as caught:
        call(*words, **more)
    return caught.value.error


def shown(answer: dict[str, Any], client: str = r.POWERED_APP) -> dict[str, str]:
    return {"client_id": client, "refresh_token": answer["refresh_token"], "grant_type": "refresh_token"}


def test_a_user_is_identified_at_a_device(realms: Realms, office: TokenOffice) -> None:
    answer = realms.password(USER, "S1")
    assert office.device_of(answer["access_token"]) == "S1"
    assert office.is_bound(answer["access_token"])
    assert (answer["expires_in"], answer["refresh_expires_in"]) == (300, 900)
    assert answer["session_state"]
    assert refused(realms.password, {**USER, "password": "x"}, "S1") == "invalid_grant"
    assert refused(realms.password, {**USER, "username": "x"}, "S1") == "invalid_grant"
    assert refused(realms.password, {**USER, "client_id": "x"}, "S1") == "invalid_client"


def test_refresh_tokens_rotate_and_live_from_their_last_use(realms: Realms, clock: VirtualClock) -> None:
    answer = realms.password(USER, "S1")
    for _ in range(3):
        clock.advance(899)
        answer = realms.refresh(shown(answer), "S1")
    clock.advance(900)
    assert refused(realms.refresh, shown(answer), "S1") == "invalid_grant"


def test_one_that_is_shown_twice_ends_the_session(realms: Realms) -> None:
    first = realms.password(USER, "S1")
    second = realms.refresh(shown(first), "S1")
    assert refused(realms.refresh, shown(first), "S1") == "invalid_grant"
    assert refused(realms.refresh, shown(second), "S1") == "invalid_grant"


def test_a_refresh_token_is_of_its_client_and_its_device(realms: Realms) -> None:
    answer = realms.password(USER, "S1")
    assert refused(realms.refresh, shown(answer), "S2") == "invalid_grant"
    assert refused(realms.refresh, shown(answer), None) == "invalid_grant"
    assert refused(realms.refresh, shown(answer, r.PORTAL), "S1") == "invalid_grant"
    assert refused(realms.refresh, {"refresh_token": "made.up"}, "S1") == "invalid_grant"
    assert realms.refresh(shown(answer), "S1")["access_token"]


def test_sessions_of_a_device_can_be_ended(realms: Realms) -> None:
    answer, other = realms.password(USER, "S1"), realms.password(USER, "S2")
    assert realms.owner(shown(answer)) == "S1"
    assert realms.end_sessions("S1") == 1
    assert realms.owner(shown(answer)) is None
    assert refused(realms.refresh, shown(answer), "S1") == "invalid_grant"
    assert realms.refresh(shown(other), "S2")["access_token"]


def test_an_application_has_a_long_token_and_no_refresh(realms: Realms, office: TokenOffice) -> None:
    form = {"client_id": r.APPLICATION, "client_secret": r.APPLICATION_SECRET}
    answer = realms.client_credentials(form)
    assert answer["expires_in"] == 18000
    assert "refresh_token" not in answer
    assert office.device_of(answer["access_token"]) is None
    assert refused(realms.client_credentials, {**form, "client_secret": "x"}) == "invalid_client"
    assert refused(realms.client_credentials, {**form, "client_id": r.PORTAL}) == "invalid_client"


def test_a_custom_token_is_a_device_s_without_a_certificate(realms: Realms, office: TokenOffice) -> None:
    merchant = realms.merchant_token()
    assert office.device_of(merchant) is None
    answer = realms.custom_token(merchant, DEVICE)
    assert office.device_of(answer["access_token"]) == "S1"
    assert not office.is_bound(answer["access_token"])
    assert office.is_bound("made.up.token")
    again = realms.refresh(shown(answer, r.PORTAL), None)
    assert office.device_of(again["access_token"]) == "S1"


@pytest.mark.parametrize(
    "changes",
    [{"device_id": "ingenico-DX8000-S9"}, {"device_id": "S1"}, {"device_model": ""}, {"method": ""}],
)
def test_a_custom_token_needs_a_device_that_exists(realms: Realms, changes: dict[str, str]) -> None:
    assert refused(realms.custom_token, realms.merchant_token(), {**DEVICE, **changes}) == "invalid_request"


def test_a_custom_token_needs_a_merchant_s(realms: Realms, clock: VirtualClock) -> None:
    merchant = realms.merchant_token()
    device = realms.custom_token(merchant, DEVICE)["access_token"]
    application = realms.client_credentials(
        {"client_id": r.APPLICATION, "client_secret": r.APPLICATION_SECRET}
    )["access_token"]
    for bearer in ("", "made.up", device, application):
        assert refused(realms.custom_token, bearer, DEVICE) == "invalid_token"
    clock.advance(18000)
    assert refused(realms.custom_token, merchant, DEVICE) == "invalid_token"


def consented(realms: Realms, **changes: str) -> dict[str, list[str]]:
    form = {**ASKED, "username": r.USERNAME, "password": r.PASSWORD, "consent": "yes", **changes}
    redirect = realms.consent(form)
    assert redirect.startswith(f"{form['redirect_uri']}?")
    return parse_qs(urlsplit(redirect).query)


def exchanged(code: str, **changes: str) -> dict[str, str]:
    form = {"client_id": r.PORTAL, "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return {**form, **changes}


def test_a_person_says_yes_and_the_code_is_good_once(realms: Realms, office: TokenOffice) -> None:
    page = realms.page(ASKED)
    assert "st&lt;&gt;" in page
    assert set(re.findall(r'name="(\w+)"', page)) == {*ASKED, "username", "password", "consent"}
    back = consented(realms)
    assert back["state"] == ["st<>"]
    answer = realms.code(exchanged(back["code"][0]))
    claims = office.claims(answer["access_token"])
    assert claims is not None
    assert claims["azp"] == r.PORTAL
    assert refused(realms.code, exchanged(back["code"][0])) == "invalid_grant"


def test_a_person_says_no(realms: Realms) -> None:
    back = consented(realms, consent="no")
    assert (back["error"], back["state"]) == (["access_denied"], ["st<>"])


def test_a_wrong_password_sends_nobody_anywhere(realms: Realms) -> None:
    assert refused(realms.consent, {**ASKED, "username": "x", "consent": "yes"}) == "access_denied"


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "w" * 64}, {"redirect_uri": "http://127.0.0.1:1/"}, {"client_id": r.APPLICATION}],
)
def test_a_code_is_of_whoever_asked_for_it(realms: Realms, changes: dict[str, str]) -> None:
    assert refused(realms.code, exchanged(consented(realms)["code"][0], **changes)) == "invalid_grant"


def test_a_code_is_soon_over(realms: Realms, clock: VirtualClock) -> None:
    code = consented(realms)["code"][0]
    clock.advance(60)
    assert refused(realms.code, exchanged(code)) == "invalid_grant"


def test_an_application_shows_its_secret_for_a_code_and_for_a_refresh(realms: Realms) -> None:
    ours = {"client_id": r.APPLICATION}
    code = consented(realms, **ours)["code"][0]
    assert refused(realms.code, exchanged(code, **ours)) == "invalid_client"
    code = consented(realms, **ours)["code"][0]
    answer = realms.code(exchanged(code, **ours, client_secret=r.APPLICATION_SECRET))
    form = shown(answer, r.APPLICATION)
    assert refused(realms.refresh, form, None) == "invalid_client"
    assert realms.refresh({**form, "client_secret": r.APPLICATION_SECRET}, None)["access_token"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": r.POWERED_APP}, "unauthorized_client"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": "http://localhost/"}, "invalid_request"),
        ({"redirect_uri": "http://[::1"}, "invalid_request"),
        ({"response_type": "token"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
    ],
)
def test_what_may_not_be_asked_shows_no_page(realms: Realms, changes: dict[str, str], error: str) -> None:
    assert refused(realms.page, {**ASKED, **changes}) == error


def test_the_portal_s_own_callback_is_good(realms: Realms) -> None:
    assert consented(realms, redirect_uri=r.PORTAL_CALLBACK)["code"]
