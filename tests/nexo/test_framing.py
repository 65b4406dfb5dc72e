from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nexo_bridge.errors import FrameTooLarge, NotXml
from nexo_bridge.nexo.framing import LARGEST_CAP, QUOTED, Frame, FrameFault, Framer, frame

LOGIN = b'<SaleToPOIRequest><MessageHeader ServiceID="1"/><LoginRequest/></SaleToPOIRequest>'


def events(chunks: list[bytes], *, max_size: int = 2000, end: bool = True) -> list[Frame | FrameFault]:
    framer = Framer(max_size)
    seen: list[Frame | FrameFault] = []
    for chunk in chunks:
        framer.receive_data(chunk)
        while event := framer.next_event():
            seen.append(event)
    if end:
        framer.receive_end()
        while event := framer.next_event():
            seen.append(event)
    return seen


def only_fault(stream: bytes, *, max_size: int = 2000) -> FrameFault:
    (fault,) = events([stream], max_size=max_size)
    assert isinstance(fault, FrameFault)
    return fault


def flat(seen: list[Frame | FrameFault]) -> list[tuple[object, ...]]:
    """Comparable by value: refusals are exceptions, which compare by identity."""
    return [
        (event.data, event.framed, event.form)
        if isinstance(event, Frame)
        else (
            type(event.refusal),
            event.refusal.text,
            event.start,
            event.survives,
            event.framed,
            event.protocol,
            event.form,
        )
        for event in seen
    ]


def test_a_length_counts_the_message_alone() -> None:
    assert frame(b"<a/>") == b"\x00\x00\x00\x04<a/>"
    assert frame(b"<a/>", framed=False) == b"<a/>"
    assert events([frame(LOGIN)]) == [Frame(LOGIN, framed=True)]


def test_a_bare_message_is_known_by_its_first_byte_and_answered_in_kind() -> None:
    for start in (b"", b"\n  ", b"\r\n"):
        assert events([start + LOGIN]) == [Frame(LOGIN, framed=False)]
    assert events([b"\xef\xbb\xbf" + LOGIN]) == [Frame(b"\xef\xbb\xbf" + LOGIN, framed=False)]


def test_bare_and_framed_messages_may_alternate() -> None:
    stream = LOGIN + b"\r\n" + frame(LOGIN) + b"\n" + LOGIN + LOGIN
    assert [event.framed for event in events([stream])] == [False, True, False, False]


def test_h22_100_frames_in_one_packet() -> None:
    assert events([frame(LOGIN) * 100]) == [Frame(LOGIN, framed=True)] * 100


def test_h22_one_byte_per_packet_and_a_header_split_one_and_three() -> None:
    stream = frame(LOGIN) * 2
    assert events([bytes([byte]) for byte in stream]) == [Frame(LOGIN, framed=True)] * 2
    assert events([stream[:1], stream[1:4], stream[4:]]) == [Frame(LOGIN, framed=True)] * 2


def test_h20_length_0_is_rejected_and_the_connection_stays() -> None:
    fault, after = events([frame(b"") + frame(LOGIN)])
    assert isinstance(fault, FrameFault)
    assert isinstance(fault.refusal, NotXml)
    assert (fault.survives, fault.start, fault.answerable) == (True, b"", True)
    assert after == Frame(LOGIN, framed=True)


def test_h20_length_1_is_a_frame_for_the_codec_to_refuse() -> None:
    assert events([frame(b"x")]) == [Frame(b"x", framed=True)]


