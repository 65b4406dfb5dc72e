"""What the marks of a path mean is tested where they are obeyed: tests/runtime/test_settings.py."""

from __future__ import annotations

from typing import get_args

from nexo_bridge.adapters import placed


def test_whatever_holds_a_secret_is_private() -> None:
    for name in ("PrivateFile", "OptionalPrivateFile", "OptionalKeyWrittenByUs"):
        assert get_args(getattr(placed, name))[1].private
