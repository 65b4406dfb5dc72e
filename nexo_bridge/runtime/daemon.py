"""The bridge as a process: real ports, a ready line, signals, health for systemd, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from lxml import etree

from nexo_bridge.adapters.control import ControlSocket
from nexo_bridge.adapters.journal_sqlite import JournalLocked, Retention, SqliteJournal
from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.core.journal import Query
from nexo_bridge.errors import ConfigurationError, JournalFailure
from nexo_bridge.runtime.access import keys_of, platform_of
from nexo_bridge.runtime.app import Application
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.control import Desk, Json
from nexo_bridge.runtime.health import headline
from nexo_bridge.runtime.listeners import makers, ready_name
from nexo_bridge.runtime.notify import Notifier
from nexo_bridge.runtime.ports import Checkpoint, no_checkpoint
from nexo_bridge.runtime.reloading import ReadAgain, Reloader
from nexo_bridge.runtime.settings import Settings

WRONG_CONFIGURATION = 78
"""EX_CONFIG: a setting is wrong; systemd does not try again."""
TEMPORARY = 75
"""EX_TEMPFAIL: another instance holds the journal, or it cannot be opened now."""

PROBE_AGAIN, PROBE_PROVED = 30.0, 300.0
"""Seconds until a terminal's session is proved again, after a failure and after a success."""
PROBE_APART = 0.02
"""Seconds between the first proofs of two terminals: a shop of 200 sells at once, not behind 400 handshakes."""
PRUNE_AGAIN = 3600.0
RETIRE_AGAIN = 10.0
"""Seconds between two looks for terminals that were taken away and have nothing more to do."""
TELL_AGAIN = 10.0
"""Seconds between two looks at how things are, for the one line that systemd shows (I9)."""
SMALL_FRAME = 64 * 1024
"""Bytes up to which any libxml2 reads a message in good time."""

log = structlog.get_logger(__name__)


def run(
    settings: Settings, *, checkpoint: Checkpoint = no_checkpoint, read_again: ReadAgain | None = None
) -> int:
    """Run until SIGTERM or SIGINT; the exit code.

    Args:
        settings: what to start with.
        checkpoint: see ``ports``.
        read_again: reads the configuration once more, for ``reload`` and SIGHUP; raises ``ConfigurationError``.
    """
    try:
        asyncio.run(_Daemon(settings, checkpoint, read_again or (lambda: settings)).run())
    except ConfigurationError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return WRONG_CONFIGURATION
    except (JournalLocked, JournalFailure) as failure:
        sys.stderr.write(f"{failure}\n")
        return TEMPORARY
    return 0


