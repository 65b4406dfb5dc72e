from __future__ import annotations

import io

import pytest
import segno

from nexo_bridge.demo.screen import WIDTH, Screen, code_rows


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_conversation_is_plain_where_nobody_looks() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.scene("card")
    screen.says("till ▸ bridge", "Payment 12.50 EUR")
    screen.says("bridge ▸ till", "Success", seconds=0.25, tone="good")
    first, second = stream.getvalue().splitlines()
    assert first == "card         till ▸ bridge  Payment 12.50 EUR"
    assert second.startswith("             bridge ▸ till  Success   ")
    assert second.endswith(" 0.25 s")
    assert len(second) <= WIDTH


def test_long_words_are_wrapped_and_what_it_took_stands_once() -> None:
    stream = io.StringIO()
    Screen(stream).says("bridge ▸ till", "a sentence " * 12, seconds=1.5)
    lines = stream.getvalue().splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= WIDTH
    assert stream.getvalue().count("1.50 s") == 1
    assert stream.getvalue().count("bridge") == 1


def test_colours_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    Screen(stream).verdict(False, "charged twice")
    assert stream.getvalue() == "\x1b[31m  FAILED charged twice\x1b[0m\n"


def test_no_colours_for_a_person_who_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    screen = Screen(stream)
    screen.verdict(True, "nothing charged twice")
    screen.code("https://pay.example/1", ())
    assert "\x1b" not in stream.getvalue()


def test_a_table_is_aligned() -> None:
    stream = io.StringIO()
    Screen(stream).table([("amount", "status"), ("12.50 EUR", "APPROVED")])
    assert stream.getvalue().splitlines() == ["  amount     status", "  12.50 EUR  APPROVED"]


def test_a_code_is_drawn_module_by_module_with_its_captions() -> None:
    content = "https://pay.sandbox.invalid/txn_9D5M6T5CVX2Y7V1SWDGA"
    modules = [list(row) for row in segno.make(content, error="l", boost_error=False).matrix_iter(border=2)]
    drawn: list[list[int]] = []
    for line in code_rows(content):
        drawn += [["▄ ".count(block) for block in line], ["▀ ".count(block) for block in line]]
    assert drawn[: len(modules)] == modules
    stream = io.StringIO()
    Screen(stream).code(content, ("Scan it.",))
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 17
    assert sum(line.endswith("  Scan it.") for line in lines) == 1


def test_time_passes() -> None:
    assert Screen(io.StringIO()).since() >= 0
