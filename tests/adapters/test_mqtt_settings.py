from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexo_bridge.adapters.mqtt_settings import MqttListen


def test_a_port_is_enough() -> None:
    settings = MqttListen(kind="mqtt", port=1883)
    assert settings.version == "5"
    assert settings.topics.answers_to("KASSE1", "POI1") == "nexo/KASSE1/POI1/to-sale"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"port": 0}, "greater than or equal to 1"),
        (
            {"certificate": Path("c.pem"), "tls": True},
            "key is missing beside certificate; add it",
        ),
        ({"key": Path("c.key"), "tls": True}, "certificate is missing beside key; add it, or remove key"),
        ({"ca": Path("ca.pem")}, "ca and certificate are for TLS; add tls = true, or remove them"),
        ({"password": Path("p")}, "password is of no use without username; add it"),
        ({"to_poi": "a/{SaleID}/{POIID}", "to_sale": "a/{SaleID}/{POIID}"}, "one topic; give each its own"),
        ({"status": "a/{POIID}", "owner": "a/{POIID}"}, "one topic; give each its own"),
        ({"to_poi": "nexo/to-poi"}, "each stand once"),
        ({"bridge": "nexo/bridge"}, "each stand once"),
        ({"name": "a b"}, "match pattern"),
        ({"version": "3.1"}, "'5' or '3.1.1'"),
    ],
)
def test_what_cannot_work_is_refused_with_the_fix(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MqttListen.model_validate({"kind": "mqtt", "port": 1883, **given})
