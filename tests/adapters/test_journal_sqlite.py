from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexo_bridge.adapters.journal_probe import probed
from nexo_bridge.adapters.journal_sqlite import JournalLocked, SqliteJournal
from nexo_bridge.adapters.journal_writer import Stop
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import Entry, Query, Stamp
from nexo_bridge.errors import ConfigurationError, JournalFailure
from tests.adapters.journal_rig import (
    DAY,
    KEYS,
    WALL,
    FaultyDisk,
    Told,
    clock,
    copied,
    entry,
    files,
    kept,
    listed,
    opened,
    put,
    verified,
    written,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def names(found: Any) -> list[str]:
    return [history.exchange for history in found]


# --- writing and reading


async def test_entries_come_back_equal_after_a_restart(path: Path) -> None:
    async with opened(path) as journal:
        made = [
            put(journal, "Arrived", None, kind="input", body={"message": {"a": [1, 2.5, None, "ü"]}}),
            put(
                journal,
                refs=(("key", "7"), ("key", "7"), ("pair", "S|P")),
                body={"request": {"x": 1}, "digest": "d"},
            ),
            put(journal, "Settled", settles=True, body={"answer": "<xml/>"}, public={"result": "Success"}),
            put(journal, "Arrived", "X1", kind="input", body={}, refs=(("odd", "\x00\u2028"),)),
        ]
        await journal.committed(made[-1].stamp.number)
    async with opened(path) as journal:
        assert await written(journal) == made


async def test_numbers_resume_after_the_highest(path: Path) -> None:
    async with opened(path) as journal:
        last = await kept(journal)
        journal.next_number()  # given, and never used
    async with opened(path) as journal:
        assert journal.next_number() == last.stamp.number + 2  # between them lies this start's own entry


async def test_each_start_is_written_down_first(path: Path) -> None:
    for _ in range(2):
        async with opened(path, configuration={"journal": {"path": "here"}}):
            pass
    async with opened(path) as journal:
        starts = await journal.entries()
    assert [start.name for start in starts] == ["Opened"] * 3
    assert starts[0].kind == "meta"
    assert starts[0].public["configuration"] == {"journal": {"path": "here"}}
    assert starts[0].public["installation"] == KEYS.installation_id
    assert {"program", "schema", "format"} <= set(starts[0].public)


async def test_committed_means_on_disk(path: Path, tmp_path: Path) -> None:
    async with opened(path) as journal:
        made = await kept(journal)
        async with opened(copied(path, tmp_path / "after")) as other:
            assert await written(other) == [made]


async def test_committed_waits_for_what_was_appended_only(path: Path) -> None:
    async with opened(path) as journal:
        made = await kept(journal)
        await journal.committed(journal.next_number())  # numbered, never appended: nothing to wait for
        await journal.committed(made.stamp.number)
        assert journal.backlog == 0


async def test_waiters_are_woken_in_order(path: Path) -> None:
    woken: list[int] = []
    async with opened(path) as journal:

        async def wait(number: int) -> None:
            await journal.committed(number)
            woken.append(number)

        numbers = [put(journal).stamp.number for _ in range(20)]
        await asyncio.gather(*(wait(number) for number in reversed(numbers)))
    assert sorted(woken) == numbers


async def test_cancelled_waiter_disturbs_nobody(path: Path) -> None:
    async with opened(path) as journal:
        made = put(journal)
        task = asyncio.create_task(journal.committed(made.stamp.number))
        asking = asyncio.create_task(journal.find(Query(())))
        await asyncio.sleep(0)
        task.cancel()
        asking.cancel()
        await journal.committed(made.stamp.number)
        assert task.cancelled() or task.done()
        assert await written(journal) == [made]


async def test_what_is_not_an_entry_is_refused_where_it_was_made(path: Path) -> None:
    async with opened(path) as journal:
        first = await kept(journal)
        number = journal.next_number()
        for wrong in (
            first,
            entry(number + 5),
            entry(number, body={"x": object()}),
            entry(number, body={"x": float("nan")}),
            entry(number, name="\ud800"),
            entry(number, refs=(("key", "\ud800"),)),
            dataclasses.replace(first, stamp=Stamp(number, float("inf"), 0)),
        ):
            with pytest.raises((ValueError, TypeError)):
                journal.append(wrong)
        assert journal.healthy
        assert await written(journal) == [first]


async def test_an_entry_changed_after_it_was_appended_is_written_as_it_was(path: Path) -> None:
    async with opened(path) as journal:
        body = {"amount": "10.00"}
        put(journal, body=body)
        body["amount"] = "99.00"
        assert (await written(journal))[0].body == {"amount": "10.00"}


# --- finding


async def test_find_sees_what_was_appended_before_it(path: Path) -> None:
    async with opened(path) as journal:
        made = put(journal, refs=(("key", "7"),))
        (found,) = await journal.find(Query((("key", "7"),)))
        assert found.entries == (made,)
        await journal.committed(made.stamp.number)


async def test_find_wants_all_references_whichever_decision_carries_them(path: Path) -> None:
    async with opened(path) as journal:
        for index in range(40):
            put(journal, exchange=f"X{index}", refs=(("pair", "S|P"), ("even", str(index % 2 == 0))))
        put(journal, "Acknowledged", "X20", refs=(("transaction", "T"),))
        put(journal, "Arrived", "X21", kind="input", refs=(("transaction", "T"),))
        find = journal.find
        assert names(await find(Query((("transaction", "T"),)))) == ["X20"]
        assert names(await find(Query((("pair", "S|P"), ("transaction", "T"))))) == ["X20"]
        assert names(await find(Query((("transaction", "T"), ("even", "True"), ("pair", "S|P"))))) == ["X20"]
        assert names(await find(Query((("transaction", "T"), ("even", "False"))))) == []
        assert names(await find(Query((("pair", "S|P"),), limit=3))) == ["X39", "X38", "X37"]
        assert names(await find(Query((("pair", "S|P"), ("even", "True")), limit=2))) == ["X38", "X36"]
        assert names(await find(Query((("key", "S|P"),)))) == []
        assert names(await find(Query((), limit=2))) == ["X39", "X38"]
        assert names(await find(Query((("pair", "S|P"),), limit=0))) == []
        assert len((await find(Query((("transaction", "T"),))))[0].entries) == 2


async def test_find_stops_at_since(path: Path) -> None:
    async with opened(path) as journal:
        for index in range(6):
            put(journal, exchange=f"X{index}", refs=(("pair", "p"),), wall=WALL + index)
        assert names(await journal.find(Query((("pair", "p"),), since=WALL + 4))) == ["X5", "X4"]
        assert names(await journal.find(Query((), since=WALL + 4))) == ["X5", "X4"]


async def test_f39_a_clock_set_back_hides_no_exchange(path: Path) -> None:
    async with opened(path) as journal:
        put(journal, exchange="X1", refs=(("pair", "p"),))
        put(journal, exchange="X2", refs=(("pair", "p"),), wall=0.0)  # no clock battery
        put(journal, exchange="X3", refs=(("pair", "p"),), wall=WALL + 1)
        assert names(await journal.find(Query((("pair", "p"),), since=WALL))) == ["X3", "X2", "X1"]


async def test_inputs_alone_are_no_exchange(path: Path) -> None:
    async with opened(path) as journal:
        put(journal, "Arrived", "X1", kind="input", refs=(("key", "7"),))
        assert await journal.find(Query((("key", "7"),))) == ()
        assert await journal.find(Query(())) == ()
        assert await journal.open_exchanges() == ()


async def test_the_newest_entry_of_a_channel_is_found_among_all_others(path: Path) -> None:
    async with opened(path) as journal:
        assert await journal.newest("stream:POI1") is None
        for number in range(3):
            put(journal, "PlatformEvent", "stream:POI1", kind="input", public={"event_id": f"evt_{number}"})
            put(journal, "PlatformEvent", "stream:POI2", kind="input", public={"event_id": "other"})
            put(journal, "AlarmRang", None, kind="input")
        found = await journal.newest("stream:POI1")

        assert found is not None
        assert found.public == {"event_id": "evt_2"}
        assert await journal.find(Query(refs=())) == (), "events are no exchange"
    async with opened(path) as journal:
        found = await journal.newest("stream:POI1")
        assert found is not None
        assert found.public == {"event_id": "evt_2"}


async def test_open_exchanges_are_those_begun_and_not_settled(path: Path) -> None:
    async with opened(path) as journal:
        first = put(journal, exchange="X1")
        put(journal, exchange="X2")
        third = put(journal, exchange="X3")
        put(journal, "Settled", "X2", settles=True)
        put(journal, "Delivered", "X2")
        put(journal, "Arrived", "X1", kind="input")
        more = put(journal, "Asking", "X1")
        found = await journal.open_exchanges()
        await journal.committed(more.stamp.number)
    assert [history.entries for history in found] == [(first, more), (third,)]
    async with opened(path) as journal:
        assert await journal.open_exchanges() == found


async def test_entries_are_read_page_by_page(path: Path) -> None:
    async with opened(path) as journal:
        made = [put(journal) for _ in range(7)]
        assert await journal.entries(after=made[2].stamp.number, limit=2) == (made[3], made[4])
        assert await journal.entries(after=made[6].stamp.number) == ()


async def test_no_value_of_a_body_or_a_reference_stands_in_the_file_in_clear(path: Path) -> None:
    async with opened(path) as journal:
        await kept(
            journal, refs=(("sale", "REFVALUE"),), body={"request": "BODYVALUE", "answer": "ANSWERVALUE"}
        )
        await kept(
            journal, "Arrived", None, kind="input", body={"m": "INPUTVALUE"}, public={"shown": "PUBLICVALUE"}
        )
        raw = b"".join(files(path).values())
    for value in (b"REFVALUE", b"BODYVALUE", b"ANSWERVALUE", b"INPUTVALUE"):
        assert value not in raw
    assert b"PUBLICVALUE" in raw


# --- opening


async def test_f64_second_instance_is_refused(path: Path) -> None:
    async with opened(path) as journal:
        with pytest.raises(JournalLocked, match=f"in use by process {os.getpid()}"):
            await SqliteJournal.open(path, KEYS, configuration={})
        await kept(journal)
    async with opened(path) as journal:
        assert len(await written(journal)) == 1


async def test_lock_ends_with_a_killed_process(path: Path) -> None:
    script = f"""
import asyncio, os, signal
from pathlib import Path
from tests.adapters.journal_rig import KEYS, kept, opened
async def main():
    async with opened(Path({str(path)!r})) as journal:
        await kept(journal)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == -9
    async with opened(path) as journal:
        assert len(await written(journal)) == 1


async def test_unclosed_journal_does_not_keep_the_process(tmp_path: Path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from tests.adapters.journal_rig import KEYS, kept
async def main():
    journal = await SqliteJournal.open(Path({str(tmp_path / "j")!r}), KEYS, configuration={{}}, reserve=0, low=0)
    await kept(journal)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_files_are_private(path: Path) -> None:
    async with opened(path, reserve=4096) as journal:
        await kept(journal)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes) == {path.name + suffix for suffix in ("", "-wal", "-shm", ".lock", ".reserve")}
    assert set(modes.values()) == {0o600}


async def test_f67_journal_of_another_machine_is_refused(path: Path) -> None:
    async with opened(path):
        pass
    with pytest.raises(ConfigurationError, match="does not belong to the journal"):
        await SqliteJournal.open(path, Keys.derive(b"o" * 32), configuration={})


async def test_path_that_cannot_be_used_is_one_line_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\[journal\] path: .* existing folder"):
        await SqliteJournal.open(tmp_path / "nowhere" / "journal", KEYS, configuration={})
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="is not a file"):
        await SqliteJournal.open(tmp_path / "folder", KEYS, configuration={})


async def test_cancelled_opening_lets_go_of_the_lock(path: Path) -> None:
    task = asyncio.create_task(SqliteJournal.open(path, KEYS, configuration={}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while True:
        try:
            async with opened(path):
                break
        except JournalLocked:
            await asyncio.sleep(0.005)  # the thread ends by itself; nobody is left to be told


# --- closing


async def test_close_writes_what_is_queued_and_may_be_repeated(path: Path) -> None:
    async with opened(path) as journal:
        made = [put(journal) for _ in range(100)]
        await asyncio.gather(journal.close(), journal.close())
        assert not journal.healthy
        await journal.committed(made[-1].stamp.number)
        journal.append(entry(journal.next_number()))
        with pytest.raises(JournalFailure, match="closed"):
            await journal.committed(journal.next_number())
        with pytest.raises(JournalFailure, match="closed"):
            await journal.find(Query(()))
    assert listed(path.parent) == [path.name, f"{path.name}.lock"]  # the WAL is folded in
    async with opened(path) as journal:
        assert await written(journal) == made


def test_a_loop_that_ended_leaves_what_was_queued_on_disk(path: Path) -> None:
    async def write() -> tuple[SqliteJournal, Entry]:
        journal = await SqliteJournal.open(path, KEYS, configuration={}, reserve=0, low=0)
        return journal, put(journal)

    journal, made = asyncio.run(write())
    journal._writer.put(Stop(lambda _, __: None))
    journal._writer._thread.join(10)
    assert verified(path)[-1] == made


# --- a disk that fails


@pytest.mark.parametrize("how", ["before", "after"])
async def test_f65_failed_commit_fails_its_waiters_and_all_after_until_reopened(path: Path, how: Any) -> None:
    disk, told = FaultyDisk(), Told()
    async with opened(path, connect=disk.connect, on_broken=told) as journal:
        first = await kept(journal, exchange="X1", refs=(("key", "1"),))
        disk.fails["COMMIT"] = how
        lost = [put(journal, exchange="X2") for _ in range(3)]
        for made in lost:
            with pytest.raises(JournalFailure, match="disk I/O error"):
                await journal.committed(made.stamp.number)
        await told.one.wait()
        assert not journal.healthy
        assert journal.reason is not None
        await journal.committed(first.stamp.number)  # what was there is still there

        dropped = put(journal, exchange="X3")
        with pytest.raises(JournalFailure):
            await journal.committed(dropped.stamp.number)
        assert names(await journal.find(Query((("key", "1"),)))) == ["X1"]  # questions go on
        with pytest.raises(JournalFailure):
            await journal.prune(WALL + 400 * DAY)

        assert not await journal.reopen()
        assert not journal.healthy
        disk.fails.clear()
        assert await journal.reopen()
        assert await journal.reopen()
        assert journal.healthy
        assert len(told.reasons) == 1

        present = await written(journal)
        assert present == ([first] if how == "before" else [first, *lost])
        for made in (first, *lost, dropped):
            if made in present:
                await journal.committed(made.stamp.number)
            else:
                with pytest.raises(JournalFailure, match="lost"):
                    await journal.committed(made.stamp.number)
        after = await kept(journal, exchange="X4")
        assert after.stamp.number > dropped.stamp.number
    whole = await asyncio.to_thread(verified, path)
    assert [found for found in whole if found.kind == "decision"] == [*present, after]
    assert "Reopened" in [found.name for found in whole]


async def test_no_byte_is_written_between_a_failed_fsync_and_the_reopening(path: Path) -> None:
    disk = FaultyDisk()
    async with opened(path, connect=disk.connect) as journal:
        await kept(journal)
        disk.fails["COMMIT"] = "after"
        made = put(journal)
        with pytest.raises(JournalFailure):
            await journal.committed(made.stamp.number)
        before = files(path)
        put(journal)
        await journal.find(Query(()))
        await journal.close()
        assert files(path) == before


async def test_reopening_puts_on_disk_what_it_believes(path: Path, tmp_path: Path) -> None:
    """What a failed fsync left may be in the system's memory alone: it is written again before it counts."""
    disk = FaultyDisk()
    async with opened(path, connect=disk.connect) as journal:
        disk.fails["COMMIT"] = "after"
        made = put(journal)
        with pytest.raises(JournalFailure):
            await journal.committed(made.stamp.number)
        disk.fails.clear()
        assert await journal.reopen()
        copy = copied(path, tmp_path / "copy")
        copy.with_name(f"{copy.name}-wal").unlink()
        async with opened(copy) as other:
            assert await written(other) == [made]


@pytest.mark.parametrize("word", ["BEGIN IMMEDIATE", "INSERT INTO entries", "INSERT INTO exchanges"])
async def test_a_failure_anywhere_in_the_transaction_is_one(path: Path, word: str) -> None:
    disk = FaultyDisk()
    async with opened(path, connect=disk.connect) as journal:
        disk.fails[word] = "before"
        made = put(journal)
        with pytest.raises(JournalFailure):
            await journal.committed(made.stamp.number)
        disk.fails.clear()
        assert await journal.reopen()
        await kept(journal)
        assert len(await written(journal)) == 1


async def test_a_fault_of_the_program_breaks_the_journal_and_not_the_process(path: Path) -> None:
    disk = FaultyDisk()
    async with opened(path, connect=disk.connect) as journal:
        journal.append(entry(journal.next_number(), settles=2**70))  # type: ignore[arg-type]  # the fault
        with pytest.raises(JournalFailure, match=r"^[A-Za-z]+$"):  # its name, and nothing of the entry
            await journal.committed(2)
        assert await journal.reopen()
        await kept(journal)


async def test_a_question_that_fails_takes_nothing_with_it(path: Path) -> None:
    disk = FaultyDisk()
    async with opened(path, connect=disk.connect) as journal:
        disk.fails["SELECT max(id)"] = "before"
        made = put(journal)
        with pytest.raises(JournalFailure, match="disk I/O error"):
            await journal.find(Query(()))
        await journal.committed(made.stamp.number)
        assert journal.healthy


async def test_a_failed_checkpoint_breaks_the_journal_in_a_quiet_moment(path: Path) -> None:
    disk, told = FaultyDisk(), Told()
    async with opened(path, connect=disk.connect, on_broken=told) as journal:
        made = await kept(journal)
        disk.fails["PRAGMA wal_checkpoint(PASSIVE)"] = "before"
        await told.one.wait()
        disk.fails.clear()
        assert await journal.reopen()
        assert await written(journal) == [made]


async def test_opening_on_a_failing_disk_says_so(path: Path) -> None:
    disk = FaultyDisk()
    disk.fails["COMMIT"] = "before"
    for word in ("COMMIT", "PRAGMA", "INSERT INTO entries"):
        disk.fails = {word: "before"}
        with pytest.raises(JournalFailure, match="disk I/O error"):
            async with opened(path, connect=disk.connect):
                pass
    async with opened(path) as journal:
        await kept(journal)


# --- retention, as seen from the loop


async def test_prune_leaves_a_trace_and_a_chain_that_verifies(path: Path) -> None:
    async with opened(path) as journal:
        for index in range(3):
            put(journal, exchange=f"X{index}", refs=(("key", str(index)),))
            put(journal, "Settled", f"X{index}", settles=True, body={"answer": "x"})
        put(journal, exchange="X9", refs=(("key", "9"),))
        put(journal, "Heartbeat", None, kind="input", wall=WALL + 8 * DAY)
        pruning = await journal.prune(WALL + 8 * DAY)
        assert (pruning.keys, pruning.answers, pruning.rows) == (3, 3, 0)
        assert await journal.find(Query((("key", "1"),))) == ()
        assert names(await journal.find(Query((("key", "9"),)))) == ["X9"]
        last = (await journal.entries())[-1]
        assert (last.name, last.public) == ("Pruned", {"keys": 3, "answers": 3})
        again = await journal.prune(WALL + 8 * DAY)
        assert again.public() == {}
        assert (await journal.entries())[-1] == last
    await asyncio.to_thread(verified, path)


# --- speed


async def test_fifty_at_once_share_their_commits(path: Path) -> None:
    """What makes 19 000 entries a second of a disk that syncs some hundred times; ``make bench`` measures it."""
    body = {"request": {"text": "x" * 700}, "key": "k" * 36}
    points: list[str] = []
    async with opened(path, connect=probed(points.append)) as journal:

        async def one(number: int) -> None:
            for step in range(4):
                await kept(
                    journal, "Step", f"X{number}", body=body, refs=(("key", str(number)),), settles=step == 3
                )

        for start in range(0, 500, 50):
            await asyncio.gather(*(one(number) for number in range(start, start + 50)))
    assert points.count("journal.committed") < 1_000  # of 2 000 entries; some hundred are usual


# --- any sequence

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abü", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
_body = st.dictionaries(st.sampled_from(["answer", "request", "digest", "x", ""]), _json, max_size=4)
_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
_number = st.floats(allow_nan=False, allow_infinity=False)
_entries = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["input", "decision", "meta"]),
        "name": _text,
        "exchange": st.none() | st.sampled_from(["X1", "X2", "|", "\0"]),
        "body": _body,
        "public": _body,
        "refs": st.lists(st.tuples(_text, _text), max_size=3).map(tuple),
        "settles": st.booleans(),
        "wall": _number,
        "mono": _number,
    }
)
_steps = st.lists(
    _entries | st.sampled_from(["commit", "restart", "break", "reopen", "find", "number"]),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_steps)
