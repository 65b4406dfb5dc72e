"""What is asked for a token, grant by grant: paths and forms as ``docs/ppaas-contract.md`` section 4 has them.

Forms are in the documented order. All of them are secret: they hold passwords, codes and refresh tokens.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

from nexo_bridge.ppaas.grants import NoSessionError, is_token
from nexo_bridge.redaction import printable

FORM = "application/x-www-form-urlencoded"
POWERED_APP = "ppaas-powered-app"
"""Client of end users (stated)."""
USER_SCOPE = "openid profile email"
PORTAL = "ppaas-portal"
"""Client of the merchant's authorization code in the demo environment (stated)."""
PORTAL_CALLBACK = "https://portal.demo.ppaas.tech"
"""Where that client's codes are sent (stated); whether it takes a loopback address too is not (assumed)."""
MERCHANT_REALM = "sandbox-ma"
"""Realm of the demo's merchants (stated)."""
DEVICE_METHOD = "[api, device_flow]"
"""``method`` of the custom token as it is printed, brackets and all (stated)."""


def realm_path(realm: str, what: str) -> str:
    """Path of a realm's endpoint, below base ``auth``: ``what`` is ``auth`` or ``token``."""
    return f"/auth/realms/{quote(realm, safe='')}/protocol/openid-connect/{what}"


def custom_token_path(realm: str) -> str:
    """Path of the custom token, below base ``auth``."""
    return f"/auth/realms/{quote(realm, safe='')}/custom-token"


def password_form(username: str, password: str, client_id: str, scope: str) -> bytes:
    """End-user identification (stated)."""
    return _form(
        username=username, password=password, grant_type="password", client_id=client_id, scope=scope
    )


def refresh_form(client_id: str, refresh_token: str, client_secret: str = "") -> bytes:
    """A new token for a refresh token (derived: RFC 6749 section 6)."""
    form = {"client_id": client_id, "refresh_token": refresh_token, "grant_type": "refresh_token"}
    return _form(**form, **({"client_secret": client_secret} if client_secret else {}))


def custom_token_form(device_model: str, device_id: str, method: str) -> bytes:
    """The device's token for a merchant's (stated)."""
    return _form(device_model=device_model, device_id=device_id, method=method)


def application_form(client_id: str, client_secret: str) -> bytes:
    """An application's token (derived: the documentation shows this call only as a picture)."""
    return _form(client_id=client_id, client_secret=client_secret, grant_type="client_credentials")


def code_form(client_id: str, code: str, redirect_uri: str, verifier: str, client_secret: str = "") -> bytes:
    """A token for an authorization code (derived: RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return _form(**form, **({"client_secret": client_secret} if client_secret else {}))


def authorization_query(client_id: str, redirect_uri: str, state: str, challenge: str, scope: str) -> str:
    """What a person's browser is sent to the realm's ``auth`` endpoint with (derived: RFC 6749, RFC 7636)."""
    return urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
    )


def code_of(redirect: str, state: str) -> str:
    """The authorization code in the address a browser was redirected to.

    Raises:
        NoSessionError: the person or the platform said no, it answers another request (``state``), or there is
            no code in it.
    """
    try:
        query = parse_qs(urlsplit(redirect).query)
    except ValueError:
        query = {}
    if query.get("state") != [state]:
        raise NoSessionError("this redirect does not belong to the login that was begun here", person=True)
    if error := query.get("error"):
        raise NoSessionError(f"the login was refused: {printable(error[0], 60)}", person=True)
    code = query.get("code", [""])[0]
    if not is_token(code):
        raise NoSessionError("this redirect carries no code", person=True)
    return code


def device_id_of(device_model: str, serial: str) -> str:
    """The device's id as the documented sample makes it of model and serial number (derived)."""
    return f"ingenico-{device_model}-{serial}"


def _form(**fields: str) -> bytes:
    return urlencode(fields).encode()
