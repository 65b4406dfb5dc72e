"""Each section of the configuration becomes the listener of its kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nexo_bridge.adapters.dial import DialListener
from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.mqtt_listener import MqttListener
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.adapters.tls import TlsListener
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.runtime.listeners import makers, ready_name
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_sections import Pos
from tests.adapters.tcp_rig import Recorder
from tests.adapters.tls_rig import Papers


def test_a_listener_for_each_section_in_order(tmp_path: Path) -> None:
    certificate, key = Papers(tmp_path).issue("bridge")
    sections = (
        TcpListen(kind="tcp", port=1),
        HttpListen(kind="http", port=2),
        TcpListen(kind="tcp", port=3),
        TlsListen(kind="tls", port=4, certificate=certificate, key=key),
        DialListen(kind="dial", host="till", port=5),
        MqttListen(kind="mqtt", port=6),
    )
    settings = Settings.model_construct(
        listen=sections, pos={"KASSE1": Pos(http="http://localhost:1/")}, terminals={}
    )
    made = [make(Recorder()) for make in makers(settings, "i")]
    kinds = [TcpListener, HttpListener, TcpListener, TlsListener, DialListener, MqttListener]
    assert [type(one) for one in made] == kinds


def test_the_ready_line_says_how_to_connect() -> None:
    assert ready_name(TcpListen(kind="tcp", port=1)) == "tcp"
    assert ready_name(HttpListen(kind="http", port=1)) == "http"
    tls = HttpListen(kind="http", port=1, certificate=Path("c"), key=Path("k"))
    assert ready_name(tls) == "https"


def test_a_library_is_loaded_only_where_its_transport_is_configured() -> None:
    program = "import sys, nexo_bridge.runtime.daemon; print(*{'aiohttp', 'aiomqtt'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert out.stdout == b"\n"
