"""The house rules of docs/architecture.md, read out of the source: who imports whom, what is not called, how long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nexo_bridge"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_data" not in path.parts)

WORDS = {"errors", "money", "redaction"}
"""The shared words at the bottom; they know nobody, but a message may hold a secret and an amount."""

MAY_IMPORT = {
    "nexo_bridge": set[str](),
    "errors": set[str](),
    "money": set[str](),
    "redaction": set[str](),
    "policy": set[str](),
    "nexo": WORDS,
    "ppaas": WORDS,
    "categories": {*WORDS, "policy", "nexo", "ppaas"},
    "core": {*WORDS, "policy", "nexo", "ppaas", "categories"},
    "adapters": {*WORDS, "nexo", "ppaas", "core.signals", "core.journal", "core.source"},
    "runtime": {*WORDS, "policy", "nexo", "ppaas", "categories", "core", "adapters"},
    "sandbox": {"errors"},
    "pos": {*WORDS, "nexo"},
    "conversation": {
        *WORDS,
        "nexo",
        "pos",
        "sandbox",
        "runtime",
        "adapters",
        "policy",
        "core.source",
        "core.journal",
        "core.signals",
    },
    "demo": {*WORDS, "nexo", "pos", "runtime"},
    "cli": {*WORDS, "nexo", "pos", "sandbox", "runtime", "conversation", "demo", "adapters", "core"},
}
"""Package → what it may import besides itself. Everything points down; what is not here is a new room: think first."""

PURE = {*WORDS, "policy", "nexo", "ppaas", "categories", "core"}
"""Below the line: no I/O, no clock, no randomness, no threads."""

BANNED = set(
    """asyncio socket ssl httpx sqlite3 time random secrets threading os subprocess shutil tempfile select signal
    multiprocessing concurrent logging structlog""".split()
)
BANNED_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "open", "print", "input"}
"""Names that are called: of datetime, uuid and the built-ins."""

ONLY_IN = {
    "httpx": {"adapters/https.py"},
    "websockets": {"adapters/stream.py", "sandbox"},
    "h11": {"adapters/webhook.py", "sandbox"},
    "xmlschema": {"nexo/second_opinion.py"},
    "sqlite3": {"adapters"},
    "aiohttp": {
        "adapters/http.py",
        "adapters/http_connection.py",
        "adapters/http_outgoing.py",
        "adapters/http_request.py",
        "pos/links/http.py",
    },
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "jwt": {"sandbox"},
    "aiomqtt": {"adapters/mqtt.py", "pos/links/mqtt.py"},
    "paho": {"adapters/mqtt.py", "pos/links/mqtt.py"},
}
"""Library → the one place that knows it; exchanging it then is a change of that place."""

GENERATED = {"nexo/messages.py"}
LONGEST = 500
UNNAMED = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    """The package or, at the top, the module that ``path`` belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "nexo_bridge" if first == "__init__" else "cli" if first == "__main__" else first


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that is imported anywhere in ``path``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_within(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}.")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    allowed = {room, *MAY_IMPORT[room]} - {"nexo_bridge"}
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith("nexo_bridge.")
        and name != "nexo_bridge.__version__"
        and not any(is_within(name, f"nexo_bridge.{each}") for each in allowed)
    ]

    assert wrong == []


def test_no_module_imports_in_a_circle() -> None:
    dotted = {
        "nexo_bridge." + name_of(path)[:-3].replace("/", ".").removesuffix(".__init__"): path
        for path in MODULES
    }
    known = {
        module: {
            target
            for _, name in imports(path)
            for target in (name, name.rpartition(".")[0])
            if target in dotted and target != module
        }
        for module, path in dotted.items()
    }
    while leaves := [module for module, targets in known.items() if not targets & known.keys()]:
        for module in leaves:
            del known[module]

    assert sorted(known) == []


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in PURE], ids=name_of)
def test_below_the_line_nothing_has_effects(path: Path) -> None:
    wrong = [f"line {line}: {name}" for line, name in imports(path) if name.partition(".")[0] in BANNED]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in BANNED_CALLS:
                wrong.append(f"line {node.lineno}: {called}()")

    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_library_has_its_place(path: Path) -> None:
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        for places in [ONLY_IN.get(name.partition(".")[0])]
        if places is not None and name_of(path) not in places and room_of(path) not in places
    ]

    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_go(path: Path) -> None:
    if name_of(path) not in GENERATED:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    "path", [*MODULES, *sorted(ROOT.glob("tests/**/*.py"))], ids=lambda path: str(path.stem)
)
def test_a_module_is_named_for_what_is_in_it(path: Path) -> None:
    assert path.stem not in UNNAMED


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name not in ("__init__.py", "__main__.py")], ids=name_of
)
def test_every_module_has_its_test_file(path: Path) -> None:
    assert (ROOT / "tests" / path.relative_to(PACKAGE)).with_name(f"test_{path.name}").is_file()


@pytest.mark.parametrize("room", sorted({room_of(path) for path in MODULES}))
def test_every_room_is_known(room: str) -> None:
    assert room in MAY_IMPORT
