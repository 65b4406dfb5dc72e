"""``nexo-bridge converse`` as a person uses it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from nexo_bridge.cli import main
from tests.broker import running

GOOD = "POS>  Payment ServiceID=7 10.00 EUR\nPLAT: approve\nPOS<  Payment Success AuthorizedAmount=10.00\n"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    kept = ([*root.handlers], root.level, logging.raiseExceptions, structlog.get_config())
    yield
    root.handlers[:], logging.raiseExceptions = kept[0], kept[2]
    root.setLevel(kept[1])
    logging.captureWarnings(capture=False)
    structlog.configure(**kept[3])


def script(folder: Path, text: str, name: str = "some.conv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_scripts_that_go_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = script(tmp_path, GOOD, "one.conv"), script(tmp_path, "STOP bridge\n", "other.conv")
    assert main(["converse", "--dedup", one, other]) == 0
    assert capsys.readouterr().out == "".join(
        f"ok      {name}\nok      {name} (with de-duplication)\n" for name in (one, other)
    )


def test_a_script_is_played_with_the_grant_and_channel_that_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = script(tmp_path, GOOD + "EXPECT no call read_card\n", "stream.conv")
    chosen = ["converse", "--grant", "password", "--results", "stream"]
    assert main([*chosen, counted]) == 0
    assert main(["converse", counted]) == 1
    assert "call read_card: 1 times" in capsys.readouterr().out


def test_one_that_is_for_others_is_not_said_to_have_gone_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = script(tmp_path, f"ONLY webhook\n{GOOD}")
    assert main(["converse", name]) == 1
    assert "ONLY webhook: see --grant, --results, --transport and --form" in capsys.readouterr().out


def test_one_that_does_not_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = script(tmp_path, GOOD.replace("Success", "Failure"))
    assert main(["converse", "--log", name]) == 1
    told = capsys.readouterr()
    assert told.out.startswith(
        f"FAILED  {name}\n    line 3: POS<  Payment Failure AuthorizedAmount=10.00\n"
        "    Failure was expected, Success came"
    )
    assert "exchange ended" in told.err


def test_a_line_that_is_no_statement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = script(tmp_path, "# hello\nPOS waves\n")
    assert main(["converse", name, str(tmp_path / "none.conv")]) == 1
    told = capsys.readouterr().out
    assert f"FAILED  {name}\n    line 2: POS comes | drops | half-closes | returns\n" in told
    assert "none.conv\n    cannot be read: " in told


def test_no_script_at_all_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["converse"])
    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_a_missing_package_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    for name in [name for name in sys.modules if name.startswith("nexo_bridge.sandbox")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["converse", script(tmp_path, GOOD)]) == 78
    assert "pip install 'nexo-bridge[sandbox]'" in capsys.readouterr().err


def test_mqtt_wants_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "one.conv"
    script.write_text("POS> Login\nPOS< Login Success\n")
    assert main(["converse", "--transport", "mqtt5", str(script)]) == 2
    assert "--transport mqtt5 needs --broker" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["converse", "--transport", "mqtt5", "--broker", "here", str(script)])
    changing = tmp_path / "two.conv"
    changing.write_text("POS comes by mqtt5\nPOS> Login\nPOS< Login Success\n")
    assert main(["converse", str(changing)]) == 1
    assert "comes by MQTT: say --broker" in capsys.readouterr().out
    with running(tmp_path / "broker") as broker:
        assert main(["converse", "--broker", broker.address, str(changing)]) == 0
        assert main(["converse", "--transport", "mqtt5", "--broker", broker.address, str(script)]) == 0
