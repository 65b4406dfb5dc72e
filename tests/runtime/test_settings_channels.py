from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexo_bridge.runtime.settings_channels import Webhook

ENOUGH: dict[str, Any] = {"port": 8443, "certificate": Path("w.pem"), "key": Path("w.key")}


def test_the_platform_proves_itself_in_one_way_at_least() -> None:
    with pytest.raises(ValidationError, match=r"add secret, client_ca or both"):
        Webhook(**ENOUGH)
    assert Webhook(**ENOUGH, secret=Path("w.secret")).client_ca is None
    assert Webhook(**ENOUGH, client_ca=Path("ca.pem")).secret is None


@pytest.mark.parametrize("window", [0, 3601, float("nan")])
def test_the_window_is_a_time_in_which_clocks_differ(window: float) -> None:
    with pytest.raises(ValidationError):
        Webhook(**ENOUGH, secret=Path("w.secret"), window=window)
