"""What the daemon says about itself on standard error: one record for each thing that happened, closed by default.

Fields pass ``log_fields``. Records of other libraries keep their name, level and place. Should a processor fail, a
fixed line takes the record's place; should the line not reach its stream, the daemon goes on (F68).
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from nexo_bridge.redaction import printable
from nexo_bridge.runtime.log_fields import PACKAGE, frames, shown, where

Layout = Literal["keyvalue", "json"]

_EVENT: Final = re.compile(r"[a-z][a-z_ ]{0,79}")
_PRIORITY: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def configure_logging(
    layout: Layout = "keyvalue",
    level: str = "info",
    stream: TextIO | None = None,
    *,
    journald: bool = "JOURNAL_STREAM" in os.environ,
) -> None:
    """Send structlog's and the standard library's records through the same closed door to ``stream``.

    Args:
        layout: ``keyvalue`` is ``event key=value …``; ``json`` is one object on each line.
        level: the lowest level written.
        stream: standard error when None.
        journald: systemd's journal reads along: it has the time already and wants ``<priority>`` before a line.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    sink = _Sink(sys.stderr if stream is None else stream)
    structlog.configure(
        processors=[_Closed(layout, journald=journald)],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, _Foreign):
            root.removeHandler(handler)
    root.addHandler(_Foreign())
    root.setLevel(
        max(lowest, logging.WARNING)
    )  # others' details are not ours to publish: httpx logs whole URLs


def install_hooks() -> None:
    """Let what nobody caught, in the main thread or another, leave as a record instead of a traceback with texts."""

    def crashed(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        structlog.get_logger(__name__).critical("crashed", error=error)

    def thread_crashed(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            structlog.get_logger(__name__).critical("thread crashed", error=arguments.exc_value)

    sys.excepthook = crashed
    threading.excepthook = thread_crashed


def record_exchange(
    *,
    exchange: str,
    category: str,
    poiid: str,
    sale_id: str,
    service_id: str,
    outcome: str,
    states: Iterable[tuple[str, float]],
    condition: str | None = None,
    amount: Decimal | None = None,
    currency: str | None = None,
    transaction: str | None = None,
) -> None:
    """The one record of an exchange, written when it ends.

    Args:
        states: each state with the seconds from the request to it, in order; the last is the whole time.
        outcome: ``Success``, ``Failure`` or ``Partial``, as answered.
        condition: nexo ErrorCondition of a failure.
        transaction: the platform's transactionId, if one became known.
    """
    steps = list(states)
    fields = {
        "exchange": exchange,
        "category": category,
        "poiid": poiid,
        "sale_id": sale_id,
        "service_id": service_id,
        "amount": amount,
        "currency": currency,
        "outcome": outcome,
        "condition": condition,
        "transaction": transaction,
        "states": [f"{state}:{seconds:.3f}" for state, seconds in steps],
        "seconds": round(steps[-1][1], 3) if steps else None,
    }
    told = {name: value for name, value in fields.items() if value is not None}
    structlog.get_logger(__name__).info("exchange ended", **told)


class _Closed:
    """The whole pipeline as one processor, so that no failure inside it can let a record out half done."""

    def __init__(self, layout: Layout, *, journald: bool) -> None:
        self._journald = journald
        stamp: list[Processor] = [] if journald else [structlog.processors.TimeStamper(fmt="iso", utc=True)]
        self._chain: list[Processor] = [
            structlog.contextvars.merge_contextvars,
            _with_error,
            _only_known,
            structlog.processors.add_log_level,
            *stamp,
        ]
        self._render = _as_json if layout == "json" else _as_keyvalue

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        prefix = f"<{_PRIORITY.get(method, 3)}>" if self._journald else ""
        try:
            for process in self._chain:
                event = process(logger, method, event)  # type: ignore[assignment]  # none of ours renders
            return prefix + self._render(event)
        except Exception:  # noqa: BLE001  # whatever it was, its text may hold what was to be hidden
            lost = {"level": "error", "event": "record lost"}
            return prefix + self._render(lost)


def _with_error(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turn ``exc_info`` and an ``error`` that is an exception into its types and places."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if info is True:
        error = sys.exc_info()[1]
    if error is None:
        error = event.get("error")
    if isinstance(error, BaseException):
        event["error"] = error
        if error.__traceback__ is not None:
            event["at"] = frames(error)
    return event


def _only_known(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redaction: every field through ``shown``; of the event's name only what a constant looks like."""
    name = event.pop("event", None)
    safe = name if isinstance(name, str) and _EVENT.fullmatch(name) else "unnamed event"
    at = event.pop("at", None)
    told = {key: shown(key, value) for key, value in event.items()}
    if isinstance(at, str):
        told["at"] = printable(at, 2000)
    return {"event": safe, **told}


def _ordered(event: Mapping[str, Any]) -> dict[str, Any]:
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return first | {key: value for key, value in event.items() if key not in first}


def _as_json(event: Mapping[str, Any]) -> str:
    return json.dumps(_ordered(event), ensure_ascii=False)


def _as_keyvalue(event: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in _ordered(event).items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _value(",".join(str(item) for item in value))
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


class _Sink:
    """Where lines go. What the stream does not take at once is lost, counted, and told once it takes lines again.

    A file descriptor is written to directly: its reader may hang, and waiting for it would stop every terminal;
    and what a buffer still held could not be written at the end of the process either, which would be its exit code.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._lost = 0
        self._torn = False
        self._ready = select.poll()
        try:
            self._file: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):  # no file, a closed one, no idea of files
            self._file = None
        else:
            self._ready.register(self._file, select.POLLOUT)

    def msg(self, line: str) -> None:
        with self._lock:
            lost = f'level=error event="lines lost" lost={self._lost}\n' if self._lost else ""
            try:
                self._write(f"{lost}{line}\n")
            except (OSError, ValueError):  # full, gone, or closed (ValueError)
                self._lost += 1
            else:
                self._lost = 0

    def _write(self, text: str) -> None:
        if self._file is None:
            self._stream.write(text)
            self._stream.flush()
            return
        rest = ("\n" * self._torn + text).encode(self._stream.encoding or "utf-8", "backslashreplace")
        torn = self._torn
        while rest:
            if not self._ready.poll(0):
                self._torn = torn
                raise BlockingIOError
            rest = rest[os.write(self._file, rest[: select.PIPE_BUF]) :]
            torn = True
        self._torn = False

    debug = info = warning = error = critical = msg


class _Foreign(logging.Handler):
    """Records of the standard library's loggers: who, how bad, where, which exception. Their text only if ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next(
            name for name in _PRIORITY if record.levelno <= logging.getLevelNamesMapping()[name.upper()]
        )
        fields: dict[str, Any] = {
            "logger": record.name,
            "at": where(record.pathname, record.lineno, record.funcName),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = record.exc_info[1]
        if record.name.partition(".")[0] == PACKAGE and isinstance(record.msg, str):
            fields["text"] = record.msg  # the template alone, without its values
        getattr(structlog.get_logger(), level)("library record", **fields)
