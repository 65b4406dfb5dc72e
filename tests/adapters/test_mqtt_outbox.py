from __future__ import annotations

from nexo_bridge.adapters.mqtt_outbox import ATTEMPTS, WINDOW, Answer, Outbox


def add(outbox: Outbox, payload: bytes) -> Answer:
    answer = outbox.add("t", payload, b"", "")
    assert answer is not None
    return answer


async def test_answers_are_sent_in_order_a_window_at_a_time() -> None:
    outbox = Outbox(10_000)
    answers = [add(outbox, b"x%d" % number) for number in range(WINDOW + 2)]
    assert list(outbox.next()) == answers[:WINDOW]
    for one in answers[:WINDOW]:
        one.since = 5.0
    assert list(outbox.next()) == []
    assert outbox.oldest == 5.0
    outbox.end(answers[0], taken=True)
    assert await answers[0].taken
    assert list(outbox.next()) == [answers[WINDOW]]


async def test_what_a_lost_connection_had_not_taken_is_sent_again() -> None:
    outbox = Outbox(10_000)
    answer = add(outbox, b"x")
    answer.since = 5.0
    assert outbox.reconnected() == []
    assert list(outbox.next()) == [answer]
    assert outbox.oldest is None


async def test_f87_what_breaks_every_connection_is_given_up() -> None:
    outbox = Outbox(10_000)
    large, small = add(outbox, b"x" * 5000), add(outbox, b"x")
    large.attempts = ATTEMPTS
    assert outbox.reconnected() == [large]
    assert not await large.taken
    assert list(outbox.next()) == [small]


async def test_i8_what_has_no_room_is_refused_but_one_always_has() -> None:
    outbox = Outbox(100)
    first = outbox.add("t", b"x" * 200, b"", "")
    assert first is not None
    assert outbox.add("t", b"x", b"", "") is None
    outbox.end(first, taken=True)
    assert outbox.add("t", b"x", b"", "") is not None


async def test_at_the_end_nothing_waits_any_more() -> None:
    outbox = Outbox(100)
    answer = add(outbox, b"x")
    outbox.give_up()
    assert outbox.empty
    assert not await answer.taken
    outbox.end(answer, taken=True)  # a late acknowledgement
    assert not answer.taken.result()
