from __future__ import annotations

import ast
import enum
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.money import Amount
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime import log_fields
from nexo_bridge.runtime.log_fields import FIELDS, HIDDEN, frames, shown, where

PAN = "4111111111111111"
PACKAGE = Path(log_fields.__file__).parents[1]


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code", None, None),
        ("code", True, True),
        ("code", 7, 7),
        ("seconds", 0.5, 0.5),
        ("seconds", float("nan"), "nan"),
        ("seconds", float("inf"), "inf"),
        ("amount", Amount("10.0"), "10.0"),
        ("amount", Decimal("1.50"), "1.50"),
        ("state", Colour.RED, "red"),
        ("file", Path("/var/a\nb"), "/var/a\N{REPLACEMENT CHARACTER}b"),
        ("exchange", PAN, PAN),
        ("sale_id", PAN, "[masked 16 digits]"),
        ("service_id", int(PAN), "[masked 16 digits]"),
        ("reason", f"card {PAN} refused", "card [masked 16 digits] refused"),
        ("reason", Secret.seal(PAN, b"key"), "[Secret]"),
        ("reason", {"pan": PAN}, "[dict]"),
        ("reason", b"secret", "[6 bytes]"),
        ("reason", bytearray(3), "[3 bytes]"),
        ("reason", [PAN, b"secret"], ["[masked 16 digits]", "[6 bytes]"]),
        ("number", list(range(30)), [*range(20), "[10 more]"]),
        ("error", ValueError(PAN), "ValueError"),
        ("error", "ConnectError", "ConnectError"),
        ("error", f"refused {PAN}", HIDDEN),
        ("error", PAN, HIDDEN),
        ("reason", ValueError(PAN), "[ValueError]"),
        ("password", "hunter2", HIDDEN),
    ],
)
def test_what_is_shown_of_a_value(name: str, value: Any, expected: Any) -> None:
    assert shown(name, value) == expected


@given(st.sampled_from(sorted(FIELDS)), st.text())
def test_h34_no_field_can_write_to_the_terminal_or_start_a_line(name: str, value: str) -> None:
    line = str(shown(name, value))

    assert not any(char in line for char in "\n\r\x1b\x85\u2028\u2029\u202e\u2066")


@pytest.mark.parametrize("suppressed", [True, False])
def test_a_suppressed_context_is_no_cause(*, suppressed: bool) -> None:
    error = ValueError("b")
    error.__context__, error.__suppress_context__ = KeyError("a"), suppressed

    assert shown("error", error) == ("ValueError" if suppressed else "ValueError < KeyError")


def test_frames_are_files_and_functions_from_the_outside_in() -> None:
    def fails() -> None:
        raise ValueError(PAN)

    with pytest.raises(ValueError, match=PAN) as caught:
        fails()

    first, second = frames(caught.value).split(" > ")
    assert first.startswith("runtime/test_log_fields.py:")
    assert first.endswith(" test_frames_are_files_and_functions_from_the_outside_in")
    assert second.endswith(" fails")


def test_the_innermost_of_many_frames_are_kept() -> None:
    def deeper(depth: int) -> None:
        if not depth:
            raise ValueError
        deeper(depth - 1)

    with pytest.raises(ValueError) as caught:
        deeper(50)

    assert frames(caught.value).count(" deeper") == 12


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("/opt/x/nexo_bridge/core/bridge.py", "nexo_bridge/core/bridge.py:5 handle"),
        ("/usr/lib/python3.11/asyncio/events.py", "asyncio/events.py:5 handle"),
        ("x.py", "x.py:5 handle"),
    ],
)
def test_a_place_says_nothing_of_this_machine(file: str, place: str) -> None:
    assert where(file, 5, "handle") == place


def logged_fields() -> Iterator[tuple[str, str]]:
    """(place, field) of every keyword in a call that looks like a log record, in the daemon's own code."""
    methods = {
        "debug",
        "info",
        "warning",
        "error",
        "exception",
        "critical",
        "warn",
        "bind",
        "bind_contextvars",
        "_drop",
    }
    for path in sorted(PACKAGE.rglob("*.py")):
        if "sandbox" in path.parts or "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
            ):
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                for keyword in node.keywords:
                    if keyword.arg is None:  # **{"field": …}
                        for part in ast.walk(keyword.value):
                            if isinstance(part, ast.Dict):
                                yield from (
                                    (place, ast.literal_eval(key)) for key in part.keys if key is not None
                                )
                    elif keyword.arg != "exc_info":
                        yield place, keyword.arg


def test_every_field_that_our_code_logs_is_known() -> None:
    assert [(place, field) for place, field in logged_fields() if field not in FIELDS] == []
