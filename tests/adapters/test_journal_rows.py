from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nexo_bridge.adapters.journal_chain import JournalDamaged, digest
from nexo_bridge.adapters.journal_rows import Drafting, Retention, Row, Rows
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import FORMAT, Entry
from nexo_bridge.errors import JournalFailure
from tests.adapters.journal_rig import KEYS, entry

WHOLE = entry(
    7,
    "Settled",
    body={"request": {"a": 1}, "answer": "<xml/>", "status": "APPROVED"},
    public={"result": "Success"},
    refs=(("key", "7"), ("key", "7")),
    settles=True,
)


def row(made: Entry, **changes: Any) -> Row:
    draft = Drafting().draft(made)
    body, raw, answer = Rows(KEYS).sealed(draft)
    parts = {"public": draft.public, "body": body, "raw": raw, "answer": answer}
    digests = b"".join(digest(part) for part in parts.values())
    parts |= changes
    stamp = made.stamp
    head = (
        stamp.number,
        stamp.wall,
        stamp.mono,
        made.kind,
        made.name,
        made.exchange,
        int(made.settles),
        made.format,
    )
    return (*head, *parts.values(), digests)


@pytest.mark.parametrize("kind", ["input", "decision", "meta"])
def test_an_entry_comes_back(kind: Any) -> None:
    made = dataclasses.replace(WHOLE, kind=kind)
    assert Rows(KEYS).entry(row(made), whole=True) == made


def test_parts_are_what_retention_takes_apart() -> None:
    decision, received = Drafting().draft(WHOLE), Drafting().draft(dataclasses.replace(WHOLE, kind="input"))
    assert decision.parts == (
        b'{"b":{"status":"APPROVED"},"r":[["key","7"],["key","7"]]}',
        b'{"b":{"request":{"a":1}},"r":[]}',
        b'{"b":{"answer":"<xml/>"},"r":[]}',
    )
    assert [part is not None for part in received.parts] == [False, True, False]
    none = Drafting(Retention(answer_fields=frozenset(), raw_fields=frozenset())).draft(WHOLE)
    assert [part is not None for part in none.parts] == [True, False, False]
    assert none.refs == (("key", b"7"),)


def test_without_keys_there_is_the_projection_alone() -> None:
    assert Rows(None).entry(row(WHOLE)) == dataclasses.replace(WHOLE, body={}, refs=())


def test_what_retention_took_is_missing_and_the_rest_is_there() -> None:
    left = Rows(KEYS).entry(row(WHOLE, answer=None))
    assert left.body == {"request": {"a": 1}, "status": "APPROVED"}
    assert Rows(KEYS).entry(row(WHOLE, public=None, body=None, raw=None, answer=None)).public == {}
    with pytest.raises(JournalDamaged, match="row 7: its answer is missing"):
        Rows(KEYS).entry(row(WHOLE, answer=None), whole=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b""},
        {"body": 5},
        {"public": b"{"},
        {"public": b"\xff"},
        {"answer": row(WHOLE)[9]},  # its own body in the place of its answer
        {"body": row(dataclasses.replace(WHOLE, name="Other"))[9]},
        {"body": row(dataclasses.replace(WHOLE, exchange="X2"))[9]},
        {"body": row(dataclasses.replace(WHOLE, exchange=None))[9]},
        {"body": row(entry(8, "Settled"))[9]},
    ],
)
def test_a_part_that_is_not_this_rows_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(JournalDamaged, match="row 7: a part of it does not open"):
        Rows(KEYS).entry(row(WHOLE, **changes))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(JournalDamaged):
        Rows(Keys.derive(b"o" * 32)).entry(row(WHOLE))


def test_entry_of_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(JournalFailure, match=r"row 7: written by a newer version .* upgrade"):
        Rows(KEYS).entry(row(dataclasses.replace(WHOLE, format=FORMAT + 1)))


def test_tokens_depend_on_name_value_and_key() -> None:
    rows = Rows(KEYS)
    tokens = {
        rows.token("key", b"7"),
        rows.token("sale", b"7"),
        rows.token("key", b"8"),
        rows.token("k", b"ey7"),
    }
    assert len(tokens) == 4
    assert rows.token("key", b"7") == Rows(KEYS).token("key", b"7")
    assert rows.token("key", b"7") != Rows(Keys.derive(b"o" * 32)).token("key", b"7")
