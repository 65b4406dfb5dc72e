from __future__ import annotations

from pathlib import Path

from nexo_bridge.adapters.listener_state import ListenerState, Refreshing, Telling
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from tests.adapters.tcp_rig import Recorder, listening
from tests.adapters.tls_rig import encrypting


async def test_listeners_tell_and_those_with_files_look_again(tmp_path: Path) -> None:
    async with listening() as plain, encrypting(tmp_path) as tls:
        assert isinstance(plain.listener, Telling)
        assert isinstance(tls.listener, Telling)
        assert not isinstance(plain.listener, Refreshing)
        assert isinstance(tls.listener, Refreshing)


async def test_a_listener_that_has_not_started_is_down() -> None:
    listener = TcpListener(TcpListen(kind="tcp", port=0), Recorder())
    assert listener.state() == ListenerState("tcp", "", up=False)
