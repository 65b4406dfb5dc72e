"""What a ``[[listen]]`` section of kind "dial" takes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexo_bridge.adapters.dial_settings import DialListen

LEAST: dict[str, Any] = {"kind": "dial", "host": "till", "port": 7001}


def test_defaults() -> None:
    section = DialListen(**LEAST)
    assert (section.tls, section.connect_timeout, section.retry_first, section.retry_longest) == (
        False,
        10,
        1,
        30,
    )
    assert section.files("listen[0]") is None


def test_files() -> None:
    section = DialListen(**LEAST, tls=True, certificate=Path("a.pem"), key=Path("a.key"), ca=Path("ca.pem"))
    files = section.files("listen[3]")
    assert files is not None
    assert (files.setting, files.ca_setting, files.ca) == ("listen[3]", "listen[3].ca", Path("ca.pem"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"port": 0}, "greater than or equal to 1"),
        ({"ca": "ca.pem"}, "ca is of use with TLS alone; add tls = true"),
        ({"server_name": "till"}, "server_name is of use with TLS alone"),
        ({"tls": True, "key": "a.key"}, "certificate is missing beside key"),
        ({"tls": True, "key_password": "a.password"}, "certificate is missing beside key"),
        ({"retry_first": 31}, "retry_first .31. must be at most retry_longest .30."),
        ({"max_connections": 1}, "max_connections"),
    ],
)
def test_mistakes(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DialListen(**LEAST | more)
