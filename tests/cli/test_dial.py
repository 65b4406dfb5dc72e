"""The whole bridge, as a process, where the bridge calls the POS: a payment, a crash in its midst, and the answer."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.demo.stage import Stage
from nexo_bridge.money import Amount
from nexo_bridge.nexo.codec import encode
from nexo_bridge.nexo.framing import frame
from nexo_bridge.nexo.messages import Message
from nexo_bridge.pos.requests import Requests
from tests.adapters.tcp_rig import Peer
from tests.adapters.test_dial import Pos
from tests.pos.scripted_poi import schemas

ASK = Requests("TILL1", "POI00001")


async def say(peer: Peer, message: Message) -> None:
    await peer.send(frame(encode(message, "3.1", schemas())))


async def hear(peer: Peer) -> Heard:
    return Heard(await peer.receive(), "3.1")


async def test_a_pos_that_is_called_pays_and_is_called_again_after_a_crash() -> None:
    with tempfile.TemporaryDirectory(prefix="dial-") as name:  # short: a Unix socket's path is
        pos, stage = Pos(), Stage(Path(name), 0.1)
        try:
            await pos.on()
            await stage.open_sandbox()
            text = await asyncio.to_thread(stage.config.read_text, "utf-8")
            more = f'\n[[listen]]\nkind = "dial"\nhost = "127.0.0.1"\nport = {pos.port}\nretry_first = 0.1\n'
            await asyncio.to_thread(stage.config.write_text, text + more, "utf-8")
            await stage.open_bridge()
            peer = await pos.calls.get()
            await say(peer, ASK.login("1"))
            assert (await hear(peer)).result == "Success"
            await stage.cardholder("POI00001", "hold")
            await say(peer, ASK.payment("2", "receipt-1", Amount("12.50"), "EUR"))

            async def asked_for() -> bool:
                return bool(await stage.ledger())

            await stage.until("the payment was to be at the platform", asked_for)
            await stage.kill_bridge()
            await stage.open_bridge()
            peer = await pos.calls.get()
            await say(peer, ASK.status("3", "2"))
            assert (await hear(peer)).condition == "InProgress"
            await stage.cardholder("POI00001", "approve")

            numbers = itertools.count(4)

            async def known() -> bool:
                await say(peer, ASK.status(str(next(numbers)), "2"))
                return (await hear(peer)).result == "Success"

            await stage.until("the payment was to be known", known)
            assert [(row["amount"], row["charges"]) for row in await stage.ledger()] == [(1250, 1)]
        finally:
            await stage.close()
            await pos.off()
