"""Secrets by type, not by pattern.

A ``Secret`` holds a card number, track data, a PIN block, a token or a scanned code. It is clear in memory only:
no serialiser, log or ``repr`` prints more than its HMAC, and equality is equality of HMACs. A secret read back
from a journal has no clear value at all, and everything that does not need one works the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

PARTS = ("scannedPaymentId",)
"""Names whose values are told apart inside a secret text. A closed list: in a token, any text may look like a name."""


class Secret:
    """A value that is never printed.

    Made by ``Secret.seal(clear, key)`` at the edge, or by validation of ``{"hmac": …}`` from a journal.
    """

    __slots__ = ("_clear", "_parts", "digest")

    def __init__(
        self, digest: str, clear: str | None = None, parts: Mapping[str, Secret] | None = None
    ) -> None:
        self.digest = digest
        self._clear = clear
        self._parts = dict(parts or {})

    @classmethod
    def seal(cls, clear: str, key: bytes) -> Secret:
        """Wrap ``clear``; its digest is HMAC-SHA256 under the installation ``key``."""
        parts = {}
        for pair in clear.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals and name in PARTS and name not in parts:
                parts[name] = cls(_hmac(value, key), value)
        return cls(_hmac(clear, key), clear, parts)

    def part(self, name: str) -> Secret | None:
        """The value of ``name`` in a text of ``name=value`` pairs divided by ``;``; first one wins, None if absent.

        Works on a secret read from a journal too: the parts named in ``PARTS`` are sealed one by one.
        """
        return self._parts.get(name)

    @property
    def is_clear(self) -> bool:
        """Whether the clear value is still at hand (it is not after a restart)."""
        return self._clear is not None

    def reveal(self) -> str:
        """The clear value, for the one place that must send it.

        Raises:
            LookupError: only the HMAC is left.
        """
        if self._clear is None:
            raise LookupError("this secret was read from a journal; only its HMAC is left")
        return self._clear

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.digest, other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Secret(hmac:{self.digest[:8]})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return (Secret, (self.digest, None, self._parts))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._dump),
        )

    def _dump(self) -> dict[str, Any]:
        dumped: dict[str, Any] = {"hmac": self.digest}
        if self._parts:
            dumped["parts"] = {name: part.digest for name, part in self._parts.items()}
        return dumped

    @classmethod
    def _validate(cls, value: Any) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, dict) and isinstance(value.get("hmac"), str) and set(value) <= {"hmac", "parts"}:
            parts = value.get("parts", {})
            if isinstance(parts, dict) and all(isinstance(digest, str) for digest in parts.values()):
                return cls(value["hmac"], None, {name: cls(digest) for name, digest in parts.items()})
        raise ValueError("a secret is made at the edge or read back as its HMAC")


def _hmac(clear: str, key: bytes) -> str:
    return hmac.new(key, clear.encode(), hashlib.sha256).hexdigest()


_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)")


def mask_free_text(text: str) -> str:
    """Second net over free text in projections: what passes Luhn and has 12 to 19 digits is masked.

    Only a net: about a tenth of random numbers pass Luhn, so it is never used on ids that must be echoed.
    """

    def mask(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group())
        return f"[masked {len(digits)} digits]" if _luhn(digits) else match.group()

    return _DIGITS.sub(mask, text)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\xa0-\u061b\u061d-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\uf900-\ufeef]"
)


def printable(text: str, limit: int = 200) -> str:
    """``text`` as one line without control, bidi or escape characters, cut at ``limit`` characters (H34)."""
    shown = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])
    return shown if len(text) <= limit else f"{shown}… ({len(text)} characters)"
