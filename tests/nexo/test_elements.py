from __future__ import annotations

import pytest
from pydantic import ValidationError

from nexo_bridge.money import Amount
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element, Place, Slot, slots
from nexo_bridge.nexo.values import Day, Timestamp
from nexo_bridge.redaction import Secret

PAN = Secret.seal("4111111111111111", b"k")


def slot(cls: type[Element], field: str) -> Slot:
    (found,) = (one for one in slots(cls) if one.field == field)
    return found


def sale_data(**more: object) -> nexo.SaleData:
    stamp = {"transaction_id": "1", "time_stamp": "2026-01-31T12:00:00Z"}
    return nexo.SaleData.model_validate({"sale_transaction_id": stamp, **more})


def test_either_name_constructs() -> None:
    by_wire = nexo.AmountsReq.model_validate({"Currency": "EUR", "RequestedAmount": "10.0"})
    assert by_wire == nexo.AmountsReq(currency="EUR", requested_amount=Amount("10.0"))
    assert str(by_wire.requested_amount) == "10.0"


def test_frozen_and_nothing_unknown() -> None:
    amounts = nexo.AmountsReq(currency="EUR")
    with pytest.raises(ValidationError):
        amounts.currency = "USD"  # type: ignore[misc]  # that it is refused is what is tested
    with pytest.raises(ValidationError):
        nexo.AmountsReq.model_validate({"currency": "EUR", "Amount": "1"})


def test_slots_say_what_the_codec_needs() -> None:
    assert slot(nexo.SaleData, "sale_to_acquirer_data") == Slot(
        field="sale_to_acquirer_data",
        wire="SaleToAcquirerData",
        place=Place.ELEMENT,
        kind=Secret,
        classes={},
        repeated=False,
        listed=False,
        required=False,
        only=None,
    )
    assert slot(nexo.SaleData, "sponsored_merchant").classes["SponsoredMerchant"] is nexo.SponsoredMerchant
    assert slot(nexo.SaleData, "sponsored_merchant").repeated
    assert slot(nexo.PaymentData, "requested_validity_date").kind is Day
    assert slot(nexo.TransactionIdentification, "time_stamp").kind is Timestamp
    assert slot(nexo.OutputText, "text").place is Place.TEXT
    assert slot(nexo.SaleSoftware, "manufacturer_id").only == "3.0"
    recipients: dict[str, type[Element]] = {"KeyTransport": nexo.KeyTransport, "KEK": nexo.KEK}
    assert slot(nexo.EnvelopedData, "recipients").classes == recipients


def test_lists_and_repeated_lists() -> None:
    entry, force = slot(nexo.CardData, "entry_mode"), slot(nexo.TransactionConditions, "force_entry_mode")
    assert (entry.listed, entry.repeated, entry.kind) == (True, False, str)
    assert (force.listed, force.repeated, force.kind) == (True, True, str)
    plain = slot(nexo.TransactionConditions, "allowed_payment_brand")
    assert (plain.listed, plain.repeated, plain.kind) == (False, True, str)


def test_the_barcode_is_text_in_30_and_an_element_in_31() -> None:
    barcode = slot(nexo.OutputBarcode, "barcode_value")
    assert (barcode.placed("3.0"), barcode.placed("3.1")) == (Place.TEXT, Place.ELEMENT)
    assert slot(nexo.OutputBarcode, "barcode_type").placed("3.0") is Place.ATTRIBUTE


def test_without_secrets_at_any_depth() -> None:
    card = nexo.CardData(
        sensitive_card_data=nexo.SensitiveCardData(pan=PAN, expiry_date="1230", card_seq_numb="01"),
        payment_token=nexo.PaymentToken(token_requested_type="Customer", token_value=PAN),
    )
    request = nexo.PaymentRequest(
        sale_data=sale_data(sale_to_acquirer_data=PAN, shift_number="2"),
        payment_transaction=nexo.PaymentTransaction(amounts_req=nexo.AmountsReq(currency="EUR")),
        payment_data=nexo.PaymentData(
            payment_instrument_data=nexo.PaymentInstrumentData(payment_instrument_type="Card", card_data=card)
        ),
        loyalty_data=(
            nexo.LoyaltyData(
                loyalty_account_id=nexo.LoyaltyAccountID(
                    entry_mode=("Keyed",), identification_type="PAN", loyalty_id=PAN
                )
            ),
        ),
    )
    bare = request.without_secrets()
    assert bare.sale_data == sale_data(shift_number="2")
    assert bare.payment_data
    assert bare.payment_data.payment_instrument_data
    kept = bare.payment_data.payment_instrument_data.card_data
    assert kept
    assert kept.sensitive_card_data
    assert kept.payment_token
    assert kept.sensitive_card_data.pan is None
    assert kept.sensitive_card_data.expiry_date == "1230"
    assert kept.payment_token.token_value == PAN, "required, so it stays"
    assert bare.loyalty_data == request.loyalty_data, "required too"


def test_without_secrets_sets_nothing_that_was_not_set() -> None:
    data = sale_data()
    assert data.without_secrets() == data
    assert data.without_secrets().model_fields_set == data.model_fields_set
    unset = sale_data(sale_to_acquirer_data=None)
    assert unset.without_secrets() == data
