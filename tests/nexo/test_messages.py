from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import VERSIONS, Element, slots
from nexo_bridge.nexo.messages import BODIES, CATEGORIES, Message, MessageHeader
from nexo_bridge.redaction import Secret
from tests.nexo.building import STRUCTURES
from tests.nexo.generator import FACTS
from tests.nexo.strategies import whole_messages

HEADER = MessageHeader(
    message_class="Service", message_category="Logout", message_type="Request", sale_id="S", poi_id="P"
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_dumped_and_loaded_messages_are_equal(data: st.DataObject, version: str) -> None:
    message = data.draw(whole_messages("3.0" if version == "3.0" else "3.1"))
    loaded = Message.load(json.loads(json.dumps(message.dump())))
    assert loaded == message
    assert loaded.dump() == message.dump()


def test_a_message_dumps_under_wire_names_and_only_what_was_set() -> None:
    message = Message(kind="request", header=HEADER, body=nexo.LogoutRequest(maintenance_allowed=True))
    assert message.dump() == {
        "kind": "request",
        "header": {
            "MessageClass": "Service",
            "MessageCategory": "Logout",
            "MessageType": "Request",
            "SaleID": "S",
            "POIID": "P",
        },
        "body": {"LogoutRequest": {"MaintenanceAllowed": True}},
        "trailer": None,
    }


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("request", nexo.LogoutResponse(response=nexo.Response(result="Success"))),
        ("response", nexo.LogoutRequest()),
        ("request", HEADER),
        ("notification", nexo.LogoutRequest()),
    ],
)
def test_a_body_of_the_wrong_kind_is_refused(kind: str, body: Element) -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"kind": kind, "header": HEADER, "body": body})


@pytest.mark.parametrize("body", [{"SaleData": {}}, {"LogoutRequest": {}, "LoginRequest": {}}])
def test_an_unknown_body_is_not_loaded(body: object) -> None:
    with pytest.raises(ValueError, match="not a body"):
        Message.load({"kind": "request", "header": {}, "body": body, "trailer": None})


def test_the_tables_are_those_of_the_facts() -> None:
    for name, row in FACTS["categories"].items():
        category = CATEGORIES[name]
        assert category.message_class == row["class"]
        assert category.request is BODIES[row["request"]]
        assert category.response is (BODIES[row["response"]] if "response" in row else None)
    assert len(BODIES) == 28 + 25
    assert all(cls.__name__ == name for name, cls in BODIES.items())


def test_the_secret_fields_are_those_of_the_facts() -> None:
    secrets = {
        (name, fact["name"])
        for name, structure in STRUCTURES.items()
        for fact in [
            *structure.get("attributes", []),
            *structure.get("elements", []),
            structure.get("text", {}),
        ]
        if fact.get("secret")
    }
    classes = [cls for cls in vars(nexo).values() if isinstance(cls, type) and issubclass(cls, Element)]
    found = {(cls.__name__, slot.wire) for cls in classes for slot in slots(cls) if slot.kind is Secret}
    assert found == secrets
    assert {
        ("SaleData", "SaleToAcquirerData"),
        ("SensitiveCardData", "PAN"),
        ("TrackData", "TrackValue"),
    } <= found


def test_importing_is_quick() -> None:
    clock = "time.process_time()"
    code = f"import time; start = {clock}; import nexo_bridge.nexo.messages; print({clock} - start)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 2, "0.15 s where this was written; the margin is for busy machines"
