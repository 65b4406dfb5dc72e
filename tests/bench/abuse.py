"""How long a POS waits for a local answer while others abuse the same port: ``python -m tests.bench.abuse``.

The target is that nobody waits more than 100 ms. Bridge, sandbox, abuser and the POS that asks are four processes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

from tests.adapters.tls_rig import Papers
from tests.bench.abuser import KINDS
from tests.bench.measures import Shop, Spread
from tests.bench.processes import many_connections, running
from tests.bench.till import Till, next_service
from tests.faults import words

TARGET = 100.0
"""Milliseconds."""

SECONDS = 5.0
PAUSE = 0.02

LIMITS = "port = 0\nmax_connections = 4096\nmax_connections_per_address = 4096\n"
TLS = f'[[listen]]\nkind = "tls"\ncertificate = "bridge.pem"\nkey = "bridge.key"\n{LIMITS}'


class AbusedShop(Shop):
    """Room for every connection, so that limits hide nothing, and a TLS listener."""

    def _configuration(self) -> Path:
        text = Path(self.platform.said["config"]).read_text(encoding="utf-8")
        config = self.folder / "bench.toml"
        config.write_text(TLS + text.replace("port = 0\n", LIMITS, 1), encoding="utf-8")
        return config


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def longest(shop: Shop, seconds: float) -> Spread:
    """What TransactionStatus of a settled payment takes, asked by one POS on plain TCP."""
    till = await Till.open(shop.address, "KASSE1", shop.poiids[-1])
    await till.login()
    paid = next_service()
    assert (await till.ask(words.payment(paid, till.sale, till.poi, "12.50"))).well
    took, until = [], monotonic() + seconds
    while monotonic() < until:
        took.append((await till.ask(words.status(next_service(), till.sale, till.poi, paid))).took)
        await asyncio.sleep(PAUSE)
    till.close()
    return Spread.of(took)


async def measure(kinds: list[str]) -> None:
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    say(f"| meanwhile | over | wait of another POS, p50 / p99 / worst | target {TARGET:.0f} ms | MiB |")
    say("| --- | --- | --- | --- | --- |")
    for kind in kinds:
        for over in ("tcp", "tls"):
            with tempfile.TemporaryDirectory(prefix="nexo-abuse-") as kept:
                folder = Path(kept)
                papers = Papers(folder)
                papers.issue("bridge")
                async with AsyncExitStack() as stack:
                    shop = await AbusedShop.open(folder, 2, stack)
                    bridge = await shop.start()
                    await shop.proved()
                    about = ("tests.bench.abuser", kind, bridge.said[over])
                    ca = (str(papers.ca),) if over == "tls" else ()
                    await stack.enter_async_context(running(folder, *about, *ca))
                    spread = await longest(shop, SECONDS)
                    met = "met" if spread.worst <= TARGET else "**short**"
                    say(f"| {kind} | {over} | {spread} | {met} | {bridge.memory():.0f} |")


if __name__ == "__main__":
    many_connections()
    asyncio.run(measure(sys.argv[1:] or list(KINDS)))
