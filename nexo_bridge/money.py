"""Money: major units as ``Decimal`` everywhere, minor units only at the PPaaS edge.

``Amount`` keeps the text it was read from, because nexo amounts are echoed as sent (``10.0`` stays ``10.0``);
it compares and computes by value like any ``Decimal``.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# ISO 4217 active codes by number of decimals; every other active code has two.
_NO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_FOUR_DECIMALS = frozenset("CLF UYW".split())
_TWO_DECIMALS = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
    SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW
    ZWG""".split()
)
_LEXICAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Shifts the decimal point of any number without rounding it; the default context keeps 28 digits."""


class Amount(Decimal):
    """An amount in major units that remembers how it was written (xs:decimal: no exponent, no NaN).

    Raises:
        ValueError: the text is not an xs:decimal.
    """

    text: str

    def __new__(cls, value: str | int | Decimal) -> Self:
        if isinstance(value, Amount):
            text = value.text
        else:
            text = format(value, "f") if isinstance(value, Decimal) else str(value)
        if not _LEXICAL.fullmatch(text.strip(" \t\r\n")):
            raise ValueError(f"not a decimal number: {text[:40]!r}")
        amount = super().__new__(cls, text.strip(" \t\r\n"))
        amount.text = text
        return amount

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Amount({self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Amount, (self.text,))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda amount: amount.text),
        )

    @classmethod
    def _validate(cls, value: Any) -> Amount:
        if isinstance(value, Amount):
            return value
        if isinstance(value, str | Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
            return cls(value)
        raise ValueError("an amount is a decimal number or its text; floats are refused")


def exponent(currency: str) -> int:
    """Decimals of an ISO 4217 currency.

    Raises:
        ValueError: the code is not an active ISO 4217 currency.
    """
    if currency in _TWO_DECIMALS:
        return 2
    if currency in _NO_DECIMALS:
        return 0
    if currency in _THREE_DECIMALS:
        return 3
    if currency in _FOUR_DECIMALS:
        return 4
    raise ValueError(f"{currency[:8]!r} is not an active ISO 4217 currency")


def to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of ``amount``: 12.50 EUR is 1250, 1250 JPY is 1250, 1.250 KWD is 1250.

    Raises:
        ValueError: unknown currency, or more decimals than the currency has (never rounded).
    """
    scaled = Decimal(amount).scaleb(exponent(currency), _EXACT)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{currency} has {exponent(currency)} decimals")
    return int(scaled)


def from_minor(minor: int, currency: str) -> Amount:
    """Major units of ``minor``, written with all decimals of the currency."""
    digits = exponent(currency)
    return Amount(Decimal(minor).scaleb(-digits, _EXACT))
