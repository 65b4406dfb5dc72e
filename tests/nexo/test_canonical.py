from __future__ import annotations

from typing import Any

import pytest

from nexo_bridge.money import Amount
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.canonical import canonical
from nexo_bridge.redaction import Secret


def body(**changes: Any) -> nexo.PaymentRequest:
    values: dict[str, Any] = {
        "time": "2026-01-31T12:00:00Z",
        "amount": "10.0",
        "token": Secret.seal("a token", b"k"),
        "items": (1, 2),
        "data": nexo.PaymentData(),
    } | changes
    card = nexo.CardData(
        payment_token=nexo.PaymentToken(token_requested_type="Customer", token_value=values["token"])
    )
    data = values["data"].model_copy(
        update={
            "payment_instrument_data": nexo.PaymentInstrumentData(
                payment_instrument_type="Card", card_data=card
            )
        }
    )
    return nexo.PaymentRequest(
        sale_data=nexo.SaleData(
            sale_transaction_id=nexo.TransactionIdentification(transaction_id="1", time_stamp=values["time"])
        ),
        payment_transaction=nexo.PaymentTransaction(
            amounts_req=nexo.AmountsReq(currency="EUR", requested_amount=Amount(values["amount"])),
            sale_item=tuple(
                nexo.SaleItem(item_id=place, product_code="1", item_amount=Amount("5"))
                for place in values["items"]
            ),
        ),
        payment_data=data,
    )


@pytest.mark.parametrize(
    "same",
    [
        {"amount": "10.00"},
        {"amount": "+010."},
        {"data": nexo.PaymentData(payment_type="Normal", split_payment_flag=False)},
        {"token": Secret.seal("a token", b"k")},
        {"token": Secret(Secret.seal("a token", b"k").digest)},
    ],
)
def test_the_same_meaning(same: dict[str, Any]) -> None:
    assert canonical(body(**same)) == canonical(body())


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "10.01"},
        {"amount": "10." + "0" * 40 + "1"},
        {"time": "2026-01-31T13:00:00+01:00"},
        {"data": nexo.PaymentData(payment_type="Refund")},
        {"data": nexo.PaymentData(split_payment_flag=True)},
        {"token": Secret.seal("another", b"k")},
        {"items": (2, 1)},
        {"items": (1,)},
    ],
)
def test_another_meaning(other: dict[str, Any]) -> None:
    assert canonical(body(**other)) != canonical(body())


def test_no_secret_is_in_it() -> None:
    assert b"a token" not in canonical(body())


def test_numbers_lists_and_the_kind_of_body() -> None:
    assert canonical(nexo.LogoutRequest()) == b'{"LogoutRequest":{"MaintenanceAllowed":false}}'
    assert canonical(nexo.LogoutRequest()) != canonical(nexo.TransactionStatusRequest())
    rate = nexo.CurrencyConversion(
        rate=Amount("-0.0"),
        markup=Amount("-1.50"),
        converted_amount=nexo.ConvertedAmount(amount_value=Amount("100")),
    )
    assert b'"Rate":"0","Markup":"-1.5"' in canonical(rate)
    assert b'"AmountValue":"100"' in canonical(rate)
    details = nexo.GetTotalsRequest(total_details=("POIID", "SaleID"))
    assert canonical(details) == b'{"GetTotalsRequest":{"TotalDetails":["POIID","SaleID"]}}'
