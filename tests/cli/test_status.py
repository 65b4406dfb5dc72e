from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.cli.status import page
from tests.faults.daemon import command, site

TERMINAL: dict[str, Any] = {
    "poiid": "POI00001",
    "session": "ok",
    "problem": None,
    "person": None,
    "warnings": [],
    "certificate_days": 300,
    "token_age": 12.3,
    "last_error": None,
    "last_error_age": None,
    "channel": {"results": "poll", "up": True, "problem": None},
    "logged_in": ["KASSE1", "KASSE2"],
    "running": 1,
    "unknown": 0,
}
EXCHANGE: dict[str, Any] = {
    "exchange": "X5",
    "poi_id": "POI00001",
    "sale_id": "KASSE1",
    "service_id": "11",
    "amount": "12.50",
    "currency": "EUR",
    "state": "acknowledged",
    "age": 3.2,
}


def status(**changes: Any) -> dict[str, Any]:
    base = {
        "version": "1",
        "health": "ok",
        "unwell": {"terminals": 0, "listeners": 0},
        "takes_payments": True,
        "journal": "ok",
        "terminals": [TERMINAL],
        "exchanges": [],
    }
    return base | changes


def test_a_page_for_people() -> None:
    lines = page(status(exchanges=[EXCHANGE]))
    assert lines[0] == "nexo-bridge 1 takes payments; journal ok"
    assert (
        lines[2].split()
        == "terminal session token certificate results running unknown logged in problem".split()
    )
    assert lines[3].split()[:6] == ["POI00001", "ok", "12", "s", "300", "days"]
    assert lines[-1].split() == "X5 POI00001 KASSE1 11 12.50 EUR acknowledged 3 s".split()


def test_listeners_have_lines_of_their_own() -> None:
    listeners = [
        asdict(ListenerState("tcp", "127.0.0.1:7000", up=True, connections=3)),
        asdict(ListenerState("dial", "till:7001", up=False, problem="refused")),
        asdict(ListenerState("tls", "127.0.0.1:7443", up=True, certificate_days=5, problem="it ends")),
    ]
    lines = page(status(listeners=listeners))
    start = lines.index("", 2)
    assert lines[start + 1].split() == "listener address state connections certificate problem".split()
    assert [line.split() for line in lines[start + 2 : start + 5]] == [
        ["tcp", "127.0.0.1:7000", "up", "3", "-", "-"],
        ["dial", "till:7001", "down", "0", "-", "refused"],
        ["tls", "127.0.0.1:7443", "up", "0", "5", "days", "it", "ends"],
    ]


def test_what_is_wrong_is_said_first_and_at_its_terminal() -> None:
    broken = TERMINAL | {
        "session": "out of order",
        "problem": "the certificate has expired",
        "token_age": None,
    }
    lines = page(status(takes_payments=False, journal="broken", terminals=[broken]))
    assert lines[0] == "nexo-bridge 1 TAKES NO PAYMENTS; journal broken"
    assert lines[3].endswith("the certificate has expired")


def test_what_will_be_wrong_is_said_where_nothing_is_yet() -> None:
    warned = TERMINAL | {"warnings": ["the client certificate ends on 2040-01-01, in less than 7 days"]}
    assert page(status(terminals=[warned]))[3].endswith("in less than 7 days")
    assert page(status(terminals=[warned | {"problem": "refused"}]))[3].endswith("refused")


@pytest.mark.parametrize(
    ("unwell", "said"),
    [
        ({"terminals": 1, "listeners": 0}, "1 of 2 terminals"),
        ({"terminals": 2, "listeners": 1}, "2 of 2 terminals and 1 of 1 listeners"),
    ],
)
def test_i9_what_is_not_well_stands_in_the_first_line(unwell: dict[str, int], said: str) -> None:
    listeners = [asdict(ListenerState("mqtt", "broker:1883", up=False))]
    lines = page(
        status(health="degraded", unwell=unwell, terminals=[TERMINAL, TERMINAL], listeners=listeners)
    )
    assert lines[0] == f"nexo-bridge 1 takes payments, degraded: {said}; journal ok"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (119.4, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_the_last_error_of_a_terminal_is_told_with_its_age(seconds: float, shown: str) -> None:
    failed = TERMINAL | {"last_error": "SERVER_ERROR: answered 503", "last_error_age": seconds}
    lines = page(status(terminals=[TERMINAL | {"poiid": "POI2", "certificate_days": None}, failed]))
    assert lines[3].split()[:5] == ["POI2", "ok", "12", "s", "-"]
    assert lines[-3:-1] == ["", "last error of  ago" + " " * (max(len(shown), 3) - 1) + "what"]
    assert lines[-1] == f"POI00001       {shown:3}  SERVER_ERROR: answered 503"


def test_ids_that_a_terminal_cannot_show_are_made_harmless() -> None:
    assert "\x1b" not in "".join(page(status(exchanges=[EXCHANGE | {"sale_id": "\x1b[31mred"}])))


async def test_not_running_is_69_and_a_wrong_file_78(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code, out, errors = await command("status", "--config", str(here.config), cwd=here.folder)
        assert (code, out) == (69, b"")
        assert b"no bridge answers" in errors
        code, _, _ = await command("status", "--config", "absent.toml", cwd=here.folder)
        assert code == 78
        here.config.write_text(here.config.read_text("utf-8") + "surprise = 1\n", encoding="utf-8")
        code, _, errors = await command("status", "--config", str(here.config), cwd=here.folder)
        assert code == 78
        assert b"surprise" in errors


def test_what_was_put_right_is_told() -> None:
    lines = page(status(tolerated={"KASSE1": {"missing-zone": 12, "code-capitals": 1}}))
    assert lines[-2:] == [
        "put right for  what, since the start",
        "KASSE1         missing-zone x12, code-capitals",
    ]
    assert page(status(tolerated={})) == page(status())
