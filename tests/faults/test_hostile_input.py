"""Bad input through the real port (H01 to H12, H20 to H22, H24, H28): the answer says where, the till goes on."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import words
from tests.faults.stage import POIID, Stage, Till, stage
from tests.faults.words import Answer, framed

SALE = "KASSE1"


def pay(amount: str = "12.50", service: str = "11") -> str:
    return words.payment(service, SALE, POIID, amount).decode()


def inside(old: str, new: str) -> bytes:
    made = pay().replace(old, new)
    assert made != pay()
    return made.encode()


async def clean(it: Stage, till: Till) -> None:
    """Nothing was asked of the platform, and the same connection pays the next customer."""
    assert it.sandbox.ledger() == []
    await it.usable(till)


# -- what no parser should see, or finish: an Event Reject, since no header was read --------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPES = {
    "h01 billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + pay().replace("KASSE1", "&l9;", 1),
    "h02 quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 20_000}">]>'
    + pay().replace("KASSE1", "&a;" * 2000, 1),
    "h03 file": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + pay().replace("KASSE1", "&f;", 1),
    "h03 external dtd": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + pay(),
    "h03 parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]>' + pay(),
}
ENCODED = {
    "h08 utf-16": pay().encode("utf-16"),
    "h08 utf-16 declared": ('<?xml version="1.0" encoding="UTF-16"?>' + pay()).encode("utf-16"),
    "h08 utf-7 declared": b'<?xml version="1.0" encoding="UTF-7"?>' + pay().encode(),
    "h08 latin-1 declared": b'<?xml version="1.0" encoding="ISO-8859-1"?>' + pay().encode(),
    "h08 nul": pay().replace("KASSE1", "KAS\0SE").encode(),
    "h08 wrong utf-8": pay().encode().replace(b"KASSE1", b"KASS\xc3\x28"),
    "h08 overlong": pay().encode().replace(b"KASSE1", b"KASS\xc0\xaf"),
}
LARGE = {
    "h04 a million attributes": (
        "<SaleToPOIRequest " + " ".join(f'a{n}="1"' for n in range(80_000)) + "/>"
    ).encode(),
    "h05 siblings": pay().replace("<SaleData>", "<SaleData>" + "<a/>" * 200_000).encode(),
    "h07 depth": ("<a>" * 40_000 + "</a>" * 40_000).encode(),
    "h07 depth inside": inside("<SaleData>", "<SaleData>" + "<a>" * 300 + "</a>" * 300),
}
BROKEN = {
    "h12 two roots": (pay() + pay()).encode(),
    "h12 trailing bytes": (pay() + "rest").encode(),
    "h12 an attribute twice": inside('SaleID="KASSE1"', 'SaleID="KASSE1" SaleID="KASSE2"'),
    "not xml": b"hello",
    "half of it": pay().encode()[:200],
    "another root": b"<html><body/></html>",
    "h10 another namespace": inside("<SaleToPOIRequest>", '<SaleToPOIRequest xmlns="urn:acme">'),
}
REJECTED: dict[str, bytes] = {
    **{name: text.encode() for name, text in DOCTYPES.items()},
    **ENCODED,
    **LARGE,
    **BROKEN,
}


def is_reject(answer: Answer, rejected: bytes) -> None:
    assert (answer.category, answer.event) == ("Event", "Reject"), str(answer)
    assert answer.code in {"NB-101", "NB-102", "NB-103"}
    assert answer.value("/*/MessageHeader/@MessageType") == "Notification"
    quoted = answer.value("//RejectedMessage/text()") or ""
    assert base64.b64decode(quoted) == rejected[:1024]


@pytest.mark.parametrize("name", REJECTED)
async def test_rejected(name: str, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        answer = await till.ask(REJECTED[name])
        if answer.category == "Event":
            is_reject(answer, REJECTED[name])
            assert (
                answer.value("/*/MessageHeader/@SaleID") == SALE
            )  # the ids last readable on this connection
        else:  # its header could be read, so it gets an answer in kind
            assert (answer.service, answer.condition) == ("11", "MessageFormat"), str(answer)
        await clean(it, till)


async def test_h03_nothing_is_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x"
        forms = (
            f'<!DOCTYPE x SYSTEM "{url}">' + pay(),
            f'<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]>' + pay().replace("KASSE1", "&e;", 1),
            pay().replace(
                "<SaleToPOIRequest>",
                '<SaleToPOIRequest xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                f'xsi:noNamespaceSchemaLocation="{url}">',
            ),
            pay().replace(
                "<SaleData>",
                f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}"/><SaleData>',
            ),
            f'<?xml-stylesheet href="{url}"?>' + pay(service="12"),
        )
        async with stage(tmp_path) as it:
            till = await it.logged_in()
            for form in forms:
                await till.ask(form.encode())
        with pytest.raises(BlockingIOError):
            trap.accept()


async def test_h06_a_message_above_the_cap_is_rejected_unread_and_the_connection_ends(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        start = pay().encode()
        await till.raw((11 << 20).to_bytes(4, "big") + start + b"a" * 4096)
        answer = await till.hear()
        is_reject(answer, (start + b"a" * 1024)[:1024])
        assert answer.code == "NB-101"
        assert await till.closed()
        await clean(it, await it.till())


async def test_h09_comments_and_instructions_change_no_value(tmp_path: Path) -> None:
    """Cut at a comment, ``12.50`` would be ``1``: the bridge reads all of it or refuses all of it."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        sneaky = pay().replace("</SaleToPOIRequest>", "<!-- 99.99 --></SaleToPOIRequest>")
        answer = await till.ask(sneaky.encode())
        assert (answer.result, answer.amount) == ("Success", "12.50")
        reason = words.abort("13", SALE, POIID, "11", "user<!-- -->cancel<?x y?>led").decode()
        assert (await till.ask(reason.encode())).event == "Completed"
        await it.usable(till)


