from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.operations import OPERATIONS, Operation, with_paths

CONTRACT = Path(__file__).parents[2] / "docs" / "ppaas-contract.md"


def documented() -> dict[str, tuple[str, str, str, bool]]:
    rows = re.findall(
        r"^\| `(\w+)` \| (GET|POST) `([^`?]+)[^`]*` \| ([SDA]) \| (.+?) \|$",
        CONTRACT.read_text("utf-8"),
        re.MULTILINE,
    )
    words = {"S": "stated", "D": "derived", "A": "assumed"}
    return {name: (method, path, words[mark], last == "**yes**") for name, method, path, mark, last in rows}


def test_the_table_is_the_documented_one() -> None:
    rows = {row.name: (row.method, row.path, row.mark, row.refuses_approved) for row in OPERATIONS.values()}
    assert rows == documented()


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_each_row_is_whole(row: Operation) -> None:
    assert OPERATIONS[row.name] is row
    assert (row.body is None) == (row.method == "GET")
    assert row.reads == (row.method == "GET")
    assert not (row.reads and row.moves_money)
    assert row.base == "device_api"


def test_only_creates_create_and_only_fences_refuse_approved() -> None:
    assert [row.name for row in OPERATIONS.values() if row.creates] == ["create_card", "create_qr"]
    assert [row.name for row in OPERATIONS.values() if row.refuses_approved] == ["fence_card", "fence_qr"]
    assert {row.name for row in OPERATIONS.values() if row.moves_money} == {
        *("create_card", "create_qr", "cancel_card", "cancel_qr", "fence_card", "fence_qr")
    }


def test_a_target_is_percent_encoded() -> None:
    read = OPERATIONS["read_card"]
    assert read.target({"transactionId": "a/b ü?"}, {}).endswith("/transactions/a%2Fb%20%C3%BC%3F")
    find = OPERATIONS["find_qr"]
    assert find.target({}, {"clientTransactionId": "a&b"}).endswith("/transactions?clientTransactionId=a%26b")


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_transaction_id_that_would_name_another_path_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="no usable transactionId"):
        OPERATIONS["cancel_card"].target({"transactionId": value}, {})
    with pytest.raises(ValueError, match="no usable transactionId"):
        OPERATIONS["cancel_card"].target({}, {})


def test_paths_can_be_overridden() -> None:
    rows = with_paths({"read_card": "/v2/sales/{transactionId}"})
    assert rows["read_card"].target({"transactionId": "t"}, {}) == "/v2/sales/t"
    assert rows["read_qr"] is OPERATIONS["read_qr"]
    assert OPERATIONS["read_card"].path.startswith("/card-payment/")


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("pay", "/x", "platform.paths.pay: no such operation; known are countries"),
        ("create_card", "x", "starts with one /"),
        ("create_card", "//evil.example/x", "starts with one /"),
        ("create_card", "/x?y=1", "no query"),
        ("create_card", "/x#y", "no query"),
        ("create_card", "/x y", "starts with one /"),
        ("create_card", "/x/{transactionId}", "exactly: none"),
        ("read_card", "/x", "exactly: {transactionId}"),
    ],
)
def test_a_wrong_override_is_named(name: str, path: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        with_paths({name: path})
