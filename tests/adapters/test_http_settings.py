from __future__ import annotations

import pytest
from pydantic import ValidationError

from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.nexo.framing import LARGEST_CAP

TLS = {"certificate": "bridge.pem", "key": "bridge.key"}


def test_kind_and_port_are_enough_and_listen_on_this_machine_alone() -> None:
    settings = HttpListen(kind="http", port=0)
    assert (settings.host, settings.max_frame, settings.scheme) == ("127.0.0.1", 1 << 20, "http")
    assert not settings.json_form


def test_a_certificate_makes_it_https() -> None:
    assert HttpListen.model_validate({"kind": "http", "port": 0, **TLS}).scheme == "https"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"port": 65536}, "less than or equal to 65535"),
        ({"max_frame": LARGEST_CAP + 1}, "less than or equal"),
        ({"host": ""}, "at least 1 character"),
        ({"idle_timeout": float("inf")}, "finite"),
        ({"hots": "typo"}, "Extra inputs"),
        ({"key": "bridge.key"}, "key needs certificate"),
        ({"client_ca": "pos-ca.pem", "client_certificate": "required"}, "client_ca needs certificate"),
        ({**TLS, "client_certificate": "optional"}, "needs client_ca"),
        ({**TLS, "client_ca": "pos-ca.pem"}, "client_ca is never asked"),
        ({"names": ["bridge.example:8080"]}, "without a port"),
        ({"names": ["*.example"]}, "without a port"),
        ({"names": ["a" * 64]}, "without a port"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HttpListen.model_validate({"kind": "http", "port": 1, **wrong})


def test_names_are_compared_in_small_letters() -> None:
    assert HttpListen(kind="http", port=1, names=("Bridge.Shop.example",)).names == ("bridge.shop.example",)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for name, field in HttpListen.model_fields.items() if name != "kind")
