"""When the files of a certificate are read again; what listeners make of it is in ``test_tls``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nexo_bridge.adapters.certificates import Files, Identity, load
from nexo_bridge.adapters.live_certificate import LiveCertificate
from nexo_bridge.adapters.timer import HandTimer
from tests.adapters.tls_rig import Papers


async def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    papers, read = Papers(tmp_path), list[Files]()
    files = Files("listen", *papers.issue("bridge"), ca=papers.ca)

    def loads(these: Files) -> Identity:
        read.append(these)
        return load(these)

    live = await asyncio.to_thread(
        LiveCertificate, files, loads, "listen", timer=HandTimer(), wall=lambda: 0.0
    )
    first = live.context
    await live.look()
    assert (len(read), live.context) == (1, first)
    papers.issue("bridge")
    await live.look()
    assert len(read) == 2
    assert live.context is not first
    assert live.warnings[0].startswith("the client certificate is valid only from")
