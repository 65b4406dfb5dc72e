from __future__ import annotations

import io

import pytest

from nexo_bridge.demo.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_where_nobody_looks() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.turn("POS →", "Login", "← Success", 0.25)
    screen.verdict(True, "nothing charged twice")
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "POS →  Login" in text
    assert "0.25 s" in text
    assert "ok     nothing charged twice" in text


def test_colours_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    Screen(stream).verdict(False, "charged twice")
    assert stream.getvalue() == "\x1b[31m  FAILED charged twice\x1b[0m\n"


def test_a_table_is_aligned() -> None:
    stream = io.StringIO()
    Screen(stream).table([("amount", "status"), ("12.50 EUR", "APPROVED")])
    assert stream.getvalue().splitlines() == ["  amount     status", "  12.50 EUR  APPROVED"]


def test_a_code_is_drawn_in_blocks() -> None:
    stream = io.StringIO()
    Screen(stream).qr("https://pay.example/1")
    rows = stream.getvalue().splitlines()
    assert len(rows) > 10
    assert all(len(row) <= 60 for row in rows)
