from __future__ import annotations

from typing import Any

import jwt
import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.oauth import OAuthError, TokenOffice


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def office(clock: VirtualClock) -> TokenOffice:
    return TokenOffice(b"k" * 32, ["S1", "S2"], clock, token_life=300)


def _form(office: TokenOffice, serial: str, **changes: str) -> dict[str, str]:
    client = office.client(serial)
    form = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": client.secret}
    return form | changes


def _token(office: TokenOffice, serial: str) -> str:
    token: str = office.grant(_form(office, serial), serial)["access_token"]
    return token


def test_a_token_is_for_its_device_until_it_expires(office: TokenOffice, clock: VirtualClock) -> None:
    token = _token(office, "S1")
    assert office.device_of(token) == "S1"
    clock.advance(299)
    assert office.device_of(token) == "S1"
    clock.advance(1)
    assert office.device_of(token) is None


def test_the_answer_has_the_documented_fields(office: TokenOffice) -> None:
    answer = office.grant(_form(office, "S1"), "S1")
    assert answer.keys() >= {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_expires_in",
        "id_token",
        "scope",
    }
    assert answer["expires_in"] == 300
    assert answer["refresh_expires_in"] == 0


def test_a_restart_on_the_same_key_honours_old_tokens(office: TokenOffice, clock: VirtualClock) -> None:
    assert TokenOffice(b"k" * 32, ["S1"], clock).device_of(_token(office, "S1")) == "S1"
    assert TokenOffice(b"x" * 32, ["S1"], clock).device_of(_token(office, "S1")) is None
    assert TokenOffice(b"k" * 32, ["S2"], clock).device_of(_token(office, "S1")) is None


def test_an_id_token_or_a_foreign_one_opens_nothing(office: TokenOffice) -> None:
    assert office.device_of(office.grant(_form(office, "S1"), "S1")["id_token"]) is None
    assert office.device_of("not.a.token") is None
    assert office.device_of(jwt.encode({"device_id": "S1"}, "x" * 32, algorithm="HS256")) is None


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "device-S2"}, 401, "invalid_client"),
    ],
)
def test_refusals_are_named(office: TokenOffice, changes: dict[str, Any], status: int, error: str) -> None:
    with pytest.raises(OAuthError) as refused:
        office.grant(_form(office, "S1", **changes), "S1")
    assert (refused.value.status, refused.value.error) == (status, error)


def test_the_client_of_another_device_is_refused(office: TokenOffice) -> None:
    with pytest.raises(OAuthError):
        office.grant(_form(office, "S1"), "S2")


def test_a_renewed_secret_voids_the_old_one_but_not_the_tokens(office: TokenOffice) -> None:
    old, token = _form(office, "S1"), _token(office, "S1")
    office.renew_secret("S1")
    with pytest.raises(OAuthError):
        office.grant(old, "S1")
    assert office.device_of(token) == "S1"
    assert office.device_of(_token(office, "S1")) == "S1"