# -- what the schema or a rule refuses: an answer in kind that says where -------------------------------------------

PAYMENT = "/SaleToPOIRequest/PaymentRequest"
HEADER = "/SaleToPOIRequest/MessageHeader"
AMOUNT = f"{PAYMENT}/PaymentTransaction/AmountsReq"
WRONG: dict[str, tuple[bytes, str]] = {
    "h11 amount 0": (inside('"12.50"', '"0"'), AMOUNT),
    "h11 amount below 0": (inside('"12.50"', '"-5"'), AMOUNT),
    "h11 amount with nine places": (inside('"12.50"', '"1.123456789"'), AMOUNT),
    "h11 amount with blanks": (inside('"12.50"', '" 12.50 "'), AMOUNT),
    "h11 amount with a plus": (inside('"12.50"', '"+5"'), AMOUNT),
    "h11 amount with an exponent": (inside('"12.50"', '"1e2"'), AMOUNT),
    "h11 amount of other digits": (inside('"12.50"', '"١٢"'), AMOUNT),
    "h11 amount without end": (inside('"12.50"', f'"{"9" * 400}"'), AMOUNT),
    "h11 cents of a yen": (inside('Currency="EUR"', 'Currency="JPY"'), AMOUNT),
    "h11 a currency there is not": (inside('Currency="EUR"', 'Currency="XXZ"'), AMOUNT),
    "h11 body of another category": (
        inside('MessageCategory="Payment"', 'MessageCategory="Login"'),
        "/SaleToPOIRequest",
    ),
    "h11 a response in a request": (inside('MessageType="Request"', 'MessageType="Response"'), HEADER),
    "h11 a device with a payment": (inside('MessageClass="Service"', 'MessageClass="Device"'), HEADER),
    "h11 no service id": (inside('ServiceID="11" ', ""), HEADER),
    "h11 a path for a service id": (inside('ServiceID="11"', 'ServiceID="../../etc"'), HEADER),
    "h11 a long service id": (inside('ServiceID="11"', f'ServiceID="{"1" * 11}"'), HEADER),
    "h11 an empty sale id": (inside('SaleID="KASSE1"', 'SaleID=""'), HEADER),
    "h11 a long poi id": (inside('POIID="POI00001"', f'POIID="{"P" * 4000}"'), HEADER),
    "h11 a transaction id of 100 kB": (
        inside('TransactionID="B-11"', f'TransactionID="{"B" * 100_000}"'),
        f"{PAYMENT}/SaleData",
    ),
    "h11 the year 99999": (inside(words.MOMENT, "99999-13-41T25:00:00Z"), f"{PAYMENT}/SaleData"),
    "h11 a category of acme": (
        inside('MessageCategory="Payment"', 'MessageCategory="acme:Foo"'),
        "",
    ),
    "h12 no body": (
        pay().split("<PaymentRequest>")[0].encode() + b"</SaleToPOIRequest>",
        "/SaleToPOIRequest",
    ),
    "h12 two bodies": (inside("</PaymentRequest>", "</PaymentRequest><LogoutRequest/>"), "/SaleToPOIRequest"),
    "h12 an attribute nobody knows": (inside("<AmountsReq ", '<AmountsReq Discount="9" '), AMOUNT),
    "h12 an element nobody knows": (
        inside("<PaymentTransaction>", "<PaymentTransaction><Gift/>"),
        f"{PAYMENT}/Pay",
    ),
    "h12 the wrong order": (
        pay().replace("<SaleData>", "<PaymentData/><SaleData>").encode(),
        PAYMENT,
    ),
    "h12 text between elements": (inside("<SaleData>", "hello<SaleData>"), PAYMENT),
}


@pytest.mark.parametrize("name", WRONG)
async def test_refused_with_the_place(name: str, tmp_path: Path) -> None:
    message, place = WRONG[name]
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        answer = await till.ask(message)
        if answer.category == "Event":
            is_reject(answer, message)
        else:
            assert answer.result == "Failure"
            assert answer.condition in {"MessageFormat", "UnavailableService"}, str(answer)
            assert (
                f'ServiceID="{answer.service}"'.encode() in message
            )  # its own words come back, and only these
        assert answer.code.startswith("NB-")
        assert answer.at.startswith(place), str(answer)
        assert len(answer.data) < len(message) + 8192
        await clean(it, till)


