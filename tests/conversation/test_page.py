"""``docs/conversations.md`` tells exactly the words of the grammar, and its example goes as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexo_bridge.conversation import grammar
from nexo_bridge.conversation.player import play
from nexo_bridge.conversation.points import POINTS
from nexo_bridge.conversation.transports import HAS, TRAITS, TRANSPORTS

PAGE = (Path(__file__).parents[2] / "docs" / "conversations.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, str]]:
    """First and second column of the table below a heading; the first without its code marks."""
    section = re.split(rf"^##+ {heading}$", PAGE, flags=re.MULTILINE)[1]
    section = re.split(r"^##", section, flags=re.MULTILINE)[0]
    found = re.findall(r"^\| `(.+?)`.* ?\| (.*?) ?\|$", section, re.MULTILINE)
    return [(str(first), str(second)) for first, second in found]


def first_words(heading: str) -> set[str]:
    return {first.split()[0] for first, _ in rows(heading)}


def test_every_request_is_told_with_its_words() -> None:
    told = {
        name: {word.partition("=")[0] for word in re.findall(r"`([A-Za-z]+(?:=[^`]*)?)`", words)} - {"T"}
        for name, words in rows("Requests")
    }
    assert told == {name: set(words) for name, words in grammar.REQUESTS.items()}
    intro = PAGE.partition("Every request takes")[2].partition("as `word=value`")[0]
    assert set(re.findall(r"`(\w+)`", intro)) == grammar.HEADER


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Connections", grammar.MOVES),
        ("Platform", grammar.PLATFORM),
        ("Ledger", grammar.LEDGER),
        ("Expectations", grammar.EXPECTED),
    ],
)
def test_a_table_lists_its_words(heading: str, words: frozenset[str]) -> None:
    assert first_words(heading) == words


def test_the_answers_are_told() -> None:
    assert {first for first, _ in rows("Answers")} == grammar.ANSWERS


def test_the_points_are_told() -> None:
    assert dict(rows("Points")) == dict(POINTS)


def test_every_line_is_told() -> None:
    heads = {first.split()[0] for first, _ in rows("Lines")}
    assert heads == {
        "POS>",
        "POS<",
        "POS",
        "PLAT:",
        "TERMINAL",
        "CLOCK",
        "DISK",
        "LEDGER",
        "EXPECT",
        "SET",
        "ALSO",
        "ONLY",
        "IF",
        "UNLESS",
    } | (grammar.PROCESS)
    lines = dict(rows("Lines"))
    assert all(word in lines["TERMINAL …"] for word in grammar.TERMINAL)
    assert {word.split()[1] for word in lines if word.startswith("DISK")} <= grammar.DISK
    assert set(re.findall(r"`([\w-]+)`", lines["ONLY WORD …"])) == grammar.ONLY


def test_the_traits_are_told() -> None:
    assert dict(rows("Transports")) == dict(TRAITS)
    section = PAGE.split("### Transports")[1].split("##")[0]
    for transport in TRANSPORTS:
        line = next(line for line in section.splitlines() if line.startswith(f"- `{transport}`"))
        assert set(re.findall(r"`([\w-]+)`", line)[1:]) == HAS[transport]


async def test_the_example_goes_as_written(tmp_path: Path) -> None:
    await play(grammar.parse(PAGE.split("```")[1]), tmp_path, tmp_path)
