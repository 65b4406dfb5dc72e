"""Diagnosis: what was heard, in nexo's words; an unreachable terminal is a successful diagnosis that says so."""

from __future__ import annotations

import pytest

from nexo_bridge.categories.diagnosis import plan, report
from nexo_bridge.categories.plan import Inquire
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.ppaas.models import TerminalIs
from tests.categories.facts import facts
from tests.core.words import ACCEPTED, LOST, diagnosis


@pytest.mark.parametrize(
    ("state", "busy", "said"),
    [
        (TerminalIs(state="IDLE"), False, ("OK", True, True)),
        (TerminalIs(state="IDLE"), True, ("Busy", True, True)),
        (TerminalIs(state="BUSY"), False, ("Busy", True, True)),
        (TerminalIs(state="OUT_OF_ORDER"), False, ("Maintenance", True, False)),
        (LOST, False, ("Unreachable", False, None)),
    ],
)
def test_the_terminal(state: object, busy: bool, said: tuple[str, bool, bool | None]) -> None:
    made = report(nexo.DiagnosisRequest(), (("terminal_status", state),), facts(busy=busy))
    status = made.poi_status
    assert status is not None
    assert (status.global_status, status.communication_ok_flag, status.card_reader_ok_flag) == said
    assert made.response.result == "Success"
    assert made.host_status == ()


@pytest.mark.parametrize(("heard", "reachable"), [(ACCEPTED, True), (LOST, False)])
def test_the_host(heard: object, reachable: bool) -> None:
    made = report(nexo.DiagnosisRequest(), (("countries", heard),), facts())
    (host,) = made.host_status
    assert host.is_reachable_flag is reachable


@pytest.mark.parametrize(
    ("host", "of", "operations", "poi"),
    [
        (False, None, ("terminal_status",), "POI1"),
        (True, "POI2", ("terminal_status", "countries"), "POI2"),
    ],
)
def test_whom_it_asks(host: bool, of: str | None, operations: tuple[str, ...], poi: str) -> None:
    request = diagnosis(host=host, of=of).message
    assert isinstance(request.body, nexo.DiagnosisRequest)
    assert plan(request, request.body, facts()) == Inquire(operations, poi_id=poi)
