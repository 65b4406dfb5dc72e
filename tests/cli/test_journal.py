from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from nexo_bridge.cli import main
from tests.adapters.journal_rig import KEYS, WALL, kept, opened, put

CONFIG = """
[[listen]]
kind = "tcp"
port = 7000
[journal]
path = "journal"
[platform]
environment = "demo"
[terminals."POI00001"]
serial = "1850123456"
certificate = "client.pem"
key = "client.key"
"""

TIME = "2023-11-14T22:13:20.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A payment that was approved, one still open with a word that must not be shown as it is, an input."""

    async def write() -> None:
        async with opened(tmp_path / "journal") as journal:
            head = {"category": "Payment", "sale_id": "S 1", "poi_id": "P", "service_id": "7"}
            put(journal, "Arrived", "X1", kind="input", body={"secret": "s"}, public={"from": "tcp"})
            put(
                journal,
                exchange="X1",
                public={**head, "amount": "12.50", "currency": "EUR", "refused": False},
            )
            put(journal, "Asking", "X1", public={"amount": 1250, "key": "k"}, wall=WALL + 0.25)
            put(
                journal,
                "Settled",
                "X1",
                settles=True,
                public={"result": "Success", "condition": None},
                wall=WALL + 2,
            )
            put(journal, "Delivered", "X1", wall=WALL + 2.5)
            text = "card 4111 1111 1111 1111\n\x1b[31mred"
            put(journal, exchange="X2", public={"note": text, "list": [1, 2]}, wall=1e20)
            put(journal, "Arrived", "X3", kind="input")

    asyncio.run(write())
    return tmp_path / "journal"


