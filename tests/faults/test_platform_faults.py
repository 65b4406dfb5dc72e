"""Every fault the sandbox has a name for, through whole payments by card and by QR code (F28, F36, F40, F41, F43)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from nexo_bridge.sandbox.faults import FAULTS
from tests.adapters import test_result_channels
from tests.faults import words
from tests.faults.stage import POIID, Stage, Till, stage
from tests.faults.words import Answer

BOTH = (False, True)


@dataclass(frozen=True)
class Case:
    """``times`` it happens, at which row; what the till must hear; ``charged`` of how many creates on the books."""

    result: str
    code: str = ""
    condition: str | None = None
    operation: str | None = None
    times: int = 1
    rows: int = 1


NEVER = Case("Failure", "NB-312", "UnreachableHost", rows=0)
NO_TOKEN = Case("Failure", "NB-311", "UnreachableHost", rows=0)
CASES: dict[str, Case] = {
    "lose-create-answer": Case("Success"),
    "lose-create-request": NEVER,
    "create-500-after-storing": Case("Success"),
    "create-409": NEVER,
    "read-404-at-first": Case("Success", times=2),
    "unauthorised-once": Case("Success"),
    "token-down": NO_TOKEN,
    "token-429": NO_TOKEN,
    "token-html": NO_TOKEN,
    "token-without-token": NO_TOKEN,
    "token-life-missing": Case("Success"),
    "token-life-zero": Case("Success"),
    "token-life-negative": Case("Success"),
    "token-life-string": Case("Success"),
    "token-slow": Case("Success"),
    "lose-refresh-answer": Case("Success"),  # no refresh tokens here: the fault waits, and is taken back
    "slow-answers": Case("Success", times=3),
    "truncate-answer": Case("Success"),
    "reset": Case("Success"),
    "late-create": NEVER,
    "stale-reads": Case("Success", times=4),
    "late-approval-after-cancel": Case("Success"),  # nobody stops it: the fault waits, and is taken back
}


OF_EVENTS = {name for name in FAULTS if name.startswith(("event-", "webhook-"))} | {
    "drop-stream",
    "invalid-resume",
    "backlog",
}
"""Played where results come by themselves: tests/adapters/test_result_channels.py."""


def test_every_fault_of_the_sandbox_has_its_case() -> None:
    assert set(CASES) == set(FAULTS) - OF_EVENTS
    played = Path(test_result_channels.__file__).read_text(encoding="utf-8")
    assert [name for name in OF_EVENTS if f'"{name}"' not in played] == []


async def paid_under(it: Stage, till: Till, fault: str, case: Case, service: str, *, qr: bool) -> Answer:
    before = len(it.sandbox.ledger())
    if fault.startswith("token-"):
        await it.advance(301)  # so that this payment needs a new one
    it.sandbox.inject(fault, POIID, case.times, operation=case.operation)
    answer = await till.pay(service, "12.50", qr=qr)
    assert (answer.result, answer.code, answer.condition) == (case.result, case.code, case.condition), str(
        answer
    )
    if case.result == "Success":
        assert answer.amount == "12.50"
    else:
        assert answer.retry == "yes"
        assert "nothing was charged" in answer.said
    assert len(it.sandbox.ledger()) - before == case.rows
    it.sandbox.inject(fault, POIID, 0)
    if fault == "token-429":
        await it.advance(5)  # the token endpoint asked for that long
    return answer


async def repeated(it: Stage, till: Till, service: str, answer: Answer, *, qr: bool) -> None:
    """The till did not see the answer: it asks, and it repeats; neither calls the platform."""
    rows = it.sandbox.ledger()
    told = await till.status(f"8{service}", service)
    assert told.result == "Success"
    assert told.inner == (answer.result, answer.condition)
    assert (await till.pay(service, "12.50", qr=qr)).data == answer.data
    assert it.sandbox.ledger() == rows


@pytest.mark.parametrize("fault", CASES)
async def test_f40_a_payment_under(fault: str, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        for service, qr in (("11", False), ("12", True)):
            answer = await paid_under(it, till, fault, CASES[fault], service, qr=qr)
            await repeated(it, till, service, answer, qr=qr)
            await it.usable(till)


@pytest.mark.parametrize("qr", BOTH)
async def test_f40_the_same_with_a_platform_that_de_duplicates(tmp_path: Path, *, qr: bool) -> None:
    async with stage(tmp_path, dedup=True) as it:
        till = await it.logged_in()
        for number, (fault, case) in enumerate(CASES.items(), start=11):
            answer = await paid_under(it, till, fault, case, str(number), qr=qr)
            await repeated(it, till, str(number), answer, qr=qr)
        await it.usable(till)
        assert {row["creates"] for row in it.sandbox.ledger()} == {1}


@pytest.mark.parametrize("fault", ["truncate-answer", "reset", "unauthorised-once", "slow-answers"])
@pytest.mark.parametrize("row", ["create", "read", "find", "fence"])
async def test_f41_an_answer_spoilt_at(row: str, fault: str, tmp_path: Path) -> None:
    """Whatever is lost is asked for again, and the create is never sent twice."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        for service, method in (("11", "card"), ("12", "qr")):
            if row in {"find", "fence"}:
                it.sandbox.inject("lose-create-request" if row == "fence" else "lose-create-answer", POIID)
            it.sandbox.inject(fault, POIID, operation=f"{row}_{method}")
            answer = await till.pay(service, "12.50", qr=method == "qr")
            assert answer.result == ("Failure" if row == "fence" else "Success"), str(answer)
            assert not it.sandbox.pending_faults()
        await it.usable(till)


