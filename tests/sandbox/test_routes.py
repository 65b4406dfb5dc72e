from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexo_bridge.sandbox.routes import ROUTES, find_route
from nexo_bridge.sandbox.wire import PlatformError

CONTRACT = Path(__file__).parents[2] / "docs" / "ppaas-contract.md"


def test_the_rows_are_those_of_the_contract() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (GET|POST) `([^`?]+)[^`]*` \|", CONTRACT.read_text(), re.MULTILINE)
    served = {(route.name, route.method, route.template) for route in ROUTES if route.base == "device_api"}
    assert served == set(rows)


def test_a_fixed_path_goes_before_a_parameter() -> None:
    route, parameters = find_route("device_api", "POST", "/card-payment/v1/transactions/cancel")
    assert (route.name, parameters) == ("fence_card", {})
    route, parameters = find_route("device_api", "POST", "/card-payment/v1/transactions/cancel/cancel")
    assert (route.name, parameters) == ("cancel_card", {"transactionId": "cancel"})
    route, parameters = find_route("device_api", "GET", "/qrcode-payment/v1/transactions/txn_1")
    assert (route.name, parameters) == ("read_qr", {"transactionId": "txn_1"})


def test_another_base_or_method_is_refused() -> None:
    with pytest.raises(PlatformError) as refused:
        find_route("auth", "GET", "/resources/v1/countries")
    assert refused.value.status == 404
    with pytest.raises(PlatformError) as refused:
        find_route("device_api", "DELETE", "/card-payment/v1/transactions")
    assert (refused.value.status, refused.value.headers) == (405, {"Allow": "POST, GET"})