def say(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["journal", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_list_is_one_line_for_each_exchange_newest_first(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = say(capsys, "list", "--journal", path)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == (
        f'X2  {1e20:.3f}  state=received note="card [masked 16 digits]\N{REPLACEMENT CHARACTER}'
        f'\N{REPLACEMENT CHARACTER}[31mred" list="[1, 2]" open'
    )
    assert lines[1] == (
        f'X1  {TIME}  category=Payment sale_id="S 1" poi_id=P service_id=7 amount=12.50 currency=EUR '
        f"state=delivered result=Success key=k"
    )
    assert len(lines) == 2


def test_list_can_be_limited_and_asked_for_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "list", "--journal", path, "--limit", "1")[1].startswith("X2 ")
    code, out, _ = say(capsys, "list", "--journal", path, "--exchange", "X1")
    assert code == 0
    assert out.startswith("X1 ")
    assert len(out.splitlines()) == 1
    assert say(capsys, "list", "--journal", path, "--exchange", "X3")[0] == 1
    code, _, err = say(capsys, "list", "--journal", path, "--exchange", "no\nsuch")
    assert code == 1
    assert err == "nexo-bridge journal: no exchange no\N{REPLACEMENT CHARACTER}such\n"


def test_list_for_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed: list[dict[str, Any]] = json.loads(say(capsys, "list", "--journal", path, "--json")[1])
    assert [line["exchange"] for line in listed] == ["X2", "X1"]
    assert listed[1] == {
        "exchange": "X1",
        "time": TIME,
        "category": "Payment",
        "sale_id": "S 1",
        "poi_id": "P",
        "service_id": "7",
        "amount": "12.50",
        "currency": "EUR",
        "state": "delivered",
        "result": "Success",
        "condition": None,
        "refused": False,
        "key": "k",
        "open": False,
    }


def test_show_tells_every_entry_with_its_time(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "show", "X1", "--journal", path)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "exchange X1"
    assert lines[1] == f"       2  {TIME}     +0.000s  input     Arrived  from=tcp"
    assert lines[3].endswith("+0.250s  decision  Asking  amount=1250 key=k")
    assert lines[4].endswith("+2.000s  decision  Settled (settles)  result=Success")
    assert lines[5].endswith("+2.500s  decision  Delivered")
    assert "secret" not in out


def test_show_for_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(say(capsys, "show", "X1", "--journal", path, "--json")[1])
    assert [entry["name"] for entry in shown] == ["Arrived", "Received", "Asking", "Settled", "Delivered"]
    assert shown[0] == {
        "number": 2,
        "time": TIME,
        "kind": "input",
        "name": "Arrived",
        "settles": False,
        "public": {"from": "tcp"},
    }


def test_show_of_an_unknown_exchange(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, "show", "X9", "--journal", path)
    assert (code, out, err) == (1, "", "nexo-bridge journal: no exchange X9\n")


def test_verify_an_intact_journal(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "verify", "--journal", path) == (0, "intact: 8 rows, 1 to 8\n", "")
    out = say(capsys, "verify", "--journal", path, "--json")[1]
    assert json.loads(out) == {"intact": True, "rows": 8, "first": 1, "last": 8}
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    assert say(capsys, "verify", "--journal", path, "--key", key)[0] == 0
    key.write_bytes(b"o" * 32)
    code, _, err = say(capsys, "verify", "--journal", path, "--key", key)
    assert code == 1
    assert "damaged at row 1: a part of it does not open" in err


def test_verify_names_the_damaged_row(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE entries SET name = 'Declined' WHERE name = 'Settled'")
        connection.commit()
    code, out, err = say(capsys, "verify", "--journal", path)
    assert (code, out) == (1, "")
    assert "damaged at row 5" in err
    code, out, _ = say(capsys, "verify", "--journal", path, "--json")
    assert code == 1
    assert json.loads(out)["row"] == 5


def test_verify_a_journal_whose_rows_are_gone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM entries")
        connection.commit()
    assert say(capsys, "verify", "--journal", path) == (0, "intact: no rows\n", "")


def test_a_journal_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, "list", "--journal", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err == f"nexo-bridge journal: there is no journal {tmp_path / 'none'}\n"


@pytest.mark.parametrize(
    "words", [[], ["list"], ["list", "--journal", "x", "--limit", "0"], ["show", "--journal", "x"]]
)
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["journal", *words])
    assert ended.value.code == 2


def test_the_configuration_names_the_journal(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    made = trustme.CA().issue_cert("till@example.org")
    made.private_key_pem.write_to_path(path.parent / "client.key")
    path.with_name("client.key").chmod(0o600)
    made.cert_chain_pems[0].write_to_path(path.parent / "client.pem")
    config = path.with_name("bridge.toml")
    config.write_text(CONFIG, encoding="utf-8")
    assert say(capsys, "verify", "--config", config) == (0, "intact: 8 rows, 1 to 8\n", "")


def test_a_reader_that_went_away_is_no_fault(path: Path) -> None:
    words = [sys.executable, "-m", "nexo_bridge", "journal", "list", "--journal", str(path)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_configuration_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = say(capsys, "list", "--config", tmp_path / "none.toml")
    assert code == 2
    assert "none.toml" in err


async def test_a_live_journal_can_be_listed(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as journal:
        await kept(journal)
        words = ("-m", "nexo_bridge", "journal", "list", "--journal", str(tmp_path / "journal"))
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        assert out.decode().startswith("X1 ")
        await kept(journal)
    assert journal.keys == KEYS


def test_what_was_put_right_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def write() -> None:
        async with opened(tmp_path / "tolerant") as journal:
            put(journal, exchange="X1", public={"tolerated": {"missing-zone": 2, "code-capitals": 1}})

    asyncio.run(write())
    for action in (["list"], ["show", "X1"]):
        code, out, _ = say(capsys, *action, "--journal", tmp_path / "tolerant")
        assert code == 0
        assert 'tolerated="missing-zone x2, code-capitals"' in out


def test_amounts_of_the_platform_are_shown_in_the_unit_of_the_pos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def write() -> None:
        async with opened(tmp_path / "journal") as journal:
            for exchange, asked, minor, currency in (
                ("X1", "12.50", 1250, "EUR"),
                ("X2", "1250", 1250, "JPY"),
                ("X3", "1.25", 1250, "KWD"),
                ("X4", "12.50", 1250, "ZZZ"),
            ):
                put(journal, exchange=exchange, public={"amount": asked, "currency": currency})
                put(journal, "Asking", exchange, public={"amount": minor, "currency": currency})
                put(journal, "Settled", exchange, public={"authorised": minor, "currency": currency})

    asyncio.run(write())
    shown = {}
    for exchange in ("X1", "X2", "X3", "X4"):
        _, out, _ = say(capsys, "show", exchange, "--journal", tmp_path / "journal")
        _, asking, settled = out.splitlines()[1:]
        shown[exchange] = (asking.split("amount=")[1].split()[0], settled.split("authorised=")[1].split()[0])
    assert shown == {
        "X1": ("12.50", "12.50"),
        "X2": ("1250", "1250"),
        "X3": ("1.250", "1.250"),
        "X4": ("1250", "1250"),
    }
    _, out, _ = say(capsys, "list", "--exchange", "X1", "--journal", tmp_path / "journal")
    assert "amount=12.50" in out
    assert "authorised=12.50" in out
    _, out, _ = say(capsys, "list", "--exchange", "X1", "--json", "--journal", tmp_path / "journal")
    assert json.loads(out)[0]["authorised"] == 1250
