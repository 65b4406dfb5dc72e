"""The port is a promise; its only code is its shape, so that what implements it is checked by mypy and here."""

from __future__ import annotations

import inspect

from nexo_bridge.adapters.intake import Intake


def test_what_a_listener_awaits_can_hold_it_back_and_the_end_cannot() -> None:
    assert inspect.iscoroutinefunction(Intake.frame)
    assert inspect.iscoroutinefunction(Intake.fault)
    assert not inspect.iscoroutinefunction(Intake.gone)
