from __future__ import annotations

import pytest

from nexo_bridge.ppaas import token_requests
from nexo_bridge.ppaas.grants import NoSessionError


def test_forms_have_the_documented_fields_in_the_documented_order() -> None:
    assert token_requests.password_form(
        "cashier@shop", "h&h", "ppaas-powered-app", "openid profile email"
    ) == (
        b"username=cashier%40shop&password=h%26h&grant_type=password&client_id=ppaas-powered-app"
        b"&scope=openid+profile+email"
    )
    assert token_requests.custom_token_form("DX8000", "ingenico-DX8000-1", "[api, device_flow]") == (
        b"device_model=DX8000&device_id=ingenico-DX8000-1&method=%5Bapi%2C+device_flow%5D"
    )
    assert token_requests.application_form("app", "hush") == (
        b"client_id=app&client_secret=hush&grant_type=client_credentials"
    )


def test_a_confidential_client_shows_its_secret_and_a_public_one_has_none() -> None:
    assert token_requests.refresh_form("c", "r") == b"client_id=c&refresh_token=r&grant_type=refresh_token"
    assert token_requests.refresh_form("c", "r", "s").endswith(b"&client_secret=s")
    code = token_requests.code_form("c", "x", "http://127.0.0.1:1/", "v")
    assert code == (
        b"grant_type=authorization_code&client_id=c&code=x&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&code_verifier=v"
    )
    assert token_requests.code_form("c", "x", "r", "v", "s").endswith(b"&client_secret=s")


def test_a_browser_is_sent_with_a_challenge_and_never_with_a_secret() -> None:
    assert token_requests.authorization_query("c", "http://127.0.0.1:1/", "st", "ch", "openid") == (
        "response_type=code&client_id=c&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&scope=openid&state=st"
        "&code_challenge=ch&code_challenge_method=S256"
    )


def test_a_realm_s_name_stays_one_segment_of_the_path() -> None:
    assert (
        token_requests.realm_path("a/../b", "token")
        == "/auth/realms/a%2F..%2Fb/protocol/openid-connect/token"
    )
    assert token_requests.custom_token_path("sandbox-ma") == "/auth/realms/sandbox-ma/custom-token"


def test_the_device_s_id_is_made_as_in_the_sample() -> None:
    assert token_requests.device_id_of("DX8000", "2097CD800007") == "ingenico-DX8000-2097CD800007"


def test_a_redirect_of_this_login_gives_its_code() -> None:
    assert (
        token_requests.code_of("https://portal.demo.ppaas.tech/?code=abc&state=s&session_state=1", "s")
        == "abc"
    )


@pytest.mark.parametrize(
    ("redirect", "said"),
    [
        ("https://p/?code=abc&state=other", "does not belong to the login"),
        ("https://p/?code=abc", "does not belong"),
        ("https://p/?code=abc&state=s&state=s", "does not belong"),
        ("https://[/?state=s", "does not belong"),
        ("https://p/?error=access_denied&state=s", "was refused: access_denied"),
        ("https://p/?state=s", "no code"),
        ("https://p/?state=s&code=a%0Ab", "no code"),
    ],
)
def test_any_other_redirect_gives_none(redirect: str, said: str) -> None:
    with pytest.raises(NoSessionError, match=said) as caught:
        token_requests.code_of(redirect, "s")
    assert caught.value.person
