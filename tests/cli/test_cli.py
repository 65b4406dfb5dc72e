from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from nexo_bridge import __version__
from nexo_bridge.cli import COMMANDS, main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])

    out = capsys.readouterr().out
    assert left.value.code == 0
    assert {name for name, _, _ in COMMANDS} <= set(out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out == f"nexo-bridge {__version__}\n"


@pytest.mark.parametrize("words", [[], ["fly"], ["check-config"], ["check-config", "--config"]])
def test_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)

    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("usage: nexo-bridge")


@pytest.mark.parametrize(("name", "module"), [(name, module) for name, module, _ in COMMANDS])
def test_every_command_has_its_two_functions_and_help(
    name: str, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = importlib.import_module(module)

    assert list(inspect.signature(command.add_arguments).parameters) == ["parser"]
    assert list(inspect.signature(command.main).parameters) == ["arguments"]
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: nexo-bridge {name}")


def test_a_command_loads_no_other() -> None:
    """``validate`` in a build pipeline must not pay for the daemon, nor for the sandbox's extra packages."""
    code = (
        "import sys; from nexo_bridge.cli import main\n"
        "try: main(['check-config', '--config', '/nonexistent'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('httpx', 'starlette', 'sqlite3', 'nexo_bridge.core.bridge') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nexo_bridge", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"nexo-bridge {__version__}\n"