async def test_h11_an_event_is_never_answered_and_starts_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(inside('MessageClass="Service"', 'MessageClass="Event"'))
        assert till.answers.empty()
        await clean(it, till)


async def test_h11_a_protocol_of_the_future_is_refused_at_login_with_both_versions_named(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as it:
        till = await it.till()
        future = words.login("1", SALE, POIID).replace(b'Version="3.1"', b'Version="99.99"')
        answer = await till.ask(future)
        assert (answer.result, answer.condition, answer.code) == ("Failure", "UnavailableService", "NB-333")
        assert "3.1" in answer.said
        assert "3.0" in answer.said
        await till.login("2")
        await clean(it, till)


# -- framing -------------------------------------------------------------------------------------------------------


async def test_h20_length_0_is_rejected_and_the_connection_stays(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.raw(bytes(4))
        is_reject(await till.hear(), b"")
        await clean(it, till)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, (1 << 20) + 1])
async def test_h20_a_huge_length_is_rejected_and_the_connection_ends(length: int, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.raw(length.to_bytes(4, "big") + b"<" * 2000)
        answer = await till.hear()
        is_reject(answer, b"<" * 1024)
        assert await till.closed()
        await clean(it, await it.till())


async def test_h20_a_length_of_one(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        answer = await till.ask(b"x")
        is_reject(answer, b"x")
        await clean(it, till)


async def test_h21_a_length_that_is_too_short_refuses_the_message_and_what_follows(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        whole = pay().encode()
        await till.raw((len(whole) - 5).to_bytes(4, "big") + whole, messages=1)
        answer = await till.hear()
        assert answer.code == "NB-102"
        assert it.sandbox.ledger() == []
        till.writer.write_eof()
        await clean(it, await it.till())


async def test_h21_a_length_that_is_too_long_is_never_made_whole_by_the_next_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        whole = pay().encode()
        await till.raw(
            (len(whole) + 5).to_bytes(4, "big") + whole + framed(pay(service="12").encode()), messages=1
        )
        answer = await till.hear()
        assert answer.code == "NB-102"
        assert it.sandbox.ledger() == []
        till.writer.write_eof()
        await clean(it, await it.till())


async def test_h21_a_message_cut_off_by_the_end_of_the_connection_starts_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.expected += 1
        till.writer.write(framed(pay().encode())[:-1])
        till.writer.write_eof()
        answer = await till.hear()
        assert (answer.event, answer.code) == ("Reject", "NB-102")
        await clean(it, await it.till())


async def test_h22_one_byte_at_a_time_and_many_messages_in_one_packet(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        for byte in framed(pay().encode()):
            till.writer.write(bytes([byte]))
            await till.writer.drain()
        await till.raw(b"")
        assert (await till.hear()).amount == "12.50"
        many = [words.status(str(100 + number), SALE, POIID, "11") for number in range(100)]
        await till.send(*many)
        assert {(await till.hear()).service for _ in many} == {str(100 + number) for number in range(100)}
        await it.usable(till)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 300])
async def test_h22_split_anywhere(cut: int, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        whole = framed(pay().encode())
        till.writer.write(whole[:cut])
        await till.writer.drain()
        await till.raw(whole[cut:])
        assert (await till.hear()).result == "Success"
        await it.usable(till)


async def test_h22_bare_xml_is_answered_bare(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        bare = await it.till()
        bare._task.cancel()
        it.exact = False
        await bare.raw(words.diagnosis("5", SALE, POIID))
        answer = await bare._reader.readuntil(b"</SaleToPOIResponse>")
        assert Answer(answer).result == "Success"
        await clean(it, till)


STRANGERS: dict[str, tuple[bytes, Callable[[bytes], bool]]] = {
    "http": (
        b"GET / HTTP/1.1\r\nHost: bridge\r\nAuthorization: Basic c2VjcmV0\r\n\r\n",
        lambda s: s.startswith(b"HTTP/1.1 400"),
    ),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), lambda s: s == b""),
    "zvt": (b"\x06\x00\x0a\x00\x00\x00\x01\x09\x78\x03\x00", lambda s: s == b""),
    "a banner": (b"VER|1.0|APP|x\r\n", lambda s: s == b""),
    "proxy protocol": (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + framed(pay().encode()), lambda s: s == b""),
    "proxy protocol 2": (
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + framed(pay().encode()),
        lambda s: s == b"",
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_h24_h28_another_protocol_is_sent_away_politely(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also H28: what a PROXY header says of its origin is believed by nobody, and what follows it is not read."""
    said, fits = STRANGERS[name]
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        stranger = await it.till()
        stranger._task.cancel()
        stranger.writer.write(said)
        stranger.writer.write_eof()
        assert fits(await stranger._reader.read())
        shown = capsys.readouterr()
        assert "wrong_protocol" in shown.out + shown.err
        assert "c2VjcmV0" not in shown.out + shown.err
        await clean(it, till)
