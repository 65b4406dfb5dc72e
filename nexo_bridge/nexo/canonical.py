"""The form in which two requests are compared (rule R3): what they mean, not how they were written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from nexo_bridge.nexo.elements import Element, slots
from nexo_bridge.redaction import Secret


def canonical(body: Element) -> bytes:
    """``body`` as bytes that are equal if and only if the bodies mean the same.

    Defaults are filled in, amounts and numbers count by value (``10.0`` is ``10.00``), times and all other values
    by their text, secrets by their HMAC, repeated elements and lists in their order. The header is not part of it:
    its ids are the key under which bodies are compared.
    """
    return json.dumps(
        {type(body).__name__: _meaning(body)}, ensure_ascii=False, separators=(",", ":")
    ).encode()


def _meaning(value: Any) -> Any:
    if isinstance(value, Element):
        fields = ((slot.wire, getattr(value, slot.field)) for slot in slots(type(value)))
        # what is absent is left out, so that an attribute of a later version changes no older comparison
        return {wire: _meaning(item) for wire, item in fields if item is not None and item != ()}
    if isinstance(value, tuple):
        return [_item(item) for item in value]
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Secret):
        return {"hmac": value.digest}
    return value


def _item(item: Any) -> Any:
    return {type(item).__name__: _meaning(item)} if isinstance(item, Element) else _meaning(item)


def _number(value: Decimal) -> str:
    """Without trailing zeros; by text, because ``Decimal.normalize`` would round at 28 digits."""
    text = f"{Decimal(value):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
