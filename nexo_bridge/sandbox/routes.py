"""The rows of ``docs/ppaas-contract.md`` that the sandbox serves: names, methods, paths and which base has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nexo_bridge.sandbox import bodies
from nexo_bridge.sandbox.ledger import Method
from nexo_bridge.sandbox.wire import PlatformError

Base = Literal["auth", "device_auth", "device_api"]
Verb = Literal[
    "create", "read", "find", "cancel", "fence", "status", "abort", "display", "countries", "session"
]


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    Attributes:
        name: the row's name in the contract.
        verb: what is done; several rows share one.
        payment: whether it is about card or QR payments; None for neither.
        query: names of the query parameters.
        body: what a JSON body must be.
    """

    name: str
    base: Base
    method: Literal["GET", "POST"]
    template: str
    verb: Verb
    payment: Method | None = None
    query: tuple[str, ...] = ()
    body: type[bodies.Body] | None = None

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters, or None when it is another path."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()


def _payment_rows(payment: Method, root: str, create: type[bodies.Body]) -> tuple[Route, ...]:
    one = f"{root}/{{transactionId}}"
    return (
        Route(f"create_{payment}", "device_api", "POST", root, "create", payment, body=create),
        Route(f"find_{payment}", "device_api", "GET", root, "find", payment, query=("clientTransactionId",)),
        Route(
            f"fence_{payment}", "device_api", "POST", f"{root}/cancel", "fence", payment, body=bodies.Fence
        ),
        Route(f"read_{payment}", "device_api", "GET", one, "read", payment),
        Route(
            f"cancel_{payment}", "device_api", "POST", f"{one}/cancel", "cancel", payment, body=bodies.Cancel
        ),
    )


_REALM = "/auth/realms/{realm}"
AUTHORIZE = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge"),
    "code_challenge_method",
)

ROUTES: tuple[Route, ...] = (
    Route(
        "merchants_credentials",
        "auth",
        "GET",
        "/oauth2-mtls/v1/merchants-credentials",
        "session",
        query=("serial_number",),
    ),
    Route("token", "device_auth", "POST", "/oauth2-mtls/v1/token", "session"),
    Route("authorize", "auth", "GET", f"{_REALM}/protocol/openid-connect/auth", "session", query=AUTHORIZE),
    Route("login", "auth", "POST", f"{_REALM}/login", "session"),
    Route("realm_token", "auth", "POST", f"{_REALM}/protocol/openid-connect/token", "session"),
    Route("custom_token", "auth", "POST", f"{_REALM}/custom-token", "session"),
    Route("countries", "device_api", "GET", "/resources/v1/countries", "countries"),
    *_payment_rows("card", "/card-payment/v1/transactions", bodies.CreateCard),
    *_payment_rows("qr", "/qrcode-payment/v1/transactions", bodies.CreateQr),
    Route("terminal_status", "device_api", "GET", "/terminal/v1/status", "status"),
    Route("terminal_abort", "device_api", "POST", "/terminal/v1/abort", "abort", body=bodies.Abort),
    Route("terminal_display", "device_api", "POST", "/terminal/v1/display", "display", body=bodies.Display),
)


def find_route(base: Base, method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The row a request is for, and its path parameters; a fixed path goes before one with a parameter.

    Raises:
        PlatformError: 404 for a path this base does not have, 405 for a method it does not.
    """
    allowed: list[str] = []
    for route in ROUTES:
        if route.base == base and (parameters := route.match(path)) is not None:
            if route.method == method:
                return route, parameters
            allowed.append(route.method)
    if allowed:
        raise PlatformError(405, "METHOD_NOT_ALLOWED", "Not with this method", Allow=", ".join(allowed))
    raise PlatformError(404, "NOT_FOUND", "No such path")
