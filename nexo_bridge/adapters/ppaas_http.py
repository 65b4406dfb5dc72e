"""The platform over HTTPS: performs one row of ``ppaas.operations`` and says what came of it, never raising.

Each terminal has its own connections and its own device session. A create is sent once. The one repeat there is
follows a 401, which is a readable refusal, and sends the same bytes with a new token.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from nexo_bridge.adapters import certificates
from nexo_bridge.adapters.device_session import DeviceSession, SessionOf
from nexo_bridge.adapters.https import Answer, HttpsClient, LostError, NotSentError, Timeouts
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.answers import NO, PENDING, YES, outcome
from nexo_bridge.ppaas.grants import NoSessionError
from nexo_bridge.ppaas.models import NotSent, Outcome, Pending, Unknown, wire
from nexo_bridge.ppaas.operations import OPERATIONS, Call, Operation
from nexo_bridge.redaction import printable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TerminalAccess:
    """How one terminal opens its device session (grant ``mtls``)."""

    serial: str
    certificate: Path
    key: Path
    key_password: Path | None = None
    merchant_name: str | None = None
    user_domain: str | None = None


@dataclass(frozen=True, slots=True)
class Bases:
    """The four bases, without a slash at the end."""

    auth: str
    device_auth: str
    api: str
    device_api: str


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
    """

    ok: bool | None
    problem: str | None = None
    token_age: float | None = None


class _Lane:
    """What belongs to one terminal under one version of its certificate files."""

    def __init__(
        self,
        identity: certificates.Identity,
        whose: SessionOf,
        versions: object,
        timeouts: Timeouts,
        clock: Clock,
    ) -> None:
        self.identity = identity
        self.versions = versions
        self.client = HttpsClient(identity.context, timeouts)
        self.session = DeviceSession(whose, self.client, clock.mono)
        self.calls = 0
        self.retired = False

    async def close(self) -> None:
        await self.session.close()
        await self.client.close()


