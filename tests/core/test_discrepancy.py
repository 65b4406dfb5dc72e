"""The cases by name are those of ``test_r8_frozen`` and ``test_news``; here stands what an ending says of an amount."""

from __future__ import annotations

import pytest

from nexo_bridge.core import discrepancy
from nexo_bridge.core.exchange import fold
from tests.core.playbook import paid
from tests.core.words import approved


@pytest.mark.parametrize(
    ("authorised", "against"), [(None, False), (999, False), (1000, False), (1001, True)]
)
def test_less_than_was_answered_may_be_a_later_refund_more_may_not(
    authorised: int | None, against: bool
) -> None:
    play = paid()
    found = discrepancy.against(
        fold(play.journal.histories()[-1]), approved(play.key(), authorised=authorised)
    )

    assert (found is not None) == against
