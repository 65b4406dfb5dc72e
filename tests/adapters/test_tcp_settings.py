from __future__ import annotations

import pytest
from pydantic import ValidationError

from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.nexo.framing import LARGEST_CAP


def test_kind_and_port_are_enough_and_listen_on_this_machine_alone() -> None:
    settings = TcpListen(kind="tcp", port=0)
    assert (settings.host, settings.max_frame) == ("127.0.0.1", 1 << 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 65536},
        {"port": 1, "max_frame": LARGEST_CAP + 1},
        {"port": 1, "frame_timeout": 0},
        {"port": 1, "host": ""},
        {"port": 1, "idle_timeout": float("inf")},
        {"port": 1, "write_timeout": float("nan")},
        {"port": 1, "hots": "typo"},
        {"port": 1, "kind": "udp"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TcpListen.model_validate({"kind": "tcp", **wrong})


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for name, field in TcpListen.model_fields.items() if name != "kind")
