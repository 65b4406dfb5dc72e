"""What the documents say is so: links lead somewhere, commands and targets exist, codes are all told."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import re
import shlex
import shutil
import sys
import tempfile
import tomllib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
import trustme

from nexo_bridge.adapters.dial import dial_tls
from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.cli import COMMANDS
from nexo_bridge.runtime.settings import read_settings

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


def block(page: str, language: str, holds: str) -> str:
    """The one code block of a page that is in ``language`` and holds some words."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    found = [body for spoken, body in fences if spoken == language and holds in body]
    assert len(found) == 1, (page, holds)
    return str(found[0])


def defined(path: Path) -> set[str]:
    """Names of functions and classes of a module, methods as ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{each.name}" for each in node.body if hasattr(each, "name")}
        if hasattr(node, "name"):
            names.add(node.name)
    return names


def test_the_walk_through_the_code_names_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"`([\w/]+\.py): ([\w.]+)`", text)
    missing = [(file, name) for file, name in steps if name not in defined(ROOT / "nexo_bridge" / file)]

    assert len(steps) > 20
    assert missing == []


def test_every_decision_is_short_and_its_title_is_its_name() -> None:
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        title, _, body = path.read_text(encoding="utf-8").partition("\n")
        assert title.startswith("# ")
        assert 100 < len(body.split()) < 220, path.name
        assert set(path.stem.split("-")) <= set(re.findall(r"\w+", title.lower())), path.name


def test_the_configuration_in_the_readme_is_enough(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("1850123456")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    issued.private_key_pem.write_to_path(tmp_path / "client.key")
    (tmp_path / "client.key").chmod(0o600)
    config = tmp_path / "bridge.toml"
    config.write_text(block("README.md", "toml", "[[listen]]"), encoding="utf-8")

    reading = read_settings(config)

    assert reading.mistakes == ()
    assert reading.settings is not None


@asynccontextmanager
async def started(words: str, folder: Path) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """A command of a page, as a process; what its ready line says."""
    process = await asyncio.create_subprocess_exec(*program(words), stdout=PIPE, stderr=DEVNULL, cwd=folder)
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture(name="work")
def _work() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        yield Path(folder)


def program(words: str) -> list[str]:
    first, *rest = shlex.split(words, comments=True)
    return [sys.executable, *(("-m", "nexo_bridge") if first == "nexo-bridge" else ()), *rest]


async def ran(words: str, folder: Path, *, python: bool = True) -> tuple[int, str]:
    """Exit code and standard output."""
    command = program(words) if python else shlex.split(words)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL, cwd=folder)
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.timeout(180)  # nine processes one after the other
async def test_the_quickstart_and_the_journal_page_as_a_reader_follows_them(work: Path) -> None:
    sandbox, run = (
        block("docs/quickstart.md", "sh", "sandbox --state"),
        block("docs/quickstart.md", "sh", " run "),
    )
    alias, *till = block("docs/quickstart.md", "sh", "alias pos=").splitlines()
    pos = alias.removeprefix("alias pos='").removesuffix("'")
    async with started(f"{sandbox.strip()} --think 0.1", work), started(run, work) as (bridge, ready):
        pos = pos.replace("127.0.0.1:7000", ready["tcp"])
        assert [line.split()[1] for line in till] == ["login", "pay", "pay", "pay", "status", "logout"]
        told = [await ran(line.replace("pos", pos, 1), work) for line in till]
        assert [code for code, _ in told] == [0, 0, 0, 1, 1, 0]
        shown = block("docs/quickstart.md", "", '"serviceId"')
        assert re.sub(r"\d{10}", "#", shown) == re.sub(r"\d{10}", "#", "".join(out for _, out in told))

        (work / "pay.py").write_text(block("docs/quickstart.md", "python", "socket"), encoding="utf-8")
        code, out = await ran(f"python3 pay.py {ready['tcp']}", work)
        assert code == 0
        assert out.count('<Response Result="Success"/>') == 2
        bridge.terminate()
        assert await bridge.wait() == 0

    page = (ROOT / "docs" / "journal.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (nexo-bridge .*)$", page, re.MULTILINE)
    assert [command.split()[2] for command in commands] == [
        "list",
        "show",
        "verify",
        "sandbox/journal.sqlite",
    ]
    newest = (await ran(commands[0], work))[1].split()[0]
    for command in commands:
        code, out = await ran(command.replace("X5", newest), work)
        assert code == 0, command
        assert out


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here: sudo apt-get install -y curl")
async def test_the_page_about_http_as_a_reader_follows_it(work: Path) -> None:
    page = "docs/http.md"
    sandbox, listen = block(page, "sh", "sandbox --state"), block(page, "sh", "printf")
    add, run = listen.splitlines()
    async with started(f"{sandbox.strip()} --think 0.1", work):
        code, _ = await ran(f"bash -c {shlex.quote(add.replace('7080', '0'))}", work, python=False)
        assert code == 0
        async with started(run, work) as (_, ready):
            for category, said in (
                ("Login", '<LoginResponse><Response Result="Success"/>'),
                ("Payment", 'AuthorizedAmount="12.50"'),
                ("TransactionStatus", "<RepeatedMessageResponse>"),
            ):
                curl = block(page, "sh", f'MessageCategory="{category}" MessageType')
                assert "127.0.0.1:7080" in curl
                curl = curl.replace("127.0.0.1:7080", ready["http"])
                code, out = await ran(f"bash -c {shlex.quote(curl)}", work, python=False)
                assert (code, said in out) == (0, True), out


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl here: sudo apt-get install -y openssl"
)
async def test_the_page_about_tls_as_a_reader_follows_it(work: Path) -> None:
    page = "docs/tls.md"
    sandbox, files = block(page, "sh", "sandbox --state"), block(page, "sh", "openssl req")
    listen, _, run = block(page, "sh", "cat >>").rpartition("EOF\n")
    alias, *till = block(page, "sh", "alias pos=").splitlines()
    stranger = block(page, "sh", "kasse2.pem --key")
    async with started(f"{sandbox.strip()} --think 0.1", work):
        for words in (files, f"{listen.replace('7443', '0')}EOF\n"):
            code, out = await ran(f"bash -e -c {shlex.quote(words)}", work, python=False)
            assert code == 0, out
        async with started(run, work) as (_, ready):
            port = ready["tls"].rpartition(":")[2]
            pos = alias.removeprefix("alias pos='").removesuffix("'").replace("7443", port)
            for line in till:
                code, out = await ran(line.replace("pos", pos, 1), work)
                assert code == 0, out
            code, out = await ran(stranger.replace("7443", port), work)
            assert (code, "own client certificate only" in out) == (1, True), out


def test_the_pos_that_listens_in_the_page_about_tls(tmp_path: Path) -> None:
    text = tomllib.loads(block("docs/tls.md", "toml", "dial"))
    (tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    section = DialListen(**text["listen"][0])
    made = dial_tls(section.model_copy(update={"ca": tmp_path / "ca.pem"}), "listen[0]")
    assert made is not None
