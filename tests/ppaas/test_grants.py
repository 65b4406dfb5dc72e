from __future__ import annotations

import json
from typing import Any

import pytest

from nexo_bridge.ppaas import grants
from nexo_bridge.ppaas.grants import Merchant, NoSessionError

ONE = {"merchantName": "Dupont", "userDomain": "dupont", "clientId": "id", "clientSecret": "hush"}
TWO = (Merchant("Dupont", "d", "1", "a"), Merchant("Durand", "r", "2", "b"))


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_credentials_are_read_and_odd_entries_left_out() -> None:
    found = grants.merchants(200, {}, body([ONE, "odd", {"clientId": 1}, {**ONE, "merchantName": None}]))
    assert found == (Merchant("Dupont", "dupont", "id", "hush"), Merchant("", "dupont", "id", "hush"))
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (401, b"", "answered 401 HTTP_401"),
        (404, body({"code": "NOT_FOUND"}), "answered 404 NOT_FOUND"),
        (200, b"<html>", "unreadable answer: not JSON"),
        (200, body(ONE), "no array"),
        (200, body([]), "no merchant for this device"),
        (200, body([{**ONE, "clientSecret": ""}]), "no merchant for this device"),
    ],
)
def test_credentials_that_are_none(status: int, content: bytes, said: str) -> None:
    with pytest.raises(NoSessionError, match=said):
        grants.merchants(status, {}, content)


def test_the_only_merchant_needs_no_choice_and_settings_choose_among_several() -> None:
    assert grants.choose(TWO[:1], None, None) is TWO[0]
    assert grants.choose(TWO, "Durand", None) is TWO[1]
    assert grants.choose(TWO, None, "d") is TWO[0]


@pytest.mark.parametrize(
    ("name", "domain", "said"),
    [(None, None, "several"), ("Dupont", "r", "no merchant fits"), ("Durant", None, "no merchant fits")],
)
def test_a_choice_that_fails_lists_the_names(name: str | None, domain: str | None, said: str) -> None:
    with pytest.raises(NoSessionError, match=said) as caught:
        grants.choose(TWO, name, domain)
    assert "Dupont (d), Durand (r)" in str(caught.value)


def test_a_token_is_read_and_not_printed() -> None:
    token = grants.token(200, {}, body({"access_token": "ey.J", "token_type": "Bearer", "expires_in": 300}))
    assert (token.bearer, token.life) == ("ey.J", 300.0)
    assert "ey.J" not in repr(token)


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        *(
            (300, 300.0),
            (300.5, 300.5),
            ("300", 300.0),
            (0, 0.0),
            (-5, 0.0),
            ("-5", 0.0),
            ("soon", 0.0),
            (None, 0.0),
        ),
        *((True, 0.0), ([], 0.0), (10**12, 86400.0), ("9" * 9, 86400.0), ("9" * 5000, 0.0), ("٣", 0.0)),
    ],
)
def test_every_odd_life_of_a_token_is_taken(expires_in: Any, life: float) -> None:
    assert grants.life(expires_in) == life


@pytest.mark.parametrize(
    ("status", "content", "said", "invalid_client"),
    [
        (400, body({"error": "invalid_client"}), "answered 400 INVALID_CLIENT", True),
        (401, body({"error": "invalid_client"}), "answered 401 INVALID_CLIENT", True),
        (400, body({"error": "invalid_grant"}), "answered 400 INVALID_GRANT", False),
        (429, b"", "answered 429 HTTP_429", False),
        (503, body({"error": "invalid_client"}), "answered 503", False),
        (302, b"", "answered 302", False),
        (200, b"<html>", "unreadable", False),
        (200, body([]), "no usable access_token", False),
        (200, body({"expires_in": 300}), "no usable access_token", False),
        (200, body({"access_token": ""}), "no usable access_token", False),
        (200, body({"access_token": "a\r\nb"}), "no usable access_token", False),
        (200, body({"access_token": 5}), "no usable access_token", False),
    ],
)
def test_a_token_endpoint_that_gives_none(
    status: int, content: bytes, said: str, invalid_client: bool
) -> None:
    with pytest.raises(NoSessionError, match=said) as caught:
        grants.token(status, {}, content)
    assert caught.value.invalid_client is invalid_client


def test_requests_are_as_documented() -> None:
    assert grants.credentials_query("a b").endswith("merchants-credentials?serial_number=a+b")
    form = grants.token_form(Merchant("", "", "i d", "h&h"))
    assert form == b"client_id=i+d&client_secret=h%26h&grant_type=client_credentials"


def test_a_device_that_is_known_by_its_certificate_is_asked_without_a_number() -> None:
    assert grants.credentials_query(None) == "/oauth2-mtls/v1/merchants-credentials"


def test_a_refresh_token_is_read_and_not_printed() -> None:
    answer = {"access_token": "a", "expires_in": 300, "refresh_token": "re.f", "refresh_expires_in": 900}
    token = grants.token(200, {}, body({**answer, "session_state": "s-1\n"}))
    assert (token.refresh, token.refresh_life) == ("re.f", 900.0)
    assert token.session_state == "s-1\N{REPLACEMENT CHARACTER}"
    assert "re.f" not in repr(token)


@pytest.mark.parametrize("odd", [5, "a b", "", None, "x" * 20000])
def test_an_odd_refresh_token_is_none(odd: Any) -> None:
    token = grants.token(200, {}, body({"access_token": "a", "refresh_token": odd, "session_state": odd}))
    assert token.refresh == ""


def test_a_grant_that_is_no_longer_good_is_told_from_a_client_that_is_not() -> None:
    with pytest.raises(NoSessionError) as caught:
        grants.token(400, {}, body({"error": "invalid_grant"}))
    assert caught.value.invalid_grant
    assert not caught.value.invalid_client


DATE = {"date": "Tue, 24 Nov 2026 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "86400"}, 60.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 00:00:07 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 00:00:07 GMT", **DATE}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 00:00:00 GMT", **DATE}, 0.0),
        ({"retry-after": "9" * 5000}, 0.0),
    ],
)
def test_f34_how_long_a_platform_asks_to_be_left_alone(headers: dict[str, str], seconds: float) -> None:
    assert grants.retry_after(headers) == seconds
    for read in (grants.token, grants.merchants):
        for status in (429, 503, 500):
            with pytest.raises(NoSessionError) as caught:
                read(status, headers, b"")
            assert caught.value.retry_after == (seconds if status != 500 else 0.0)


def test_f39_the_platform_says_what_time_it_is() -> None:
    assert grants.server_time(DATE) == 1795478400.0
    assert grants.server_time({"date": "Tue, 24 Nov 2026 00:00:00 -0000"}) == 1795478400.0
    assert grants.server_time({"date": "99 Nov"}) is None
    assert grants.server_time({}) is None