@pytest.mark.parametrize(
    "header", [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x07\xd1"]
)
def test_h20_above_the_cap_the_first_kib_is_quoted_and_nothing_after_it(header: bytes) -> None:
    fault = only_fault(header + b"<" + b"x" * 5000 + frame(LOGIN))
    assert isinstance(fault.refusal, FrameTooLarge)
    assert str(int.from_bytes(header)) in fault.refusal.text
    assert fault.start == b"<" + b"x" * (QUOTED - 1)
    assert not fault.survives
    assert fault.answerable


def test_exactly_the_cap_passes_framed_and_bare() -> None:
    message = b"<a>" + b"x" * 13 + b"</a>"
    assert events([frame(message)], max_size=len(message)) == [Frame(message, framed=True)]
    assert events([message], max_size=len(message)) == [Frame(message, framed=False)]
    assert isinstance(only_fault(frame(message), max_size=len(message) - 1).refusal, FrameTooLarge)
    assert isinstance(only_fault(message, max_size=len(message) - 1).refusal, FrameTooLarge)


@pytest.mark.parametrize(("stream", "limit"), [(b"\x7f\xff\xff\xff", 4), (b"<a>", 3000), (b"{", 3000)])
def test_never_more_than_one_kib_is_taken_beyond_the_cap(stream: bytes, limit: int) -> None:
    """A reader asks ``room`` before each read: header + 1 KiB at most, or cap + 1 KiB of a bare message."""
    taken = 0
    framer = Framer(3000)
    supply = bytearray(stream + b"x" * 20_000)
    while (event := framer.next_event()) is None:
        assert framer.room > 0
        taken += len(chunk := bytes(supply[: min(framer.room, 700)]))
        framer.receive_data(chunk)
        del supply[: len(chunk)]
    assert isinstance(event, FrameFault)
    assert limit < taken <= limit + QUOTED
    assert framer.room == 0
    framer.receive_data(b"more")
    assert framer.next_event() is None


def test_room_reads_to_the_end_of_the_message_that_has_begun() -> None:
    framer = Framer()
    assert framer.room == 4 + QUOTED
    framer.receive_data(frame(b"<a/>" * 100)[:10])
    assert framer.next_event() is None
    assert framer.room == 4 + 400 + QUOTED - 10
    bare = Framer(2000)
    bare.receive_data(b"<a>")
    assert bare.next_event() is None
    assert bare.room == 2000 + QUOTED - 3


def test_a_huge_length_alone_is_unfinished_too() -> None:
    framer = Framer(2000)
    framer.receive_data(b"\xff\xff\xff\xff")
    assert framer.next_event() is None
    assert framer.unfinished
    assert framer.failing
    assert framer.room == QUOTED


def test_unfinished_and_failing_say_which_deadline_runs() -> None:
    framer = Framer(2000)
    assert not framer.unfinished
    framer.receive_data(b"\r\n")
    assert framer.next_event() is None
    assert not framer.unfinished
    framer.receive_data(b"\x00")
    assert framer.next_event() is None
    assert framer.unfinished
    assert not framer.failing
    framer.receive_data(b"\xff\xff\xff")
    assert framer.next_event() is None
    assert framer.failing
    framer.receive_end()
    assert framer.next_event() is not None
    assert not framer.unfinished
    assert not framer.failing


@pytest.mark.parametrize("stream", [frame(LOGIN)[:2], frame(LOGIN)[:-1], LOGIN[:-1], b"\xef"])
def test_h21_a_message_cut_by_the_end_of_the_stream_is_a_fault(stream: bytes) -> None:
    fault = only_fault(stream)
    assert "cut off" in fault.refusal.text
    assert fault.start == stream
    assert not fault.survives


def test_h21_a_length_longer_than_the_body_waits_for_the_rest() -> None:
    assert events([b"\x00\x00\x01\x00" + LOGIN], end=False) == []


def test_the_end_between_messages_is_no_fault() -> None:
    assert events([]) == []
    assert events([frame(LOGIN), b"\r\n\r\n"]) == [Frame(LOGIN, framed=True)]


@pytest.mark.parametrize(
    ("stream", "protocol"),
    [
        (b"GET / HTTP/1.1\r\nHost: till\r\n\r\n", "HTTP"),
        (b"POST /EPASSaleToPOI/3.1 HTTP/1.1\r\n\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
        (b"\x06\x00\x04\x12\x34\x56\x01", "ZVT"),
        (b"VER|APP 1.0\r\n", "a VER|APP banner"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "PROXY protocol"),
        (b"\xff\xfe<\x00S\x00", "UTF-16"),
        (b"0082" + LOGIN, "a text protocol"),
    ],
)
def test_h24_h28_other_protocols_are_named(stream: bytes, protocol: str) -> None:
    fault = only_fault(stream)
    assert fault.protocol == protocol
    assert protocol in fault.refusal.text
    assert fault.start == stream[:QUOTED]
    assert not fault.survives
    assert not fault.answerable
    assert flat(events([bytes([byte]) for byte in stream])) == flat([fault])


JSON = b'{"SaleToPOIRequest": {"a": "}"}}'
BARE = b'{"MessageHeader": {}}'


def test_json_is_a_message_with_its_length_or_without_and_tells_its_form() -> None:
    stream = frame(b" " + JSON) + JSON + LOGIN + b"\n" + BARE + JSON + frame(BARE) + b"\xef\xbb\xbf" + JSON
    wanted = [
        Frame(b" " + JSON, framed=True, form="json"),
        Frame(JSON, framed=False, form="json"),
        Frame(LOGIN, framed=False, form="xml"),
        Frame(BARE, framed=False, form="json-bare"),
        Frame(JSON, framed=False, form="json"),
        Frame(BARE, framed=True, form="json-bare"),
        Frame(b"\xef\xbb\xbf" + JSON, framed=False, form="json"),
    ]
    assert events([stream]) == wanted
    assert events([bytes([byte]) for byte in stream]) == wanted


def test_a_fault_tells_the_form_of_what_was_refused() -> None:
    cut = only_fault(BARE[:-1])
    assert (cut.form, cut.framed, cut.survives, cut.start) == ("json-bare", False, False, BARE[:-1])
    bare = only_fault(JSON + BARE, max_size=len(JSON) - 1)
    assert isinstance(bare.refusal, FrameTooLarge)
    assert (bare.form, bare.framed) == ("json", False)
    framed = only_fault(frame(JSON), max_size=len(JSON) - 1)
    assert (framed.form, framed.framed) == ("json", True)
    assert only_fault(frame(LOGIN), max_size=9).form == "xml"


def test_a_mark_alone_is_waited_for_and_then_cut() -> None:
    for mark in (b"\xef", b"\xef\xbb", b"\xef\xbb\xbf"):
        assert events([mark], end=False) == []
        assert "cut off" in only_fault(mark).refusal.text


@pytest.mark.parametrize(
    ("stream", "hint"),
    [
        (b"\x52\x00\x00\x00<", "most significant byte first"),
        (b"\x01\x52<S", "four bytes"),
        (b"\xf0\x00\x00\x01", ""),
    ],
)
def test_a_length_in_another_form_gets_a_hint(stream: bytes, hint: str) -> None:
    fault = only_fault(stream)
    assert isinstance(fault.refusal, FrameTooLarge)
    assert fault.refusal.text.endswith(hint)
    assert (";" in fault.refusal.text) == bool(hint)


def test_bare_documents_that_cannot_end_are_refused() -> None:
    fault = only_fault(b"<!DOCTYPE a [" + b"x" * 3000)
    assert isinstance(fault.refusal, NotXml)
    assert (fault.framed, fault.survives, len(fault.start)) == (False, False, QUOTED)


def test_a_cap_must_leave_lengths_apart_from_other_protocols() -> None:
    for cap in (0, LARGEST_CAP + 1):
        with pytest.raises(ValueError, match="cap"):
            Framer(cap)


PIECES = st.sampled_from([
    frame(LOGIN), LOGIN, b"\r\n", b" ", b"\r\n\r\n\x00\r\nQUIT\n", frame(b""), frame(b"{}"), b"{", b"}", b'"',
    b"<a>", b"</a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"\xef\xbb\xbf", b"GET /", b"\x00", b"\x16\x03",
    b"x" * 40, frame(b"y" * 50),
])  # fmt: skip


@settings(deadline=None)  # what is slow here is a busy machine
@given(
    st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=12).map(b"".join),
    st.integers(4, 200),
    st.data(),
)
@example(b" \r\n\r\n\x00\r\nQUIT\n", 50, None)
@example(b"\r\n\r\n\r\n\x00\r\nQUIT\n", 50, None)
def test_law_any_chunking_gives_the_same_events(stream: bytes, cap: int, data: st.DataObject | None) -> None:
    whole = flat(events([stream], max_size=cap))
    singly = flat(events([stream[place : place + 1] for place in range(len(stream))], max_size=cap))
    assert singly == whole
    if data is not None:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))) | {len(stream)})
        pieces = [stream[begin:end] for begin, end in zip([0, *cuts], cuts, strict=False)]
        assert flat(events(pieces, max_size=cap)) == whole


@settings(deadline=None)  # what is slow here is a busy machine
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.booleans()), max_size=8))
def test_law_what_is_framed_comes_out_again(messages: list[tuple[bytes, bool]]) -> None:
    sent = [(b"<m>" + data.hex().encode() + b"</m>", framed) for data, framed in messages]
    stream = b"".join(frame(data, framed) for data, framed in sent)
    assert events([stream]) == [Frame(data, framed) for data, framed in sent]
