"""Login: a session begins, unless for training or in a version nobody here speaks (R14)."""

from __future__ import annotations

import pytest

from nexo_bridge.categories.login import LOGIN, plan
from nexo_bridge.categories.plan import AnswerNow, OpenSession
from nexo_bridge.core.signals import Arrived
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Version
from tests.categories.facts import facts
from tests.core.words import login


def planned(arrived: Arrived, version: Version = "3.1") -> object:
    body = arrived.message.body
    assert isinstance(body, nexo.LoginRequest)
    return plan(arrived.message, body, facts(version=version))


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_a_session_with_what_the_pos_can_show(version: Version) -> None:
    made = planned(login("CashierDisplay", protocol_version=version), version)
    assert isinstance(made, OpenSession)
    assert made.capabilities == ("CashierDisplay",)
    assert isinstance(made.body, nexo.LoginResponse)
    data = made.body.poi_system_data
    assert data is not None
    assert data.poi_terminal_data is not None
    assert data.poi_terminal_data.poi_serial_number == "SER1"
    assert data.poi_terminal_data.terminal_environment == "Attended"
    assert (data.poi_software.manufacturer_id is None) is (version == "3.1")


def test_a_pos_that_says_nothing_of_itself_has_no_capabilities() -> None:
    made = planned(login(terminal=False))
    assert isinstance(made, OpenSession)
    assert made.capabilities == ()


@pytest.mark.parametrize(
    ("arrived", "code"), [(login(protocol_version="4.0"), "NB-333"), (login(training=True), "NB-332")]
)
def test_r14_what_is_not_served(arrived: Arrived, code: str) -> None:
    made = planned(arrived)
    assert isinstance(made, AnswerNow)
    assert isinstance(made.body, nexo.LoginResponse)
    assert code in (made.body.response.additional_response or "")


def test_login_needs_no_session_and_is_never_busy() -> None:
    assert LOGIN.sessionless
    assert LOGIN.overlaps
