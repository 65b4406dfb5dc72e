from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.nexo.json_end import JsonEnd

OBJECTS = [
    b"{}",
    b"\xef\xbb\xbf{}",
    b'{"a": {"b": [1, {}]}}',
    b'{"a": "}"}',
    b'{"a": "\\"}"}',
    b'{"a": "\\\\"}',
    b'{"a": "\\\\\\"}"}',
    b'{"a": "\\u007d"}',
    b'{"a": [[["]"]]]}',
    '{"é": "}"}'.encode(),
]


@pytest.mark.parametrize("text", OBJECTS)
def test_the_end_of_the_object_is_found_however_it_is_written(text: bytes) -> None:
    assert JsonEnd().find(bytearray(text + b'{"next": 1}')) == len(text)


@pytest.mark.parametrize("text", OBJECTS)
def test_one_byte_at_a_time_finds_the_same_end_and_no_earlier_one(text: bytes) -> None:
    scan, buffer = JsonEnd(), bytearray()
    for byte in text[:-1]:
        buffer.append(byte)
        assert scan.find(buffer) is None
    assert scan.find(bytearray(text)) == len(text)


def test_brackets_that_do_not_match_are_the_parsers_question() -> None:
    assert JsonEnd().find(bytearray(b"{]{}")) == 2


def test_what_never_ends_is_looked_at_once() -> None:
    scan, buffer = JsonEnd(), bytearray(b"{" * 1000)
    assert scan.find(buffer) is None
    buffer[:] = b"}" * 1000  # what was seen is not looked at again
    assert scan.find(buffer) is None


@given(
    st.lists(st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b"x", b"\xef"]), max_size=40).map(
        b"".join
    ),
    st.data(),
)
def test_any_growth_of_any_bytes_gives_the_same_answer(tail: bytes, data: st.DataObject) -> None:
    text = b"{" + tail
    expected = JsonEnd().find(bytearray(text))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {len(text)})
    scan, buffer = JsonEnd(), bytearray()
    found: int | None = None
    for begin, end in zip([0, *cuts], cuts, strict=False):
        buffer += text[begin:end]
        found = scan.find(buffer)
        if found is not None:
            break
    assert found == expected
