from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

import pytest
import structlog

from nexo_bridge.money import Amount
from nexo_bridge.runtime.log_fields import HIDDEN
from nexo_bridge.runtime.telemetry import Layout, configure_logging, install_hooks, record_exchange

PAN = "4111111111111111"


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging of the whole process is put back after the test."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level, raising = [*root.handlers], root.level, logging.raiseExceptions
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    return io.StringIO()


def configured(
    stream: TextIO, *, level: str = "info", layout: Layout = "json"
) -> structlog.stdlib.BoundLogger:
    configure_logging(layout, level, stream, journald=False)
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


def records(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_has_time_level_and_event_first(stream: io.StringIO) -> None:
    configured(stream).info("listener ready", port=7000, host="127.0.0.1")

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert list(record) == ["timestamp", "level", "event", "port", "host"]
    assert (record["level"], record["event"], record["port"]) == ("info", "listener ready", 7000)
    assert record["timestamp"].endswith("Z")


def test_key_and_value_quotes_only_what_needs_it(stream: io.StringIO) -> None:
    configured(stream, layout="keyvalue").warning(
        "bad frame",
        peer="192.0.2.1:5",
        reason='a "quoted" reason',
        total=None,
        states=["a:1", "b:2"],
        number=True,
    )

    assert stream.getvalue().partition(" ")[2] == (
        'level=warning event="bad frame" peer=192.0.2.1:5 reason="a \\"quoted\\" reason" total=null '
        "states=a:1,b:2 number=true\n"
    )


def test_for_the_system_journal_a_line_has_its_priority_and_no_time(stream: io.StringIO) -> None:
    configure_logging("keyvalue", "info", stream, journald=True)
    structlog.get_logger().error("session lost", poiid="POI00001")

    assert stream.getvalue() == '<3>level=error event="session lost" poiid=POI00001\n'


def test_the_level_is_a_floor(stream: io.StringIO) -> None:
    log = configured(stream, level="warning")
    log.info("unheard")
    log.warning("heard")

    assert [record["event"] for record in records(stream)] == ["heard"]


def test_an_unknown_field_shows_that_it_was_there_and_nothing_of_it(stream: io.StringIO) -> None:
    configured(stream).info("paid", pan=PAN, exchange="x1")

    (record,) = records(stream)
    assert record["pan"] == HIDDEN
    assert record["exchange"] == "x1"


def test_context_is_held_to_the_same(stream: io.StringIO) -> None:
    log = configured(stream)
    structlog.contextvars.bind_contextvars(exchange="x1", token="eyJhbGciOi")
    log.info("paid")

    (record,) = records(stream)
    assert (record["exchange"], record["token"]) == ("x1", HIDDEN)


@pytest.mark.parametrize("event", [f"paid with {PAN}", "paid\nroot logged in", "Paid", "", 5, "a" * 100])
def test_an_event_that_is_no_constant_is_not_shown(stream: io.StringIO, event: Any) -> None:
    configured(stream).info(event)

    assert records(stream)[0]["event"] == "unnamed event"


def test_an_exception_is_its_types_and_places(stream: io.StringIO) -> None:
    log = configured(stream)
    try:
        try:
            int(f"not {PAN}")
        except ValueError as error:
            raise RuntimeError(f"while reading {PAN}") from error
    except RuntimeError:
        log.exception("platform call failed")

    (record,) = records(stream)
    assert record["error"] == "RuntimeError < ValueError"
    assert "test_telemetry.py:" in record["at"]
    assert record["at"].endswith("test_an_exception_is_its_types_and_places")
    assert PAN not in stream.getvalue()


@pytest.mark.parametrize("info", [ValueError(PAN), (ValueError, ValueError(PAN), None)])
def test_every_way_to_pass_an_exception(stream: io.StringIO, info: Any) -> None:
    configured(stream).error("failed", exc_info=info, stack_info=True)

    (record,) = records(stream)
    assert record["error"] == "ValueError"
    assert "at" not in record


class Hostile:
    @property  # type: ignore[misc]  # a value that fails under isinstance is what is wanted
    def __class__(self) -> Any:
        raise RuntimeError(PAN)


@pytest.mark.parametrize("layout", ["json", "keyvalue"])
def test_a_processor_that_fails_leaves_a_fixed_line(stream: io.StringIO, layout: Layout) -> None:
    configured(stream, layout=layout).info("paid", reason=Hostile())

    lines = {
        "json": '{"level": "error", "event": "record lost"}',
        "keyvalue": 'level=error event="record lost"',
    }
    assert stream.getvalue() == lines[layout] + "\n"


class Full(io.StringIO):
    """A log disk that is full for the first ``times`` lines."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def write(self, text: str) -> int:
        if self.times:
            self.times -= 1
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_f68_a_full_log_disk_does_not_stop_the_daemon(restored: None) -> None:
    stream = Full(3)
    log = configured(stream)
    for number in range(5):
        log.info("paid", number=number)

    lines = stream.getvalue().splitlines()
    assert lines[0] == 'level=error event="lines lost" lost=3'
    assert [json.loads(line)["number"] for line in lines[1:]] == [3, 4]


def test_f68_a_closed_stream_does_not_either(stream: io.StringIO) -> None:
    log = configured(stream)
    stream.close()

    log.info("unheard")


def test_f68_a_pipe_that_nobody_reads_is_not_waited_for(restored: None) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "w", encoding="utf-8") as writer:
        log = configured(writer)
        long = ["reason " * 25] * 20  # a line of several pages, so that one is torn at the end
        for _ in range(30):
            log.info("unheard", reads=long, states=long)
        reader.read(1 << 20)
        log.info("heard")
        lines = reader.read(1 << 20).decode().lstrip("\n").splitlines()  # a line end ends what was torn

    assert lines[0].startswith('level=error event="lines lost" lost=')
    assert json.loads(lines[1])["event"] == "heard"


def test_one_record_for_an_exchange(stream: io.StringIO) -> None:
    configured(stream)
    record_exchange(
        exchange="x1",
        category="Payment",
        poiid="POI00001",
        sale_id="KASSE1",
        service_id="7",
        amount=Amount("10.00"),
        currency="EUR",
        outcome="Failure",
        condition="Refusal",
        states=[("received", 0.0), ("asking", 0.0021), ("settled", 1.5)],
    )
    record_exchange(
        exchange="x2",
        category="Payment",
        poiid="P",
        sale_id="S",
        service_id="8",
        outcome="Success",
        states=[],
    )

    first, second = records(stream)
    assert first["states"] == ["received:0.000", "asking:0.002", "settled:1.500"]
    assert (first["seconds"], first["amount"], first["condition"]) == (1.5, "10.00", "Refusal")
    assert "condition" not in second
    assert "seconds" not in second


def test_records_of_other_libraries_keep_name_level_and_place(stream: io.StringIO) -> None:
    configured(stream)
    logging.getLogger("httpx").info("GET https://api/?clientTransactionId=%s", PAN)
    logging.getLogger("asyncio").error("task failed: %s", PAN, exc_info=ValueError(PAN))
    logging.getLogger("nexo_bridge.adapters.x").warning("%s: gave up", PAN)

    foreign, ours = records(stream)
    assert (foreign["logger"], foreign["level"], foreign["error"]) == ("asyncio", "error", "ValueError")
    assert "text" not in foreign
    assert ours["text"] == "%s: gave up"
    assert PAN not in stream.getvalue()


def test_levels_of_others_are_rounded_up(stream: io.StringIO) -> None:
    configured(stream)
    logging.getLogger("other").log(35, "between")

    assert records(stream)[0]["level"] == "error"


def test_warnings_become_records(stream: io.StringIO) -> None:
    configured(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"deprecated {PAN}", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert [record["logger"] for record in records(stream)] == ["py.warnings"]
    assert PAN not in stream.getvalue()


def test_configured_twice_writes_once(stream: io.StringIO) -> None:
    configured(stream)
    configured(stream)
    logging.getLogger("other").warning("once")

    assert len(records(stream)) == 1


def test_what_nobody_caught_is_a_record(stream: io.StringIO) -> None:
    configured(stream)
    install_hooks()
    sys.excepthook(ValueError, ValueError(PAN), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    thread = threading.Thread(target=int, args=(f"x{PAN}",))
    thread.start()
    thread.join()
    threading.excepthook(threading.ExceptHookArgs((SystemExit, None, None, None)))

    assert [(record["event"], record["error"]) for record in records(stream)] == [
        ("crashed", "ValueError"),
        ("thread crashed", "ValueError"),
    ]
    assert PAN not in stream.getvalue()


async def test_a_task_that_fails_unseen_is_a_record(stream: io.StringIO) -> None:
    configured(stream)
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": f"failed with {PAN}", "exception": ValueError(PAN)})

    (record,) = records(stream)
    assert (record["logger"], record["error"]) == ("asyncio", "ValueError")
    assert PAN not in stream.getvalue()
