from __future__ import annotations

from nexo_bridge.adapters.mqtt_flight import Flight


def test_r13_acknowledgements_go_out_in_the_order_the_publications_came() -> None:
    flight = Flight()
    first, second, third = (flight.take_off(packet) for packet in (11, 12, 13))
    assert flight.oldest == first
    assert flight.land(second) == []
    assert flight.land(first) == [11, 12]
    assert flight.oldest == third
    assert flight.land(third) == [13]
    assert flight.oldest is None


def test_r13_a_number_dies_with_its_connection() -> None:
    first, second = Flight(), Flight()
    number = first.take_off(1)
    second.take_off(1)
    assert second.land(number) == []


def test_r13_a_number_lands_once() -> None:
    flight = Flight()
    number = flight.take_off(1)
    assert flight.land(number) == [1]
    assert flight.land(number) == []
