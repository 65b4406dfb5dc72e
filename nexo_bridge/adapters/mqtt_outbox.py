"""Answers on their way to a broker, in order: kept until it has them, whatever happens to connections meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 10
"""Answers sent and not yet acknowledged by the broker, at most; brokers allow twenty and more."""
ATTEMPTS: Final = 5
"""Connections that may break over one answer before it is given up: a broker ends one that sends what is too large."""


@dataclass(slots=True, eq=False)
class Answer:
    """One message for a POS.

    Attributes:
        taken: set once the broker has it (True), or it was given up (False).
        since: when it was sent on the connection that stands, None while it was not.
        attempts: connections on which it was sent.
    """

    topic: str
    payload: bytes
    correlation: bytes
    content_type: str
    taken: asyncio.Future[bool]
    since: float | None = None
    attempts: int = 0


@dataclass(slots=True)
class Outbox:
    """What is not yet taken, oldest first.

    Args:
        room: bytes that may wait.
    """

    room: int
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: list[Answer] = field(default_factory=list)

    def add(self, topic: str, payload: bytes, correlation: bytes, content_type: str) -> Answer | None:
        """An answer at the end; None when there is no room for it."""
        if self._waiting and sum(len(one.payload) for one in self._waiting) + len(payload) > self.room:
            return None
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        answer = Answer(topic, payload, correlation, content_type, taken)
        self._waiting.append(answer)
        self.news.set()
        return answer

    def reconnected(self) -> list[Answer]:
        """None is on its way any more; those over which too many connections broke, which are given up."""
        lost = [one for one in self._waiting if one.attempts >= ATTEMPTS]
        for one in self._waiting:
            one.since = None
        for one in lost:
            self.end(one, taken=False)
        self.news.set()
        return lost

    def next(self) -> Iterator[Answer]:
        """What may be sent now, in order."""
        for one in self._waiting[:WINDOW]:
            if one.since is None:
                yield one

    def end(self, answer: Answer, *, taken: bool) -> None:
        """It is out, or will never be."""
        if answer in self._waiting:
            self._waiting.remove(answer)
            self.news.set()
        if not answer.taken.done():
            answer.taken.set_result(taken)

    def give_up(self) -> None:
        """No connection will come any more."""
        for one in list(self._waiting):
            self.end(one, taken=False)

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        return not self._waiting

    @property
    def oldest(self) -> float | None:
        """When the oldest that is on its way was sent."""
        return next((one.since for one in self._waiting if one.since is not None), None)
