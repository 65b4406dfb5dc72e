from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from nexo_bridge.cli import run


def test_a_wrong_configuration_is_one_line_and_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("[journal]\npaht = 'journal.sqlite'\n", encoding="utf-8")
    assert run.main(argparse.Namespace(config=path)) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(argparse.Namespace(config=tmp_path / "absent.toml")) == 78
    assert "absent.toml" in capsys.readouterr().err


def test_the_configuration_must_be_named() -> None:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([])
