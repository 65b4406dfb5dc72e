"""POS at an MQTT broker: one session of the bridge, kept through every connection it takes (rule R13).

A publication becomes one call of the intake and is acknowledged to the broker only when ``acknowledge`` says that the
journal has it; what was not acknowledged when a connection broke comes again. Answers wait in an outbox until the
broker has them. The broker may be away for as long as it likes: ``start`` does not wait for it, and ``state`` says it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from nexo_bridge.adapters.accepting import spoken
from nexo_bridge.adapters.intake import Intake, Speaker
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.mqtt import FAILURE, Access, Link, LinkLost, Publication, Will
from nexo_bridge.adapters.mqtt_access import access_of
from nexo_bridge.adapters.mqtt_flight import Flight
from nexo_bridge.adapters.mqtt_outbox import Answer, Outbox
from nexo_bridge.adapters.mqtt_owner import Owners, record
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.mqtt_topics import decoded
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError, FrameTooLarge, Refusal, Retained, TooOld
from nexo_bridge.nexo.form import form_of

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before connecting again: at most the first, doubling up to the second, of which chance takes a part."""
PROVED: Final = 30.0
"""Seconds a connection must have stood before the next attempt is a first one again: two bridges that take one client
id from each other slow down (F84)."""
CHECK: Final = 15.0
"""Seconds between two looks at whether anything is stuck."""
DECIDE: Final = 5.0
"""Seconds in which the owner of every terminal must be known."""
ASK_AGAIN: Final = 4
"""Looks after which it is asked again who serves the terminals of which that could not be learned."""
MOST_UNASKED: Final = 64
"""Messages without acknowledgement (QoS 0) that may wait; those above are dropped, as QoS 0 allows."""
PARTING: Final = 2.0
"""Seconds in which answers still go out when the bridge ends."""
_NOBODY: Final = Speaker(pair=("\0", "\0"))
"""Whoever used a topic that is no encoding of any SaleID."""

log = structlog.get_logger(__name__)


