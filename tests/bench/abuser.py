"""Peers that mean no good, as a process of their own: ``python -m tests.bench.abuser KIND ADDRESS [CA]``.

It says it is ready once the abuse has begun, and goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from tests.bench.processes import many_connections
from tests.faults import words

IDLE, SLOW, AT_ONCE, DEAF, MORE_DEAF, PIPELINED, EMPTY = 1000, 200, 50, 5, 10, 10_000, 5
SALE, POI = "ABUSER", "POI00001"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


def ready() -> None:
    sys.stdout.write(f"{json.dumps({'ready': 'abuser'})}\n")
    sys.stdout.flush()


def question(number: int) -> bytes:
    return words.framed(words.status(str(number % 1_000_000), SALE, POI, "815"))


async def nothing(_: Connect) -> None:
    ready()
    await asyncio.Event().wait()


async def idle(connect: Connect) -> None:
    """Connected, and silent."""
    kept = [await connect() for _ in range(IDLE)]
    ready()
    await asyncio.Event().wait()
    assert kept


async def slowloris(connect: Connect) -> None:
    """A message that never ends, one byte at a time."""
    kept = [await connect() for _ in range(SLOW)]
    for _, writer in kept:
        writer.write((1 << 19).to_bytes(4))
    ready()
    while True:
        for _, writer in kept:
            writer.write(b"<")
        await asyncio.sleep(0.1)


async def storm(connect: Connect) -> None:
    """Connect and close, as fast as it goes."""

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await connect()
                writer.transport.abort()

    ready()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def deaf(connect: Connect, readers: int = 1) -> None:
    """Ask without end and read no answer."""

    async def one(number: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await connect()
                reader._transport.pause_reading()  # type: ignore[attr-defined]  # what "never reads" means
                while True:
                    writer.write(question(number))
                    await writer.drain()
                    number += readers

    ready()
    await asyncio.gather(*(one(number) for number in range(readers)))


async def empty(connect: Connect) -> None:
    """Messages of no length, without end; each is refused, and no refusal is read."""

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await connect()
                reader._transport.pause_reading()  # type: ignore[attr-defined]  # as above
                while True:
                    writer.write(b"\x00\x00\x00\x00" * 4096)
                    await writer.drain()

    ready()
    await asyncio.gather(*(one() for _ in range(EMPTY)))


async def pipelined(connect: Connect) -> None:
    """Ten thousand requests in one go; read the answers; again."""
    ready()
    while True:
        reader, writer = await connect()
        writer.write(b"".join(question(number) for number in range(PIPELINED)))
        for _ in range(PIPELINED):
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)))
        writer.transport.abort()


KINDS: dict[str, Callable[[Connect], Awaitable[None]]] = {
    "nothing": nothing,
    f"{IDLE} idle connections": idle,
    f"slowloris, {SLOW} connections": slowloris,
    f"connect-close storm, {AT_ONCE} at once": storm,
    "one that asks and never reads": deaf,
    f"{DEAF} that ask and never read": partial(deaf, readers=DEAF),
    f"{MORE_DEAF} that ask and never read": partial(deaf, readers=MORE_DEAF),
    f"{EMPTY} that send messages of no length": empty,
    f"{PIPELINED} requests in one go": pipelined,
}


async def _plain(host: str, port: int, tls: ssl.SSLContext | None) -> Streams:
    return await asyncio.open_connection(
        host, port, ssl=tls, server_hostname="localhost" if tls else None, family=socket.AF_INET
    )


async def main(kind: str, address: str, ca: str = "") -> None:
    many_connections()
    host, _, port = address.rpartition(":")
    tls = ssl.create_default_context(cafile=ca) if ca else None
    await KINDS[kind](partial(_plain, host, int(port), tls))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
