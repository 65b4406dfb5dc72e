"""The control interface: plain HTTP on loopback, for tests and for whoever plays with the sandbox.

Exact by contract with other programs: ``GET /ledger``, ``POST /faults``, ``GET /terminals``. The rest is there so that
a test need not wait for a cardholder. A browser is refused: whatever carries an ``Origin``, or a ``Host`` that is not
loopback (DNS rebinding), gets 403.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from nexo_bridge.sandbox.wire import Answer, PlatformError, Request, json_answer


class Controlled(Protocol):
    """What the interface acts on; ``server.Sandbox`` is one. Every method raises ValueError for a wrong word."""

    def ledger(self) -> list[dict[str, Any]]: ...
    def cancels(self) -> list[dict[str, Any]]: ...
    def terminals(self) -> list[dict[str, Any]]: ...
    def screens(self) -> list[dict[str, Any]]: ...
    def pending_faults(self) -> dict[str, int]: ...
    def inject(
        self, fault: str, poiid: str | None = None, times: int = 1, *, operation: str | None = None
    ) -> None: ...
    def hold(self, poiid: str) -> None: ...
    def release(self, poiid: str, ending: str | None = None) -> None: ...
    def set_terminal(self, poiid: str, state: str) -> None: ...
    def set_think(self, seconds: float) -> None: ...
    def settle(self) -> int: ...
    def deliver_late(self) -> int: ...
    def renew_secret(self, poiid: str) -> None: ...
    def end_sessions(self, poiid: str) -> int: ...
    def set_webhook(self, url: str | None, secret: str | None = None) -> None: ...
    def set_schedule(self, text: str) -> None: ...


class Control:
    """Answers the control interface's requests."""

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox
        self._gets: dict[str, Callable[[], Any]] = {
            "/ledger": lambda: {"payments": sandbox.ledger()},
            "/cancels": lambda: {"cancels": sandbox.cancels()},
            "/terminals": sandbox.terminals,
            "/screens": sandbox.screens,
            "/faults": sandbox.pending_faults,
        }
        self._posts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/faults": self._faults,
            "/cardholders": self._cardholders,
            "/think": self._think,
            "/secrets": self._secrets,
            "/sessions": lambda body: {"ended": sandbox.end_sessions(_text(body, "poiid"))},
            "/settle": lambda _body: {"captured": sandbox.settle()},
            "/late": lambda _body: {"delivered": sandbox.deliver_late()},
            "/webhook": self._webhook,
            "/schedule": self._schedule,
        }

    async def handle(self, request: Request) -> Answer:
        """One request.

        Raises:
            PlatformError: it is refused, with a sentence that says why.
        """
        if "origin" in request.headers or not _is_loopback(request.headers.get("host", "")):
            raise PlatformError(403, "FORBIDDEN", "Only programs on this machine, never a browser")
        if request.method == "GET" and request.path in self._gets:
            return json_answer(self._gets[request.path]())
        if request.method != "POST":
            raise _no_such(request)
        try:
            if request.path in self._posts:
                return json_answer(self._posts[request.path](_object(request.body)))
            if request.path.startswith("/terminals/"):
                poiid = request.path.removeprefix("/terminals/")
                self._sandbox.set_terminal(poiid, _text(_object(request.body), "state"))
                return json_answer(self._sandbox.terminals())
        except ValueError as wrong:
            raise PlatformError(400, "BAD_REQUEST", str(wrong)) from None
        raise _no_such(request)

    def _faults(self, body: dict[str, Any]) -> dict[str, int]:
        times = body.get("times", 1)
        if type(times) is not int:
            raise ValueError("times must be an integer")
        self._sandbox.inject(
            _text(body, "name"), _optional(body, "poiid"), times, operation=_optional(body, "operation")
        )
        return self._sandbox.pending_faults()

    def _cardholders(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        poiid, action = _text(body, "poiid"), _text(body, "action")
        if action == "hold":
            self._sandbox.hold(poiid)
        else:
            self._sandbox.release(poiid, None if action == "release" else action)
        return self._sandbox.terminals()

    def _webhook(self, body: dict[str, Any]) -> dict[str, Any]:
        url = _optional(body, "url")
        self._sandbox.set_webhook(url, _optional(body, "secret"))
        return {"url": url}

    def _schedule(self, body: dict[str, Any]) -> dict[str, Any]:
        text = _text(body, "schedule")
        self._sandbox.set_schedule(text)
        return {"schedule": text}

    def _secrets(self, body: dict[str, Any]) -> dict[str, str]:
        poiid = _text(body, "poiid")
        self._sandbox.renew_secret(poiid)
        return {"renewed": poiid}

    def _think(self, body: dict[str, Any]) -> dict[str, float]:
        seconds: Any = body.get("seconds")
        if type(seconds) not in {int, float}:
            raise ValueError("seconds must be a number")
        self._sandbox.set_think(seconds)
        return {"seconds": seconds}


def _no_such(request: Request) -> PlatformError:
    return PlatformError(404, "NOT_FOUND", f"No such thing to {request.method} here")


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - a wrong word, not a wrong call
    return value


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")  # noqa: TRY004 - as above
    return value


def _optional(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
