"""The core without a daemon: for what a person must be able to do while the bridge is stopped."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.ppaas_http import SessionState
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.ppaas.models import NotSent, Outcome
from nexo_bridge.ppaas.operations import Call
from nexo_bridge.runtime.app import Application
from nexo_bridge.runtime.control import Desk
from nexo_bridge.runtime.ports import Clock, SystemClock
from nexo_bridge.runtime.settings import Settings

Json = dict[str, Any]


class _NoPlatform:
    """Nothing is sent while the daemon is stopped; what is asked stays unknown."""

    async def perform(self, call: Call) -> Outcome:  # noqa: ARG002 - the port's signature
        return NotSent(code="OFFLINE", reason="the daemon is stopped")


async def resolve(
    settings: Settings,
    question: Json,
    *,
    say: Callable[[str], None] = lambda _text: None,
    clock: Clock | None = None,
) -> Json:
    """``nexo-bridge resolve`` with the daemon stopped: takes the journal's lock itself.

    Args:
        settings: of the daemon.
        question: as it is asked of a running daemon.
        say: told why it takes long, if it does.
        clock: the machine's.

    Raises:
        JournalFailure: the journal is held by another process or cannot be used.
        ConfigurationError: its key cannot be read.
    """
    clock = clock or SystemClock()
    keys = await asyncio.to_thread(Keys.load, settings.journal.key_file)
    journal = await SqliteJournal.open(settings.journal.path, keys, configuration=settings.projection())
    try:
        application = await asyncio.to_thread(
            functools.partial(Application, settings, keys, journal, _NoPlatform(), (), clock=clock)
        )
        desk = Desk(
            application.bridge, application.runner.feed, application.runner.now, _no_session, _no_reload
        )
        application.runner.tell = desk.told
        await application.runner.start()
        if question.get("paid") is True and _stopped(application, question.get("exchange")):
            # The daemon may have sent a stop just before it ended, and it could still undo the payment (R6).
            say(
                f"a stop was sent; waiting {settings.platform.never_created_after:g} s until none can act any more"
            )
            await _pause(clock, settings.platform.never_created_after)
        answer = await desk.handle(question)
        await application.close()
    finally:
        await journal.close()
    return answer


def _stopped(application: Application, exchange: object) -> bool:
    return any(
        one["exchange"] == exchange and one["wished"] and one["transaction_id"] is not None
        for one in application.bridge.in_hand()
    )


async def _pause(clock: Clock, seconds: float) -> None:
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


def _no_session(poiid: str) -> SessionState:  # noqa: ARG001 - the port's signature
    return SessionState(ok=None)


async def _no_reload() -> Json:
    return {"ok": False, "text": "the daemon is stopped"}
