"""JSON text to plain values and back, strictly: what is refused here never reaches a model.

Numbers keep their text, so that ``10.0`` is echoed as ``10.0``; no number is ever computed with. What JSON leaves to
the reader is refused: a name given twice, NaN, another encoding. Depth and count are bounded before the parse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from nexo_bridge.errors import NotXml
from nexo_bridge.nexo.document import MAX_DEPTH, check_encoding
from nexo_bridge.nexo.form import BOM

MAX_VALUES = 50_000
"""Members and items; a receipt of some hundred lines has a few thousand."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_WORDS = {
    "Expecting value": "a value is missing, or is none that JSON knows",
    "Expecting ','": "a comma or a closing bracket is missing",
    "Expecting ':'": "a colon is missing after a name",
    "Expecting property name": "a name in double quotes is missing",
    "Illegal trailing comma": "a comma before a closing bracket",
    "Unterminated string": "a string is not finished",
    "Invalid control character": "a control character inside a string; write it as an escape",
    "Invalid \\": "an escape that JSON does not know",
    "Extra data": "something follows the end of the message",
}


class Number(str):
    """A JSON number, as its text."""

    __slots__ = ()

    @classmethod
    def of(cls, text: str) -> Number:
        """The JSON number of an XML decimal; changed only where JSON has another way to write it (``+5``, ``.5``)."""
        text = text.strip(" \t\r\n")
        if _NUMBER.fullmatch(text):
            return cls(text)
        whole, _, decimals = text.lstrip("+-").partition(".")
        sign = "-" if text.startswith("-") else ""
        return cls(f"{sign}{whole.lstrip('0') or '0'}{'.' if decimals else ''}{decimals}")


def load(data: bytes) -> dict[str, Any]:
    """The one object of ``data``: dicts, lists, strings, ``Number``, booleans and None. Safe on any bytes.

    Raises:
        NotXml: the text names the line and what to do; it never quotes the content.
    """
    data = data.removeprefix(BOM)
    check_encoding(data)
    _check_bounds(data)
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as fault:
        what = next((text for start, text in _WORDS.items() if fault.msg.startswith(start)), "it is broken")
        raise NotXml(f"not well-formed JSON: line {fault.lineno}, column {fault.colno}: {what}") from None
    if not isinstance(value, dict):
        raise NotXml("not a message: one JSON object is wanted")
    return value


def dump(value: Any) -> bytes:
    """``value`` as JSON in UTF-8, in one line, without blanks; the inverse of ``load``."""
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_string(name)}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return _string(value)


def _string(value: str | bool | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check_bounds(data: bytes) -> None:
    if data.count(b'"') > 4 * MAX_VALUES:  # a name and a string in each
        raise NotXml(f"more than {2 * MAX_VALUES} strings; split the message")
    bare = _STRING.sub(b"", data)  # agrees with the parser as far as the parser gets
    if bare.count(b",") + bare.count(b"{") + bare.count(b"[") > MAX_VALUES:
        raise NotXml(f"more than {MAX_VALUES} members; split the message")
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"{[" else -1
        if depth < 0:
            break  # the parser says where
        if depth > MAX_DEPTH:
            raise NotXml(f"objects are nested deeper than {MAX_DEPTH} levels; no nexo message is")


def _object(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotXml("not well-formed JSON: an object has a member twice; keep one of them")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise NotXml("not well-formed JSON: NaN and Infinity are no numbers there; leave the member out")
