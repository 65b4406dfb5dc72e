"""What the documents say is so: links lead somewhere, commands and targets exist, codes are all told."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from nexo_bridge.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        wanted = (path.parent / file) if file else path
        if not wanted.exists() or (anchor and anchor not in anchors(wanted)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_commands_and_targets_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    commands = {name for name, _, _ in COMMANDS} | {"COMMAND", "resolve"}
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

    assert set(re.findall(r"`(?:[\w./]*/)?nexo-bridge ([a-z][a-z-]+)", text)) <= commands
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(
        r"`((?:nexo_bridge|tests|docs|config|systemd|xsd)/[\w./-]+\.\w+)`", path.read_text(encoding="utf-8")
    )

    assert [file for file in named if not (ROOT / file).is_file()] == []


def errors_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "tests" / "errors_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_errors_is_current() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == errors_page().page()


def test_a_code_means_one_condition_and_one_answer_to_may_i_retry() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for code, condition, retry, _ in errors_page().rows():
        if (code, condition) != ("NB-202", "NotAllowed"):  # a busy terminal, as [pos] busy_condition has it
            meanings.setdefault(code, set()).add((condition, retry))

    assert {code: meaning for code, meaning in meanings.items() if len(meaning) > 1} == {}


def test_every_code_in_the_source_is_told() -> None:
    told = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    used = {
        code
        for path in (ROOT / "nexo_bridge").rglob("*.py")
        for code in re.findall(r"\"(NB-\d{3})\"", path.read_text(encoding="utf-8"))
    }

    assert sorted(code for code in used - {"NB-100"} if f"| {code} |" not in told) == []


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """Absolute paths of a workplace do not exist elsewhere."""
    folders = ("nexo_bridge", "tests", "docs", "config", "systemd", "xsd", ".ci")
    files = [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"} or path.name == "Makefile"]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    workplace = re.compile(rf"/(home|root|Users)/\w|{re.escape(str(ROOT))}")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if "__pycache__" not in path.parts
        and path != Path(__file__)
        and workplace.search(path.read_bytes().decode("utf-8", "replace"))
    ]

    assert found == []


def test_the_readme_shows_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "make demo" in readme
    assert "make test" in readme
