"""The table of operations: every call the bridge makes after it has a session, one row each.

The rows are those of ``docs/ppaas-contract.md``. Marks: *stated* by the platform's documentation, *derived*
from it, *assumed* by us; paths of assumed rows are the ones a real platform may well name otherwise, so any
path can be overridden (``[platform.paths]``). De-duplication is assumed for no row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote, urlencode

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.models import (
    AbortBody,
    CancelBody,
    CardCreate,
    DisplayBody,
    FenceBody,
    Model,
    QrCreate,
)

Base = Literal["auth", "device_auth", "api", "device_api"]
Mark = Literal["stated", "derived", "assumed"]
Answer = Literal["create", "cancel", "fence", "read", "find", "wish", "terminal", "countries"]

_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table.

    Attributes:
        name: the name used by core, journal and settings.
        method: HTTP method.
        path: template below the base; ``{transactionId}`` is filled from ``Call.path``.
        answer: how its answer is read (``ppaas.answers``).
        body: class of its request body, None for a GET; also reads a journalled body back.
        mark: where the row comes from.
        base: which of the four bases it is called on.
        refuses_approved: the platform promises that it never undoes an approval (rule R6).
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    answer: Answer
    body: type[Model] | None = None
    mark: Mark = "assumed"
    base: Base = "device_api"
    refuses_approved: bool = False

    @property
    def creates(self) -> bool:
        """A lost answer of it may hide a new charge: it is sent once and looked for by key afterwards."""
        return self.answer == "create"

    @property
    def moves_money(self) -> bool:
        """It may start, stop or undo a charge."""
        return self.answer in {"create", "cancel", "fence"}

    @property
    def reads(self) -> bool:
        """It only asks: it can be sent at any time and any number of times."""
        return self.answer in {"read", "find", "terminal", "countries"}

    def target(self, path: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Path and query below the base, percent-encoded.

        Raises:
            ValueError: a placeholder has no value, or one that would name another path.
        """

        def fill(match: re.Match[str]) -> str:
            value = path.get(match.group(1), "")
            if value in {"", ".", ".."}:
                raise ValueError(f"{self.name}: no usable {match.group(1)}")
            return quote(value, safe="")

        filled = _PLACEHOLDER.sub(fill, self.path)
        return f"{filled}?{urlencode(query)}" if query else filled


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the core orders it and the journal keeps it.

    Attributes:
        poiid: whose device session makes it.
        operation: name of the row.
        path: values of the path's placeholders.
        query: query parameters in order, e.g. ``clientTransactionId``.
        body: the body, of the row's class; None for a GET.
        key: the idempotency key of the step; already inside ``body`` or ``query`` where the row has one.
        serial: the device it is about. The platform shows a device its own transactions only, so another device's
            "no such transaction" would prove nothing: the call is then not made. Empty: whatever is there now.
    """

    poiid: str
    operation: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Model | None = None
    key: str = ""
    serial: str = ""


_CARD = "/card-payment/v1/transactions"
_QR = "/qrcode-payment/v1/transactions"
_TERMINAL = "/terminal/v1"

_ROWS = (
    Operation("countries", "GET", "/resources/v1/countries", "countries", mark="stated"),
    Operation("create_card", "POST", _CARD, "create", CardCreate),
    Operation("create_qr", "POST", _QR, "create", QrCreate, mark="stated"),
    Operation("read_card", "GET", _CARD + "/{transactionId}", "read"),
    Operation("read_qr", "GET", _QR + "/{transactionId}", "read"),
    Operation("find_card", "GET", _CARD, "find"),
    Operation("find_qr", "GET", _QR, "find"),
    Operation("cancel_card", "POST", _CARD + "/{transactionId}/cancel", "cancel", CancelBody),
    Operation("cancel_qr", "POST", _QR + "/{transactionId}/cancel", "cancel", CancelBody),
    Operation("fence_card", "POST", _CARD + "/cancel", "fence", FenceBody, refuses_approved=True),
    Operation("fence_qr", "POST", _QR + "/cancel", "fence", FenceBody, refuses_approved=True),
    Operation("terminal_status", "GET", _TERMINAL + "/status", "terminal"),
    Operation("terminal_abort", "POST", _TERMINAL + "/abort", "wish", AbortBody),
    Operation("terminal_display", "POST", _TERMINAL + "/display", "wish", DisplayBody),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""Every row by its name."""


def with_paths(overrides: Mapping[str, str]) -> Mapping[str, Operation]:
    """The table with some path templates replaced, e.g. ``{"create_card": "/payments/v2/sales"}``.

    Raises:
        ConfigurationError: no such row, not an absolute path, or other placeholders than the row has.
    """
    rows = dict(OPERATIONS)
    for name, path in overrides.items():
        if name not in rows:
            raise ConfigurationError(
                f"platform.paths.{name}: no such operation; known are {', '.join(OPERATIONS)}"
            )
        if not re.fullmatch(r"/(?!/)[\x21-\x7e]*", path) or "?" in path or "#" in path:
            # What begins with // would name another host, and the token would go there.
            raise ConfigurationError(
                f"platform.paths.{name}: write a path that starts with one / and has no query"
            )
        wanted = set(_PLACEHOLDER.findall(rows[name].path))
        if set(_PLACEHOLDER.findall(path)) != wanted:
            names = ", ".join("{" + one + "}" for one in sorted(wanted)) or "none"
            raise ConfigurationError(f"platform.paths.{name}: the placeholders must be exactly: {names}")
        rows[name] = replace(rows[name], path=path)
    return MappingProxyType(rows)
