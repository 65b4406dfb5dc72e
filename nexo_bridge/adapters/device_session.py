"""The device session of one terminal: a token of its grant, renewed in time.

However many calls wait, one renewal runs. A token is renewed when 80 % of its life has passed; from then until it
ends calls go on with the old one, so that a slow token endpoint delays no payment. Lives are counted by the monotonic
clock from the moment of asking, so neither side's wall clock matters (F39). Access tokens are in memory only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from nexo_bridge.adapters.grants import Grant
from nexo_bridge.adapters.https import HttpsClient
from nexo_bridge.ppaas.grants import NoSessionError, Token

log = structlog.get_logger(__name__)

EARLY = 0.8
"""Share of a token's life after which it is renewed."""

LAST_WORDS = 5.0
"""Seconds that closing waits for an answer which may carry a rotated refresh token (F37)."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token = field(repr=False)
    since: float

    @property
    def fresh(self) -> float:
        """Seconds after which another is asked for: in time for this token, and for the refresh token with it."""
        lives = (
            [life for life in (self.token.life, self.token.refresh_life) if life] if self.token.life else []
        )
        return min(lives, default=0.0) * EARLY


class DeviceSession:
    """Tokens for the calls of one terminal.

    Args:
        grant: how a token is had.
        client: connections under the terminal's certificate.
        monotonic: seconds of a clock that never jumps.
        name: for the task that renews.
    """

    def __init__(
        self, grant: Grant, client: HttpsClient, monotonic: Callable[[], float], name: str = ""
    ) -> None:
        self._grant = grant
        self._client = client
        self._monotonic = monotonic
        self._name = name
        self._held: _Held | None = None
        self._renewal: asyncio.Task[_Held] | None = None
        self._waiting = 0  # for it
        self._quiet_until = float("-inf")
        self._failed: tuple[float, NoSessionError] | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the token in use was asked for; None without one."""
        return None if self._held is None else self._monotonic() - self._held.since

    @property
    def life(self) -> float | None:
        """Seconds that the token in use lives from ``age`` 0 on, 0: for one call; None without one."""
        return None if self._held is None else self._held.token.life

    @property
    def session_state(self) -> str:
        """The platform's id of the user's session; empty where the grant has none."""
        return "" if self._held is None else self._held.token.session_state

    @property
    def ends_unused(self) -> float | None:
        """Seconds in which somebody must ask for a token, lest the refresh token ends; None: it does not matter."""
        if self._held is None or not self._held.token.refresh_life:
            return None
        return self._held.since + self._held.token.refresh_life - self._monotonic()

    @property
    def lives(self) -> bool:
        """Whether the token in use is still good."""
        return self._held is not None and self._monotonic() - self._held.since < self._held.token.life

    @property
    def trouble(self) -> tuple[float, NoSessionError] | None:
        """When and why the last attempt brought no token; None when it did. The one in use may still be good."""
        return self._failed

    @property
    def renewal(self) -> asyncio.Task[Any] | None:
        """What asks for the next token while nobody waits for it, the one in use being still good; None: nothing."""
        return None if self._waiting else self._renewal

    async def bearer(self) -> str:
        """A token to use now.

        Raises:
            NoSessionError: there is none to be had; says why.
        """
        held = self._held
        quiet = self._monotonic() < self._quiet_until
        if held is not None:
            age = self._monotonic() - held.since
            if age < held.fresh:
                return held.token.bearer
            if age < held.token.life:
                if not quiet:
                    self._renew()
                return held.token.bearer
        if quiet and self._failed is not None and self._renewal is None:
            raise NoSessionError(f"{self._failed[1]}, and asked to be left alone for a while")
        renewal = self._renew()
        self._waiting += 1
        try:
            await asyncio.wait({renewal})  # a caller that is cancelled does not cancel it for the others
        finally:
            self._waiting -= 1
        if renewal.cancelled():
            raise NoSessionError("the bridge is stopping")
        return renewal.result().token.bearer

    def refused(self, bearer: str) -> None:
        """The platform answered 401 to ``bearer``: forget it, unless a newer one is held already."""
        if self._held is not None and self._held.token.bearer == bearer:
            self._held = None

    def use(self, client: HttpsClient) -> None:
        """Go on over other connections, with a token asked for on them; a renewal under way ends where it began."""
        self._client = client
        self._held = None

    async def settled(self) -> None:
        """Wait until no renewal runs: only then may the connections it began on be closed."""
        if self._renewal is not None:
            await asyncio.wait({self._renewal})

    async def close(self) -> None:
        """Stop a renewal that runs; one that may bring a refresh token gets a moment to bring it home."""
        if self._renewal is not None:
            if self._grant.rotates:
                await asyncio.wait({self._renewal}, timeout=LAST_WORDS)
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _renew(self) -> asyncio.Task[_Held]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._fetch(), name=f"token-{self._name}")
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    def _renewed(self, task: asyncio.Task[_Held]) -> None:
        self._renewal = None
        if task.cancelled():
            return
        match task.exception():
            case None:
                self._held = task.result()
                self._failed, self._quiet_until = None, float("-inf")
            case NoSessionError() as error:
                if error.retry_after > 0:
                    self._quiet_until = self._monotonic() + error.retry_after
                if self._failed is None and self.lives:  # else who waits is told
                    log.warning("token not renewed", poiid=self._name, problem=str(error))
                self._failed = self._monotonic(), error
            case _:
                pass  # who waits is told

    async def _fetch(self) -> _Held:
        since = self._monotonic()
        return _Held(await self._grant.fetch(self._client), since)
