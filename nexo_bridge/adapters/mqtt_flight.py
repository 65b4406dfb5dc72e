"""Publications of one connection that are not acknowledged yet. They are acknowledged in the order they came (R13)."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Final

_NUMBERS: Final = itertools.count(
    1
)  # for the process: a number of an earlier connection means nothing on a later one


@dataclass(slots=True)
class Flight:
    """Numbers and packets, oldest first. It ends with its connection: what was in it comes again."""

    _waiting: deque[tuple[int, int]] = field(default_factory=deque)
    _written: set[int] = field(default_factory=set)

    def take_off(self, packet: int) -> int:
        """A publication came as ``packet``: its number."""
        number = next(_NUMBERS)
        self._waiting.append((number, packet))
        return number

    def land(self, number: int) -> list[int]:
        """``number`` is written down: the packets to acknowledge now, in order."""
        if all(number != waiting for waiting, _ in self._waiting):
            return []  # of an earlier connection
        self._written.add(number)
        packets = []
        while self._waiting and self._waiting[0][0] in self._written:
            landed, packet = self._waiting.popleft()
            self._written.discard(landed)
            packets.append(packet)
        return packets

    @property
    def oldest(self) -> int | None:
        """Number of the one that waits longest, None if none does."""
        return self._waiting[0][0] if self._waiting else None
