"""Each thing is shown once; the stories are in test_r5_deadlines."""

from __future__ import annotations

from nexo_bridge.categories.plan import Shown
from nexo_bridge.core.screens import Screens
from nexo_bridge.ppaas.models import DisplayBody
from tests.core.words import QR_CODE, pending


def test_a_status_or_a_code_that_was_shown_is_no_news() -> None:
    screens = Screens()
    assert screens.news(pending("k"))
    assert not screens.news(pending("k"))
    assert screens.news(pending("k", qr=QR_CODE))
    assert screens.news(pending("k", status="IN_PROGRESS"))


def test_the_terminal_shows_one_screen() -> None:
    screens = Screens()
    one, two = DisplayBody(format="TEXT", text="1"), DisplayBody(format="TEXT", text="2")
    assert list(screens.on_terminal(Shown(to_terminal=(one, two)))) == [one]
    assert not list(screens.on_terminal(Shown(to_terminal=(two,))))
