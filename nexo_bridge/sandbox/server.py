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
from typing import Any, Self

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.sandbox import settings_file
from nexo_bridge.sandbox.certificates import Authority
from nexo_bridge.sandbox.clock import Clock, LoopClock
from nexo_bridge.sandbox.control import Control
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.front import Front, server_tls
from nexo_bridge.sandbox.gateway import Delays, Gateway
from nexo_bridge.sandbox.oauth import TokenOffice
from nexo_bridge.sandbox.operations import Platform
from nexo_bridge.sandbox.terminals import Pace, Terminal
from nexo_bridge.sandbox.wire import Handler

_log = logging.getLogger(__name__)
_CERTIFICATES = "certificates"


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
        slow, late: seconds of the faults ``slow-answers`` and ``late-create``.
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
    slow: float = 5.0
    late: float = 5.0
    clock: Clock = field(default_factory=LoopClock)


@dataclass(frozen=True, slots=True)
class _State:
    """What was found or made in the state folder."""

    folder: Path
    authority: Authority
    with_certificate: ssl.SSLContext
    without_certificate: ssl.SSLContext
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
    """

    api_url: str
    bases: dict[str, str]
    control_url: str
    config_path: Path
    authority: Authority

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self._devices = {f"POI{n:05d}": f"2097CD{800000 + n}" for n in range(1, self.options.terminals + 1)}
        self.poiids = tuple(self._devices)
        self._pace = Pace(self.options.think, self.options.limit)
        self._faults = Faults()
        self._platform = Platform(
            self.options.clock, self._pace, self._devices, dedup=self.options.dedup, seed=self.options.seed
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
        self._office = TokenOffice(state.key, self._devices.values(), options.clock, options.token_life)
        delays = Delays(options.slow, options.late)
        gateway = self._gateway = Gateway(self._platform, self._office, self._faults, options.clock, delays)
        mutual, plain = state.with_certificate, state.without_certificate
        try:
            self.bases = {
                "auth": await self._listen(gateway.handler("auth"), mutual, options.auth_port),
                "device_auth": await self._listen(
                    gateway.handler("device_auth"), mutual, options.device_auth_port
                ),
                "api": await self._listen(gateway.without_certificate, plain, options.api_port),
                "device_api": await self._listen(gateway.handler("device_api"), mutual, options.port),
            }
            self.control_url = await self._listen(Control(self).handle, None, options.control_port)
        except OSError as fault:
            await self.close()
            raise ConfigurationError(f"--port: cannot listen on {options.host}: {fault}") from fault
        self.api_url = self.bases["device_api"]
        self.config_path = state.folder / "bridge.toml"
        text = settings_file.render(self.bases, f"{_CERTIFICATES}/ca.pem", state.entries)
        await asyncio.to_thread(settings_file.write, self.config_path, text)
        _log.info("sandbox with %d terminals; state in %s", len(self.poiids), state.folder)

    async def close(self) -> None:
        """Stop everything; harmless when it was never started."""
        if self._gateway is not None:
            self._gateway.close()
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

    def renew_secret(self, poiid: str) -> None:
        """Void the client secret of a terminal, as an operator at the portal does."""
        assert self._office is not None
        self._office.renew_secret(self._terminal(poiid).serial)

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
        ca = authority.root.certificate
        entries = []
        for poiid, serial in self._devices.items():
            pair = authority.client(poiid, serial)
            names = (f"{_CERTIFICATES}/{path.name}" for path in (pair.certificate, pair.key))
            entries.append(settings_file.TerminalEntry(poiid, serial, *names))
        return _State(
            folder,
            authority,
            server_tls(server, ca, client_certificate=ssl.CERT_REQUIRED),
            server_tls(server, ca, client_certificate=ssl.CERT_NONE),
            tuple(entries),
            hashlib.sha256(authority.root.key.read_bytes()).digest(),
        )

    async def _listen(self, handler: Handler, tls: ssl.SSLContext | None, port: int) -> str:
        front = Front(handler, tls)
        url = await front.start("127.0.0.1" if tls is None else self.options.host, port)
        self._fronts.append(front)
        return url
