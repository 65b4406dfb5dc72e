from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from nexo_bridge.cli import main
from tests.adapters.tls_rig import Papers

ENOUGH = """
[[listen]]
kind = "tcp"
port = 7000
[journal]
path = "journal.sqlite"
[platform]
environment = "demo"
[terminals."POI00001"]
serial = "1850123456"
certificate = "client.pem"
key = "client.key"
"""


AUTHORITY = trustme.CA()


def identity(folder: Path, *, until: datetime | None = None) -> None:
    """A client certificate and its key, valid for a year unless ``until`` is given."""
    made = AUTHORITY.issue_cert(
        "till@example.org", not_after=until or datetime.now(UTC) + timedelta(days=365)
    )
    made.private_key_pem.write_to_path(folder / "client.key")
    (folder / "client.key").chmod(0o600)
    made.cert_chain_pems[0].write_to_path(folder / "client.pem")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    identity(tmp_path)
    path = tmp_path / "bridge.toml"
    path.write_text(ENOUGH, encoding="utf-8")
    return path


def check(path: Path, *words: str) -> int:
    return main(["check-config", "--config", str(path), *words])


def test_a_good_file_prints_every_setting_with_its_origin(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXO_BRIDGE_LOG__LEVEL", "debug")

    assert check(config) == 0
    out, err = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["listen[0].port"] == ["7000", "file"]
    assert lines["log.level"] == ['"debug"', "environment"]
    assert lines["platform.api"] == ['"https://api.demo.ppaas.tech"', "preset"]
    assert lines["deadlines.answer_by"] == ["100.0", "default"]
    assert lines["platform.ca"] == ["not", "set", "default"]
    assert 'terminals."POI00001".key' in lines
    assert out.splitlines()[-1] == f"{config} is good"
    assert "PRIVATE" not in out
    assert err == ""


def test_every_mistake_is_a_line_on_standard_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(ENOUGH + '[log]\nlevel = "loud"\ncolour = 1\n', encoding="utf-8")

    assert check(config) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"{config}: log.colour: unknown setting; remove it; known here are format, level",
        f"{config}: log.level: \"loud\" is not one of the values; write 'debug', 'info', 'warning' or 'error'",
    ]


def test_a_file_that_cannot_be_read_is_a_mistake_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "absent.toml"

    assert check(path) == 78
    assert capsys.readouterr().err == (
        f"{path}: cannot be read (no such file or directory); give the file with --config\n"
    )


