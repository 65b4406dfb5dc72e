"""Abort: a wish without an answer of its own (nexo AbortRequest, rule R6)."""

from __future__ import annotations

from nexo_bridge.categories.plan import Category, Facts, Plan, StopExchange
from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import AbortRequest, Message


def plan(message: Message, request: AbortRequest, facts: Facts) -> Plan:
    """Wish that the message named, or the one running, be stopped."""
    return StopExchange(request.message_reference)


ABORT: Category[AbortRequest, Element] = Category("Abort", plan=plan, sessionless=True, overlaps=True)
