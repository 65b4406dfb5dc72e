"""The device session of one terminal, grant ``mtls``: merchants-credentials, then a token, renewed in time.

However many calls wait, one renewal runs. A token is renewed when 80 % of its life has passed; from then until it
ends calls go on with the old one, so that a slow token endpoint delays no payment. Tokens and client secrets are in
memory only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from nexo_bridge.adapters.https import HttpsClient, LostError, NotSentError
from nexo_bridge.ppaas import grants
from nexo_bridge.ppaas.grants import Merchant, NoSessionError, Token

EARLY = 0.8
"""Share of a token's life after which it is renewed."""


@dataclass(frozen=True, slots=True)
class SessionOf:
    """Whose session it is, and where it is opened.

    Attributes:
        serial: the terminal's serial number (``deviceId``).
        auth, device_auth: bases of merchants-credentials and of the token.
        merchant_name, user_domain: which merchant, where the device has several.
    """

    serial: str
    auth: str
    device_auth: str
    merchant_name: str | None = None
    user_domain: str | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token = field(repr=False)
    since: float


class DeviceSession:
    """Tokens for the calls of one terminal."""

    def __init__(self, whose: SessionOf, client: HttpsClient, monotonic: Callable[[], float]) -> None:
        self._whose = whose
        self._client = client
        self._monotonic = monotonic
        self._merchant: Merchant | None = None
        self._held: _Held | None = None
        self._renewal: asyncio.Task[_Held] | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the token in use was asked for; None without one."""
        return None if self._held is None else self._monotonic() - self._held.since

    async def bearer(self) -> str:
        """A token to use now.

        Raises:
            NoSessionError: there is none to be had; says why.
        """
        held = self._held
        if held is not None:
            age = self._monotonic() - held.since
            if age < held.token.life * EARLY:
                return held.token.bearer
            if age < held.token.life:
                self._renew()
                return held.token.bearer
        renewal = self._renew()
        await asyncio.wait({renewal})  # a caller that is cancelled does not cancel it for the others
        if renewal.cancelled():
            raise NoSessionError("the bridge is stopping")
        return renewal.result().token.bearer

    def refused(self, bearer: str) -> None:
        """The platform answered 401 to ``bearer``: forget it, unless a newer one is held already."""
        if self._held is not None and self._held.token.bearer == bearer:
            self._held = None

    async def close(self) -> None:
        """Stop a renewal that runs."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _renew(self) -> asyncio.Task[_Held]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._fetch(), name=f"token-{self._whose.serial}")
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    def _renewed(self, task: asyncio.Task[_Held]) -> None:
        self._renewal = None
        if not task.cancelled() and task.exception() is None:
            self._held = task.result()

    async def _fetch(self) -> _Held:
        since = self._monotonic()
        remembered = self._merchant
        try:
            if remembered is not None:
                try:
                    return _Held(await self._token(remembered), since)
                except NoSessionError as error:
                    if not error.invalid_client:
                        raise
            # First time, or the client secret was renewed at the platform.
            self._merchant = None
            merchant = await self._read_merchant()
            held = _Held(await self._token(merchant), since)
            self._merchant = merchant
            return held
        except NotSentError as error:
            raise NoSessionError(f"{error} ({error.code})") from None
        except LostError as error:
            # In TLS 1.3 a refused client certificate shows like this, after the handshake seemed done (F33).
            raise NoSessionError(f"{error}; perhaps the platform refuses the client certificate") from None

    async def _read_merchant(self) -> Merchant:
        url = self._whose.auth + grants.credentials_query(self._whose.serial)
        answer = await self._client.send("GET", url)
        found = grants.merchants(answer.status, answer.headers, answer.body)
        return grants.choose(found, self._whose.merchant_name, self._whose.user_domain)

    async def _token(self, merchant: Merchant) -> Token:
        answer = await self._client.send(
            "POST",
            self._whose.device_auth + grants.TOKEN_PATH,
            {"Content-Type": "application/x-www-form-urlencoded"},
            grants.token_form(merchant),
        )
        return grants.token(answer.status, answer.headers, answer.body)
