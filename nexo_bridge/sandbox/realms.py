"""The realm's side of OAuth2: users, clients, authorization codes, refresh tokens that rotate, custom tokens.

One realm, one user, three clients; printed in ``docs/sandbox.md``. What lives on here is in memory: a restart ends
every user's session, as a real platform may at any time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from nexo_bridge.sandbox.clock import Clock
from nexo_bridge.sandbox.oauth import OAuthError, TokenOffice

REALM = "sandbox-ma"
USERNAME = "merchant@sandbox-ma"
PASSWORD = "sandbox"  # noqa: S105 - printed in the documentation
PORTAL = "ppaas-portal"
PORTAL_CALLBACK = "https://portal.demo.ppaas.tech"
POWERED_APP = "ppaas-powered-app"
APPLICATION = "sandbox-application"
APPLICATION_SECRET = "sandbox-application-secret"  # noqa: S105 - as above
APPLICATION_LIFE = 18000
CODE_LIFE = timedelta(seconds=60)
_SCOPE = "openid profile email"


@dataclass(slots=True)
class _Family:
    """One session and its newest refresh token; one that was rotated away ends it."""

    client_id: str
    serial: str | None
    bound: bool
    ends: datetime
    newest: str = ""
    rotated: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Code:
    client_id: str
    redirect_uri: str
    challenge: str
    ends: datetime


class Realms:
    """Grants of the realm. Raises ``OAuthError`` for what it refuses, as the platform's token endpoint would."""

    def __init__(self, office: TokenOffice, clock: Clock, refresh_life: int = 900) -> None:
        self._office = office
        self._clock = clock
        self._refresh_life = refresh_life
        self._families: dict[str, _Family] = {}
        self._codes: dict[str, _Code] = {}

    # -- tokens --------------------------------------------------------------------------------------------------

    def password(self, form: Mapping[str, str], serial: str) -> dict[str, Any]:
        """End-user identification over the certificate of device ``serial``."""
        if form.get("client_id") != POWERED_APP:
            raise OAuthError(401, "invalid_client", "no such public client")
        user_good = hmac.compare_digest(form.get("username", "").encode(), USERNAME.encode())
        if not (hmac.compare_digest(form.get("password", "").encode(), PASSWORD.encode()) and user_good):
            raise OAuthError(401, "invalid_grant", "Invalid user credentials")
        return self._begin(POWERED_APP, serial, bound=True)

    def refresh(self, form: Mapping[str, str], serial: str | None) -> dict[str, Any]:
        """A new pair for a refresh token; over a certificate only for its own device.

        A token shown twice ends its session: one of the two who showed it stole it.
        """
        shown, client_id = form.get("refresh_token", ""), form.get("client_id", "")
        name = shown.partition(".")[0]
        family = self._families.get(name)
        if family is None or family.client_id != client_id or (family.bound and family.serial != serial):
            raise OAuthError(400, "invalid_grant", "Token is not active")
        if shown in family.rotated or family.ends <= self._clock.now() or shown != family.newest:
            del self._families[name]
            raise OAuthError(400, "invalid_grant", "Token is not active")
        self._secret(form)
        family.rotated.add(shown)
        family.ends = self._clock.now() + timedelta(seconds=self._refresh_life)
        return self._pair(name, family)

    def owner(self, form: Mapping[str, str]) -> str | None:
        """Serial of the device whose refresh token or custom token this form is about, for faults."""
        family = self._families.get(form.get("refresh_token", "").partition(".")[0])
        return family.serial if family else self._device(form)

    def client_credentials(self, form: Mapping[str, str]) -> dict[str, Any]:
        """An application's token; without refresh."""
        if form.get("client_id") != APPLICATION:
            raise OAuthError(401, "invalid_client", "no such confidential client")
        self._secret(form)
        return self._answer(
            self._office.issue("Bearer", APPLICATION, None, life=APPLICATION_LIFE), APPLICATION_LIFE
        )

    def merchant_token(self, life: int = APPLICATION_LIFE) -> str:
        """A merchant's token, as the authorization code gives it."""
        return self._office.issue("Bearer", PORTAL, None, life=life)

    def custom_token(self, bearer: str, form: Mapping[str, str]) -> dict[str, Any]:
        """A device's token, bound to no certificate, for a merchant's."""
        claims = self._office.claims(bearer)
        if claims is None or claims.get("azp") != PORTAL or "device_id" in claims:
            raise OAuthError(401, "invalid_token", "no merchant token")
        serial = self._device(form)
        if serial is None or not form.get("method"):
            raise OAuthError(400, "invalid_request", "device_model, device_id and method name no device")
        return self._begin(PORTAL, serial, bound=False)

    def end_sessions(self, serial: str) -> int:
        """End every session of a device, as a logout at the platform does; how many there were."""
        over = [name for name, family in self._families.items() if family.serial == serial]
        for name in over:
            del self._families[name]
        return len(over)

    # -- authorization code --------------------------------------------------------------------------------------

    def page(self, query: Mapping[str, str]) -> str:
        """The page a person sees: who asks, and a form to say yes or no.

        Raises:
            OAuthError: nothing that may be shown, or sent back anywhere.
        """
        self._request(query)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        return (
            '<!doctype html><html lang="en"><title>Sandbox sign-in</title>'
            f"<h1>Sign in to the sandbox</h1><p>{html.escape(query['client_id'])} asks for your consent.</p>"
            f'<form method="post" action="/auth/realms/{REALM}/login">{hidden}'
            f'<label>User <input name="username" value="{USERNAME}"></label> '
            '<label>Password <input name="password" type="password"></label> '
            '<button name="consent" value="yes">Allow</button> <button name="consent" value="no">Deny</button>'
            "</form></html>"
        )

    def consent(self, form: Mapping[str, str]) -> str:
        """Where the browser goes next: back, with a code or a refusal.

        Raises:
            OAuthError: nowhere; the request or the user is not good.
        """
        request = self._request(form)
        answer = {"state": form.get("state", "")}
        if form.get("consent") != "yes":
            answer["error"] = "access_denied"
        elif form.get("username") != USERNAME or form.get("password") != PASSWORD:
            raise OAuthError(401, "access_denied", "user or password is wrong")
        else:
            answer["session_state"] = secrets.token_hex(8)
            answer["code"] = secrets.token_urlsafe(24)
            self._codes[answer["code"]] = request
        joint = "&" if urlsplit(request.redirect_uri).query else "?"
        return f"{request.redirect_uri}{joint}{urlencode(answer)}"

    def code(self, form: Mapping[str, str]) -> dict[str, Any]:
        """A token for an authorization code, which is good once."""
        request = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            request is None
            or request.ends <= self._clock.now()
            or form.get("client_id") != request.client_id
            or form.get("redirect_uri") != request.redirect_uri
            or not hmac.compare_digest(challenge, request.challenge)
        ):
            raise OAuthError(400, "invalid_grant", "Code not valid")
        self._secret(form)
        return self._begin(request.client_id, None, bound=False)

    def _request(self, query: Mapping[str, str]) -> _Code:
        client_id, redirect = query.get("client_id", ""), query.get("redirect_uri", "")
        if client_id not in {PORTAL, APPLICATION}:
            raise OAuthError(400, "unauthorized_client", "no such client")
        if not (redirect == PORTAL_CALLBACK or _loopback(redirect)):
            raise OAuthError(400, "invalid_request", "Invalid parameter: redirect_uri")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            raise OAuthError(400, "invalid_request", "response_type must be code, with a challenge by S256")
        if not query.get("state") or len(query.get("code_challenge", "")) != 43:
            raise OAuthError(400, "invalid_request", "state or code_challenge is missing")
        return _Code(client_id, redirect, query["code_challenge"], self._clock.now() + CODE_LIFE)

    # -- parts ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _secret(form: Mapping[str, str]) -> None:
        given = form.get("client_secret", "").encode()
        if form.get("client_id") == APPLICATION and not hmac.compare_digest(
            given, APPLICATION_SECRET.encode()
        ):
            raise OAuthError(401, "invalid_client", "Invalid client secret")

    def _device(self, form: Mapping[str, str]) -> str | None:
        model, device = form.get("device_model", ""), form.get("device_id", "")
        serial = device.removeprefix(f"ingenico-{model}-")
        return serial if model and serial != device and self._office.knows(serial) else None

    def _begin(self, client_id: str, serial: str | None, *, bound: bool) -> dict[str, Any]:
        ends = self._clock.now() + timedelta(seconds=self._refresh_life)
        name = secrets.token_hex(8)
        self._families[name] = _Family(client_id, serial, bound, ends)
        return self._pair(name, self._families[name])

    def _pair(self, name: str, family: _Family) -> dict[str, Any]:
        family.newest = f"{name}.{secrets.token_urlsafe(24)}"
        life = self._office.token_life
        access = self._office.issue("Bearer", family.client_id, family.serial, bound=family.bound)
        return self._answer(access, life) | {
            "refresh_token": family.newest,
            "refresh_expires_in": self._refresh_life,
            "session_state": name,
        }

    @staticmethod
    def _answer(access: str, life: int) -> dict[str, Any]:
        return {
            "access_token": access,
            "expires_in": life,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": _SCOPE,
        }


def _loopback(redirect: str) -> bool:
    try:
        url = urlsplit(redirect)
        return url.scheme == "http" and url.hostname in {"127.0.0.1", "::1"} and url.port is not None
    except ValueError:
        return False
