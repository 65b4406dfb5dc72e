"""What of a log record may be read: an allow-list of fields, and what is shown of each value.

A field is printed only when its name is in ``FIELDS``, and then as its kind allows; everything else shows that it
was there and nothing of it. Exceptions are types and the places they went through, since their texts quote peers,
files and messages.
"""

from __future__ import annotations

import enum
import math
import re
import traceback
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

from nexo_bridge.redaction import mask_free_text, printable

Kind = Literal["id", "text", "error"]

# Made or configured by us or by the platform: shown as they are, since people search for them.
_IDS = """amount at category certificate channel code command condition connection currency days discrepancy
    environment event_id exchange file host interval kind level limit listener logger lost name not_logged number
    open_exchanges operation outcome peer poiid port protocol reads rule seconds serial setting signal size state
    states status step task terminals timestamp tolerated total transaction transport unread version waiting"""
# Written by a POS or another peer, or a sentence: a card number may hide in it (H37).
_TEXTS = """device_id element expected found note path problem reason sale_id sale_transaction service_id start
    text topic"""

FIELDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(_IDS.split(), "id"),
    **dict.fromkeys(_TEXTS.split(), "text"),
    **dict.fromkeys(("error", "cause"), "error"),
}
"""Every field that may be logged, and how. A field that is not here is not shown: add it with thought."""

HIDDEN: Final = "[not shown]"
PACKAGE: Final = "nexo_bridge"
_TYPE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,79}")
_MOST_ITEMS: Final = 20
_MOST_FRAMES: Final = 12


def shown(name: str, value: Any) -> Any:
    """``value`` of the field ``name`` as it may be printed: text, number, truth value, None, or a list of these."""
    kind = FIELDS.get(name)
    if kind is None:
        return HIDDEN
    if kind == "error":
        return _error(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return shown(name, value.value)
    if isinstance(value, str):
        line = printable(str(value))
        return mask_free_text(line) if kind == "text" else line
    if isinstance(value, int):
        return mask_free_text(str(value)) if kind == "text" else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal | Path):
        return printable(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, list | tuple):
        more = [f"[{len(value) - _MOST_ITEMS} more]"] if len(value) > _MOST_ITEMS else []
        return [shown(name, item) for item in value[:_MOST_ITEMS]] + more
    return f"[{type(value).__name__}]"


def _error(value: Any) -> str:
    """Types of an exception and of what caused it; of a text only what could be such a name."""
    if isinstance(value, BaseException):
        names: list[str] = []
        error: BaseException | None = value
        while error is not None and len(names) < _MOST_ITEMS:
            names.append(type(error).__name__)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return " < ".join(names)
    return value if isinstance(value, str) and _TYPE_NAME.fullmatch(value) else HIDDEN


def frames(error: BaseException) -> str:
    """Where an exception came through, outermost first: files and functions, never a line's source or a value."""
    frames = list(traceback.walk_tb(error.__traceback__))[-_MOST_FRAMES:]
    return " > ".join(where(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in frames)


def where(file: str, line: int, function: str) -> str:
    parts = Path(file).parts
    inside = parts.index(PACKAGE) if PACKAGE in parts else max(0, len(parts) - 2)
    return f"{'/'.join(parts[inside:])}:{line} {function}"
