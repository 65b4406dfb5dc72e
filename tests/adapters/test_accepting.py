"""A storm of connections leaves others their turns; an address that cannot be had is told with its setting."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from nexo_bridge.adapters.accepting import AT_ONCE, listen, spoken
from nexo_bridge.errors import ConfigurationError


async def test_a_storm_is_taken_a_few_at_a_time_and_loses_nobody() -> None:
    taken: list[asyncio.Protocol] = []

    def made() -> asyncio.Protocol:
        taken.append(asyncio.Protocol())
        return taken[-1]

    server, address = await listen(made, "127.0.0.1", 0)
    storm, before = AT_ONCE * 6, 0
    async with asyncio.timeout(20), server:
        with ExitStack() as stack:
            for _ in range(storm):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", int(address.rpartition(":")[2])))
            while len(taken) < storm:
                await asyncio.sleep(0)
                assert len(taken) - before <= AT_ONCE
                before = len(taken)


async def test_an_address_that_cannot_be_had() -> None:
    server, address = await listen(asyncio.Protocol, "127.0.0.1", 0)
    async with server:
        with pytest.raises(ConfigurationError, match=r"listen: cannot listen on 127\.0\.0\.1 port \d+"):
            await listen(asyncio.Protocol, "127.0.0.1", int(address.rpartition(":")[2]))


def test_addresses_as_people_write_them() -> None:
    assert (spoken("127.0.0.1", 1), spoken("::1", 2)) == ("127.0.0.1:1", "[::1]:2")
