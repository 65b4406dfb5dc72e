from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.nexo.document_end import DocumentEnd

DOCUMENTS = [
    b"<a/>",
    b"<a />",
    b"<a></a>",
    b"<a></a >",
    b"\xef\xbb\xbf<a></a>",
    b"\xef\xbb\xbf <a></a>",
    b'<?xml version="1.0"?><a></a>',
    b"<?pi <a></a> ?>\n<!-- <a></a> > --><a>text</a>",
    b"<!----><a/>",
    b"<!--> --><a/>",
    b"<a><!-- </a> --></a>",
    b"<a><![CDATA[</a>]]]]></a>",
    b"<a><?pi </a>?></a>",
    b'<a x="</a>" y=\'>"\'><b z="/>"/></a>',
    b"<a x='1'/>",
    b"<a><a></a><a/></a>",
    b"<a><ab></ab></a>",
    b"<a>1 < 2 <3</a>",
    b"<a><b></a>",
    b"<\xc3\xa9></\xc3\xa9>",
    b"<_:x></_:x>",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_end_of_the_root_is_found_however_the_document_is_written(document: bytes) -> None:
    assert DocumentEnd().find(bytearray(document + b"<a>next</a>")) == len(document)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_one_byte_at_a_time_finds_the_same_end_and_no_earlier_one(document: bytes) -> None:
    scan, buffer = DocumentEnd(), bytearray()
    for byte in document[:-1]:
        buffer.append(byte)
        assert scan.find(buffer) is None
    assert scan.find(bytearray(document)) == len(document)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (b"x<a/>", "text before"),
        (b"<?xml?>x", "text before"),
        (b"\xef<a/>", "text before"),
        (b"\xef\xbb\xbfx", "text before"),
        (b"</a>", "end tag"),
        (b"<\x00S", "not a name"),
        (b"<!DOCTYPE a>", "DOCTYPE"),
        (b"<a><![IGNORE[", "DOCTYPE"),
    ],
)
def test_what_cannot_be_a_document_is_said_in_words(start: bytes, why: str) -> None:
    found = DocumentEnd().find(bytearray(start))
    assert isinstance(found, str)
    assert why in found


@given(st.binary(max_size=60).map(lambda tail: b"<a" + tail), st.data())
def test_any_growth_of_any_bytes_gives_the_same_answer(text: bytes, data: st.DataObject) -> None:
    expected = DocumentEnd().find(bytearray(text))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {len(text)})
    scan, buffer = DocumentEnd(), bytearray()
    found: int | str | None = None
    for begin, end in zip([0, *cuts], cuts, strict=False):
        buffer += text[begin:end]
        found = scan.find(buffer)
        if found is not None:
            break
    assert found == expected
