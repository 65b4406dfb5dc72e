from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.core.journal import FORMAT, UPCASTERS, Entry, Stamp, upcast

OLD = Entry(Stamp(1, 2.0, 3.0), "decision", "Settled", "X1", {"outcome": "ok"}, format=1)


def first(entry: Entry) -> Entry:
    return replace(entry, format=2, body={"result": entry.body["outcome"]})


def second(entry: Entry) -> Entry:
    return replace(entry, format=3, body={**entry.body, "more": True})


def test_there_is_a_step_from_every_old_format() -> None:
    assert len(UPCASTERS) == FORMAT - 1


def test_todays_entry_stays_as_it_is() -> None:
    entry = replace(OLD, format=FORMAT)
    assert upcast(entry) is entry


def test_old_entries_are_lifted_step_by_step() -> None:
    lifted = replace(OLD, format=3, body={"result": "ok", "more": True})
    assert upcast(OLD, (first, second)) == lifted
    assert upcast(first(OLD), (first, second)) == lifted
    assert upcast(lifted, (first, second)) == lifted


def test_entry_of_a_newer_version_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"newer version of nexo-bridge \(entry format 4, this one knows 3\); upgrade"
    ):
        upcast(replace(OLD, format=4), (first, second))


@pytest.mark.parametrize(("name", "added"), [("Received", {"source": None}), ("Parked", {"answered": False})])
def test_format_2_knows_places_that_outlive_connections(name: str, added: dict[str, object]) -> None:
    """The rest of it: a journal recorded in format 1, in tests/corpus/journals."""
    lifted = upcast(replace(OLD, name=name))
    assert (lifted.format, lifted.body) == (FORMAT, {**OLD.body, **added})
    assert upcast(replace(OLD, name=name, kind="input")).body == OLD.body
