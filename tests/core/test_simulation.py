"""I1, I2, I3, I5, I6, R3, R11 and R13 under everything at once; ``--hypothesis-profile=thorough`` tries long.

A story is a list of moves. Ordinary moves are frequent and everything hostile is rare, so that most stories get deep
before something goes wrong; a falsified one is shrunk to the moves that matter.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexo_bridge.core.signals import Arrived
from tests.core.simulation import Simulation
from tests.core.words import abort, login, logout, payment, status
from tests.nexo.corpus import seal

TERMINALS = ("POI1", "POI1", "POI1", "POI1", "POI1", "QR", "QR", "POI2")
CODE = seal("scannedPaymentId=4711")


def request(pick: int) -> Arrived:
    """One of few payments, so that stories meet the same one again."""
    return payment(
        "11.00" if pick == 7 else "10.00",
        service=("1", "2")[pick % 2],
        transaction="T" if pick == 6 else "S",
        poi=TERMINALS[pick],
        acquirer_data=CODE if pick == 5 else None,
    )


def pay(world: Simulation, pick: int) -> None:
    """The quiet way in: nothing happens between arrival and call."""
    world.arrive(request(pick))
    world.carry_out_all()
    world.find(0)
    world.carry_out_all()


def stop(world: Simulation, pick: int) -> None:
    world.arrive(abort(of=("1", "2", None)[pick % 3], poi=TERMINALS[pick]))


def ask(world: Simulation, pick: int) -> None:
    world.arrive(status(of=("1", "2", None)[pick % 3], poi=TERMINALS[pick]))


def change_session(world: Simulation, pick: int) -> None:
    world.arrive(logout(poi=TERMINALS[pick]) if pick % 2 else login(poi=TERMINALS[pick]))


def answer(world: Simulation, pick: int) -> None:
    """The quiet way back: a call reaches the platform, its answer comes back, what follows is carried out."""
    world.reach_open(pick)
    world.hear(pick, "answer")
    world.carry_out_all()


def hear(how: str) -> Callable[[Simulation, int], None]:
    def move(world: Simulation, pick: int) -> None:
        world.hear(pick, how)

    return move


def ring(world: Simulation, pick: int) -> None:
    world.ring(pick)
    world.carry_out_all()


def end(status: str) -> Callable[[Simulation, int], None]:
    def move(world: Simulation, pick: int) -> None:
        world.customer(pick, status)

    return move


MOVES: tuple[tuple[int, Callable[[Simulation, int], object]], ...] = (
    (4, pay),
    (1, lambda world, pick: world.arrive(request(pick))),
    (4, stop),
    (1, ask),
    (1, change_session),
    (1, lambda world, _: world.reconnect()),
    (3, lambda world, pick: world.carry_out(pick)),
    (8, lambda world, _: world.carry_out_all()),
    (2, lambda world, pick: world.find(pick)),
    (1, lambda world, _: world.write()),
    (3, lambda world, pick: world.reach(pick, undo=False)),
    (3, lambda world, pick: world.reach(pick, undo=True)),
    (14, answer),
    (4, hear("lost")),
    (4, hear("accepted")),
    (1, hear("not_sent")),
    (1, hear("refused")),
    (8, ring),
    (2, lambda world, pick: world.wait((1.0, 30.0, 59.0, 61.0)[pick % 4])),
    (4, end("APPROVED")),
    (1, end("DECLINED")),
    (1, end("EXPIRED")),
    (2, lambda world, pick: world.tell(pick, settles=False)),
    (2, lambda world, pick: world.tell(-1 - pick, settles=True)),
    (2, lambda world, pick: world.crash(synced=pick)),
    (1, lambda world, _: world.break_journal()),
)
"""How often, what."""
WEIGHTED = tuple(move for weight, move in MOVES for _ in range(weight))


def lost_create(world: Simulation) -> None:
    """The create is on its way, and nobody waits for its answer any more."""
    pay(world, 0)
    world.hear(0, "lost")
    world.carry_out_all()


def accepted_fence(world: Simulation) -> None:
    """Its fence was accepted before the create arrived."""
    lost_create(world)
    stop(world, 0)
    world.carry_out_all()
    for flight in world.ledger.waiting():
        if flight.call.operation.startswith("fence"):
            world.hear(world.ledger.waiting().index(flight), "accepted")
    world.carry_out_all()


def stop_under_way(world: Simulation) -> None:
    """A pending payment whose stop left."""
    pay(world, 0)
    answer(world, 0)
    stop(world, 0)
    world.carry_out_all()


def approved_under_a_stop(world: Simulation) -> None:
    """The stop's copy was lost, and the customer was quicker."""
    stop_under_way(world)
    world.hear(0, "lost")
    world.carry_out_all()
    world.customer(0, "APPROVED")


def two_at_once(world: Simulation) -> None:
    """Two requests for one sale, and the later one's look-up comes back first."""
    world.arrive(request(0))
    world.arrive(request(1))
    world.carry_out_all()
    world.find(1)
    world.carry_out_all()


OPENINGS: tuple[Callable[[Simulation], None], ...] = (
    lambda _: None,
    lost_create,
    accepted_fence,
    stop_under_way,
    approved_under_a_stop,
    two_at_once,
)
"""Where a story begins: places that chance finds too seldom."""
STORIES = st.binary(min_size=160, max_size=240)
"""The opening and by which way the POS speaks, then two bytes for each move: which, and about what."""
THOROUGH = settings.get_current_profile_name() == "thorough"
BRIEF = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def play(story: bytes) -> Simulation:
    """A world in which the story happened, checked after each move, and then came to its end."""
    opening, at_broker = story[0] % len(OPENINGS), story[0] // len(OPENINGS) % 2 == 1
    world = Simulation(at_broker=at_broker)
    for poi in ("POI1", "POI2", "QR"):
        world.arrive(login(poi=poi))
    world.carry_out_all()
    OPENINGS[opening](world)
    for move, pick in zip(story[1::2], story[2::2], strict=False):
        WEIGHTED[move % len(WEIGHTED)](world, pick % 8)
        world.check()
    world.finish()
    return world


@pytest.mark.timeout(0 if THOROUGH else 180)  # 250 stories take their time on a busy machine
@given(story=STORIES, prefix=st.floats(0, 1))
@(settings() if THOROUGH else BRIEF)
def test_whatever_happens_money_moves_once_and_nobody_is_told_otherwise(story: bytes, prefix: float) -> None:
    play(story).replay(prefix)
