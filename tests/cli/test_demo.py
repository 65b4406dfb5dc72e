"""The demo as a newcomer runs it: processes, real mutual TLS, exit code."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import need_mosquitto

README = Path(__file__).parents[2] / "README.md"

TWICE = '''
"""A platform that charges every sale twice; only the sandbox of the demo is made to."""
import sys

if "sandbox" in sys.orig_argv:
    from nexo_bridge.sandbox.ledger import Transaction

    true = Transaction.row
    Transaction.row = lambda self: {**true(self), "charges": 2 * true(self)["charges"]}
'''


@pytest.fixture(name="work")
def _work() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Path(folder)


async def demo(folder: Path, *more: str, **environment: str) -> Process:
    """Started with a temporary folder of its own."""
    words = (sys.executable, "-m", "nexo_bridge", "demo", "--think", "0.1", *more)
    wanted = {**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8", **environment}
    return await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=STDOUT, env=wanted)


def left_over(folder: Path) -> list[str]:
    """Files and processes of a demo that has ended."""
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if os.fsencode(folder) in words:
            processes.append(words.decode(errors="replace"))
    return [*processes, *(path.name for path in folder.iterdir())]


@pytest.mark.long
async def test_the_demo_shows_the_main_job_and_succeeds(work: Path) -> None:
    process = await demo(work)
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    for word in (
        "Login",
        "QR code",
        "█",
        "Refusal",
        "line breaks",
        "byte for byte",
        "Aborted",
        "killed",
        "Logout",
    ):
        assert word in text
    assert "ok     nothing charged twice: 6 sales, 6 creates, 4 charges" in text
    assert "both sums are 111.80 EUR" in text
    assert "replay of the journal: the same decisions: 2 starts" in text
    assert "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100
    assert left_over(work) == []
    assert not without_numbers(README.read_text(encoding="utf-8")) - without_numbers(text)


def without_numbers(text: str) -> set[str]:
    """The lines of a conversation, whatever their ports and times; of the README, those in the demo's block."""
    shown = text.partition("```\nnexo-bridge between")[2].partition("```")[0] or text
    lines = (" ".join(re.sub(r"[0-9.]+", "#", line).split()) for line in shown.splitlines()[1:])
    return {line for line in lines if line and not line.startswith(("█", "▀", "…"))}


async def test_a_platform_that_charges_twice_makes_it_fail(work: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TWICE, encoding="utf-8")
    process = await demo(work, PYTHONPATH=str(tmp_path))
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 1, text
    assert "FAILED card: charged 2 times" in text
    assert "ok     nothing" not in text
    assert left_over(work) == []


async def test_what_does_not_start_is_named(work: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'run' in sys.orig_argv:\n    sys.exit('no bridge today')\n", encoding="utf-8"
    )
    process = await demo(work, PYTHONPATH=str(tmp_path))
    out, _ = await process.communicate()
    assert process.returncode == 1, out.decode()
    assert "FAILED run did not start" in out.decode()


async def test_stopped_in_the_middle_it_leaves_nothing_behind(work: Path) -> None:
    process = await demo(work)
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if b"Login" in line:
            process.send_signal(signal.SIGTERM)
    assert await process.wait() == 130
    assert left_over(work) == []


@pytest.mark.long
async def test_at_a_broker_it_succeeds_too_and_the_answer_comes_unasked(work: Path) -> None:
    need_mosquitto()
    process = await demo(work, "--mqtt")
    out, _ = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said
    assert "ready for tills: nexo XML at mqtt://127.0.0.1:" in said
    assert "what a till is owed comes unasked" in said
    assert left_over(work) == []
