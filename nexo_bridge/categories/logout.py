"""Logout: the session ends (nexo LogoutRequest and LogoutResponse)."""

from __future__ import annotations

from nexo_bridge.categories.plan import Category, CloseSession, Facts, Plan
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import LogoutRequest, LogoutResponse, Message


def plan(message: Message, request: LogoutRequest, facts: Facts) -> Plan:
    """End the session. While a payment of the terminal is unresolved the core says Busy instead (rule R9)."""
    return CloseSession(LogoutResponse(response=nexo.Response(result="Success")))


LOGOUT: Category[LogoutRequest, LogoutResponse] = Category("Logout", plan=plan)
