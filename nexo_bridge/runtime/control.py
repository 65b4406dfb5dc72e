"""What people may ask a running bridge: how it is, to read its configuration again, to settle what is unknown."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from nexo_bridge import __version__
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.ppaas_http import SessionState
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.signals import Event, ResolveAsked

Json = dict[str, Any]
PATIENCE = 20.0
"""Seconds a resolve may take: two journal entries, on a slow disk."""


class Desk:
    """Answers the control socket."""

    def __init__(
        self,
        bridge: Bridge,
        feed: Callable[[Event], None],
        now: Callable[[], float],
        session_state: Callable[[str], SessionState],
        reload: Callable[[], Awaitable[Json]],
        *,
        channel: Callable[[str], Json] = lambda _poiid: {"results": "poll", "up": True, "problem": None},
        has_room: Callable[[], bool] = lambda: True,
        tolerated: Callable[[], Json] = dict,
        listeners: Callable[[], Sequence[ListenerState]] = tuple,
        reachable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._bridge = bridge
        self._feed = feed
        self._now = now
        self._session_state = session_state
        self._reload = reload
        self._channel = channel
        self._has_room = has_room
        self._tolerated = tolerated
        self._listeners = listeners
        self._reachable = reachable
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}

    async def handle(self, asked: Json) -> Json:
        """The answer to one question."""
        match asked.get("command"):
            case "status":
                return {"ok": True, "status": self.status()}
            case "reload":
                return await self._reload()
            case "resolve":
                return await self._resolve(asked)
            case _:
                return {"ok": False, "text": "status, reload and resolve are known"}

    def told(self, request: int, done: bool, text: str) -> None:
        """The core's word on a request; the runner's ``tell``."""
        future = self._waiting.pop(request, None)
        if future is not None and not future.done():
            future.set_result({"ok": done, "text": text})

    def status(self) -> Json:
        """How the bridge is: for people by ``nexo-bridge status``, for programs as it is.

        ``health`` is ``ok`` only while every terminal can pay and everything that should be up is; ``degraded`` while
        payments are taken all the same; else ``down`` (I9). A POS that is called and switched off is no illness.
        """
        now = self._now()
        exchanges = [self._exchange(one, now) for one in self._bridge.in_hand()]
        terminals = [self._terminal(poiid, exchanges) for poiid in sorted(self._bridge.terminals())]
        journal = "broken" if self._bridge.broken else "ok" if self._has_room() else "no room"
        listeners = [asdict(state) for state in self._listeners()]
        takes = journal == "ok" and self._reachable() and any(one["session"] == "ok" for one in terminals)
        unwell = {
            "terminals": sum(
                one["session"] != "ok" or one["problem"] is not None or not one["channel"]["up"]
                for one in terminals
            ),
            "listeners": sum(not one["up"] and one["kind"] != "dial" for one in listeners),
        }
        return {
            "version": __version__,
            "health": "down" if not takes else "degraded" if any(unwell.values()) else "ok",
            "unwell": unwell,
            "takes_payments": takes,
            "journal": journal,
            "listeners": listeners,
            "terminals": terminals,
            "exchanges": exchanges,
            "tolerated": self._tolerated(),
        }

    def _terminal(self, poiid: str, exchanges: list[Json]) -> Json:
        try:
            state = self._session_state(poiid)
        except KeyError:  # being taken away
            state = SessionState(ok=None)
        own = [one for one in exchanges if one["poi_id"] == poiid]
        return {
            "poiid": poiid,
            "session": {True: "ok", False: "out of order", None: "not proved yet"}[state.ok],
            "problem": state.problem,
            "person": state.person,
            "warnings": list(state.warnings),
            "certificate_days": state.certificate_days,
            "token_age": _rounded(state.token_age),
            "last_error": state.last_error,
            "last_error_age": _rounded(state.last_error_age),
            "channel": self._channel(poiid),
            "logged_in": list(self._bridge.logged_in(poiid)),
            "running": sum(one["state"] != "parked" for one in own),
            "unknown": sum(one["state"] == "parked" for one in own),
        }

    @staticmethod
    def _exchange(one: Json, now: float) -> Json:
        return {**one, "age": round(max(0.0, now - one["received_at"]), 1)}

    async def _resolve(self, asked: Json) -> Json:
        exchange, paid, by, why = (asked.get(name) for name in ("exchange", "paid", "by", "why"))
        texts = (exchange, by, why)
        if not (all(isinstance(text, str) and text.strip() for text in texts) and isinstance(paid, bool)):
            return {"ok": False, "text": "exchange, paid, by and why are needed"}
        request = next(self._numbers)
        self._waiting[request] = asyncio.get_running_loop().create_future()
        future = self._waiting[request]
        self._feed(
            ResolveAsked(
                request=request,
                exchange=str(exchange),
                paid=bool(paid),
                by=str(by),
                why=str(why),
                checked=asked.get("checked") is True,
            )
        )
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            self._waiting.pop(request, None)
            return {"ok": False, "text": "the journal did not answer in time; look with nexo-bridge status"}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
