"""OAuth2 of the platform: merchants-credentials, and tokens that expire and belong to one device."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt

from nexo_bridge.sandbox.clock import Clock

_ISSUER = "https://auth.sandbox.invalid/auth/realms/sandbox"
_SCOPE = "openid profile email"


class OAuthError(Exception):
    """A refusal in OAuth2's own form (RFC 6749 section 5.2)."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Client:
    """What merchants-credentials says about one device."""

    client_id: str
    secret: str
    merchant: str
    user_domain: str

    def entry(self) -> dict[str, str]:
        """The entry of the merchants-credentials array."""
        return {
            "merchantName": self.merchant,
            "userDomain": self.user_domain,
            "clientId": self.client_id,
            "clientSecret": self.secret,
        }


class TokenOffice:
    """Knows the clients of the devices and which device a token is for.

    Secrets and the signing key derive from ``key``: a sandbox restarted on the same state honours the tokens
    it issued before, as a platform would.
    """

    def __init__(self, key: bytes, serials: Iterable[str], clock: Clock, token_life: int = 300) -> None:
        self._key = key
        self._signing = hashlib.sha256(b"token" + key).digest()
        self._clock = clock
        self.token_life = token_life
        self._generation = dict.fromkeys(serials, 0)

    def client(self, serial: str) -> Client:
        """The client of device ``serial``.

        Raises:
            LookupError: no such device.
        """
        generation = self._generation[serial]
        secret = hmac.new(self._key, f"{serial}/{generation}".encode(), hashlib.sha256).hexdigest()
        return Client(f"device-{serial}", secret, "Sandbox Shop", "sandbox-ma")

    def renew_secret(self, serial: str) -> None:
        """Void the client's secret; tokens already issued live until they expire."""
        self._generation[serial] += 1

    def grant(self, form: dict[str, str], serial: str) -> dict[str, Any]:
        """Answer a token request made over the connection of device ``serial``.

        Raises:
            OAuthError: the grant or the client is refused.
        """
        if form.get("grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "the sandbox grants client_credentials")
        client = self.client(serial)
        same_client = hmac.compare_digest(form.get("client_id", "").encode(), client.client_id.encode())
        same_secret = hmac.compare_digest(form.get("client_secret", "").encode(), client.secret.encode())
        if not (same_client and same_secret):
            raise OAuthError(401, "invalid_client", "client id or secret is wrong, or of another device")
        return {
            "access_token": self.issue("Bearer", client.client_id, serial),
            "expires_in": self.token_life,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "id_token": self.issue("ID", client.client_id, serial),
            "not-before-policy": 0,
            "scope": _SCOPE,
        }

    def device_of(self, token: str) -> str | None:
        """The device an access token is for; None when it is unknown, forged or expired, or of no device."""
        claims = self.claims(token)
        serial = str(claims.get("device_id", "")) if claims is not None else ""
        return serial if self.knows(serial) else None

    def is_bound(self, token: str) -> bool:
        """Whether a good token is of use only over its device's certificate."""
        claims = self.claims(token)
        return claims is None or bool(claims.get("bound", True))

    def claims(self, token: str) -> dict[str, Any] | None:
        """What a live access token of ours says; None when it is unknown, forged or expired."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._signing,
                algorithms=["HS256"],
                issuer=_ISSUER,
                options={"verify_exp": False, "verify_iat": False},  # checked below, by our own clock
            )
        except jwt.InvalidTokenError:
            return None
        live = self._clock.now().timestamp() < claims.get("exp", 0)
        return claims if live and claims.get("typ") == "Bearer" else None

    def knows(self, serial: str) -> bool:
        """Whether there is such a device."""
        return serial in self._generation

    def issue(
        self, kind: str, client_id: str, serial: str | None, *, bound: bool = True, life: int | None = None
    ) -> str:
        """A signed token; with ``serial`` a device's, which is of use only over its certificate if ``bound``."""
        now = self._clock.now()
        claims = {
            "iss": _ISSUER,
            "sub": client_id,
            "azp": client_id,
            "typ": kind,
            "jti": str(uuid.uuid4()),
            "iat": int(now.timestamp()),
            "exp": (now + timedelta(seconds=self.token_life if life is None else life)).timestamp(),
            "scope": _SCOPE,
        }
        if serial is not None:
            claims |= {"device_id": serial, "bound": bound}
        return jwt.encode(claims, self._signing, algorithm="HS256")
