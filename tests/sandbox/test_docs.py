"""docs/sandbox.md says what the code does: both closed lists, the options and the control interface."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from nexo_bridge.cli.sandbox import add_arguments
from nexo_bridge.sandbox.endings import MAGIC
from nexo_bridge.sandbox.faults import FAULTS

TEXT = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def _table(heading: str) -> list[list[str]]:
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


def test_the_faults_are_the_code_s() -> None:
    assert {row[0].strip("`"): row[1] for row in _table("Faults")} == FAULTS


def test_the_endings_are_the_code_s() -> None:
    assert _table("Endings") == [
        [f"`{digits}`", ending.summary, f"`{ending.status}`", _code(ending.code), _code(ending.condition)]
        for digits, ending in sorted(MAGIC.items())
    ]


def _code(word: str) -> str:
    return f"`{word}`" if word else "-"


def test_every_option_is_documented() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
    assert {row[0].split()[0].strip("`") for row in _table("Options")} == options


@pytest.mark.parametrize(
    "path", ["/ledger", "/terminals", "/faults", "/cardholders", "/think", "/settle", "/late"]
)
def test_the_control_interface_is_documented(path: str) -> None:
    assert path in TEXT
