"""What a ``[[listen]]`` section of kind "tls" takes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexo_bridge.adapters.tls_settings import TlsListen

LEAST: dict[str, Any] = {"kind": "tls", "port": 7443, "certificate": "bridge.pem"}


def test_defaults() -> None:
    section = TlsListen(**LEAST, key=Path("bridge.key"))
    assert (section.host, section.client_certificate, section.handshake_timeout) == ("127.0.0.1", "none", 10)
    assert section.files("listen[0]").key == Path("bridge.key")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"client_certificate": "required"}, "needs client_ca"),
        ({"client_certificate": "optional"}, "needs client_ca"),
        ({"client_ca": "ca.pem"}, "never asked"),
        ({"client_certificate": "perhaps", "client_ca": "ca.pem"}, "'none', 'optional' or 'required'"),
        ({"handshake_timeout": 0}, "greater than 0"),
        ({"names": ["x"]}, "names"),
    ],
)
def test_mistakes(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TlsListen(**LEAST, **more)
