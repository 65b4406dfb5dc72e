"""Each grant has its own settings, and a mistake in them is told as it stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.runtime.settings import read_settings
from nexo_bridge.runtime.settings_terminals import (
    CustomTokenTerminal,
    MtlsTerminal,
    PasswordTerminal,
    Terminal,
)

FILES = ("client.pem", "client.key", "client.p12", "user.password", "merchant.token", "application.secret")
REST = """
[[listen]]
kind = "tcp"
port = 0
[journal]
path = "journal.sqlite"
[platform]
environment = "demo"
"""
MTLS = '[terminals."P1"]\nserial = "1"\ncertificate = "client.pem"\nkey = "client.key"\n'
PASSWORD = MTLS + 'grant = "password"\nusername = "cashier@shop"\n'
CUSTOM = '[terminals."P1"]\nserial = "1"\ngrant = "custom_token"\ndevice_model = "DX8000"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text("made up", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "bridge.toml"
    path.write_text(REST + text, encoding="utf-8")
    return path


def terminal(folder: Path, text: str) -> Terminal:
    reading = read_settings(written(folder, text), {})
    assert reading.settings is not None, reading.mistakes
    return reading.settings.terminals["P1"]


def mistakes(folder: Path, text: str) -> tuple[str, ...]:
    reading = read_settings(written(folder, text), {})
    assert reading.settings is None
    return reading.mistakes


def test_without_a_grant_it_is_mtls(folder: Path) -> None:
    found = terminal(folder, MTLS)
    assert isinstance(found, MtlsTerminal)
    assert found.grant == "mtls"
    assert found.send_serial


def test_a_user_s_password_lies_in_a_file_or_is_asked_for(folder: Path) -> None:
    found = terminal(folder, PASSWORD)
    assert isinstance(found, PasswordTerminal)
    assert (found.password, found.client_id, found.scope) == (
        None,
        "ppaas-powered-app",
        "openid profile email",
    )
    found = terminal(folder, PASSWORD + 'password = "user.password"\ncredential = "P1.credential"\n')
    assert isinstance(found, PasswordTerminal)
    assert (found.password, found.credential) == (folder / "user.password", folder / "P1.credential")


def test_a_custom_token_needs_a_model_and_no_certificate(folder: Path) -> None:
    found = terminal(folder, CUSTOM)
    assert isinstance(found, CustomTokenTerminal)
    assert (found.realm, found.client_id, found.method) == (
        "sandbox-ma",
        "ppaas-portal",
        "[api, device_flow]",
    )


def test_a_pkcs12_file_holds_its_key(folder: Path) -> None:
    found = terminal(folder, '[terminals."P1"]\nserial = "1"\ncertificate = "client.p12"\n')
    assert isinstance(found, MtlsTerminal)
    assert found.key is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            CUSTOM.replace("custom_token", "magic"),
            "terminals.\"P1\".grant: \"magic\" is not one of the values; write 'mtls', 'password' or 'custom_token'",
        ),
        ("[terminals]\nP1 = 5\n", 'terminals."P1": must be a table; write [terminals."P1"]'),
        (
            CUSTOM.replace("device_model", "device_modell"),
            'terminals."P1".device_modell: unknown setting; did you mean terminals."P1".device_model?',
        ),
        (
            CUSTOM.replace('device_model = "DX8000"\n', ""),
            'terminals."P1".device_model: missing; add device_model = "DX8000"',
        ),
        (
            PASSWORD.replace('username = "cashier@shop"\n', ""),
            'terminals."P1".username: missing; add username = "cashier@cornershop"',
        ),
        (MTLS.replace('key = "client.key"\n', ""), 'terminals."P1".key: missing; add key = "client.key"'),
        (
            MTLS.replace("client.pem", "client.p12"),
            'terminals."P1".key: client.p12 holds its key already; remove key',
        ),
        (CUSTOM + 'callback = "http://portal"\n', 'terminals."P1".callback: '),
        (
            PASSWORD + 'password = "absent"\n',
            'terminals."P1".password: {folder}/absent does not exist; put the file there or correct the path',
        ),
        (
            MTLS + '[application]\nrealm = "r"\nclient_id = "c"\n',
            "application.client_secret: missing; add the file that holds it",
        ),
    ],
)
def test_a_mistake_names_setting_and_fix(folder: Path, text: str, said: str) -> None:
    assert mistakes(folder, text)[0].startswith(said.replace("{folder}", str(folder)))


def test_custom_tokens_are_of_the_demo_alone(folder: Path) -> None:
    path = written(folder, CUSTOM)
    (said,) = read_settings(path, {"NEXO_BRIDGE_PLATFORM__ENVIRONMENT": "nar"}).mistakes
    assert said == (
        'terminals."P1".grant: only the environment "demo" gives custom tokens; write "mtls" or "password"'
    )


def test_h38_a_password_that_everybody_may_read_is_refused(folder: Path) -> None:
    (folder / "user.password").chmod(0o644)
    (said,) = mistakes(folder, PASSWORD + 'password = "user.password"\n')
    assert said.endswith("is open to every user of this machine; run chmod 600 on it")


def test_an_application_may_have_a_client_of_its_own(folder: Path) -> None:
    text = MTLS + '[application]\nrealm = "sandbox-ma"\nclient_id = "reporting"\n'
    reading = read_settings(written(folder, text + 'client_secret = "application.secret"\n'), {})
    assert reading.settings is not None
    assert reading.settings.application is not None
    assert reading.settings.application.grant == "client_credentials"
    reading = read_settings(written(folder, text + 'grant = "authorization_code"\n'), {})
    assert reading.settings is not None
