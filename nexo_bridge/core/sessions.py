"""Login sessions per (SaleID, POIID): journalled, they outlive connections and restarts."""

from __future__ import annotations

from nexo_bridge.categories.plan import Session
from nexo_bridge.core import decisions as did
from nexo_bridge.core.journal import History


class Sessions:
    """The sessions that are open now."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Session] = {}

    def get(self, sale_id: str, poi_id: str) -> Session | None:
        """The session of a pair."""
        return self._open.get((sale_id, poi_id))

    def put(self, session: Session) -> None:
        """A session began; it replaces the pair's former one."""
        self._open[session.sale_id, session.poi_id] = session

    def drop(self, session: Session) -> None:
        """A session ended."""
        self._open.pop((session.sale_id, session.poi_id), None)

    def clear(self) -> None:
        """Forget all, before they are read from disk again."""
        self._open.clear()

    def logged_in(self, poi_id: str) -> tuple[str, ...]:
        """SaleIDs with a session on a terminal."""
        return tuple(sorted(sale for sale, poi in self._open if poi == poi_id))


def session_in(history: History) -> Session | None:
    """The session that a journal's history describes, None if the history is not a session's."""
    first = did.read(history.entries[0])
    if not isinstance(first, did.LoggedIn):
        return None
    return Session(
        id=history.exchange,
        sale_id=first.sale_id,
        poi_id=first.poi_id,
        version=first.version,
        capabilities=first.capabilities,
    )
