"""The closed set of platform errors: whatever fails has a row, and the row says what the POS is really told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.categories.conditions import DECLINES, FAILURES, NOT_DONE, of_decline
from nexo_bridge.ppaas.answers import NO, outcome
from nexo_bridge.ppaas.errors import ERRORS, Kind, of
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    TerminalIs,
    Transaction,
    Unknown,
)
from nexo_bridge.ppaas.operations import OPERATIONS
from tests.platform_errors_page import page

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs" / "ppaas-contract.md").read_text(encoding="utf-8")
CODES = st.sampled_from([*ERRORS, *DECLINES, *NOT_DONE, "", "SOMETHING_NEW"])


def transaction(status: str, code: str | None = None) -> Transaction:
    return Transaction(
        transaction_id="t",
        client_transaction_id="k",
        device_id="d",
        status=status,
        amount=1,
        currency="EUR",
        decline_code=code,
    )


def test_the_page_is_current() -> None:
    """If not: .venv/bin/python tests/platform_errors_page.py > docs/platform-errors.md"""
    assert (ROOT / "docs" / "platform-errors.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("row", ERRORS.values(), ids=lambda row: row.code)
def test_a_row_is_whole(row: object) -> None:
    texts = [getattr(row, name) for name in ("sentence", "advice")]
    assert all(text.endswith(".") and "|" not in text for text in texts)


@given(CODES)
def test_what_was_not_sent_or_is_refused_is_told_to_the_pos_as_the_row_says(code: str) -> None:
    for status in (None, 422):
        row = of(NotSent(code=code, reason="r", status=status))
        assert row is not None
        if row.kind is not Kind.ASIDE:
            told = FAILURES[NOT_DONE.get(row.code, "NOT_SENT")]
            assert (row.condition, row.retry) == (told.condition, told.retry)
            assert row.kind is (Kind.NOT_SENT if status is None else Kind.REFUSED)


@given(st.sampled_from(sorted(NO)), CODES)
def test_an_ending_without_approval_is_told_to_the_pos_as_the_row_says(status: str, code: str) -> None:
    row = of(Declined(transaction=transaction(status, code or None)))
    told = of_decline(status, code or None, wished=False)
    assert row is not None
    assert (row.kind, row.condition, row.retry) == (Kind.DECLINED, told.condition, told.retry)


@given(st.integers(100, 599) | st.none())
def test_what_is_not_known_is_in_progress(status: int | None) -> None:
    row = of(Unknown(reason="r", status=status))
    told = FAILURES["IN_PROGRESS"]
    assert row is not None
    assert (row.kind, row.condition, row.retry) == (Kind.UNKNOWN, told.condition, told.retry)


@pytest.mark.parametrize(
    ("status", "code"),
    [(None, "NO_ANSWER"), (201, "UNREADABLE"), (302, "UNCLEAR"), (409, "UNCLEAR"), (503, "SERVER_ERROR")],
)
def test_what_is_not_known_says_why(status: int | None, code: str) -> None:
    assert of(Unknown(reason="r", status=status)) is ERRORS[code]


@pytest.mark.parametrize(
    "good",
    [
        Approved(transaction=transaction("APPROVED")),
        Pending(transaction=transaction("PENDING")),
        Absent(),
        Accepted(),
        TerminalIs(state="IDLE"),
    ],
    ids=lambda outcome: outcome.kind,
)
def test_what_did_not_fail_has_no_row(good: Outcome) -> None:
    assert of(good) is None


@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_of_every_operation_has_a_row_or_is_an_answer(status: int) -> None:
    for operation in OPERATIONS.values():
        found = outcome(operation, status, {}, b"")
        assert isinstance(found, Absent) or of(found) is not None


def test_what_the_core_distinguishes_is_listed() -> None:
    assert {*NOT_DONE, *DECLINES} <= ERRORS.keys()


def test_what_the_contract_names_is_listed() -> None:
    errors = CONTRACT[CONTRACT.index("| 400 | `BAD_REQUEST`") : CONTRACT.index("### What the bridge makes")]
    declines = CONTRACT[CONTRACT.index("## 6. Decline codes") : CONTRACT.index("## 7. ")]
    codes = set(re.findall(r"\| \d{3} \| `([A-Z_]+)`", errors)) - {"CONFLICT"}  # a 409 says nothing
    codes |= {
        code
        for row in re.findall(r"^\| (`.*?) \|", declines, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row)
    }
    for refusals in re.findall(r"422[:`]?(.*?)(?:\n\n|\. |$)", CONTRACT, re.DOTALL):
        codes |= set(re.findall(r"`([A-Z]+_[A-Z_]+)`", refusals))
    assert {"RATE_LIMITED", "TIMEOUT", "NOT_RUNNING", "ALREADY_CAPTURED", "DISPLAY_NOT_SUPPORTED"} <= codes
    assert codes - ERRORS.keys() == set()


def test_what_the_adapters_call_by_name_is_listed() -> None:
    sources = [*(ROOT / "nexo_bridge/adapters").glob("*.py"), ROOT / "nexo_bridge/runtime/offline.py"]
    named = {
        code
        for path in sources
        for code in re.findall(r'NotSent(?:Error)?\((?:code=)?"([A-Z]+)"', path.read_text(encoding="utf-8"))
    }
    assert {"DNS", "TOKEN", "OFFLINE"} <= named
    assert {ERRORS[code].kind for code in named} == {Kind.NOT_SENT}