def test_any_sequence_gives_back_the_same_entries(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    expected: list[Entry] = []

    async def run() -> None:
        disk = FaultyDisk()

        async def start() -> SqliteJournal:
            return await SqliteJournal.open(
                path, KEYS, configuration={}, reserve=0, low=0, clock=clock, connect=disk.connect
            )

        journal = await start()
        durable: list[Entry] = []
        for step in [*steps, "reopen", "commit"]:
            if isinstance(step, dict):
                fields = dict(step)
                stamp = Stamp(journal.next_number(), fields.pop("wall"), fields.pop("mono"))
                made = Entry(stamp, **fields)
                journal.append(made)
                if journal.healthy:
                    expected.append(made)
            elif step == "commit" and expected and journal.healthy:
                await journal.committed(expected[-1].stamp.number)
                durable = list(expected)
            elif step == "restart" and journal.healthy:
                await journal.close()
                durable = list(expected)
                journal = await start()
            elif step == "break" and journal.healthy:
                await journal.entries()
                durable = list(expected)
                disk.fails["COMMIT"] = "before"
                journal.append(entry(journal.next_number()))
                with pytest.raises(JournalFailure):
                    await journal.committed(journal.next_number())
            elif step == "reopen":
                disk.fails.clear()
                assert await journal.reopen()
            elif step == "find":
                await journal.find(Query((("a", "b"),)))
                await journal.open_exchanges()
            elif step == "number":
                journal.next_number()
        await journal.close()
        assert durable == expected

    asyncio.run(run())
    own = {"Opened", "Reopened"}
    assert [found for found in verified(path) if found.name not in own or found.kind != "meta"] == expected
