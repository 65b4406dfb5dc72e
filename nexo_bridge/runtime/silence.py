"""Terminals of which the platform should tell and does not: a channel may be up, and nothing comes through it (I9).

A webhook that the platform calls nowhere looks from here like one that has nothing to say. What gives it away is a
payment that ended while not one event of its terminal came in: it was read, as late as its watchdog allows. It costs no
payment, but nobody would ever look for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from nexo_bridge.core.journal import Entry, Stamp
from nexo_bridge.core.signals import Command, Forget, Journal

PROBLEM = (
    "the last payment ended and no event told of it, it had to be read; "
    "see that the platform knows where to send events"
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Payment:
    poiid: str
    known: float | None = None
    told: bool = False


class Silence:
    """An observer of the runner's commands and of the events that come in.

    Args:
        watchdog: seconds by POIID within which something must be heard of a running payment; other terminals are
            not expected to be told of.
        up: whether the channel of a terminal is up now; one that is known to be down says so itself.
    """

    def __init__(self, watchdog: dict[str, float], up: Callable[[str], bool]) -> None:
        self._watchdog = watchdog
        self._up = up
        self._payments: dict[str, _Payment] = {}
        self._silent: set[str] = set()

    def expect(self, watchdog: dict[str, float]) -> None:
        """Of these terminals events are expected from now on."""
        self._watchdog = watchdog
        self._silent.intersection_update(watchdog)

    def problem(self, poiid: str) -> str | None:
        """What is wrong with the channel of a terminal, if it is silent."""
        return PROBLEM if poiid in self._silent else None

    def heard(self, poiid: str) -> None:
        """An event of this terminal came in."""
        self.missed(poiid)
        if poiid in self._silent:
            self._silent.discard(poiid)
            log.info("channel heard again", poiid=poiid)

    def missed(self, poiid: str) -> None:
        """The channel of this terminal was away and begins anew: what it missed proves nothing."""
        for payment in self._payments.values():
            payment.told = payment.told or payment.poiid == poiid

    def observe(self, stamp: Stamp, command: Command) -> None:
        """Take note of how a payment goes; one that was begun by an earlier process proves nothing."""
        match command:
            case Journal(entry=Entry(name="Asking", exchange=str() as exchange, body=body)):
                if body["poiid"] in self._watchdog:
                    self._payments[exchange] = _Payment(body["poiid"])
            case Journal(entry=Entry(name="Acknowledged", exchange=str() as exchange)):
                payment = self._payments.get(exchange)
                if payment is not None and payment.known is None:
                    payment.known = stamp.mono
            case Journal(entry=Entry(name="Settled", exchange=str() as exchange)):
                self._ended(self._payments.pop(exchange, None), stamp.mono)
            case Forget(exchange=exchange):
                self._payments.pop(exchange, None)
            case _:
                pass

    def _ended(self, payment: _Payment | None, now: float) -> None:
        if payment is None or payment.told or payment.known is None:
            return
        within = self._watchdog.get(payment.poiid)
        if within is None or now - payment.known < within or not self._up(payment.poiid):
            return
        if payment.poiid not in self._silent:
            self._silent.add(payment.poiid)
            log.warning("channel silent", poiid=payment.poiid, problem=PROBLEM)
