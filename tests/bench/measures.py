"""What is measured, one function for each; the bridge is only ever a process behind its ports."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

from nexo_bridge.adapters.journal_reader import JournalReader
from tests.bench.processes import Process, control, running
from tests.bench.till import Asked, Till, next_service, tills
from tests.faults import words

PROBED_EVERY = 300.0
"""Seconds between two proofs of a terminal's session, see ``runtime.daemon``."""

PAYING = "-payment/"
"""In the path of every call of a payment."""


def share(values: Sequence[float], part: float) -> float:
    """The value that ``part`` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * part) - 1)]


@dataclass(frozen=True)
class Spread:
    """Middle and tail of some times, milliseconds."""

    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        return cls(*(1000 * one for one in (median(seconds), share(seconds, 0.99), max(seconds))))

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p99:.1f} / {self.worst:.1f} ms"


class Shop:
    """A platform with so many terminals, and a bridge on it that can be killed and started again."""

    def __init__(self, folder: Path, platform: Process, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.platform = platform
        self.poiids: list[str] = sorted(platform.said["serials"].values())
        self.bridge: Process
        self._stack = stack

    @classmethod
    async def open(cls, folder: Path, terminals: int, stack: AsyncExitStack) -> Shop:
        started = running(folder, "tests.bench.platform", str(folder), str(terminals))
        return cls(folder, await stack.enter_async_context(started), stack)

    async def start(self) -> Process:
        """Start the bridge on what the journal holds."""
        started = running(self.folder, "nexo_bridge", "run", "--config", str(self._configuration()))
        self.bridge = await self._stack.enter_async_context(started)
        return self.bridge

    def _configuration(self) -> Path:
        """The sandbox's, for tills that all come from one address."""
        text = Path(self.platform.said["config"]).read_text(encoding="utf-8")
        config = self.folder / "bench.toml"
        config.write_text(
            text.replace("port = 0", "port = 0\nmax_connections_per_address = 512", 1), encoding="utf-8"
        )
        return config

    @property
    def address(self) -> str:
        return str(self.bridge.said["tcp"])

    async def tell(self, method: str, path: str, body: object = None) -> object:
        return await control(self.platform.said["control"], method, path, body)

    async def calls(self) -> list[tuple[str, str, str, float, float]]:
        """What reached the platform since the last time; the terminal, not its serial number."""
        told = await control(self.platform.said["control"], "GET", "/times")
        serials = self.platform.said["serials"]
        return [(serials.get(serial, ""), *rest) for serial, *rest in told]

    async def proved(self) -> float:
        """Wait until every terminal's session has been proved; seconds since the first call of a session."""
        seen: list[tuple[str, str, str, float, float]] = []
        while True:
            seen += await self.calls()
            last = {poiid: end for poiid, _, path, _, end in seen if path.endswith("/countries")}
            if len(last) == len(self.poiids):
                return max(last.values()) - min(begin for *_, begin, _ in seen)
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Start:
    """What a start costs: seconds to READY, from there to the end of a first payment and of all proofs, MiB, shares
    of one core.
    """

    ready: float
    paid: float
    proved: float
    probe_cpu: float
    memory: float
    idle: float

    @property
    def probing(self) -> float:
        """The share of a core that proving all sessions takes, over time."""
        return self.probe_cpu / PROBED_EVERY


async def start(shop: Shop, window: float) -> Start:
    """Start the bridge, let it prove its sessions, then watch it do nothing for ``window`` seconds."""
    bridge = await shop.start()
    before, began = bridge.cpu(), monotonic()
    first = await Till.open(shop.address, "KASSE0", shop.poiids[-1])
    await first.login()
    await first.pay()
    paid = monotonic() - began
    first.close()
    proved = await shop.proved()
    await asyncio.sleep(0.2)
    opened = await tills(shop.address, shop.poiids)
    probe_cpu, memory = bridge.cpu() - before, bridge.memory()
    await asyncio.sleep(4.5)  # kept-alive connections go
    before = bridge.cpu()
    await asyncio.sleep(window)
    idle = (bridge.cpu() - before) / window
    memory = max(memory, bridge.memory())
    for till in opened:
        till.close()
    return Start(bridge.took, paid, proved, probe_cpu, memory, idle)


@dataclass(frozen=True)
class Latency:
    """What the bridge adds to a payment, at a steady rate that does not wait for answers."""

    rate: float
    inward: Spread
    outward: Spread
    added: Spread
    cpu: float


async def latency(shop: Shop, rate: float, seconds: float) -> Latency:
    """Payments at ``rate`` per second over all terminals, one at a time at each."""
    opened = await tills(shop.address, shop.poiids)
    await asyncio.gather(*(till.pay() for till in opened))  # sessions and connections are there
    await shop.calls()
    before, began = shop.bridge.cpu(), monotonic()
    count = int(rate * seconds)
    free: asyncio.Queue[Till] = asyncio.Queue()
    for till in opened:
        free.put_nowait(till)
    done: list[tuple[str, Asked]] = []

    async def one(till: Till) -> None:
        done.append((till.poi, await till.pay()))
        free.put_nowait(till)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
            group.create_task(one(await free.get()))
    cpu = (shop.bridge.cpu() - before) / count
    inward, outward = [], []
    by_terminal: dict[str, list[tuple[str, float, float]]] = {}
    for poiid, method, path, arrived, answered in await shop.calls():
        if PAYING in path:
            by_terminal.setdefault(poiid, []).append((method, arrived, answered))
    for poiid, asked in done:
        inside = [call for call in by_terminal[poiid] if asked.sent < call[1] < asked.heard]
        inward.append(next(arrived for method, arrived, _ in inside if method == "POST") - asked.sent)
        outward.append(asked.heard - max(answered for *_, answered in inside))
    for till in opened:
        till.close()
    added = [one + other for one, other in zip(inward, outward, strict=True)]
    return Latency(rate, Spread.of(inward), Spread.of(outward), Spread.of(added), cpu)


