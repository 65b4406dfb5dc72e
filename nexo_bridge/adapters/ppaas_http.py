"""The platform over HTTPS: performs one row of ``ppaas.operations`` and says what came of it, never raising.

Each terminal has its own connections and its own device session. A create is sent once. The one repeat there is
follows a 401, which is a readable refusal, and sends the same bytes with a new token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

import structlog

from nexo_bridge.adapters import terminal_access
from nexo_bridge.adapters.channel import Way
from nexo_bridge.adapters.device_session import DeviceSession
from nexo_bridge.adapters.https import Answer, HttpsClient, LostError, NotSentError, Proxy, Timeouts
from nexo_bridge.adapters.terminal_access import Access, Bases, Material, TerminalAccess
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas import errors
from nexo_bridge.ppaas.answers import NO, PENDING, YES, outcome
from nexo_bridge.ppaas.grants import NoSessionError, server_time
from nexo_bridge.ppaas.models import NotSent, Outcome, Pending, Unknown, wire
from nexo_bridge.ppaas.operations import OPERATIONS, Call, Operation
from nexo_bridge.redaction import printable

__all__ = ["Bases", "Change", "Clock", "Platform", "SessionState", "TerminalAccess"]

CLOCK_OFF = 60.0
"""Seconds by which our clock may differ from the platform's before people are told (F39)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time in seconds since the epoch, and a monotonic clock."""

    wall: Callable[[], float] = time
    mono: Callable[[], float] = monotonic


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is known of a terminal's device session.

    Attributes:
        ok: True after an answer of the platform to a token of ours, False after a failure, None before both.
        problem: one sentence for people, None when there is nothing to say.
        token_age: seconds since the token in use was asked for; None without one.
        token_life: seconds it lives from then on, 0: for one call; None without one.
        person: only a person can mend the problem, e.g. with ``nexo-bridge login``.
        warnings: what does not stop the session yet, one sentence each.
        certificate_days: whole days until the client certificate ends; None without one.
        ends_unused: seconds in which the session must be used, lest a person is needed; None: it does not matter.
        session_state: the platform's id of the user's session; empty where the grant has none.
        last_error: how the last call failed that did, with its code (``ppaas.errors``); None: none did.
        last_error_age: seconds since then.
    """

    ok: bool | None
    problem: str | None = None
    token_age: float | None = None
    token_life: float | None = None
    person: bool = False
    warnings: tuple[str, ...] = ()
    certificate_days: int | None = None
    ends_unused: float | None = None
    session_state: str = ""
    last_error: str | None = None
    last_error_age: float | None = None

    def pause(self, failed: float, proved: float) -> float:
        """Seconds until the session is proved again: ``failed`` or ``proved``, and in time for a refresh token."""
        if not self.ok or self.problem:
            return failed
        return proved if self.ends_unused is None else min(proved, max(self.ends_unused / 2, 1.0))


@dataclass(frozen=True, slots=True)
class Change:
    """Terminals to serve from some moment on, read by ``Platform.prepare`` for ``Platform.adopt``.

    Attributes:
        terminals: all of them.
        changed: those that are new or opened in another way than now.
        materials: of those.
    """

    terminals: Mapping[str, Access]
    changed: Mapping[str, Access]
    materials: Mapping[str, Material]


class _Lane:
    """What belongs to one terminal under one version of its certificate files; the session outlives it."""

    def __init__(
        self, access: Access, material: Material, client: HttpsClient, session: DeviceSession
    ) -> None:
        self.access = access
        self.material = material
        self.client = client
        self.session = session
        self.calls = 0
        self.retired = False
        self.last = False

    def problem(self, now: float) -> str | None:
        """What is wrong with the client certificate, if there is one."""
        return None if self.material.identity is None else self.material.identity.problem(now)

    async def close(self) -> None:
        """Close the connections, and the session with the last of its lanes."""
        await (self.session.close() if self.last else self.session.settled())
        await self.client.close()


class Platform:
    """PPaaS for the terminals of this bridge.

    Its constructor reads certificate files and blocks: call it before the loop runs, or in a thread.

    Args:
        terminals: access by POIID.
        bases: where the platform is.
        ca: PEM bundle that signs the platform's certificates; None: the system's.
        proxy: what the way to the platform leads through.
        credentials_key: seals refresh tokens (``sealing.Keys.credentials``).
        operations: the table, as ``ppaas.operations.with_paths`` made it.
        clock: injected by tests.
        timeouts: for each exchange.

    Raises:
        ConfigurationError: a certificate file is missing, unreadable or does not fit its key.
    """

    def __init__(
        self,
        terminals: Mapping[str, Access],
        bases: Bases,
        *,
        ca: Path | None = None,
        proxy: Proxy | None = None,
        credentials_key: bytes = bytes(32),
        operations: Mapping[str, Operation] = OPERATIONS,
        clock: Clock | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._access: dict[str, Access] = dict(terminals)
        self._bases = bases
        self._ca = ca
        self._proxy = proxy
        self._key = credentials_key
        self._operations = operations
        self._clock = clock or Clock()
        self._timeouts = timeouts or Timeouts()
        self._strange: set[str] = set()
        self._skew = 0.0
        self._told: dict[str, tuple[str, ...]] = {}
        self._states = dict.fromkeys(self._access, SessionState(ok=None))
        self._failed: dict[str, tuple[float, str]] = {}
        loaded: dict[object, Material] = {}
        self._lanes: dict[str, _Lane] = {}
        for poiid, access in self._access.items():
            files = terminal_access.files_of(poiid, access, ca)
            paths = None if files is None else files.paths
            if paths not in loaded:
                loaded[paths] = terminal_access.load(poiid, access, ca)
            self._lanes[poiid] = self._lane(poiid, access, loaded[paths])

    async def perform(self, call: Call) -> Outcome:
        """Make ``call`` and read its answer by rule R4. Raises nothing but ``asyncio.CancelledError``."""
        result = await self._performed(call)
        if isinstance(result, Pending):
            self._mind(result.transaction.status)
        elif isinstance(result, NotSent | Unknown) and call.poiid in self._lanes:
            row = errors.of(result)
            code = "" if row is None else f"{row.code}: "
            self._failed[call.poiid] = (self._clock.mono(), f"{code}{result.reason}")
        return result

    async def probe(self, poiid: str) -> SessionState:
        """Prove the device session with the first call there is (countries), after looking for new certificates."""
        await self.look_for_new_files(poiid)
        match await self.perform(Call(poiid, "countries")):
            case Unknown(reason=reason, status=status) if status != 401:
                self._note(poiid, SessionState(ok=False, problem=reason))
            case _:
                pass  # the call itself has noted how it ended
        self._warn(poiid)
        return self.session_state(poiid)

    def session_state(self, poiid: str) -> SessionState:
        """What is known of the session of ``poiid`` now, without asking anybody.

        Raises:
            KeyError: no such terminal.
        """
        state, lane, now = self._states[poiid], self._lanes[poiid], self._now()
        problem, identity = lane.problem(now), lane.material.identity
        ok, person = False if problem else state.ok, state.person
        problem = problem or state.problem
        failures = [self._failed[poiid]] if poiid in self._failed else []
        trouble = lane.session.trouble
        if ok and trouble is not None:  # nobody has waited for the token that was not to be had
            ok, problem, person = lane.session.lives, f"no new token: {trouble[1]}", trouble[1].person
            failures.append((trouble[0], f"TOKEN: {trouble[1]}"))
        failed = max(failures, default=None)
        return SessionState(
            ok=ok,
            problem=problem,
            token_age=lane.session.age,
            token_life=lane.session.life,
            person=person,
            warnings=self._warnings(lane),
            certificate_days=None if identity is None else identity.days_left(now),
            ends_unused=lane.session.ends_unused,
            session_state=lane.session.session_state,
            last_error=None if failed is None else failed[1],
            last_error_age=None if failed is None else self._clock.mono() - failed[0],
        )

    @property
    def renewals(self) -> set[asyncio.Task[Any]]:
        """Work that nobody waits for: the next tokens of sessions whose token will end."""
        return {one for lane in self._lanes.values() if (one := lane.session.renewal) is not None}

    def way(self, poiid: str) -> Way:
        """How to open a connection of the terminal beside its calls (``adapters.stream``), as things are now.

        Raises:
            KeyError: no such terminal.
        """
        lane = self._lanes[poiid]
        base = self._bases.of(lane.access, "device_api")
        proxy = None if self._proxy is None else self._proxy.whole()
        return Way(base, lane.material.context, lane.material.identity is not None, proxy)

    async def bearer(self, poiid: str) -> str:
        """A token of the terminal's session, to use now.

        Raises:
            KeyError: no such terminal.
            NoSessionError: there is none to be had.
        """
        return await self._lanes[poiid].session.bearer()

    def refused(self, poiid: str, bearer: str) -> None:
        """The platform did not take this token; the next one is another."""
        lane = self._lanes.get(poiid)
        if lane is not None:
            lane.session.refused(bearer)

    async def send(self, poiid: str, method: str, target: str, body: bytes | None = None) -> Answer:
        """Any call of the terminal's session, as it is; for people (``nexo-bridge ppaas call``).

        Raises:
            KeyError: no such terminal.
            NoSessionError: there is no token to be had.
            NotSentError, LostError: as ``HttpsClient.send``.
        """
        lane = self._lanes[poiid]
        url = self._bases.of(lane.access, "device_api") + target
        lane.calls += 1
        try:
            answer, bearer = await self._sent(lane, method, url, body)
            if answer.status == 401:
                lane.session.refused(bearer)
                answer, _ = await self._sent(lane, method, url, body)
            return answer
        finally:
            await self._ended(lane)

    async def prepare(self, terminals: Mapping[str, Access]) -> Change:
        """Read what serving these terminals needs; nothing has changed yet.

        Raises:
            ConfigurationError: a certificate file cannot be used.
        """
        changed = {poiid: access for poiid, access in terminals.items() if self._access.get(poiid) != access}
        try:
            materials = {
                poiid: await asyncio.to_thread(terminal_access.load, poiid, access, self._ca)
                for poiid, access in changed.items()
            }
        except OSError as error:
            raise ConfigurationError(f"terminals: a file went away while it was read: {error}") from None
        return Change(dict(terminals), changed, materials)

    async def adopt(self, change: Change) -> None:
        """Serve other terminals from now on; calls under way end on the sessions they began with.

        The change is made before the first pause: what the caller does beside it happens at the same moment.
        """
        gone = [*change.changed, *(self._access.keys() - change.terminals.keys())]
        self._access = dict(change.terminals)
        retired = [self._lanes.pop(poiid) for poiid in gone if poiid in self._lanes]
        for poiid in gone:
            for known in (self._states, self._told, self._failed):
                known.pop(poiid, None)
        for poiid, material in change.materials.items():
            self._lanes[poiid] = self._lane(poiid, change.changed[poiid], material)
            self._states[poiid] = SessionState(ok=None)
        for lane in retired:
            lane.last = True
            await self._retire(lane)

    async def look_for_new_files(self, poiid: str) -> None:
        """Take up certificate files that changed on disk; what runs goes on over the old connections.

        Raises:
            KeyError: no such terminal.
        """
        lane = self._lanes[poiid]
        files = terminal_access.files_of(poiid, lane.access, self._ca)
        try:
            versions = await asyncio.to_thread(terminal_access.versions_of, files, self._ca)
            if versions == lane.material.versions:
                return
            material = await asyncio.to_thread(terminal_access.load, poiid, lane.access, self._ca)
        except (OSError, ConfigurationError) as error:
            # Perhaps half of the files is exchanged already; what is loaded still works.
            log.warning("certificate files cannot be used yet", poiid=poiid, reason=str(error))
            return
        if self._lanes.get(poiid) is lane:
            client = HttpsClient(material.context, self._timeouts, self._proxy)
            self._lanes[poiid] = _Lane(lane.access, material, client, lane.session)
            lane.session.use(client)
            log.info("new certificate files in use", poiid=poiid)
            await self._retire(lane)

    async def close(self) -> None:
        """Close every connection; calls under way end as ``Unknown`` or are cancelled."""
        for lane in self._lanes.values():
            lane.last = True
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    @staticmethod
    async def _ended(lane: _Lane) -> None:
        lane.calls -= 1
        if lane.retired and not lane.calls:
            await lane.close()

    @staticmethod
    async def _retire(lane: _Lane) -> None:
        lane.retired = True
        if not lane.calls:
            await lane.close()

    def _now(self) -> float:
        """Wall time, set right by the platform's own where ours is far off."""
        return self._clock.wall() + (self._skew if abs(self._skew) >= CLOCK_OFF else 0.0)

    def _observe(self, answer: Answer) -> None:
        told = server_time(answer.headers)
        if told is None:
            return
        before, self._skew = self._skew, told - self._clock.wall()
        if (abs(before) < CLOCK_OFF) != (abs(self._skew) < CLOCK_OFF):
            if abs(self._skew) < CLOCK_OFF:
                log.info("clock is right again")
            else:
                log.warning("clock is off the platform", seconds=round(self._skew))

    def _warnings(self, lane: _Lane) -> tuple[str, ...]:
        identity = lane.material.identity
        found = () if identity is None else identity.warnings(self._now(), lane.access.serial)
        if abs(self._skew) >= CLOCK_OFF:
            way = "behind" if self._skew > 0 else "ahead of"
            return (*found, f"this machine's clock is {abs(self._skew):.0f} s {way} the platform's; set it")
        return found

    def _warn(self, poiid: str) -> None:
        """Tell each warning once, not at every probe."""
        identity = self._lanes[poiid].material.identity
        if identity is None:
            return
        found = identity.warnings(self._now(), self._lanes[poiid].access.serial)
        for warning in found:
            if warning not in self._told.get(poiid, ()):
                log.warning("certificate", poiid=poiid, reason=warning)
        self._told[poiid] = found

    async def _performed(self, call: Call) -> Outcome:
        lane = self._lanes.get(call.poiid)
        operation = self._operations.get(call.operation)
        if lane is None or operation is None:
            return NotSent(code="CALL", reason="no such terminal or operation")
        if call.serial not in {"", lane.access.serial}:
            return NotSent(code="CALL", reason="the terminal has another serial number than when this began")
        lane.calls += 1
        try:
            return await self._perform(lane, operation, call)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not look like a "no"
            # Its text and traceback may hold what must not be logged.
            log.error("fault of our own", operation=operation.name, error=type(error).__name__)  # noqa: TRY400 -- see above
            return Unknown(reason="a fault in the bridge")
        finally:
            await self._ended(lane)

    async def _perform(self, lane: _Lane, operation: Operation, call: Call) -> Outcome:
        problem = lane.problem(self._now())
        if problem and not operation.reads:
            # The platform would refuse the handshake in a way that looks like a lost answer (TLS 1.3).
            return NotSent(code="TLS", reason=problem)
        try:
            url = self._bases.of(lane.access, operation.base) + operation.target(call.path, call.query)
            body = None if call.body is None else _json(wire(call.body))
        except (ValueError, LookupError):
            return NotSent(code="CALL", reason="the call cannot be made from what is left of it")
        answer = await self._once(lane, call.poiid, operation, url, body)
        if isinstance(answer, Answer) and answer.status == 401:
            answer = await self._once(lane, call.poiid, operation, url, body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 401:
            self._note(
                call.poiid, SessionState(ok=False, problem="the platform refuses a token it has just issued")
            )
        elif answer.status < 500:  # what is down behind the door is no proof that payments can be taken (I9)
            self._note(call.poiid, SessionState(ok=True))
        return outcome(operation, answer.status, answer.headers, answer.body)

    async def _once(
        self, lane: _Lane, poiid: str, operation: Operation, url: str, body: bytes | None
    ) -> Answer | NotSent | Unknown:
        try:
            answer, bearer = await self._sent(lane, operation.method, url, body)
        except NoSessionError as error:
            self._note(poiid, SessionState(ok=False, problem=str(error), person=error.person))
            return NotSent(code="TOKEN", reason=str(error))
        except NotSentError as error:
            self._note(poiid, SessionState(ok=False, problem=str(error)))
            return NotSent(code=error.code, reason=str(error))
        except LostError as error:
            return Unknown(reason=str(error))
        if answer.status == 401:
            lane.session.refused(bearer)
        return answer

    async def _sent(self, lane: _Lane, method: str, url: str, body: bytes | None) -> tuple[Answer, str]:
        """The answer, and the token it was asked with."""
        bearer = await lane.session.bearer()
        headers = {"Authorization": f"Bearer {bearer}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = await lane.client.send(method, url, headers, body)
        self._observe(answer)
        return answer, bearer

    def _lane(self, poiid: str, access: Access, material: Material) -> _Lane:
        client = HttpsClient(material.context, self._timeouts, self._proxy)
        grant = terminal_access.grant_of(poiid, access, self._bases, self._key, self._clock.mono)
        return _Lane(access, material, client, DeviceSession(grant, client, self._clock.mono, poiid))

    def _note(self, poiid: str, state: SessionState) -> None:
        before = self._states.get(poiid)
        if before is None:  # taken away while its last call ran
            return
        self._states[poiid] = state
        if before.ok is not state.ok or before.problem != state.problem:
            if state.ok:
                log.info("device session works", poiid=poiid)
            elif state.person:
                log.error("device session needs a person", poiid=poiid, problem=state.problem)
            else:
                log.warning("no device session", poiid=poiid, problem=state.problem)

    def _mind(self, status: str) -> None:
        if status not in YES | NO | PENDING | self._strange and len(self._strange) < 100:
            self._strange.add(status)
            log.warning("unknown status taken as pending", status=printable(status, 64))


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
