from __future__ import annotations

from nexo_bridge.conversation.transports import HAS, KINDS, TRAITS, TRANSPORTS, want_broker


def test_every_transport_says_what_it_has_and_nothing_without_a_name() -> None:
    assert set(HAS) == set(TRANSPORTS)
    assert frozenset[str]().union(*HAS.values()) == set(TRAITS)


def test_no_trait_is_everywhere() -> None:
    assert not frozenset.intersection(*HAS.values())


def test_a_broker_is_wanted_for_mqtt_alone() -> None:
    assert set(KINDS) == set(TRANSPORTS)
    assert [one for one in TRANSPORTS if want_broker([one])] == ["mqtt3", "mqtt5"]
    assert want_broker({"tcp", "mqtt5"})
    assert not want_broker([])
