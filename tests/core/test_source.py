from __future__ import annotations

from nexo_bridge.core.source import Source


def test_two_connections_are_told_apart_and_one_is_itself() -> None:
    assert Source("tcp", "tcp-1") == Source("tcp", "tcp-1")
    assert len({Source("tcp", "tcp-1"), Source("tcp", "tcp-2"), Source("mqtt", "tcp-1")}) == 3


def test_how_it_writes_and_how_it_is_reached_makes_no_other_connection() -> None:
    plain, written = Source("mqtt", "m"), Source("mqtt", "m", form="json", address="kept")
    assert plain == written
    assert len({plain, written}) == 1
    assert (plain.lasts, written.lasts) == (False, True)
