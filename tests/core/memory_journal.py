"""A journal in memory that answers as ``adapters.journal_sqlite`` does."""

from __future__ import annotations

from nexo_bridge.core.journal import Entry, History, Query


class MemoryJournal:
    """Entries in order; the exchanges among them can be found by their references."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def decisions(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == "decision"]

    def crash(self, kept: int | None) -> None:
        """Only the first ``kept`` decisions were on disk."""
        if kept is not None:
            survivors = {id(entry) for entry in self.decisions()[:kept]}
            self.entries = [one for one in self.entries if one.kind != "decision" or id(one) in survivors]

    def find(self, query: Query) -> tuple[History, ...]:
        """Exchanges that carry all references and began late enough, newest first."""
        wanted = set(query.refs)
        matching = [
            history
            for history in reversed(self.histories())
            if wanted <= {ref for entry in history.entries for ref in entry.refs}
            and history.entries[0].stamp.wall >= query.since
        ]
        return tuple(matching[: query.limit])

    def open_exchanges(self) -> tuple[History, ...]:
        """Begun and not ended, oldest first."""
        return tuple(one for one in self.histories() if not any(entry.settles for entry in one.entries))

    def histories(self) -> list[History]:
        by_exchange: dict[str, list[Entry]] = {}
        for entry in self.decisions():
            by_exchange.setdefault(entry.exchange or "", []).append(entry)
        return [History(exchange, tuple(entries)) for exchange, entries in by_exchange.items()]