class _Daemon:
    def __init__(self, settings: Settings, checkpoint: Checkpoint, read_again: ReadAgain) -> None:
        self._settings = settings
        self._read_again = read_again
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._checkpoint = checkpoint
        self._notifier = Notifier.from_environment()
        self._reloads: set[asyncio.Task[Json]] = set()
        self._reloader: Reloader
        self._app: Application
        self._journal: SqliteJournal
        self._platform: Platform
        self._channels: Channels

    async def run(self) -> None:
        """Start, say ready, serve, drain, stop."""
        settings = self._settings
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        early = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, early.set)  # which would end us by default
        self._check_parser()
        keys = await asyncio.to_thread(keys_of, settings)
        self._platform = await asyncio.to_thread(platform_of, settings, keys)
        journal = settings.journal
        self._journal = await SqliteJournal.open(
            journal.path,
            keys,
            configuration=settings.projection(),
            retention=Retention(
                answers=journal.keep_answers,
                bodies=journal.keep_bodies,
                transactions=journal.keep_transactions,
            ),
            reserve=journal.reserve,
            on_broken=self._journal_broke,
        )
        try:
            self._channels = Channels(settings, self._platform, self._journal)
            self._app = await asyncio.to_thread(  # it reads and compiles both schemas
                functools.partial(
                    Application,
                    settings,
                    keys,
                    self._journal,
                    self._platform,
                    makers(settings, keys.installation_id),
                    checkpoint=self._checkpoint,
                    channels=self._channels,
                )
            )
            desk = Desk(
                self._app.bridge,
                self._app.runner.feed,
                self._app.runner.now,
                self._platform.session_state,
                self._reload,
                channel=self._channels.shown,
                has_room=lambda: self._journal.has_room,
                tolerated=lambda: self._app.tolerated,
                listeners=self._app.listener_states,
                reachable=lambda: self._app.reachable,
            )
            self._app.runner.tell = desk.told
            self._reloader = Reloader(settings, self._read_again, self._app, self._platform, self._channels)
            control = ControlSocket(settings.control_path, desk.handle)
            await control.start()
            background: list[asyncio.Task[Any]] = []
            try:
                addresses = await self._app.start()
                self._probe_all()
                loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
                if early.is_set():
                    self._reload_soon()
                background.append(asyncio.create_task(self._every(PRUNE_AGAIN, self._prune), name="prune"))
                background.append(
                    asyncio.create_task(self._every(RETIRE_AGAIN, self._reloader.retire), name="retire")
                )
                background.append(
                    asyncio.create_task(self._notifier.feed_watchdog(self._works), name="watchdog")
                )
                gc.freeze()  # what a start makes stays: walking all of it again stopped the loop for up to 150 ms
                listening = ", ".join(filter(None, addresses))
                self._say_ready(addresses, listening)

                async def tell() -> None:
                    if not stop.is_set():
                        self._tell(desk.status(), listening)

                if self._notifier.heard:
                    background.append(asyncio.create_task(self._every(TELL_AGAIN, tell), name="tell"))
                await stop.wait()
                self._notifier.stopping("finishing what runs")
                log.info("stopping", waiting=self._app.bridge.unresolved)
                done = await self._app.drain(settings.deadlines.answer_by + 5.0)
                log.info("stopped", state="drained" if done else "cut short")
            finally:
                await control.close()
                background += [*self._probes.values(), *self._reloads]
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await self._app.close()
        finally:
            await self._platform.close()
            await self._journal.close()

    def _check_parser(self) -> None:
        """An old libxml2 takes quadratic time over attributes: small messages only (H04)."""
        for place, listen in enumerate(self._settings.listen):
            if etree.LIBXML_VERSION < (2, 11) and listen.max_frame > SMALL_FRAME:
                raise ConfigurationError(
                    f"listen[{place}].max_frame: this libxml2 is too old for more than {SMALL_FRAME} bytes;"
                    " install lxml from the package index, or set it lower"
                )

    # -- a new configuration -------------------------------------------------------------------------------------

    def _reload_soon(self) -> None:
        """SIGHUP."""
        task = asyncio.create_task(self._reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> Json:
        answer = await self._reloader.reload()
        if answer["ok"]:
            self._probe_all()
        return answer

    def _probe_all(self) -> None:
        """Prove every terminal's session; those of terminals taken away are left alone."""
        for task in self._probes.values():
            task.cancel()
        self._probes = {
            poiid: asyncio.create_task(self._probe(poiid, place * PROBE_APART), name=f"probe-{poiid}")
            for place, poiid in enumerate(self._reloader.settings.terminals)
        }

    # -- background ----------------------------------------------------------------------------------------------

    def _journal_broke(self, reason: str) -> None:
        log.error("journal broken", reason=reason)
        self._notifier.status("cannot write the journal: no payment is taken")
        self._app.runner.journal_broke(reason)

    async def _probe(self, poiid: str, after: float) -> None:
        """Prove the terminal's session at start and from time to time: a bad certificate is told, not hidden.

        The first time is in ``after`` seconds; no terminal waits for another's answer. A probe also takes up
        certificate files that changed on disk.
        """
        await asyncio.sleep(after)
        told: tuple[bool | None, str | None] | None = None
        while True:
            state = await self._platform.probe(poiid)
            if (state.ok, state.problem) != told:
                told = (state.ok, state.problem)
                if state.ok:
                    log.info("terminal session proved", poiid=poiid, problem=state.problem)
                else:
                    log.warning("terminal out of order", poiid=poiid, problem=state.problem)
            await asyncio.sleep(state.pause(PROBE_AGAIN, PROBE_PROVED))

    async def _prune(self) -> None:
        try:
            await self._journal.prune(self._app.runner.now())
        except JournalFailure as failure:
            log.warning("journal not pruned", error=failure)

    async def _every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await work()
            await asyncio.sleep(seconds)

    def _tell(self, status: Json, listening: str) -> None:
        """Tell systemd how things are: what was said at the start, or of a broken journal, does not stand for ever."""
        self._notifier.status(
            f"{headline(status)}; {len(status['terminals'])} terminals, listening on {listening}"
        )

    async def _works(self) -> None:
        """What systemd's watchdog rests on: the loop turns and the journal's writer answers."""
        with contextlib.suppress(JournalFailure):  # told elsewhere; a restart would not mend a disk
            await self._journal.find(Query(refs=(("watchdog", ""),), limit=1))

    def _say_ready(self, addresses: list[str], listening: str) -> None:
        line: dict[str, str] = {"ready": "bridge"}
        for listen, address in zip(self._settings.listen, addresses, strict=True):
            if address:
                line.setdefault(ready_name(listen), address)
        if self._channels.webhook_address is not None:
            line["webhook"] = self._channels.webhook_address
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
        self._notifier.ready(f"{len(self._settings.terminals)} terminals, listening on {listening}")
        log.info("ready", terminals=len(self._settings.terminals))
