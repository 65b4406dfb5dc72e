from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexo_bridge.adapters import journal_retention
from nexo_bridge.adapters.journal_chain import walk
from nexo_bridge.adapters.journal_retention import Pruning, begin, step
from nexo_bridge.adapters.journal_rows import Drafting, Retention
from nexo_bridge.adapters.journal_store import Store
from nexo_bridge.core.journal import Entry, Query
from tests.adapters.journal_rig import DAY, KEYS, WALL, entry

KEPT = Retention()


class Shop:
    """A journal to which days happen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path, KEYS, KEPT)
        self.store.open()

    def write(self, name: str, exchange: str | None, day: float, **more: Any) -> Entry:
        made = entry(self.store.highest + 1, name, exchange, wall=WALL + day * DAY, **more)
        self.store.begin()
        self.store.insert(Drafting().draft(made))
        self.store.commit()
        return made

    def payment(self, exchange: str, day: float, *, settled: bool = True) -> None:
        refs = (("key", exchange), ("transaction", exchange))
        self.write("Arrived", exchange, day, kind="input", body={"message": "m"})
        self.write(
            "Received", exchange, day, body={"request": "r", "digest": "d"}, refs=refs, public={"amount": "1"}
        )
        if settled:
            self.settle(exchange, day)

    def settle(self, exchange: str, day: float) -> None:
        self.write("Settled", exchange, day, body={"answer": "a", "status": "s"}, settles=True)

    def day(self, day: float) -> None:
        """Something happens, so that the journal has a row of this day."""
        self.write("Heartbeat", None, day, kind="input")

    def prune(self, day: float) -> Pruning:
        pruning = begin(self.store.connection, KEPT, WALL + day * DAY)
        while pruning.phase != "done":
            self.store.begin()
            pruning = step(self.store.connection, pruning, KEPT)
            self.store.commit()
        assert step(self.store.connection, pruning, KEPT) == pruning
        walk(self.store.connection)
        return pruning

    def found(self, name: str, value: str) -> bool:
        return bool(self.store.find(Query(((name, value),))))

    def bodies(self, exchange: str) -> dict[str, Any]:
        return {made.name: made.body for made in self.store.entries(0, 10_000) if made.exchange == exchange}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "journal")
    yield made
    made.store.close()


WHOLE = {
    "Arrived": {"message": "m"},
    "Received": {"request": "r", "digest": "d"},
    "Settled": {"answer": "a", "status": "s"},
}


def test_r12_what_is_kept_how_long(shop: Shop) -> None:
    shop.payment("X1", 0)
    for day, taken, bodies, key, transaction in (
        (6.9, {}, WHOLE, True, True),
        (7.1, {"keys": 1, "answers": 1}, WHOLE | {"Settled": {"status": "s"}}, False, True),
        (29.9, {}, WHOLE | {"Settled": {"status": "s"}}, False, True),
        (
            30.1,
            {"bodies": 2},
            {"Arrived": {}, "Received": {"digest": "d"}, "Settled": {"status": "s"}},
            False,
            True,
        ),
        (
            399.9,
            {"bodies": 4},
            {"Arrived": {}, "Received": {"digest": "d"}, "Settled": {"status": "s"}},
            False,
            True,
        ),
    ):
        shop.day(day)
        before = len(shop.store.entries(0, 100))
        assert shop.prune(day).public() == taken
        assert shop.bodies("X1") == bodies, day
        assert (shop.found("key", "X1"), shop.found("transaction", "X1")) == (key, transaction)
        assert len(shop.store.entries(0, 100)) == before
    shop.day(400.1)
    assert shop.prune(400.1).rows == 3
    assert shop.bodies("X1") == {}
    assert not shop.found("transaction", "X1")
    assert shop.store.entries(0, 100)[0].stamp.number == 4


def test_counts_tell_what_was_taken(shop: Shop) -> None:
    for index in range(3):
        shop.payment(f"X{index}", 0)
    shop.day(8)
    assert shop.prune(8).public() == {"keys": 3, "answers": 3}
    shop.day(31)
    assert shop.prune(31).public() == {"bodies": 6}
    shop.day(401)
    assert shop.prune(401).public() == {"bodies": 2, "rows": 9, "anchor": 9}  # bodies: the other days' own
    assert shop.prune(401).public() == {}


def test_unresolved_is_never_pruned_and_holds_only_links_behind_it(shop: Shop) -> None:
    shop.payment("X1", 0)
    shop.payment("X2", 1, settled=False)
    shop.payment("X3", 2)
    shop.day(500)
    pruning = shop.prune(500)
    assert (pruning.rows, pruning.rests) == (3, 3)
    assert shop.bodies("X2") == {name: WHOLE[name] for name in ("Arrived", "Received")}
    assert shop.found("key", "X2")
    assert shop.found("transaction", "X2")
    assert shop.bodies("X3") == {"Arrived": {}, "Received": {}, "Settled": {}}
    assert not shop.found("transaction", "X3")
    assert [history.exchange for history in shop.store.open_exchanges()] == ["X2"]
    assert [made.public for made in shop.store.entries(0, 100) if made.exchange == "X3"] == [{}, {}, {}]

    shop.settle("X2", 500)  # and its time begins to run here
    shop.day(506)
    shop.prune(506)
    assert shop.found("key", "X2")
    shop.day(508)
    shop.prune(508)
    assert not shop.found("key", "X2")
    shop.day(901)
    assert shop.prune(901).rows == 7
    assert shop.bodies("X2") == shop.bodies("X3") == {}


def test_settled_exchange_with_a_late_word_keeps_its_name(shop: Shop) -> None:
    shop.payment("X1", 0)
    shop.write("Disagreed", "X1", 399)
    shop.day(401)
    shop.prune(401)
    assert [made.name for made in shop.store.entries(0, 100)] == ["Disagreed", "Heartbeat"]
    assert shop.store.entries(0, 1)[0].exchange == "X1"


def test_f39_a_wrong_clock_makes_nothing_look_old(shop: Shop) -> None:
    shop.day(0)
    shop.payment("X1", -WALL / DAY)  # 1970 at boot
    shop.payment("X2", 0.1)
    shop.day(1)
    assert shop.prune(1).public() == {}
    shop.payment("X3", 20_000)  # once far ahead
    shop.payment("X4", 2)
    shop.day(3)
    assert shop.prune(3).public() == {}
    shop.day(9.5)
    assert shop.prune(9.5).keys == 4  # nor does it keep the rest for ever


def test_journal_that_slept_is_old_and_one_from_the_future_is_not(shop: Shop) -> None:
    assert shop.prune(0).public() == {}
    shop.payment("X1", 0)
    assert shop.prune(-100).public() == {}
    assert shop.prune(500).rows == 3
    assert shop.store.entries(0, 10) == ()
    shop.store.close()
    shop.store.open()
    assert shop.store.highest == 3  # numbers never come again
    shop.payment("X2", 501)


def test_work_is_done_in_small_steps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_retention, "CHUNK", 2)
    for index in range(5):
        shop.payment(f"X{index}", 0)
    shop.payment("Y", 0, settled=False)
    for index in range(5):
        shop.payment(f"Z{index}", 0)
    shop.day(500)
    pruning = begin(shop.store.connection, KEPT, WALL + 500 * DAY)
    while pruning.phase != "done":
        before = shop.store.connection.total_changes
        with shop.store.connection:
            pruning = step(shop.store.connection, pruning, KEPT)
        assert shop.store.connection.total_changes - before < 20
    walk(shop.store.connection)
    assert (pruning.keys, pruning.rows, pruning.rests) == (10, 15, 15)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from("ABCDE"), st.sampled_from(["pay", "settle", "day", "prune"]), st.floats(0, 150)
        ),
        max_size=25,
    )
)
def test_whatever_happens_the_chain_verifies_and_what_is_open_is_whole(
    events: list[tuple[str, str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop, day, open_ones, seen = Shop(tmp_path_factory.mktemp("shop") / "journal"), 0.0, set[str](), 0
    for exchange, what, pause in events:
        day += pause
        if what == "pay":
            seen += 1
            shop.payment(f"{exchange}{seen}", day, settled=False)
            open_ones.add(f"{exchange}{seen}")
        elif what == "settle" and open_ones:
            shop.settle(open_ones.pop(), day)
        elif what == "day":
            shop.day(day)
        else:
            shop.prune(day)
        assert {history.exchange for history in shop.store.open_exchanges()} == open_ones
    assert all(shop.found("key", exchange) for exchange in open_ones)
    highest = shop.store.highest
    shop.store.close()
    shop.store.open()
    assert shop.store.highest == highest
    shop.store.close()
