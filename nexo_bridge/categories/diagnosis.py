"""Diagnosis: the state of terminal, session and host (nexo DiagnosisRequest and DiagnosisResponse)."""

from __future__ import annotations

from nexo_bridge.categories.plan import Category, Facts, Inquire, Plan
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import DiagnosisRequest, DiagnosisResponse, Message
from nexo_bridge.ppaas.models import Accepted, TerminalIs

_HOST = "0"  # AcquirerID has digits only; the bridge sees one host: the platform


def plan(message: Message, request: DiagnosisRequest, facts: Facts) -> Plan:
    """Ask the terminal, and with HostDiagnosisFlag the platform itself."""
    operations = ("terminal_status", "countries") if request.host_diagnosis_flag else ("terminal_status",)
    return Inquire(operations, poi_id=request.poi_id or message.header.poi_id)


def report(
    request: DiagnosisRequest, heard: tuple[tuple[str, object], ...], facts: Facts
) -> DiagnosisResponse:
    """What was heard: an unreachable terminal is a successful diagnosis that says so."""
    outcomes = dict(heard)
    state = outcomes.get("terminal_status")
    reachable = isinstance(state, TerminalIs)
    host = outcomes.get("countries")
    return DiagnosisResponse(
        response=nexo.Response(result="Success"),
        logged_sale_id=facts.logged_in,
        poi_status=nexo.POIStatus(
            global_status=_global_status(state, busy=facts.busy),
            communication_ok_flag=reachable,
            card_reader_ok_flag=state.state != "OUT_OF_ORDER" if isinstance(state, TerminalIs) else None,
        ),
        host_status=(
            (nexo.HostStatus(acquirer_id=_HOST, is_reachable_flag=isinstance(host, Accepted)),)
            if "countries" in outcomes
            else ()
        ),
    )


def _global_status(state: object, *, busy: bool) -> str:
    if not isinstance(state, TerminalIs):
        return "Unreachable"
    if state.state == "OUT_OF_ORDER":
        return "Maintenance"
    return "OK" if state.state == "IDLE" and not busy else "Busy"


DIAGNOSIS: Category[DiagnosisRequest, DiagnosisResponse] = Category(
    "Diagnosis", plan=plan, report=report, sessionless=True, overlaps=True
)
