"""Puts the bridge together from its ports, and runs it from start to drained stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from nexo_bridge import __version__
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.listener_state import ListenerState, Refreshing, Serving, Telling
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import Command, Reconfigured, Stopping
from nexo_bridge.core.source import Source
from nexo_bridge.nexo.json_form import in_form
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.policy import Certainty, Deadlines, Policy, SalePolicy, Terminal
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.bindings import Bindings, bindings_of
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.data import read_schemas
from nexo_bridge.runtime.ports import (
    Checkpoint,
    Clock,
    JournalPort,
    PlatformPort,
    SystemClock,
    no_checkpoint,
)
from nexo_bridge.runtime.reception import Profile, Reception
from nexo_bridge.runtime.records import Records
from nexo_bridge.runtime.runner import Runner
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.turns import Turns

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """A way a POS can speak to the bridge. See ``adapters.tcp``."""

    async def start(self) -> str:
        """Accept; returns ``HOST:PORT``, or nothing where no POS connects by itself."""

    async def write(self, source: Source, data: bytes) -> bool:
        """Write one message."""

    def is_open(self, source: Source) -> bool:
        """Whether an answer to ``source`` can be written by this listener now, or will be once it can."""

    async def acknowledge(self, source: Source, ack: int) -> None:
        """The journal has what ``source`` delivered under ``ack``; what is not of this listener is ignored."""

    def stop_accepting(self) -> None:
        """Take no new connections."""

    async def close(self) -> None:
        """End all connections."""


class Acknowledger(Protocol):
    """A result channel: it delivers events and is told once the journal has them."""

    def owns(self, source: Source) -> bool:
        """Whether ``source`` is of this channel."""

    async def acknowledge(self, source: Source, ack: int) -> None:
        """The journal has it: answer 2xx, move the cursor."""


MakeListener = Callable[[Intake], Listener]


class _Listeners:
    """All listeners behind one door: an answer goes to the one that holds its connection, in the form used there."""

    def __init__(self) -> None:
        self.all: list[Listener] = []
        self.channels: list[Acknowledger] = []

    async def write(self, source: Source, data: bytes) -> bool:
        for listener in self.all:
            if listener.is_open(source):
                return await listener.write(source, in_form(data, source.form))
        return False

    async def acknowledge(self, source: Source, ack: int) -> None:
        for channel in self.channels:
            if channel.owns(source):
                await channel.acknowledge(source, ack)
                return
        for listener in self.all:
            await listener.acknowledge(source, ack)

    def is_open(self, source: Source) -> bool:
        return any(listener.is_open(source) for listener in self.all)


class Application:
    """One bridge. Ports in, nothing global: tests, simulation and daemon differ by what they pass.

    Its constructor reads schemas and certificates and blocks: call it before the loop runs, or in a thread.

    Raises:
        ConfigurationError: a file that the settings name is unusable.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        journal: JournalPort,
        platform: PlatformPort,
        make_listeners: Sequence[MakeListener],
        *,
        clock: Clock | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        observe: Callable[[Stamp, Command], None] | None = None,
        channels: Channels | None = None,
    ) -> None:
        xsd_bytes = read_schemas()
        schemas = Schemas(xsd_bytes)

        def secret(clear: str) -> Secret:
            return Secret.seal(clear, keys.digest)

        self._bindings = bindings_of(settings)
        self.policy = policy_of(settings, keys.installation_id)
        self._profiles = profiles_of(settings)
        self.bridge = Bridge(self.policy, Replies(schemas, secret))
        self._listeners = _Listeners()
        self._channels = channels
        observers = [observe or Records().observe]
        if channels is not None:
            self._listeners.channels.append(channels)
            observers.append(channels.observe)

        def observed(stamp: Stamp, command: Command) -> None:
            for observer in observers:
                observer(stamp, command)

        self.runner = Runner(
            self.bridge,
            journal,
            platform,
            self._listeners,
            clock or SystemClock(),
            checkpoint=checkpoint,
            observe=observed,
        )
        self._reception = Reception(
            xsd_bytes,
            keys,
            self.runner.feed,
            turns=Turns(self.runner.when_on_disk),
            version_of=self.bridge.version_of,
            is_open=self._listeners.is_open,
            has_room=lambda: journal.has_room,
            profile_of=lambda sale_id: self._profiles.get(sale_id, STRANGER),
            certificates_of=self._certificates_of,
            schemas=schemas,
            checkpoint=checkpoint,
        )
        self._listeners.all.extend(make(self._reception) for make in make_listeners)

    async def start(self) -> list[str]:
        """Take up what is open on disk, then accept connections.

        Returns:
            The bound address of each listener, in order.

        Raises:
            JournalFailure: the journal cannot be read.
            ConfigurationError: an address cannot be bound.
        """
        await self.runner.start()
        if self._channels is not None:
            await self._channels.start(self.runner.feed, lambda: not self.bridge.broken)
        return [await listener.start() for listener in self._listeners.all]

    def reconfigure(self, settings: Settings, bindings: Bindings) -> None:
        """Go on under other settings; listeners and journal stay as they are until the next start.

        Args:
            settings: these.
            bindings: what ``bindings_of`` read for them.
        """
        self._bindings = bindings
        self._profiles = profiles_of(settings)
        self.policy = policy_of(settings, self.policy.installation)
        for listener in self._listeners.all:
            if isinstance(listener, Serving):
                listener.serve(settings.terminals)
        self.runner.feed(Reconfigured(policy=self.policy))

    @property
    def tolerated(self) -> dict[str, dict[str, int]]:
        """See ``Reception``."""
        return self._reception.tolerated

    async def refresh(self) -> None:
        """Have every listener look at its files again."""
        for listener in self._listeners.all:
            if isinstance(listener, Refreshing):
                await listener.refresh()

    @property
    def reachable(self) -> bool:
        """Whether POS can be heard on some way: a broker that is away may be the only one (I9)."""
        states = [one.state() if isinstance(one, Telling) else None for one in self._listeners.all]
        return any(state is None or state.up or state.kind == "dial" for state in states)

    def listener_states(self) -> list[ListenerState]:
        """How each listener is that can tell."""
        return [listener.state() for listener in self._listeners.all if isinstance(listener, Telling)]

    def _certificates_of(self, sale_id: str) -> frozenset[str] | None:
        return self._bindings.get(sale_id)

    async def drain(self, patience: float) -> bool:
        """Begin nothing new, finish what runs; True if everything ended within ``patience`` seconds.

        Parked exchanges are not waited for: nobody expects their answer now, and the next start takes them up.
        """
        for listener in self._listeners.all:
            listener.stop_accepting()
        self.runner.feed(Stopping())
        try:
            async with asyncio.timeout(patience):
                await self.runner.quiet()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End connections, calls and alarms. The journal is its owner's to close."""
        if self._channels is not None:
            await self._channels.close()
        for listener in self._listeners.all:
            await listener.close()
        await self.runner.close()
        self._reception.close()


