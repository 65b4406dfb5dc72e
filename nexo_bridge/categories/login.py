"""Login: a session begins (nexo LoginRequest and LoginResponse)."""

from __future__ import annotations

from nexo_bridge.categories import failures
from nexo_bridge.categories.conditions import FAILURES
from nexo_bridge.categories.plan import AnswerNow, Category, Facts, OpenSession, Plan
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import LoginRequest, LoginResponse, Message

SERVED = frozenset({"3.0", "3.1"})
_POI_CAPABILITIES = (
    "CustomerDisplay",
    "CustomerError",
    "CustomerInput",
    "MagStripe",
    "ICC",
    "EMVContactless",
)


def plan(message: Message, request: LoginRequest, facts: Facts) -> Plan:
    """A session, unless it is for training or in a version nobody here speaks (rule R14)."""
    asked = message.header.protocol_version
    if asked is not None and asked not in SERVED:
        return AnswerNow(LoginResponse(response=failures.response(FAILURES["VERSION"])))
    if request.training_mode_flag:
        return AnswerNow(LoginResponse(response=failures.response(FAILURES["TRAINING"])))
    terminal = facts.terminal
    assert terminal is not None, "a request for an unknown terminal is refused before it is planned"
    data = request.sale_terminal_data
    answer = LoginResponse(
        response=nexo.Response(result="Success"),
        poi_system_data=nexo.POISystemData(
            date_time=facts.timestamp,
            poi_software=_software(facts),
            poi_terminal_data=nexo.POITerminalData(
                terminal_environment=(data.terminal_environment if data else None) or "Attended",
                poi_serial_number=terminal.serial,
                poi_capabilities=_POI_CAPABILITIES,
                poi_profile=nexo.POIProfile(generic_profile="Basic"),
            ),
        ),
    )
    return OpenSession(answer, capabilities=data.sale_capabilities if data else ())


def _software(facts: Facts) -> nexo.POISoftware:
    """Our name as each version wants it: 3.0 has ManufacturerID and demands a certification code."""
    if facts.version == "3.0":
        return nexo.POISoftware(
            manufacturer_id="nexo-bridge",
            application_name="nexo-bridge",
            software_version=facts.policy.software_version,
            certification_code="none",
        )
    return nexo.POISoftware(
        provider_identification="nexo-bridge",
        application_name="nexo-bridge",
        software_version=facts.policy.software_version,
    )


LOGIN: Category[LoginRequest, LoginResponse] = Category("Login", plan=plan, sessionless=True, overlaps=True)