class Platform:
    """PPaaS for the terminals of this bridge.

    Its constructor reads certificate files and blocks: call it before the loop runs, or in a thread.

    Args:
        terminals: access by POIID.
        bases: where the platform is.
        ca: PEM bundle that signs the platform's certificates; None: the system's.
        operations: the table, as ``ppaas.operations.with_paths`` made it.
        clock: injected by tests.
        timeouts: for each exchange.

    Raises:
        ConfigurationError: a certificate file is missing, unreadable or does not fit its key.
    """

    def __init__(
        self,
        terminals: Mapping[str, TerminalAccess],
        bases: Bases,
        *,
        ca: Path | None = None,
        operations: Mapping[str, Operation] = OPERATIONS,
        clock: Clock | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._access = dict(terminals)
        self._bases = bases
        self._ca = ca
        self._operations = operations
        self._clock = clock or Clock()
        self._timeouts = timeouts or Timeouts()
        self._strange: set[str] = set()
        self._states = dict.fromkeys(self._access, SessionState(ok=None))
        identities: dict[tuple[Path, ...], certificates.Identity] = {}
        self._lanes: dict[str, _Lane] = {}
        for poiid in self._access:
            files = self._files(poiid)
            if files.paths not in identities:
                identities[files.paths] = certificates.load(files)
            self._lanes[poiid] = self._lane(poiid, identities[files.paths], files.versions())

    async def perform(self, call: Call) -> Outcome:
        """Make ``call`` and read its answer by rule R4. Raises nothing but ``asyncio.CancelledError``."""
        lane = self._lanes.get(call.poiid)
        operation = self._operations.get(call.operation)
        if lane is None or operation is None:
            return NotSent(code="CALL", reason="no such terminal or operation")
        lane.calls += 1
        try:
            result = await self._perform(lane, operation, call)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not look like a "no"
            # Its text and traceback may hold what must not be logged.
            log.error("%s: fault of our own: %s", operation.name, type(error).__name__)  # noqa: TRY400 -- see above
            result = Unknown(reason="a fault in the bridge")
        finally:
            lane.calls -= 1
            if lane.retired and not lane.calls:
                await lane.close()
        if isinstance(result, Pending):
            self._mind(result.transaction.status)
        return result

    async def probe(self, poiid: str) -> SessionState:
        """Prove the device session with the first call there is (countries), after looking for new certificates."""
        await self._look_for_new_files(poiid)
        match await self.perform(Call(poiid, "countries")):
            case Unknown(reason=reason, status=status) if status != 401:
                self._note(poiid, SessionState(ok=False, problem=reason))
            case _:
                pass  # the call itself has noted how it ended
        return self.session_state(poiid)

    def session_state(self, poiid: str) -> SessionState:
        """What is known of the session of ``poiid`` now, without asking anybody.

        Raises:
            KeyError: no such terminal.
        """
        state, lane = self._states[poiid], self._lanes[poiid]
        problem = lane.identity.problem(self._clock.wall())
        return SessionState(
            ok=False if problem else state.ok, problem=problem or state.problem, token_age=lane.session.age
        )

    def context(self, poiid: str) -> ssl.SSLContext:
        """TLS under the terminal's certificate as it is now, for a connection beside the calls (``adapters.stream``).

        Raises:
            KeyError: no such terminal.
        """
        return self._lanes[poiid].identity.context

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

    async def reconfigure(self, terminals: Mapping[str, TerminalAccess]) -> None:
        """Serve other terminals from now on; calls under way end on the sessions they began with.

        Raises:
            ConfigurationError: a certificate file cannot be used; nothing has changed then.
        """
        before, self._access = self._access, dict(terminals)
        changed = {poiid for poiid, access in self._access.items() if before.get(poiid) != access}
        try:
            fresh = {poiid: await asyncio.to_thread(self._fresh_lane, poiid) for poiid in changed}
        except ConfigurationError:
            self._access = before
            raise
        for poiid in changed | (before.keys() - self._access.keys()):
            old = self._lanes.pop(poiid, None)
            self._states.pop(poiid, None)
            if old is not None:
                old.retired = True
                if not old.calls:
                    await old.close()
        self._lanes |= fresh
        self._states |= dict.fromkeys(fresh, SessionState(ok=None))

    def _fresh_lane(self, poiid: str) -> _Lane:
        files = self._files(poiid)
        return self._lane(poiid, certificates.load(files), files.versions())

    async def close(self) -> None:
        """Close every connection; calls under way end as ``Unknown`` or are cancelled."""
        for lane in self._lanes.values():
            await lane.close()

    async def _perform(self, lane: _Lane, operation: Operation, call: Call) -> Outcome:
        problem = lane.identity.problem(self._clock.wall())
        if problem and not operation.reads:
            # The platform would refuse the handshake in a way that looks like a lost answer (TLS 1.3).
            return NotSent(code="TLS", reason=problem)
        try:
            url = getattr(self._bases, operation.base) + operation.target(call.path, call.query)
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
        else:
            self._note(call.poiid, SessionState(ok=True))
        return outcome(operation, answer.status, answer.headers, answer.body)

    async def _once(
        self, lane: _Lane, poiid: str, operation: Operation, url: str, body: bytes | None
    ) -> Answer | NotSent | Unknown:
        try:
            bearer = await lane.session.bearer()
        except NoSessionError as error:
            self._note(poiid, SessionState(ok=False, problem=str(error)))
            return NotSent(code="TOKEN", reason=str(error))
        headers = {"Authorization": f"Bearer {bearer}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = await lane.client.send(operation.method, url, headers, body)
        except NotSentError as error:
            self._note(poiid, SessionState(ok=False, problem=str(error)))
            return NotSent(code=error.code, reason=str(error))
        except LostError as error:
            return Unknown(reason=str(error))
        if answer.status == 401:
            lane.session.refused(bearer)
        return answer

    def _files(self, poiid: str) -> certificates.Files:
        access = self._access[poiid]
        return certificates.Files(
            f'terminals."{poiid}"', access.certificate, access.key, access.key_password, self._ca
        )

    def _lane(self, poiid: str, identity: certificates.Identity, versions: object) -> _Lane:
        access = self._access[poiid]
        whose = SessionOf(
            access.serial,
            self._bases.auth,
            self._bases.device_auth,
            access.merchant_name,
            access.user_domain,
        )
        return _Lane(identity, whose, versions, self._timeouts, self._clock)

    async def _look_for_new_files(self, poiid: str) -> None:
        lane, files = self._lanes[poiid], self._files(poiid)
        try:
            versions = await asyncio.to_thread(files.versions)
            if versions == lane.versions:
                return
            identity = await asyncio.to_thread(certificates.load, files)
        except (OSError, ConfigurationError) as error:
            # Perhaps half of the files is exchanged already; what is loaded still works.
            log.warning(
                "%s: the certificate files changed and cannot be used yet: %s", printable(poiid), error
            )
            return
        if self._lanes[poiid] is lane:
            self._lanes[poiid] = self._lane(poiid, identity, versions)
            lane.retired = True
            if not lane.calls:
                await lane.close()
            log.info("%s: new certificate files are in use", printable(poiid))

    def _note(self, poiid: str, state: SessionState) -> None:
        before, self._states[poiid] = self._states[poiid], state
        if before.ok is not state.ok or before.problem != state.problem:
            if state.ok:
                log.info("%s: device session works", printable(poiid))
            else:
                log.warning("%s: no device session: %s", printable(poiid), state.problem)

    def _mind(self, status: str) -> None:
        if status not in YES | NO | PENDING | self._strange and len(self._strange) < 100:
            self._strange.add(status)
            log.warning(
                "the platform uses a status we do not know, taken as pending: %s", printable(status, 64)
            )


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
