"""Each section of the configuration becomes the listener of its kind."""

from __future__ import annotations

from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.runtime.listeners import makers
from nexo_bridge.runtime.settings import Settings
from tests.adapters.tcp_rig import Recorder


def test_a_listener_for_each_section_in_order() -> None:
    sections = tuple(TcpListen(kind="tcp", port=port) for port in (1, 2))
    settings = Settings.model_construct(listen=sections)
    made = [make(Recorder()) for make in makers(settings)]
    assert [type(one) for one in made] == [TcpListener, TcpListener]
