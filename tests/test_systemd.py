"""The unit in systemd/ is one that systemd takes, and says what the daemon does."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexo_bridge.runtime.daemon import WRONG_CONFIGURATION
from nexo_bridge.runtime.settings_sections import Deadlines

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "nexo-bridge.service"
GUIDE = ROOT / "docs" / "install-systemd.md"
INSTALLED = "/opt/nexo-bridge/bin/nexo-bridge"


def values(key: str) -> Iterator[str]:
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and name == key:
            yield value


def value(key: str) -> str:
    (only,) = values(key)
    return only


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The unit with the path of a command that is really there."""
    command = tmp_path / "nexo-bridge"
    command.symlink_to(sys.executable)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(INSTALLED, str(command)), encoding="utf-8")
    return unit


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    return subprocess.run([command, *words], capture_output=True, text=True, check=False)


def test_systemd_takes_the_unit_without_a_word(rendered: Path) -> None:
    done = analyze("verify", "--man=no", rendered)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_daemon_is_well_boxed_in(rendered: Path) -> None:
    """systemd's own measure, 0 (nothing can be reached) to 10; above 2.0 somebody opened a door."""
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", rendered)

    assert done.returncode == 0, done.stdout


def test_a_wrong_configuration_is_not_tried_again() -> None:
    assert value("RestartPreventExitStatus") == str(WRONG_CONFIGURATION)
    assert value("Restart") == "on-failure"


def test_f62_stopping_waits_for_the_longest_payment() -> None:
    assert int(value("TimeoutStopSec")) > Deadlines().answer_by + 30


def test_h39_no_core_dump_and_no_secret_in_the_environment() -> None:
    assert value("LimitCORE") == "0"
    assert all(re.fullmatch(r"PYTHON\w+=1( PYTHON\w+=1)*", value) for value in values("Environment"))


def test_the_guide_names_every_file_that_the_unit_hands_on() -> None:
    guide = GUIDE.read_text(encoding="utf-8")

    for credential in values("LoadCredential"):
        name, _, path = credential.partition(":")
        assert name in path
        assert path in guide
    assert value("ExecStart").startswith(INSTALLED)
    assert INSTALLED in guide


def test_each_setting_stands_once() -> None:
    """A key written twice in a unit silently means the last one, or both."""
    repeatable = {"LoadCredential", "SystemCallFilter"}
    keys = [
        line.partition("=")[0] for line in UNIT.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()
    ]

    assert {key for key in keys if keys.count(key) > 1} == repeatable
    assert configparser.RawConfigParser(strict=False).read(UNIT)