@dataclass(frozen=True)
class Flow:
    """As many as go through: per second, the spread of each, seconds of the process's own time for each."""

    per_second: float
    each: Spread
    cpu: float


async def payments(shop: Shop, seconds: float) -> Flow:
    """Every terminal takes the next payment as soon as it has the last one's answer."""
    opened = await tills(shop.address, shop.poiids)
    until = monotonic() + seconds
    took: list[float] = []

    async def sell(till: Till) -> None:
        while monotonic() < until:
            took.append((await till.pay()).took)

    before, began = shop.bridge.cpu(), monotonic()
    await asyncio.gather(*(sell(till) for till in opened))
    cpu, passed = shop.bridge.cpu() - before, monotonic() - began
    for till in opened:
        till.close()
    return Flow(len(took) / passed, Spread.of(took), cpu / len(took))


async def local_answers(shop: Shop, seconds: float, connections: int = 20) -> Flow:
    """TransactionStatus of a settled payment, over and over."""
    opened: list[tuple[Till, str]] = []
    for number, poiid in enumerate(itertools.islice(itertools.cycle(shop.poiids), connections)):
        till = await Till.open(shop.address, f"KASSE{number}", poiid)
        await till.login()
        paid = next_service()
        assert (await till.ask(words.payment(paid, till.sale, till.poi, "12.50"))).well
        opened.append((till, paid))
    flow = await _asked(
        shop.bridge,
        [till for till, _ in opened],
        [functools.partial(_status_of, till, paid) for till, paid in opened],
        seconds,
    )
    for till, _ in opened:
        till.close()
    return flow


def _status_of(till: Till, paid: str) -> bytes:
    return words.status(next_service(), till.sale, till.poi, paid)


async def echoed(folder: Path, seconds: float, connections: int = 20) -> Flow:
    """The same questions to the floor."""
    async with running(folder, "tests.bench.echo") as echo:
        opened = [await Till.open(echo.said["tcp"], "KASSE1", "POI00001") for _ in range(connections)]
        question = words.status("4711", "KASSE1", "POI00001", "815")
        return await _asked(echo, opened, [lambda: question] * connections, seconds)


async def _asked(
    process: Process, opened: list[Till], questions: list[Callable[[], bytes]], seconds: float
) -> Flow:
    until = monotonic() + seconds
    took: list[float] = []

    async def ask(till: Till, question: Callable[[], bytes]) -> None:
        while monotonic() < until:
            asked = await till.ask(question())
            assert b"Response" in asked.answer or b"Request" in asked.answer
            took.append(asked.took)

    before, began = process.cpu(), monotonic()
    await asyncio.gather(*(ask(till, question) for till, question in zip(opened, questions, strict=True)))
    return Flow(len(took) / (monotonic() - began), Spread.of(took), (process.cpu() - before) / len(took))


@dataclass(frozen=True)
class Recovery:
    """A crash with payments at their cardholders: seconds to READY, and from there to the last answer."""

    in_flight: int
    ready: float
    answered: float


async def recovery(shop: Shop) -> Recovery:
    """Kill the bridge with one payment under way at every terminal; every till asks for its own again."""
    for poiid in shop.poiids:
        await shop.tell("POST", "/cardholders", {"poiid": poiid, "action": "hold"})
    opened = await tills(shop.address, shop.poiids)
    begun = [(till, words.payment(next_service(), till.sale, till.poi, "12.50")) for till in opened]
    await shop.calls()
    for till, message in begun:
        till.writer.write(words.framed(message))
    read: set[str] = set()
    while len(read) < len(begun):  # a payment that is read has been created and written down
        read |= {
            poiid for poiid, method, path, *_ in await shop.calls() if method == "GET" and PAYING in path
        }
        await asyncio.sleep(0.05)
    await shop.bridge.kill()
    for till in opened:
        till.close()
    for poiid in shop.poiids:
        await shop.tell("POST", "/cardholders", {"poiid": poiid, "action": "release"})
    bridge = await shop.start()
    began = monotonic()
    again = [await Till.open(shop.address, till.sale, till.poi) for till, _ in begun]
    answers = await asyncio.gather(
        *(till.ask(message) for till, (_, message) in zip(again, begun, strict=True))
    )
    answered = monotonic() - began
    assert all(asked.well for asked in answers)
    for till in again:
        till.close()
    return Recovery(len(begun), bridge.took, answered)


async def restart(shop: Shop) -> tuple[int, float, float]:
    """Start again on a journal of some size: its entries, seconds to READY, MiB of file."""
    await shop.bridge.kill()
    size = (shop.folder / "journal.sqlite").stat().st_size / 2**20
    bridge = await shop.start()
    return await asyncio.to_thread(_entries, shop.folder / "journal.sqlite"), bridge.took, size


def _entries(journal: Path) -> int:
    with JournalReader(journal) as reader:
        return sum(1 for _ in reader.entries())
