from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.products import chosen


def cases(all_of_them: bool) -> Iterator[int]:
    yield from range(6) if all_of_them else (1, 4)


def test_a_run_plays_what_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASES", raising=False)
    assert chosen("CASES", cases) == [1, 4]


def test_all_and_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASES", "all")
    assert chosen("CASES", cases) == [0, 1, 2, 3, 4, 5]
    monkeypatch.setenv("CASES", "rest")
    assert chosen("CASES", cases) == [0, 2, 3, 5]


def test_a_slip_plays_nothing_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASES", "al")
    with pytest.raises(ValueError, match="CASES is all, rest or not set; not 'al'"):
        chosen("CASES", cases)
