"""What first steps show; how they are taken is in tests/cli/test_ppaas.py."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.first_steps import (
    StepFailed,
    at_terminal,
    call,
    claims,
    masked,
    token,
    without_secrets,
)
from tests.runtime.login_rig import POIID, sandbox_for, settings_of


async def test_without_a_session_it_is_said_why(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "custom_token") as (sandbox, path):
        settings = await settings_of(path)
        with pytest.raises(StepFailed, match="run nexo-bridge login"):
            await at_terminal(settings, POIID, token)
        with pytest.raises(ConfigurationError, match="there are POI00001"):
            await at_terminal(settings, "NONE", token)
    async with sandbox_for(tmp_path / "other", "mtls") as (sandbox, path):
        settings = await settings_of(path)
        await sandbox.close()
        with pytest.raises(StepFailed, match="cannot be reached"):
            await at_terminal(settings, POIID, call("GET", "/resources/v1/countries", None))


async def test_two_programs_share_one_session(tmp_path: Path) -> None:
    async with sandbox_for(tmp_path, "password") as (sandbox, _):
        settings = await settings_of(sandbox.config_path)
        told = await asyncio.gather(*(at_terminal(settings, POIID, token) for _ in range(3)))
        assert len({shown["session_state"] for shown, _ in told}) == 1


def test_what_is_secret_is_masked_wherever_it_stands() -> None:
    shown: Any = without_secrets(
        {
            "clientSecret": "hush",
            "list": [{"access_token": "hush", "refresh_token": None}],
            "scannedPaymentId": "2816",
            "message": "card 4111 1111 1111 1111",
            "amount": 5,
        }
    )
    assert "hush" not in str(shown)
    assert shown["clientSecret"] == masked("hush") == "[masked 4 characters]"
    assert shown["list"][0]["refresh_token"] is None
    assert "4111" not in shown["message"]
    assert shown["amount"] == 5


ENDLESS = "a." + base64.urlsafe_b64encode(b'{"exp": Infinity}').decode() + ".c"


def test_a_token_of_another_kind_has_no_claims() -> None:
    for odd in ("opaque", "a.b", "a.!!!.c", f"a.{base64.urlsafe_b64encode(b'[]').decode()}.c", ENDLESS):
        assert claims(odd) == {}
