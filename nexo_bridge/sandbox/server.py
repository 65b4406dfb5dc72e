"""The sandbox as one object: state folder, platform, four bases and the control interface."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.sandbox import settings_file
from nexo_bridge.sandbox.certificates import Authority, KeyPair
from nexo_bridge.sandbox.clock import Clock, LoopClock
from nexo_bridge.sandbox.control import Control
from nexo_bridge.sandbox.events import Events, Schedule, parse_schedule
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.front import Front, server_tls
from nexo_bridge.sandbox.gateway import Delays, Gateway
from nexo_bridge.sandbox.oauth import TokenOffice
from nexo_bridge.sandbox.operations import Platform
from nexo_bridge.sandbox.provider import Provider, Spi
from nexo_bridge.sandbox.realms import PASSWORD, Realms
from nexo_bridge.sandbox.sign_in import SignIn
from nexo_bridge.sandbox.stream import PATH as STREAM_PATH
from nexo_bridge.sandbox.stream import DeviceOf, Streams
from nexo_bridge.sandbox.terminals import Pace, Terminal
from nexo_bridge.sandbox.webhooks import Target, Webhooks
from nexo_bridge.sandbox.wire import Answer, Handler, Request

_log = logging.getLogger(__name__)
_CERTIFICATES = "certificates"
WEBHOOK_PATH = "/ppaas/events/v1"


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox behaves. Ports may be 0: the system chooses.

    Attributes:
        state: folder for certificates and ``bridge.toml``; a fresh temporary one when None.
        port: of ``device_api``.
        think: seconds a cardholder takes.
        limit: seconds after which an unpaid transaction expires.
        dedup: whether creates with one key are merged.
        seed: makes transaction ids and approval codes the same in every run.
        slow, late: seconds of the faults ``slow-answers`` and ``late-create``, and of those of events like them.
        refresh_life: seconds a refresh token lives.
        grant: how ``bridge.toml`` opens sessions: ``mtls``, ``password`` or ``custom_token``.
        results: how ``bridge.toml`` lets results come.
        webhook_port: where ``bridge.toml`` lets its webhook listen, and the sandbox calls it; 0: nowhere.
        schedule: when events are sent; see ``events.Schedule``.
        provider: whether QR payments that the customer scans are a service provider's.
        mqtt: host and port of a broker at which ``bridge.toml`` lets POS be heard too.
        clock: what time it is and what rings when.
    """

    state: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    auth_port: int = 0
    device_auth_port: int = 0
    api_port: int = 0
    control_port: int = 0
    think: float = 1.0
    limit: float = 60.0
    dedup: bool = False
    seed: int | None = None
    terminals: int = 3
    token_life: int = 300
    refresh_life: int = 900
    grant: str = "mtls"
    slow: float = 5.0
    late: float = 5.0
    results: Literal["poll", "stream", "webhook"] = "poll"
    webhook_port: int = 0
    schedule: Schedule = field(default_factory=dict)
    provider: bool = False
    mqtt: tuple[str, int] | None = None
    clock: Clock = field(default_factory=LoopClock)


@dataclass(frozen=True, slots=True)
class _State:
    """What was found or made in the state folder."""

    folder: Path
    authority: Authority
    with_certificate: ssl.SSLContext
    either: ssl.SSLContext
    without_certificate: ssl.SSLContext
    calling: ssl.SSLContext
    webhook: settings_file.WebhookEntry | None
    secret: bytes
    entries: tuple[settings_file.TerminalEntry, ...]
    key: bytes


