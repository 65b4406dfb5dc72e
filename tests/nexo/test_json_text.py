"""Hostile and broken JSON, and numbers that keep their text."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.errors import NotXml
from nexo_bridge.nexo.document import MAX_DEPTH
from nexo_bridge.nexo.json_text import MAX_VALUES, Number, dump, load


def refused(data: bytes) -> str:
    with pytest.raises(NotXml) as caught:
        load(data)
    assert caught.value.condition == "MessageFormat"
    return caught.value.text


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "a value is missing"),
        (b"[]", "one JSON object"),
        (b"7", "one JSON object"),
        (b'{"a": 1,}', "line 1, column "),
        (b'{"a" 1}', "a colon is missing"),
        (b'{"a": 1 "b": 2}', "a comma or a closing bracket"),
        (b"{a: 1}", "a name in double quotes"),
        (b'{"a": "b', "a string is not finished"),
        (b'{"a": "b\nc"}', "line 1, column 9: a control character"),
        (b'{"a": "\\x"}', "an escape"),
        (b'{"a": "\\u12"}', "an escape"),
        (b'{"a": 1}{"a": 1}', "something follows"),
        (b'{"a":\n 1}}', "line 2, column 4: something follows"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1, "b": {}, "a": 1}', "a member twice"),
        (b'{"a": [{"b": 1, "\\u0062": 2}]}', "a member twice"),
        (b'{"a": "\x00"}', "NUL"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-32-be"), "not UTF-8"),
        (b'{"a": tru}', "a value is missing"),
        (b'{"a": 01}', "a comma"),
        (b'{"a": 1} // the end', "something follows"),
        (b"{" * (MAX_DEPTH + 1), "nested deeper"),
        (b'{"a":' * 10_000, "nested deeper"),
        (b'{"a": ' + b"[" * MAX_DEPTH, "nested deeper"),
        (b"}" * 100_000, "a value is missing"),
        (b'{"a": [' + b"1," * MAX_VALUES + b"1]}", "members"),
        (b'{"a": [' + b'"" ' * 2 * MAX_VALUES + b"]}", "strings"),
        (b'{"a": [' + b"{}" * MAX_VALUES + b"]}", "members"),
    ],
)
def test_what_is_refused(data: bytes, what: str) -> None:
    text = refused(data)
    assert what in text


def test_a_refusal_never_quotes_what_came() -> None:
    secret = "4111111111111111"
    for broken in (f'{{"{secret}": ', f'{{"a": {secret} {secret}', f'{{"{secret}": 1, "{secret}": 2}}'):
        assert secret not in refused(broken.encode())


def test_a_byte_order_mark_is_tolerated() -> None:
    assert load(b'\xef\xbb\xbf{"a": "\xc3\xa9"}') == {"a": "é"}


def test_brackets_and_quotes_in_strings_are_text() -> None:
    value = {"a": '[{"' * 100 + "\\", "b": ["}", ","]}
    assert load(json.dumps(value).encode()) == value


def test_depth_up_to_the_limit_is_read() -> None:
    assert load(b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}")


@pytest.mark.parametrize("text", ["10.0", "10", "-0", "0.10", "1e2", "1E-7", "9" * 5000, "0." + "0" * 5000])
def test_numbers_keep_their_text(text: str) -> None:
    read = load(b'{"a":%s}' % text.encode())["a"]
    assert isinstance(read, Number)
    assert read == text
    assert dump({"a": read}) == b'{"a":%s}' % text.encode()


@pytest.mark.parametrize(
    ("xml", "number"),
    [
        ("10.0", "10.0"),
        (" 7\n", "7"),
        ("+5", "5"),
        ("-010.50", "-10.50"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("00", "0"),
        ("-0", "-0"),
    ],
)
def test_a_decimal_of_xml_is_changed_only_where_json_has_another_way(xml: str, number: str) -> None:
    assert Number.of(xml) == number


@given(
    sign=st.sampled_from(["", "+", "-"]),
    whole=st.from_regex("[0-9]{0,9}", fullmatch=True),
    rest=st.integers(0),
)
def test_every_decimal_of_xml_becomes_a_number_of_the_same_value(sign: str, whole: str, rest: int) -> None:
    text = f"{sign}{whole}.{rest}"
    number = Number.of(text)
    assert Decimal(number) == Decimal(text)
    assert json.loads(number, parse_float=Decimal) == Decimal(text)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers().map(lambda one: Number(str(one))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=3))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert load(dump(value)) == value
    assert b"\n" not in dump(value)
