from __future__ import annotations

import subprocess
import sys

import pytest

from nexo_bridge.cli.output import show


def test_what_is_printed_is_there_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    show("3 terminals")
    assert capsys.readouterr().out == "3 terminals\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = (
        "import sys; from nexo_bridge.cli.output import show\n"
        "sys.stdin.read(); show('x' * 99); print('more'); sys.exit(7)"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        child.stdin.close()
        assert child.stderr.read() == b""
    assert child.returncode == 7
