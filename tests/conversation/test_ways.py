"""What the bridge of a play listens on, and that each wire leads there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.conversation.transports import KINDS, TRANSPORTS, Transport
from nexo_bridge.conversation.ways import Ways, free_port
from nexo_bridge.conversation.wires import HttpWire, LineWire, MqttWire
from nexo_bridge.nexo.form import Form
from nexo_bridge.sandbox.certificates import Authority

BROKER = ("127.0.0.1", 1883)
PAIR = ("S1", "POI00001")


def ways(*transports: Transport, form: Form = "xml") -> Ways:
    return Ways(transports, form, BROKER, lambda: None)


def listening(some: Ways, folder: Path) -> list[dict[str, Any]]:
    (text,) = [value for name, value in some.settings(Authority(folder)) if name == "listen"]
    sections: list[dict[str, Any]] = json.loads(text.replace(" = ", ": "))
    return sections


def test_it_listens_for_what_is_named_and_for_nothing_else(tmp_path: Path) -> None:
    some = ways("tcp", "http")
    assert [one["kind"] for one in listening(some, tmp_path)] == ["tcp", "http"]
    assert [one for one in TRANSPORTS if some.lead(one)] == ["tcp", "http"]


def test_both_versions_of_mqtt_are_one_listener_that_speaks_the_first(tmp_path: Path) -> None:
    some = ways("mqtt5", "mqtt3", "mqtt5")
    (one,) = listening(some, tmp_path)
    assert (one["kind"], one["version"], one["port"]) == ("mqtt", "5", 1883)
    assert some.lead("mqtt3")


def test_each_play_has_topics_of_its_own(tmp_path: Path) -> None:
    (one,), (other,) = (listening(ways("mqtt3"), tmp_path) for _ in range(2))
    assert not {one[name] for name in ("to_poi", "to_sale", "status", "owner", "bridge")} & {*other.values()}


@pytest.mark.parametrize("form", ["xml", "json", "json-bare"])
def test_json_is_taken_where_it_is_written(form: Form, tmp_path: Path) -> None:
    sections = listening(ways("tcp", "http", "mqtt3", form=form), tmp_path)
    assert {one["json"] for one in sections} == {form != "xml"}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_wire_is_of_its_transport(transport: Transport, tmp_path: Path) -> None:
    some = ways(transport)
    settings = dict(some.settings(Authority(tmp_path)))
    wire = some.wire(transport, PAIR, {KINDS[transport]: ("127.0.0.1", 1)}, dict)
    kinds = {"http": HttpWire, "mqtt3": MqttWire, "mqtt5": MqttWire}
    assert type(wire) is kinds.get(transport, LineWire)
    assert wire.transport == transport
    assert ("pos.S1.http" in settings) == (
        transport == "http"
    )  # a POS that speaks HTTP can be told something


def test_a_port_is_free_and_not_of_those_that_connections_get() -> None:
    assert 10_000 <= free_port() < 32_000
