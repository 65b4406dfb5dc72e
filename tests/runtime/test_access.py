from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import trustme

from nexo_bridge.adapters.https import Proxy
from nexo_bridge.adapters.terminal_access import CustomTokenAccess, PasswordAccess, TerminalAccess
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime import access
from nexo_bridge.runtime.settings import Settings, load_settings

TEXT = """
[[listen]]
kind = "tcp"
port = 0
[journal]
path = "journal.sqlite"
[platform]
environment = "demo"
proxy = "http://proxy.example:3128"
proxy_credentials = "proxy.credentials"
[terminals."P 1"]
serial = "1"
certificate = "client.pem"
key = "client.key"
send_serial = false
[terminals."P/2"]
serial = "2"
grant = "password"
certificate = "client.pem"
key = "client.key"
username = "cashier@shop"
[terminals."P 2"]
serial = "3"
grant = "custom_token"
device_model = "DX8000"
credential = "custom"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    leaf = trustme.CA().issue_cert("till.example")
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "proxy.credentials").write_text("till:hush:hush\n", encoding="utf-8")
    for name in ("client.key", "proxy.credentials"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "bridge.toml").write_text(TEXT, encoding="utf-8")
    return load_settings(tmp_path / "bridge.toml", {})


def test_each_terminal_is_opened_as_its_settings_say(settings: Settings, tmp_path: Path) -> None:
    found = access.access_of(settings)
    mtls, password, custom = found["P 1"], found["P/2"], found["P 2"]
    assert isinstance(mtls, TerminalAccess)
    assert not mtls.send_serial
    assert isinstance(password, PasswordAccess)
    assert password.username == "cashier@shop"
    assert isinstance(custom, CustomTokenAccess)
    assert custom.device_id == "ingenico-DX8000-3"
    assert custom.credential == tmp_path / "custom"


def test_credentials_lie_beside_the_journal_under_names_of_their_own(
    settings: Settings, tmp_path: Path
) -> None:
    names = [access.credential_of(settings, poiid) for poiid in ("P/2", "P 2", "é" * 100)]
    assert len(set(names)) == 3
    assert {name.parent for name in names} == {tmp_path}
    assert names[0].name.startswith("journal-P_2-")
    assert all(name.name.isascii() and len(name.name) < 100 for name in names)


def test_the_proxy_s_password_comes_from_its_file(settings: Settings, tmp_path: Path) -> None:
    assert access.proxy_of(settings) == Proxy("http://proxy.example:3128", "till", "hush:hush")
    (tmp_path / "proxy.credentials").write_text("nothing", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is not one line USER:PASSWORD"):
        access.proxy_of(settings)
    open_to_all = settings.platform.model_copy(update={"proxy_credentials": None})
    assert access.proxy_of(settings.model_copy(update={"platform": open_to_all})) == Proxy(
        "http://proxy.example:3128"
    )
    direct = settings.platform.model_copy(update={"proxy": None})
    assert access.proxy_of(settings.model_copy(update={"platform": direct})) is None


def test_the_platform_is_made_of_all_of_it(settings: Settings) -> None:
    keys = access.keys_of(settings)
    assert settings.journal.key_file.exists()
    made = access.platform_of(settings, keys)
    for poiid in settings.terminals:
        assert made.session_state(poiid).ok is None
    assert dataclasses.astuple(access.bases_of(settings)) == (
        settings.platform.auth,
        settings.platform.device_auth,
        settings.platform.api,
        settings.platform.device_api,
    )
