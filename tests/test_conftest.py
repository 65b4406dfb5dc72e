"""The guards of ``conftest.py`` guard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from blockbuster import BlockingError

from nexo_bridge.runtime.data import read_data

HERE = Path(__file__).parent


async def test_a_blocking_call_of_the_package_inside_the_loop_fails() -> None:
    with pytest.raises(BlockingError):
        read_data("ppaas/demo.toml")


async def test_a_test_may_read_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("y", encoding="utf-8")

    assert (tmp_path / "x").read_text(encoding="utf-8") == "y"


def test_outside_the_loop_anything_may_block() -> None:
    assert read_data("ppaas/demo.toml")


def test_the_guard_takes_itself_away() -> None:
    """A guard that stays wraps itself once a test, until the interpreter's stack ends."""
    depth, function = 0, os.mkdir
    while closure := getattr(function, "__closure__", None):
        depth, function = (
            depth + 1,
            next(cell.cell_contents for cell in closure if callable(cell.cell_contents)),
        )

    assert depth <= 1


SKIPPING = """
import pytest

def test_skips():
    pytest.skip("for want of a broker")

@pytest.mark.xfail
def test_is_known_to_fail():
    assert False
"""


@pytest.mark.parametrize(("ci", "summary"), [("true", "1 failed, 1 xfailed"), ("", "2 skipped, 1 xfailed")])
def test_in_ci_nothing_skips(tmp_path: Path, ci: str, summary: str) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(SKIPPING, encoding="utf-8")
    whole = SKIPPING + "\npytest.importorskip('no_such_module')\n"
    (tmp_path / "test_a_whole_file.py").write_text(whole, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-q", "--continue-on-collection-errors"),
            *("-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        check=False,
    )
    assert summary in done.stdout
    assert ("in CI nothing skips" in done.stdout) == bool(ci)
    assert ("1 error" in done.stdout) == bool(ci)  # the whole file that skips
    assert done.returncode == (1 if ci else 0)