class Sandbox:
    """A running platform; ``start`` it, or use it as an async context manager.

    Attributes:
        api_url: base of the platform's operations (``device_api``).
        bases: all four bases.
        control_url: base of the control interface.
        config_path: a ``bridge.toml`` ready for a bridge.
        poiids: the terminals.
        authority: issues further certificates, expired ones too; its methods block.
        events: the logs of events.
        streams: who reads them.
        webhooks: sends them where ``set_webhook`` says.
        provider: the service provider, None without one.
        realms: users' sessions.
    """

    api_url: str
    bases: dict[str, str]
    control_url: str
    config_path: Path
    authority: Authority
    streams: Streams
    webhooks: Webhooks
    provider: Provider | None = None
    realms: Realms

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self._devices = {f"POI{n:05d}": f"2097CD{800000 + n}" for n in range(1, self.options.terminals + 1)}
        self.poiids = tuple(self._devices)
        self._pace = Pace(self.options.think, self.options.limit)
        self._faults = Faults()
        serials = {serial: poiid for poiid, serial in self._devices.items()}
        clock, seed = self.options.clock, self.options.seed
        self.events = Events(clock, self._faults, serials, seed=seed, late=self.options.late)
        self.events.schedule = self.options.schedule
        self._platform = Platform(
            clock, self._pace, self._devices, dedup=self.options.dedup, seed=seed, heard=self.events.moved
        )
        self._fronts: list[Front] = []
        self._gateway: Gateway | None = None
        self._office: TokenOffice | None = None

    async def start(self) -> None:
        """Make or find the state, listen, write ``bridge.toml``.

        Raises:
            ConfigurationError: the state folder cannot be used, or a port is taken.
        """
        options = self.options
        try:
            state = await asyncio.to_thread(self._prepare)
        except OSError as fault:
            raise ConfigurationError(f"--state: the folder cannot be used: {fault}") from fault
        self.authority = state.authority
        office = self._office = TokenOffice(
            state.key, self._devices.values(), options.clock, options.token_life
        )
        self.realms = Realms(office, options.clock, options.refresh_life)
        await asyncio.to_thread(self._lay_credentials, state.folder)
        delays = Delays(options.slow, options.late)
        terminals = self._platform.terminals
        session = SignIn(office, self.realms, terminals, self._faults, clock=options.clock, slow=options.slow)
        gateway = self._gateway = Gateway(
            self._platform, office, session, self._faults, clock=options.clock, delays=delays
        )
        self.streams = Streams(self.events, self._faults, lambda serial: terminals[serial].poiid)
        self.webhooks = Webhooks(
            options.clock,
            lambda: state.calling,
            lambda fault, serial: serial in terminals and self._faults.take(fault, terminals[serial].poiid),
        )
        self.events.listen(self.webhooks.send)
        mutual, plain = state.with_certificate, state.without_certificate
        try:
            self.bases = {
                "auth": await self._listen(gateway.handler("auth"), state.either, options.auth_port),
                "device_auth": await self._listen(
                    gateway.handler("device_auth"), mutual, options.device_auth_port
                ),
                "api": await self._listen(
                    self._with_stream(gateway.without_certificate, gateway.device_by_token),
                    plain,
                    options.api_port,
                ),
                "device_api": await self._listen(
                    self._with_stream(gateway.handler("device_api"), gateway.device), mutual, options.port
                ),
            }
            if options.provider:
                await self._begin_provider(gateway)
            self.control_url = await self._listen(Control(self).handle, None, options.control_port)
        except OSError as fault:
            await self.close()
            raise ConfigurationError(f"--port: cannot listen on {options.host}: {fault}") from fault
        self.api_url = self.bases["device_api"]
        self.config_path = state.folder / "bridge.toml"
        text = settings_file.render(
            self.bases,
            f"{_CERTIFICATES}/ca.pem",
            state.entries,
            options.results,
            state.webhook,
            mqtt=options.mqtt,
        )
        if state.webhook is not None:
            self.set_webhook(
                f"https://127.0.0.1:{state.webhook.port}{WEBHOOK_PATH}", state.secret.decode("ascii")
            )
        await asyncio.to_thread(settings_file.write, self.config_path, text)
        _log.info("sandbox with %d terminals; state in %s", len(self.poiids), state.folder)

    async def close(self) -> None:
        """Stop everything; harmless when it was never started."""
        if self._gateway is not None:
            self._gateway.close()
            await self.webhooks.close()
        if self.provider is not None:
            await self.provider.close()
        for front in self._fronts:
            await front.close()
        self._fronts.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def ledger(self) -> list[dict[str, Any]]:
        """The payments of ``GET /ledger``."""
        return self._platform.ledger.payments()

    def cancels(self) -> list[dict[str, Any]]:
        """The cancels, in the same form."""
        return self._platform.ledger.cancels()

    def terminals(self) -> list[dict[str, Any]]:
        """The terminals as ``GET /terminals`` shows them."""
        return [
            {"poiid": terminal.poiid, "serial": terminal.serial, "state": terminal.state}
            for terminal in self._platform.terminals.values()
        ]

    def screens(self) -> list[dict[str, Any]]:
        """What each terminal shows: ``content`` is a QR code's."""
        return [
            {"poiid": terminal.poiid, **terminal.screen} for terminal in self._platform.terminals.values()
        ]

    def inject(
        self, fault: str, poiid: str | None = None, times: int = 1, *, operation: str | None = None
    ) -> None:
        """Make a fault happen; see ``Faults.inject``.

        Raises:
            ValueError: an unknown fault or terminal, or a negative ``times``.
        """
        if poiid is not None:
            self._terminal(poiid)
        self._faults.inject(fault, poiid, times, operation=operation)

    def answer_with(self, status: int, operation: str, poiid: str | None = None, times: int = 1) -> None:
        """Let calls of one operation be answered with ``status`` and no body.

        A status of 400 to 499 is a refusal: the call is not carried out. With any other it is.

        Raises:
            ValueError: no such terminal or status, or ``times`` is less than 1.
        """
        if poiid is not None:
            self._terminal(poiid)
        self._faults.answer_with(status, poiid, times, operation=operation)

    def overturn(self, poiid: str) -> None:
        """Charge the newest payment of a terminal although it ended without approval: no platform may do this.

        Raises:
            ValueError: no such terminal, or nothing there ended so.
        """
        self._platform.overturn(self._terminal(poiid).serial)

    def pending_faults(self) -> dict[str, int]:
        """How often each fault is still to happen."""
        return self._faults.left()

    def hold(self, poiid: str) -> None:
        """Make the cardholder at ``poiid`` do nothing, now and at the next payments, until ``release``."""
        self._terminal(poiid).hold()

    def release(self, poiid: str, ending: str | None = None) -> None:
        """Let the cardholder act at once: as the amount says, or ``approve``, ``decline``, ``cancel``."""
        self._terminal(poiid).release(ending)

    def set_terminal(self, poiid: str, state: str) -> None:
        """Put a terminal ``OUT_OF_ORDER``, or back to ``IDLE``; what runs on it goes on."""
        if state not in {"IDLE", "OUT_OF_ORDER"}:
            raise ValueError("state must be IDLE or OUT_OF_ORDER")
        self._terminal(poiid).out_of_order = state == "OUT_OF_ORDER"

    def set_think(self, seconds: float) -> None:
        """Change how long the next cardholders take."""
        if not 0 <= seconds < float("inf"):
            raise ValueError("seconds must be 0 or more")
        self._pace.think = seconds

    def settle(self) -> int:
        """The end of the day: every approved sale is captured and can no longer be cancelled."""
        return self._platform.ledger.settle()

    def deliver_late(self) -> int:
        """Let the creates that ``late-create`` keeps back arrive now; how many there were."""
        return self._gateway.deliver_late() if self._gateway is not None else 0

    def set_webhook(self, url: str | None, secret: str | None = None) -> None:
        """Send events to ``url`` from now on, signed with ``secret`` if there is one; None: send none.

        Raises:
            ValueError: not an https URL.
        """
        key = None if secret is None else secret.encode()
        self.webhooks.register(None if url is None else Target(url, key))

    def set_schedule(self, text: str) -> None:
        """Change when events are sent; see ``events.parse_schedule``."""
        self.events.schedule = parse_schedule(text)

    def renew_secret(self, poiid: str) -> None:
        """Void the client secret of a terminal, as an operator at the portal does."""
        assert self._office is not None
        self._office.renew_secret(self._terminal(poiid).serial)

    def end_sessions(self, poiid: str) -> int:
        """End every session of a terminal's users: their refresh tokens are over; how many there were."""
        return self.realms.end_sessions(self._terminal(poiid).serial)

    def _terminal(self, poiid: str) -> Terminal:
        if poiid not in self._devices:
            raise ValueError(f"no terminal is called {poiid!r}; there are {', '.join(self._devices)}")
        return self._platform.terminals[self._devices[poiid]]

    def _prepare(self) -> _State:
        folder = self.options.state or Path(tempfile.mkdtemp(prefix="nexo-bridge-sandbox-"))
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder / _CERTIFICATES)
        server = authority.server(sorted({self.options.host, "127.0.0.1", "::1", "localhost"}))
        calling = ssl.create_default_context(cafile=str(authority.root.certificate))
        platform = authority.client("platform", "PLATFORM")
        calling.load_cert_chain(platform.certificate, platform.key)
        derived = hashlib.sha256(b"webhook" + authority.root.key.read_bytes()).hexdigest().encode()
        ca = authority.root.certificate
        entries = []
        for poiid, serial in self._devices.items():
            pair = authority.client(poiid, serial)
            certificate, key = (f"{_CERTIFICATES}/{path.name}" for path in (pair.certificate, pair.key))
            entry = settings_file.TerminalEntry(poiid, serial, certificate, key, self.options.grant)
            entries.append(entry)
        return _State(
            folder,
            authority,
            server_tls(server, ca, client_certificate=ssl.CERT_REQUIRED),
            server_tls(server, ca, client_certificate=ssl.CERT_OPTIONAL),
            server_tls(server, ca, client_certificate=ssl.CERT_NONE),
            calling,
            self._webhook_files(folder, server, derived) if self.options.webhook_port else None,
            derived,
            tuple(entries),
            hashlib.sha256(authority.root.key.read_bytes()).digest(),
        )

    def _lay_credentials(self, folder: Path) -> None:
        """What ``bridge.toml`` names beside certificates: the user's password, or a merchant's token."""
        for name, text in (
            (settings_file.PASSWORD_FILE, PASSWORD),
            (settings_file.MERCHANT_TOKEN_FILE, self.realms.merchant_token()),
        ):
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")

    def _webhook_files(self, folder: Path, server: KeyPair, secret: bytes) -> settings_file.WebhookEntry:
        path = folder / _CERTIFICATES / "webhook.secret"
        path.touch(mode=0o600)
        path.write_bytes(secret)
        names = (f"{_CERTIFICATES}/{one.name}" for one in (server.certificate, server.key, path))
        return settings_file.WebhookEntry(self.options.webhook_port, *names)

    def _with_stream(self, calls: Handler, device_of: DeviceOf) -> Handler:
        async def handle(request: Request) -> Answer:
            if request.path == STREAM_PATH:
                return await self.streams.handle(request, device_of)
            return await calls(request)

        return handle

    async def _begin_provider(self, gateway: Gateway) -> None:
        self.provider = Provider(self.options.clock, self._pace)
        spi = gateway.spi = Spi(self._platform)
        spi.url = await self._listen(self.provider.handle, None, 0)
        spi.callback = await self._listen(spi.handle, None, 0)
        self._platform.provided = True

    async def _listen(self, handler: Handler, tls: ssl.SSLContext | None, port: int) -> str:
        front = Front(handler, tls)
        url = await front.start("127.0.0.1" if tls is None else self.options.host, port)
        self._fronts.append(front)
        return url
