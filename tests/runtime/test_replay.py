"""A journal of a real day fed through the core again: the same decisions, or the first one that is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.core.journal import Entry
from nexo_bridge.runtime.replay import HIDDEN, replay
from tests.faults.stage import KEYS, stage

SCANNED = "28161234567890"


async def day(folder: Path) -> Path:
    """A login, a payment, a decline, a repeat, a payment with a scanned code, a restart, a status; its journal."""
    async with stage(folder) as it:
        till = await it.logged_in()
        request = till.payment("11", "12.50")
        await till.ask(request)
        await till.pay("12", "10.05")
        await till.ask(request)
        await till.pay("13", "9.00", scanned=SCANNED)
        await it.restart()
        till = await it.till()
        await till.status("14", "11")
        return it.settings.journal.path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    path = asyncio.run(day(tmp_path_factory.mktemp("replay")))
    with JournalReader(path, KEYS) as reader:
        return list(reader.entries())


@pytest.fixture
def entries(recorded: list[Entry]) -> list[Entry]:
    return list(recorded)


def decided(entries: list[Entry], name: str) -> int:
    return next(place for place, one in enumerate(entries) if one.kind == "decision" and one.name == name)


def test_a_journal_replays_as_it_was_written(entries: list[Entry]) -> None:
    result = replay(entries)
    assert result.difference is None
    assert result.starts == 2
    assert result.inputs == sum(one.kind == "input" for one in entries)
    assert result.decisions == sum(one.kind == "decision" for one in entries)


def test_every_prefix_of_a_journal_replays_too(entries: list[Entry]) -> None:
    for end in range(len(entries)):
        assert replay(entries[:end]).difference is None


def test_secrets_are_fed_as_their_hmac(entries: list[Entry]) -> None:
    assert SCANNED not in repr(entries)
    asking = next(one for one in entries if one.name == "Asking" and one.body["operation"] == "create_qr")
    assert set(asking.body["body"]["scanned_payment_id"]) == {"hmac"}


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("Settled", {"result": "Failure"}, "Settled.result was Success, is now Success"),
        ("Settled", {"answer": "<other/>"}, f"Settled.answer was {HIDDEN}, is now {HIDDEN}"),
        ("Asking", {"key": "other"}, "Asking.key was "),
        ("LoggedIn", {"capabilities": ["PrinterReceipt"]}, f"LoggedIn.capabilities was {HIDDEN}"),
    ],
)
def test_the_first_decision_that_differs_is_named(
    entries: list[Entry], name: str, changes: dict[str, object], what: str
) -> None:
    place = decided(entries, name)
    entries[place] = replace(entries[place], body=entries[place].body | changes)
    difference = replay(entries).difference
    assert difference is not None
    assert difference.number == entries[place].stamp.number
    assert difference.exchange == entries[place].exchange
    assert difference.what.startswith(what)


def without(entries: list[Entry], place: int) -> list[Entry]:
    return entries[:place] + entries[place + 1 :]


def test_a_decision_left_out_is_found_at_the_next_input(entries: list[Entry]) -> None:
    place = decided(entries, "Settled")
    difference = replay(without(entries, place)).difference
    assert difference is not None
    assert difference.what == "Settled was decided by replay and is not in the journal"


def test_what_a_broken_journal_lost_is_no_difference(entries: list[Entry]) -> None:
    place = decided(entries, "Delivered")
    again = replace(entries[place], kind="meta", name="Reopened", exchange=None, body={}, public={})
    assert replay([*entries[:place], again, *entries[place + 1 :]]).difference is None


def test_a_decision_put_in_is_found(entries: list[Entry]) -> None:
    place = decided(entries, "Settled")
    difference = replay(entries[: place + 1] + entries[place:]).difference
    assert difference is not None
    assert difference.what == "Settled is in the journal and was not decided by replay"


def test_another_decision_in_its_place_is_found(entries: list[Entry]) -> None:
    place = decided(entries, "Received")
    difference = replay(without(entries, place)).difference
    assert difference is not None
    assert "replay decided Received" in difference.what


def test_what_lies_before_the_first_start_is_passed_over(entries: list[Entry]) -> None:
    second = [place for place, one in enumerate(entries) if one.name == "Opened"][1]
    result = replay(entries[second - 3 :])
    assert (result.starts, result.difference) == (1, None)
