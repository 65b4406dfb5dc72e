"""A channel that is up and through which nothing comes is found out by the payments that end without it."""

from __future__ import annotations

import pytest

from nexo_bridge.core.journal import Entry, Stamp
from nexo_bridge.core.signals import Accept, Command, Forget, Journal
from nexo_bridge.core.source import Source
from nexo_bridge.runtime.silence import Silence

POIID = "POI00001"
WATCHDOG = 5.0


def decided(name: str, exchange: str = "X1", poiid: str = POIID) -> Command:
    body = {"poiid": poiid} if name == "Asking" else {}
    return Journal(Entry(Stamp(1, 0.0, 0.0), "decision", name, exchange, body))


@pytest.fixture
def silence() -> Silence:
    return Silence({POIID: WATCHDOG, "POI00002": WATCHDOG}, lambda _: True)


def goes(silence: Silence, *steps: tuple[float, Command | str]) -> str | None:
    """Commands at their moments, an event of a terminal where its name stands; what is said of POI00001 then."""
    for moment, step in steps:
        if isinstance(step, str):
            silence.heard(step)
        else:
            silence.observe(Stamp(1, 0.0, moment), step)
    return silence.problem(POIID)


def payment(ended: float, *, exchange: str = "X1", poiid: str = POIID) -> tuple[tuple[float, Command], ...]:
    """One that the platform knows from second 1 on."""
    return (
        (0.0, decided("Asking", exchange, poiid)),
        (1.0, decided("Acknowledged", exchange, poiid)),
        (ended, decided("Settled", exchange, poiid)),
    )


def test_a_payment_that_had_to_be_read_gives_it_away(
    silence: Silence, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the platform knows where" in (goes(silence, *payment(6.0)) or "")
    assert silence.problem("POI00002") is None
    assert goes(silence, *payment(16.0, exchange="X2")) is not None
    assert capsys.readouterr().out.count("channel silent") == 1, "said once"


def test_the_next_event_of_that_terminal_ends_it(
    silence: Silence, capsys: pytest.CaptureFixture[str]
) -> None:
    goes(silence, *payment(6.0))
    assert goes(silence, (7.0, "POI00002")) is not None
    assert goes(silence, (8.0, POIID)) is None
    assert "channel heard again" in capsys.readouterr().out


def test_one_event_is_enough_and_it_must_be_of_that_terminal(silence: Silence) -> None:
    asking, known, settled = payment(60.0)
    assert goes(silence, asking, known, (2.0, POIID), settled) is None
    assert goes(silence, asking, known, (2.0, "POI00002"), settled) is not None


@pytest.mark.parametrize(
    "steps",
    [
        payment(5.9),  # it had not to be told of yet
        payment(60.0, poiid="POI00003"),  # polled
        payment(60.0)[::2],  # the platform never knew of it: nothing could be told
        payment(60.0)[1:],  # begun by an earlier process
        (*payment(60.0)[:2], (3.0, Forget("X1")), payment(60.0)[2]),
        (*payment(60.0)[:2], (50.0, Accept(Source("stream", "s-1"), 1))),
    ],
)
def test_what_proves_nothing(silence: Silence, steps: tuple[tuple[float, Command], ...]) -> None:
    assert goes(silence, *steps) is None
    assert silence.problem("POI00003") is None


def test_the_first_word_of_the_platform_counts(silence: Silence) -> None:
    asking, known, settled = payment(6.5)
    assert goes(silence, asking, known, (3.0, decided("Acknowledged")), settled) is not None


def test_a_terminal_that_is_polled_from_now_on_is_not_silent(silence: Silence) -> None:
    goes(silence, *payment(6.0), (6.0, decided("Asking", "X2")), (6.0, decided("Acknowledged", "X2")))
    silence.expect({"POI00002": WATCHDOG})
    assert goes(silence, (60.0, decided("Settled", "X2"))) is None


def test_a_channel_that_is_down_says_so_itself() -> None:
    up = {POIID: False}
    silence = Silence({POIID: WATCHDOG}, lambda poiid: up[poiid])
    assert goes(silence, *payment(60.0)) is None
    up[POIID] = True
    assert goes(silence, *payment(60.0, exchange="X2")) is not None


def test_a_channel_that_began_anew_during_the_payment_may_have_missed_its_event(silence: Silence) -> None:
    asking, known, settled = payment(60.0)
    goes(silence, asking, known)
    silence.missed("POI00002")
    silence.missed(POIID)
    assert goes(silence, settled) is None
    assert goes(silence, *payment(60.0, exchange="X2")) is not None
    silence.missed(POIID)
    assert silence.problem(POIID) is not None, "only an event ends it"