class MqttListener:
    """One broker.

    Args:
        settings: the ``[[listen]]`` section.
        intake: gets every publication.
        installation: id of this installation; the client id is made from it, so it is the same at every start.
        poiids: the terminals this bridge serves.
        timer: clock and deadlines.
        chance: a number from 0 to 1, for the pauses between attempts.
        wall: seconds since the epoch, for the age of a request.

    Attributes:
        turned: pulses whenever ``state`` has changed.
    """

    def __init__(
        self,
        settings: MqttListen,
        intake: Intake,
        *,
        installation: str,
        poiids: Iterable[str],
        timer: Timer | None = None,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._topics = settings.topics
        self._intake = intake
        self._name = settings.client_id or f"nexo-bridge-{installation}"
        self._poiids = frozenset(poiids)
        self._timer = timer or Timer()
        self._chance = chance
        self._wall = wall
        self._notices = Notices(self._timer)
        self._outbox = Outbox(settings.max_unsent)
        self._flight = Flight()
        self._instance = uuid.uuid4().hex  # of this process, to know another that goes by our name
        self._owners = Owners(self._name, self._instance)
        self._served = False  # this process has said before that terminals are ours
        self._twin = False  # and another one of our name has said so since (F84)
        self._link: Link | None = None
        self._up = False
        self._problem: str | None = "not connected yet"
        self._arrived: deque[Publication] = deque()
        self._came = asyncio.Event()
        self._unasked = 0
        self._subscribed: set[str] = set()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()  # something was heard of owners
        self._taken_away = asyncio.Event()  # what is to be served has changed
        self._proved_at: float | None = None  # when the connection that stands began to serve
        self._task: asyncio.Task[None] | None = None
        self.turned = asyncio.Event()

    # -- what the application calls ------------------------------------------------------------------------------

    async def start(self) -> str:
        """Begin to connect, and go on until ``close``; returns ``HOST:PORT`` of the broker at once.

        Raises:
            ConfigurationError: a file that the settings name cannot be used.
        """
        await asyncio.to_thread(access_of, self._settings, self._name)
        self._task = asyncio.create_task(self._run(), name=f"mqtt-{self._settings.name}")
        return self.address

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the broker."""
        return spoken(self._settings.host, self._settings.port)

    def state(self) -> ListenerState:
        """Whether POS can be heard now, and what is wrong."""
        connections = int(self._link is not None)
        return ListenerState("mqtt", self.address, self._up, connections, problem=self._problem)

    def serve(self, poiids: Iterable[str]) -> None:
        """These terminals from now on."""
        wanted = frozenset(poiids)
        if wanted != self._poiids:
            self._poiids = wanted
            self._taken_away.set()

    def is_open(self, source: Source) -> bool:
        """Whether ``source`` is of this broker: an answer can be written there now or once it is back."""
        return source.transport == "mqtt" and source.connection.startswith(f"{self._settings.name}:")

    async def write(self, source: Source, data: bytes) -> bool:
        """Publish one message; True once the broker has it, however long that takes.

        False: the broker refuses it, there is no room for it, or the bridge ends and there is no broker. A device
        request does not wait for a broker that is away: what it shows would be of the past.
        """
        if not self._up and (self._stopping.is_set() or b"SaleToPOIRequest" in data[:512]):
            return False
        place = json.loads(source.address)
        answer = self._outbox.add(
            place["topic"],
            data,
            bytes.fromhex(place.get("correlation", "")),
            "application/xml" if source.form == "xml" else "application/json",
        )
        if answer is None:
            self._notices.warn("answers_not_taken", topic=place["topic"], unread=self._settings.max_unsent)
            return False
        try:
            taken = await answer.taken
        finally:
            self._outbox.end(answer, taken=False)
        if not taken and not self._stopping.is_set():
            # Nobody can be reached there; what is owed is tried again at the next start.
            self._intake.gone(source)
        return taken

    async def acknowledge(self, source: Source, ack: int) -> None:
        """Acknowledge what the journal has to the broker, in the order it came, unless its connection is over."""
        if self.is_open(source):
            self._landed(ack)

    def stop_accepting(self) -> None:
        """Take no new requests; the broker keeps them. What runs is answered, unless the broker is away."""
        self._stopping.set()
        self._came.set()
        if not self._up:
            self._outbox.give_up()  # the next start has them from the journal

    async def close(self) -> None:
        """Part from the broker; answers on their way have two seconds to go out."""
        self.stop_accepting()
        with suppress(TimeoutError, LinkLost):
            async with self._timer.until(self._timer.now() + PARTING):
                while self._up and not self._outbox.empty:
                    self._outbox.news.clear()
                    await self._outbox.news.wait()
                await self._say_offline()
        self._outbox.give_up()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _say_offline(self) -> None:
        if self._link is None or not self._up:
            return
        said = [
            self._link.publish(
                self._topics.status_of(poiid), _status("offline", self._name, poiid), retain=True
            )
            for poiid in self._owners.own
        ]
        bridge = self._topics.bridge_at(self._name)
        said.append(self._link.publish(bridge, _status("offline", self._name), retain=True))
        await asyncio.gather(*said, return_exceptions=True)

    # -- connections, one after the other ------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            self._proved_at = None
            try:
                await self._attempt(await asyncio.to_thread(access_of, self._settings, self._name))
            except ConfigurationError as problem:
                self._note(str(problem), up=False)
            except LinkLost as lost:
                self._note(str(lost), up=False)
            except Exception as defect:  # noqa: BLE001 - a defect must not end the only way to these POS
                log.error("connection_failed", connection=self._settings.name, error=defect)  # noqa: TRY400 - no texts
                self._note("a fault of ours", up=False)
            if self._proved_at is not None and self._timer.now() - self._proved_at >= PROVED:
                failures = 0
            await self._pause(self._chance() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 16)))
            failures += 1

    async def _attempt(self, access: Access) -> None:
        """One connection from beginning to end, which always raises ``LinkLost``."""
        self._flight = Flight()
        self._owners = Owners(self._name, self._instance, set(self._poiids))
        self._twin = False
        self._arrived.clear()
        self._unasked = 0
        self._taken_away.clear()
        will = Will(self._topics.bridge_at(self._name), _status("offline", self._name))
        async with Link(access, will, self._take) as link:
            self._link = link
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(link.lost(), name="mqtt-lost")
                    group.create_task(self._serve(link, group), name="mqtt-serve")
            except ExceptionGroup as ended:
                lost, defect = ended.split(LinkLost)
                if defect is not None:
                    # Of the intake or of ours: the connection is dropped, the daemon goes on.
                    log.error("connection_failed", connection=self._settings.name, error=defect.exceptions[0])  # noqa: TRY400 - no texts
                raise (lost.exceptions[0] if lost is not None else LinkLost("a fault of ours")) from None
            finally:
                self._link = None

    async def _serve(self, link: Link, group: asyncio.TaskGroup) -> None:
        if not link.session_present:
            self._subscribed.clear()
        await self._settle_owners(link)
        own = self._owners.own
        filters = {self._topics.requests_of(poiid) for poiid in own}
        await link.unsubscribe(sorted(self._topics.requests_of(one) for one in self._owners.foreign))
        new = filters - self._subscribed if link.session_present else filters
        codes = await link.subscribe(sorted(new), qos=1, again=False)
        denied = sorted(one for one, code in codes.items() if code >= FAILURE)
        self._subscribed = filters - set(denied)
        for poiid in own:
            await link.publish(
                self._topics.status_of(poiid), _status("online", self._name, poiid), retain=True
            )
        await link.publish(self._topics.bridge_at(self._name), _status("online", self._name), retain=True)
        for lost in self._outbox.reconnected():
            self._notices.warn("answer_given_up", topic=lost.topic)
        self._proved_at = self._timer.now()
        self._note(self._trouble(denied), up=bool(self._subscribed))
        group.create_task(self._read(), name="mqtt-read")
        group.create_task(self._send(link), name="mqtt-send")
        group.create_task(self._watch(), name="mqtt-watch")

    async def _settle_owners(self, link: Link) -> None:
        """Learn who serves each terminal, and say where it is us."""
        records = {self._topics.owner_of(poiid): poiid for poiid in sorted(self._owners.wanted)}
        await link.subscribe(sorted(records), qos=0, again=True)
        for topic in records:
            await link.publish(topic, record(self._name, self._instance))
        with suppress(TimeoutError):
            async with self._timer.until(self._timer.now() + DECIDE):
                while self._owners.undecided:
                    self._changed.clear()
                    await self._changed.wait()
        for poiid in self._owners.own:
            await link.publish(self._topics.owner_of(poiid), record(self._name, self._instance), retain=True)
        self._served = self._served or bool(self._owners.own)
        self._changed.clear()

    def _trouble(self, denied: list[str]) -> str | None:
        if self._twin:
            return f"another bridge uses our client id {self._name}; stop it, or give each its own client_id"
        if self._owners.undecided:
            names = ", ".join(self._owners.undecided)
            return (
                f"the owner record of {names} cannot be read; let the bridge's user read and write it (ACL)"
            )
        if self._owners.foreign:
            names = ", ".join(f"{one} by {self._owners.heard[one]}" for one in self._owners.foreign)
            return f"another bridge serves {names}; stop one, or take the owner record away"
        if denied:
            return f"the broker does not let us subscribe to {', '.join(denied)}; let the bridge's user (ACL)"
        return None

    # -- what comes in -------------------------------------------------------------------------------------------

    def _take(self, came: Publication) -> None:
        """The library has a publication."""
        poiid = self._topics.owned(came.topic)
        if poiid is not None:
            if came.packet:
                self._landed(self._flight.take_off(came.packet))
            foreign = self._owners.owns(poiid) is False
            self._twin = self._twin or (self._served and self._owners.is_twin(came.payload))
            if self._owners.hear(poiid, came.payload) and self._link is not None:
                self._notices.warn("second_bridge", poiid=poiid)
                with suppress(LinkLost):
                    self._link.publish(
                        self._topics.owner_of(poiid), record(self._name, self._instance), retain=True
                    )
            elif foreign and self._owners.owns(poiid) is None:
                self._taken_away.set()
            self._changed.set()
            return
        if not came.packet:
            if self._unasked >= MOST_UNASKED:
                self._notices.warn("messages_without_acknowledgement", limit=MOST_UNASKED)
                return
            self._unasked += 1
        self._arrived.append(came)
        self._came.set()

    async def _read(self) -> None:
        while True:
            while not self._arrived or self._stopping.is_set():
                self._came.clear()
                await self._came.wait()
                if self._stopping.is_set():
                    await asyncio.Event().wait()  # nothing new is begun; the broker keeps it
            came = self._arrived.popleft()
            self._unasked -= not came.packet
            await self._hand_on(came)

    async def _hand_on(self, came: Publication) -> None:
        levels = self._topics.levels_of(came.topic)
        poiid = decoded(levels[1]) if levels is not None else None
        ours = poiid is None or (poiid in self._owners.wanted and self._owners.owns(poiid))
        if levels is not None and ours is None:
            return  # not known yet whose it is: it comes again with the next connection, which asks again
        number = self._flight.take_off(came.packet) if came.packet else None
        if levels is None or not ours:
            # Left in our session by an earlier subscription; who serves that terminal has a copy of its own.
            self._notices.warn("not_ours", topic=came.topic)
            if number is not None:
                self._landed(number)
            if self._link is not None and poiid is not None:
                await self._link.unsubscribe([self._topics.requests_of(poiid)])
            return
        standard = self._topics.answers_to(*levels)
        source = self._source(standard, came)
        sale_id = decoded(levels[0])
        speaker = _NOBODY if sale_id is None or poiid is None else Speaker(pair=(sale_id, poiid))
        if len(came.payload) > self._settings.max_frame:
            refusal = FrameTooLarge(
                f"A message may have {self._settings.max_frame} bytes; this has {len(came.payload)}."
            )
            await self._intake.fault(source, refusal, came.payload[:1024], ack=number)
            return
        await self._intake.frame(
            source, came.payload, speaker=speaker, ack=number, refused=self._refusal(came)
        )

    def _source(self, standard: str, came: Publication) -> Source:
        topic = standard
        if came.response and came.response != standard:
            if self._topics.allows(came.response, standard):
                topic = came.response
            else:
                self._notices.warn("response_topic_not_allowed", topic=standard)
        place = {"topic": topic}
        if came.correlation:
            place["correlation"] = came.correlation.hex()
        return Source(
            "mqtt",
            f"{self._settings.name}:{standard}",
            form=form_of(came.payload) if self._settings.json_form else "xml",
            address=json.dumps(place),
        )

    def _refusal(self, came: Publication) -> Refusal | None:
        if came.retained:
            return Retained("The request was retained by the broker. Publish it without retain.")
        if self._settings.max_age and came.sent_at:
            age = self._wall() - _moment(came.sent_at)
            if age > self._settings.max_age:
                return TooOld(f"The request is {age:.0f} seconds old. Send it again with a new ServiceID.")
        return None

    def _landed(self, number: int) -> None:
        packets = self._flight.land(number)
        if self._link is not None:
            for packet in packets:
                self._link.ack(packet)

    # -- what goes out -------------------------------------------------------------------------------------------

    async def _send(self, link: Link) -> None:
        while True:
            self._outbox.news.clear()
            for answer in list(self._outbox.next()):
                answer.since = self._timer.now()
                answer.attempts += 1
                sent = link.publish(
                    answer.topic,
                    answer.payload,
                    correlation=answer.correlation,
                    content_type=answer.content_type,
                )
                sent.add_done_callback(lambda code, answer=answer: self._sent(answer, code))  # type: ignore[misc]  # mypy cannot infer a lambda's default
            await self._outbox.news.wait()

    def _sent(self, answer: Answer, code: asyncio.Future[int]) -> None:
        if code.cancelled():
            return  # the connection is over, and it is sent again on the next
        refused = code.result() >= FAILURE
        if refused:
            self._notices.warn("answer_refused_by_broker", topic=answer.topic, code=code.result())
        self._outbox.end(answer, taken=not refused)

    async def _watch(self) -> None:
        """End the connection when the journal takes nothing, the broker takes nothing, or other terminals are ours."""
        oldest: int | None = None
        looks = 0
        while True:
            looks += 1
            with suppress(TimeoutError):
                async with self._timer.until(self._timer.now() + CHECK):
                    await self._taken_away.wait()
            if self._taken_away.is_set() or self._poiids != self._owners.wanted:
                self._taken_away.clear()
                raise LinkLost("the terminals to serve have changed")
            if self._owners.undecided and looks > ASK_AGAIN:
                raise LinkLost(self._trouble([]) or "")
            waiting = self._flight.oldest
            if waiting is not None and waiting == oldest:
                raise LinkLost("the journal does not take what came")
            oldest = waiting
            since = self._outbox.oldest
            if since is not None and self._timer.now() - since > 2 * CHECK:
                raise LinkLost("the broker does not take answers")

    # -- state ---------------------------------------------------------------------------------------------------

    def _note(self, problem: str | None, *, up: bool) -> None:
        before, self._up = self._up, up
        if self._stopping.is_set() and not up:
            self._outbox.give_up()
        if problem != self._problem or up != before:
            if problem is None:
                log.info("broker up", peer=self.address)
            else:
                log.warning("broker trouble", peer=self.address, problem=problem)
        self._problem = problem
        self.turned.set()
        self.turned.clear()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with self._timer.until(self._timer.now() + seconds):
                await asyncio.Event().wait()


def _status(state: str, bridge: str, poiid: str = "") -> bytes:
    said = {"state": state, "bridge": bridge, **({"poiid": poiid} if poiid else {})}
    return json.dumps(said).encode()


def _moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time with a zone; of what is none, the beginning: such a thing is old."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.tzinfo is not None else 0.0
