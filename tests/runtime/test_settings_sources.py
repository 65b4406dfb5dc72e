from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.settings_sources import (
    MAX_BYTES,
    MAX_LINE,
    leaves,
    read_environment,
    read_file,
    variable,
)


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_file(path)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.toml") == (
        "cannot be read (no such file or directory); give the file with --config"
    )


HOSTILE = {
    "not TOML": (b'listen = [\n[journal]\npath = "x\n', "not TOML: "),
    "another language": (b"journal:\n  path: x\n", "not TOML: "),
    "not UTF-8": (b"a = 1\nb = '\xe4'\n", "line 2 is not UTF-8; save the file as UTF-8"),
    "too large": (b"#\n" * MAX_BYTES, "larger than 1 MiB; "),
    "a line without end": (b"a = '" + b"x" * MAX_LINE + b"'", f"line 1 is longer than {MAX_LINE} bytes; "),
    "deep nesting": (b"a = [\n" + b"[\n" * 5000, "tables are nested too deeply; "),
    "a key of thousands of parts": (b".".join([b"a"] * MAX_LINE) + b" = 1", "line 1 is longer than "),
    "a number of thousands of digits": (b"a = " + b"9" * 5000, "not TOML: "),
    "the same table twice": (b"[journal]\n[journal]\n", "not TOML: "),
}


@pytest.mark.timeout(5)
@pytest.mark.parametrize("name", HOSTILE)
def test_h38_a_hostile_file_is_refused_at_once_and_in_one_line(tmp_path: Path, name: str) -> None:
    content, expected = HOSTILE[name]
    path = tmp_path / "bridge.toml"
    path.write_bytes(content)

    assert refusal(path).startswith(expected)


def test_toml_faults_name_their_line(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("a = 1\nb = = 2\n", encoding="utf-8")

    assert refusal(path) == "not TOML: Invalid value (at line 2, column 5); correct that line"


def test_the_environment_becomes_a_tree() -> None:
    environ = {
        "NEXO_BRIDGE_LOGIN_REQUIRED": "false",
        "NEXO_BRIDGE_PLATFORM__PATHS__READ_CARD": "/x",
        "NEXO_BRIDGE_PLATFORM__FENCE": "false",
        "HOME": "/root",
    }

    assert read_environment(environ) == {
        "login_required": "false",
        "platform": {"paths": {"read_card": "/x"}, "fence": "false"},
    }


@pytest.mark.parametrize("table", ["LISTEN", "TERMINALS", "POS", "BRANDS"])
@pytest.mark.parametrize("rest", ["", "__X__Y"])
def test_tables_with_names_of_their_own_stay_in_the_file(table: str, rest: str) -> None:
    with pytest.raises(ConfigurationError, match="read from the file only; write it there"):
        read_environment({f"NEXO_BRIDGE_{table}{rest}": "1"})


@pytest.mark.parametrize(
    "environ",
    [
        {"NEXO_BRIDGE_LOG": "loud", "NEXO_BRIDGE_LOG__LEVEL": "debug"},
        {"NEXO_BRIDGE_log": "loud", "NEXO_BRIDGE_LOG__LEVEL": "debug"},
    ],
)
def test_a_table_and_its_part_are_a_contradiction(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="remove one"):
        read_environment(environ)


def test_leaves_know_their_place() -> None:
    tree = {"listen": [{"port": 0}], "log": {"level": "info"}, "pos": {}, "words": ["a"]}

    assert leaves(tree) == {("listen", 0, "port"): 0, ("log", "level"): "info", ("words",): ["a"]}


def test_the_variable_of_a_setting() -> None:
    assert variable(("deadlines", "answer_by")) == "NEXO_BRIDGE_DEADLINES__ANSWER_BY"
