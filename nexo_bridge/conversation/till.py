"""One POS of a script: its ids, its way to the bridge, what it said and what it heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.conversation.transports import HAS
from nexo_bridge.conversation.wires import Pair, Wire
from nexo_bridge.nexo.elements import Version


class Till:
    """A Sale System that speaks through one wire at a time.

    Attributes:
        sale_id, poi_id: what its requests carry unless they say another.
        version: protocol version it speaks since its last Login.
        inbox: what it heard and no line of the script has asked for yet.
        connection: what the bridge calls its connection; empty without one.
        ended: its wire was ended, by whomever.
        on_its_way: messages it sent since everything was settled last.
    """

    def __init__(self, name: str, poi_id: str, changed: Callable[[], None]) -> None:
        self.name = name
        self.sale_id = f"S{name.removeprefix('POS') or '1'}"
        self.poi_id = poi_id
        self.version: Version = "3.1"
        self.inbox: deque[Heard] = deque()
        self.connection = ""
        self.ended = False
        self.on_its_way = 0
        self._changed = changed
        self._asked: set[tuple[str, str]] = set()
        self._wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        """What it speaks through."""
        assert self._wire is not None, "connected before"
        return self._wire

    @property
    def connected(self) -> bool:
        """Whether it has a wire that nobody ended."""
        return self._wire is not None and not self.ended

    def has(self, trait: str) -> bool:
        """Whether the transport it speaks over has that trait."""
        return trait in HAS[self.wire.transport]

    @property
    def outstanding(self) -> int:
        """Requests of its own that the bridge still holds open."""
        return 0 if self._wire is None else self._wire.outstanding

    async def connect(self, wire: Wire) -> None:
        """Speak through another wire; what was heard on the old one stays."""
        await self.leave()
        self._wire = wire
        await wire.connect(self._hear, self._end)
        self.ended = False

    async def send(self, message: bytes, pair: Pair, about: tuple[str, str] = ("", "")) -> None:
        """One message of ``pair``; ``about`` is its category and ServiceID."""
        self._asked.add(about)
        self.on_its_way += 1
        await self.wire.send(message, pair)

    def half_close(self) -> None:
        """Nothing more is said; answers are still heard."""
        self.wire.half_close()

    async def drop(self) -> None:
        """The cable is pulled."""
        self._end()
        await self.wire.drop()

    async def leave(self) -> None:
        """Let the wire go."""
        if self._wire is not None:
            self.ended = True
            await self._wire.close()

    async def _hear(self, data: bytes) -> bytes | None:
        heard = Heard(data, self.version)
        if not self.wire.shared or self._is_mine(heard):
            self.inbox.append(heard)
        self._changed()
        return None

    def _is_mine(self, heard: Heard) -> bool:
        """Whether a POS of this SaleID would take it up: answers to what it asked, and what its terminal wants."""
        if heard.is_response:
            return (heard.category, heard.header.get("ServiceID", "")) in self._asked
        return heard.header.get("SaleID") == self.sale_id

    def _end(self) -> None:
        self.ended = True
        self._changed()