def test_json_for_programs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(config, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is True
    assert told["mistakes"] == told["notes"] == []
    assert {"name": "listen[0].port", "value": 7000, "origin": "file"} in told["settings"]


def test_json_of_a_bad_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("=", encoding="utf-8")

    assert check(config, "--json") == 78
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    assert told["mistakes"] == ["not TOML: Invalid statement (at line 1, column 1); correct that line"]
    assert told["settings"] == []


@pytest.mark.parametrize(
    ("replaced", "by", "note"),
    [
        (
            "port = 7000",
            'port = 7000\nhost = "0.0.0.0"',
            "listen[0].host: everybody who reaches 0.0.0.0 can pay",
        ),
        (
            "port = 7000",
            'port = 7000\nhost = "till.shop"',
            "listen[0].host: everybody who reaches till.shop can",
        ),
        ("[[listen]]", "login_required = false\n[[listen]]", "login_required: false serves a POS"),
        ('"demo"', '"demo"\nfence = false', "platform.fence: without it"),
        ('"demo"', '"ind"', "platform.auth: the platform's table prints the API host"),
        ('"journal.sqlite"', '"absent/journal.sqlite"', "journal.path: the folder "),
    ],
)
def test_what_is_allowed_and_worth_knowing_is_a_note(
    config: Path, capsys: pytest.CaptureFixture[str], replaced: str, by: str, note: str
) -> None:
    config.write_text(ENOUGH.replace(replaced, by), encoding="utf-8")

    assert check(config) == 0
    assert f"note: {note}" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_listener_of_this_machine_needs_no_note(
    config: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    config.write_text(ENOUGH.replace("port = 7000", f'port = 7000\nhost = "{host}"'), encoding="utf-8")

    assert check(config) == 0
    assert "note:" not in capsys.readouterr().out


def test_f33_a_key_of_another_certificate_is_a_mistake(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = (config.parent / "client.pem").read_bytes()
    identity(config.parent)
    (config.parent / "client.pem").write_bytes(certificate)

    assert check(config) == 78
    assert capsys.readouterr().err.startswith(f'{config}: terminals."POI00001".key: ')


def test_h38_a_journal_key_of_the_wrong_length_is_a_mistake(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = config.parent / "journal.key"
    key.write_bytes(bytes(31))
    key.chmod(0o600)

    assert check(config) == 78
    assert "journal" in capsys.readouterr().err

    key.write_bytes(bytes(range(32)))
    assert check(config) == 0


def test_a_certificate_that_ends_soon_is_noted(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity(config.parent, until=datetime.now(UTC) + timedelta(days=5, hours=1))

    assert check(config) == 0
    assert "in less than 7 days; renew it" in capsys.readouterr().out


def test_f33_a_certificate_that_has_ended_is_noted_and_does_not_keep_the_daemon_from_starting(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity(config.parent, until=datetime.now(UTC) - timedelta(days=1))

    assert check(config) == 0
    assert (
        'note: terminals."POI00001".certificate: the client certificate expired on '
        in capsys.readouterr().out
    )


def test_certificates_of_listeners_are_read(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent
    papers = Papers(folder)
    papers.issue("bridge", until=datetime.now(UTC) + timedelta(days=5, hours=1))
    tls = '[[listen]]\nkind = "tls"\nport = 7443\nhost = "0.0.0.0"\ncertificate = "bridge.pem"\nkey = "bridge.key"\n'
    dial = '[[listen]]\nkind = "dial"\nhost = "till"\nport = 7001\n'
    config.write_text(ENOUGH + tls + dial, encoding="utf-8")
    assert check(config) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: listen")]
    assert len(notes) == 3
    assert notes[0].startswith("note: listen[1].certificate: the certificate ends on ")
    assert notes[1].startswith("note: listen[1].host: everybody who reaches 0.0.0.0 can pay here, TLS asks ")
    assert notes[2].startswith("note: listen[2].tls: nothing proves that till is the POS")

    asked = 'client_ca = "ca.pem"\nclient_certificate = "required"\n'
    secret = 'tls = true\nca = "ca.pem"\ncertificate = "bridge.pem"\nkey = "bridge.key"\n'
    config.write_text(ENOUGH + tls + asked + dial + secret, encoding="utf-8")
    assert check(config) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: listen")]
    assert [one.split(" ")[1] for one in notes] == ["listen[1].certificate:", "listen[2].certificate:"]

    (folder / "ca.pem").write_text("wrong", encoding="utf-8")
    pos = '[pos."KASSE1"]\ncertificate = "client.key"\n'
    config.write_text(ENOUGH + tls + asked + dial + secret + pos, encoding="utf-8")
    assert check(config) == 78
    lines = [line.removeprefix(f"{config}: ") for line in capsys.readouterr().err.splitlines()]
    assert [line.split(": ")[0] for line in lines] == [
        "listen[1].client_ca",
        "listen[2].ca",
        'pos."KASSE1".certificate',
    ]


def test_certificates_of_http_are_read_as_well(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent
    Papers(folder).issue("bridge", until=datetime.now(UTC) + timedelta(days=5, hours=1))
    http = '[[listen]]\nkind = "http"\nport = 7080\nhost = "0.0.0.0"\n'
    tls = 'certificate = "bridge.pem"\nkey = "bridge.key"\n'
    pos = '[pos."KASSE1"]\nhttp = "https://till.example/"\nhttp_ca = "ca.pem"\n'
    config.write_text(ENOUGH + http + tls + pos, encoding="utf-8")
    assert check(config) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: listen")]
    assert [one.split(" ")[1] for one in notes] == ["listen[1].certificate:", "listen[1].host:"]

    (folder / "ca.pem").write_text("wrong", encoding="utf-8")
    (folder / "bridge.pem").write_text("wrong", encoding="utf-8")
    assert check(config) == 78
    lines = [line.removeprefix(f"{config}: ") for line in capsys.readouterr().err.splitlines()]
    assert [line.split(": ")[0] for line in lines] == ["listen[1].certificate", 'pos."KASSE1".http_ca']
