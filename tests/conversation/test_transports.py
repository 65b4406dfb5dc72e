from __future__ import annotations

from nexo_bridge.conversation.transports import HAS, TRAITS, TRANSPORTS


def test_every_transport_says_what_it_has_and_nothing_without_a_name() -> None:
    assert set(HAS) == set(TRANSPORTS)
    assert frozenset[str]().union(*HAS.values()) == set(TRAITS)


def test_no_trait_is_everywhere() -> None:
    assert not frozenset.intersection(*HAS.values())