STRANGER = Profile()
"""How a Sale System is read that is not in the file."""


def profiles_of(settings: Settings) -> Mapping[str, Profile]:
    """How the messages of each Sale System of the file are read."""
    return {sale_id: Profile(pos.version, pos.tolerance) for sale_id, pos in settings.pos.items()}


def policy_of(settings: Settings, installation: str) -> Policy:
    """What the core must know of the settings."""
    platform = settings.platform

    def sale(sale_id: str) -> SalePolicy:
        pos = settings.pos_for(sale_id)
        return SalePolicy(
            deadlines=Deadlines(**settings.deadlines_for(sale_id).model_dump()),
            on_unknown=pos.on_unknown,
            repeat_sale=pos.repeat_sale,
            busy_condition=pos.busy_condition,
        )

    return Policy(
        environment=platform.environment,
        installation=installation,
        software_version=__version__,
        terminals={
            poiid: Terminal(
                poiid,
                terminal.serial,
                terminal.default,
                terminal.payment_type,
                0.0 if terminal.results == "poll" else terminal.watchdog,
            )
            for poiid, terminal in settings.terminals.items()
        },
        brands={
            name: None if brand.method == "card" else brand.payment_type or ""
            for name, brand in settings.brands.items()
        },
        default_sale=sale(""),
        sales={sale_id: sale(sale_id) for sale_id in settings.pos},
        certainty=Certainty(
            fence=platform.fence,
            after=platform.never_created_after,
            reads=platform.never_created_reads,
            pause=platform.never_created_pause,
        ),
        login_required=settings.login_required,
        keys_kept=settings.journal.keep_answers * 86400.0,
    )