@pytest.mark.parametrize("qr", BOTH)
async def test_f40_a_late_create_that_comes_before_the_fence_is_found_and_paid(
    tmp_path: Path, *, qr: bool
) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.inject("late-create", POIID)
        await till.send(till.payment("11", "12.50", qr=qr))
        await it.advance(0.6)
        assert it.sandbox.deliver_late() == 1
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)


@pytest.mark.parametrize("qr", BOTH)
@pytest.mark.parametrize("dedup", BOTH)
async def test_f28_late_approval_after_a_stop_is_a_success(tmp_path: Path, *, qr: bool, dedup: bool) -> None:
    """The stop was acknowledged and the customer was quicker: what the till hears is that it was paid."""
    async with stage(tmp_path, dedup=dedup) as it:
        till = await it.logged_in()
        it.sandbox.inject("late-approval-after-cancel", POIID)
        await till.send(till.payment("11", "12.50", qr=qr))
        await it.advance(1)
        await till.send(words.abort("12", till.sale, till.poi, "11"))
        assert not it.sandbox.pending_faults()
        answer = await till.hear()
        assert (answer.service, answer.result, answer.amount) == ("11", "Success", "12.50")
        assert it.time.passed > 60  # the stop could still have undone it until then (rule R6)
        await it.usable(till)


@pytest.mark.parametrize("qr", BOTH)
async def test_f40_an_approval_that_comes_after_a_readable_stop_is_not_believed_too_soon(
    tmp_path: Path, *, qr: bool
) -> None:
    """The stop's answer is lost as well: nothing is said before it cannot act any more."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50", qr=qr))
        await it.advance(1)
        it.sandbox.inject("reset", POIID, operation="cancel_qr" if qr else "terminal_abort")
        await till.send(words.abort("12", till.sale, till.poi, "11"))
        answer = await till.hear()
        assert (answer.result, answer.condition) == ("Failure", "Aborted")
        await it.usable(till)


async def test_f40_nothing_is_known_for_long_and_the_till_is_not_told_a_guess(tmp_path: Path) -> None:
    """Every read fails until after ``answer_by``: no answer goes out, TransactionStatus says InProgress."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.inject("reset", POIID, 1000, operation="read_card")
        await till.send(till.payment("11", "12.50"))
        await it.advance(130)
        assert till.answers.empty()
        assert "PARKED" in it.alarms
        asked = await till.status("12", "11")
        assert (asked.result, asked.condition, asked.retry) == ("Failure", "InProgress", "check")
        it.sandbox.inject("reset", POIID, 0)
        answer = await till.hear()
        assert (answer.service, answer.result) == ("11", "Success")
        await it.usable(till)
