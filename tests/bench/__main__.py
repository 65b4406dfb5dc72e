"""``make bench``: what the bridge costs, measured on this machine, on loopback, in about a minute.

Sandbox (no think time, de-duplication off) and bridge are processes of their own, and so is this one, which plays the
tills: on two cores the three share them, so rates are lower bounds. The bridge's own processor time is exact.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

from tests.bench import measures
from tests.bench.measures import Shop
from tests.bench.processes import many_connections

Row = tuple[str, str]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(*rows: Row) -> None:
    for name, value in rows:
        say(f"| {name} | {value} |")


async def starts(shop: Shop, window: float) -> None:
    """A first start, and the bridge doing nothing."""
    found = await measures.start(shop, window)
    many = f"{len(shop.poiids)} terminals"
    tell(
        (f"start to READY, {many}, empty journal", f"{found.ready:.2f} s"),
        (f"from there until a first sale is paid, {many} (reads begin after 0.5 s)", f"{found.paid:.2f} s"),
        (f"from there until every session is proved, {many}", f"{found.proved:.2f} s"),
        (f"resident memory, idle, {many}", f"{found.memory:.0f} MiB"),
        (f"idle CPU, {many}, each with a connected till", f"{100 * found.idle:.1f} % of one core"),
        (
            f"and to prove every session each {measures.PROBED_EVERY:.0f} s",
            f"{100 * found.probing:.2f} % of one core ({found.probe_cpu:.2f} s of CPU)",
        ),
    )


async def added(shop: Shop, rate: float, seconds: float) -> None:
    """Latency that the bridge adds."""
    found = await measures.latency(shop, rate, seconds)
    at = f"{rate:.0f} payments/s over {len(shop.poiids)} terminals"
    tell(
        (f"POS in → create at the platform, {at} (p50 / p99 / worst)", str(found.inward)),
        ("final read answered → POS out", str(found.outward)),
        ("both: what the bridge adds to a payment", str(found.added)),
        ("CPU of the bridge for one payment", f"{1000 * found.cpu:.1f} ms"),
    )


async def flows(shop: Shop, folder: Path, seconds: float) -> None:
    """As fast as it goes."""
    paid = await measures.payments(shop, seconds)
    floor = await measures.echoed(folder, seconds / 2)
    local = await measures.local_answers(shop, seconds)
    tell(
        (f"whole payments, {len(shop.poiids)} terminals at once", f"{paid.per_second:.0f} per s"),
        (
            "CPU of the bridge for one of them",
            f"{1000 * paid.cpu:.1f} ms: {1 / paid.cpu:.0f} per s on one core",
        ),
        (
            "TransactionStatus of a settled payment, 20 connections",
            f"{local.per_second:.0f} per s, {local.each}",
        ),
        (
            "bare framed echo with parse and XSD, 20 connections",
            f"{floor.per_second:.0f} per s, {floor.each}",
        ),
        ("local answers against the echo", f"{local.per_second / floor.per_second:.2f}"),
    )


async def crashes(shop: Shop) -> None:
    """Starting again on what is there."""
    entries, ready, size = await measures.restart(shop)
    again = await measures.recovery(shop)
    tell(
        (f"start to READY with {entries} journal records ({size:.0f} MiB)", f"{ready:.2f} s"),
        (f"start to READY after a crash with {again.in_flight} payments under way", f"{again.ready:.2f} s"),
        ("from there until the last till has its answer", f"{again.answered:.2f} s"),
    )


async def bench(sizes: list[int], quick: float) -> None:
    began = monotonic()
    say(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n")
    say("| figure | value |\n| --- | --- |")
    with tempfile.TemporaryDirectory(prefix="nexo-bench-") as kept:
        for terminals in sizes:
            async with AsyncExitStack() as stack:
                folder = Path(kept, str(terminals))
                shop = await Shop.open(folder, terminals, stack)
                last = terminals == sizes[-1]
                await starts(shop, (6 if last else 3) * quick)
                await added(shop, min(100.0, terminals), 4 * quick)
                if last:
                    await flows(shop, folder, 4 * quick)
                    await crashes(shop)
    say(f"\nmeasured in {monotonic() - began:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "terminals", nargs="*", type=int, default=[1, 50, 200], help="how many terminals, in turn"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the usual time for each figure (1)")
    arguments = parser.parse_args()
    many_connections()
    asyncio.run(bench(arguments.terminals, arguments.share))
