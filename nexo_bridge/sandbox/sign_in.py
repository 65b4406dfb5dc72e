"""Everything the platform answers about tokens: the device's endpoint, the realm's, custom tokens, the consent page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from nexo_bridge.sandbox.clock import Clock, pause
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.oauth import OAuthError, TokenOffice
from nexo_bridge.sandbox.realms import REALM, Realms
from nexo_bridge.sandbox.routes import Route
from nexo_bridge.sandbox.terminals import Terminal
from nexo_bridge.sandbox.wire import Answer, PlatformError, Request, Wire, json_answer

_HTML = "text/html; charset=utf-8"


class SignIn:
    """Answers the rows whose verb is ``session``, merchants-credentials excepted.

    Args:
        slow: seconds of fault ``token-slow``.
    """

    def __init__(
        self,
        office: TokenOffice,
        realms: Realms,
        terminals: Mapping[str, Terminal],
        faults: Faults,
        *,
        clock: Clock,
        slow: float,
    ) -> None:
        self._clock = clock
        self._slow = slow
        self._office = office
        self._realms = realms
        self._terminals = terminals
        self._faults = faults

    async def answer(self, route: Route, parameters: Mapping[str, str], request: Request) -> Answer:
        """The answer to ``request``.

        Raises:
            PlatformError: as the platform refuses.
        """
        if parameters.get("realm", REALM) != REALM:
            raise PlatformError(404, "NOT_FOUND", "Realm does not exist")
        try:
            if route.name == "authorize":
                page = self._realms.page(request.query)
                return Answer(200, page.encode(), _HTML, {"Cache-Control": "no-store"})
            form = dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
            if route.name == "login":
                return Answer(302, headers={"Location": self._realms.consent(form)})
            return await self._tokens(route, form, request)
        except UnicodeDecodeError:
            return json_answer({"error": "invalid_request"}, 400)
        except OAuthError as refused:
            said = {"error": refused.error, "error_description": refused.description}
            return json_answer(said, refused.status)

    async def _tokens(self, route: Route, form: Mapping[str, str], request: Request) -> Answer:
        serial = self._certified(request) if route.name == "token" else None
        terminal = self._terminals.get(serial or self._realms.owner(form) or "")
        poiid = terminal.poiid if terminal is not None else ""
        spoilt = self._spoilt(poiid)
        if spoilt is not None:
            return spoilt
        found = self._granted(route, form, request, serial)
        if form.get("grant_type") == "refresh_token" and self._faults.take("lose-refresh-answer", poiid):
            return Answer(0, wire=Wire.CLOSE)
        lives: dict[str, Any] = {
            "token-life-missing": None,
            "token-life-zero": 0,
            "token-life-negative": -1,
            "token-life-string": str(found.get("expires_in")),
        }
        for fault, life in lives.items():
            if self._faults.take(fault, poiid):
                found["expires_in"] = life
        if self._faults.take("token-without-token", poiid):
            del found["access_token"]
        if self._faults.take("token-slow", poiid):
            await pause(self._clock, self._slow)
        kept = {name: value for name, value in found.items() if value is not None}
        return json_answer(kept, Cache_Control="no-store")

    def _spoilt(self, poiid: str) -> Answer | None:
        if self._faults.take("token-down", poiid):
            raise PlatformError(503, "UNAVAILABLE", "The token endpoint is down")
        if self._faults.take("token-429", poiid):
            raise PlatformError(429, "RATE_LIMITED", "Too many token requests", Retry_After="5")
        if self._faults.take("token-html", poiid):
            return Answer(200, b"<!doctype html><title>Maintenance</title>", _HTML)
        return None

    def _granted(
        self, route: Route, form: Mapping[str, str], request: Request, serial: str | None
    ) -> dict[str, Any]:
        kind = form.get("grant_type", "")
        if route.name == "custom_token":
            scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
            return self._realms.custom_token(bearer.strip() if scheme.lower() == "bearer" else "", form)
        if kind == "refresh_token":
            return self._realms.refresh(form, serial)
        if serial is not None:
            if kind == "password":
                return self._realms.password(form, serial)
            return self._office.grant(dict(form), serial)
        if kind == "authorization_code":
            return self._realms.code(form)
        if kind == "client_credentials":
            return self._realms.client_credentials(form)
        raise OAuthError(
            400, "unsupported_grant_type", "the realm grants codes, refresh and client credentials"
        )

    def _certified(self, request: Request) -> str:
        serial = request.certificate.serial if request.certificate else ""
        if serial not in self._terminals:
            raise PlatformError(403, "FORBIDDEN", "The certificate is of no device of this platform")
        return serial
