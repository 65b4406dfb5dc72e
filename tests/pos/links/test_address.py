from __future__ import annotations

import pytest

from nexo_bridge.pos.links.address import Access, Address, link, parse, place


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:7000", Address("tcp", "127.0.0.1", 7000)),
        ("tls://till.example:7778", Address("tls", "till.example", 7778)),
        ("mqtt://broker", Address("mqtt", "broker", 1883)),
        ("mqtts://[::1]", Address("mqtts", "::1", 8883)),
        ("http://poi", Address("http", "poi", 80, "/EPASSaleToPOI/3.1")),
        ("https://poi:8443/nexo", Address("https", "poi", 8443, "/nexo")),
        ("HTTP://poi:11000/", Address("http", "poi", 11000, "/EPASSaleToPOI/3.1")),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("127.0.0.1:7000", "tcp://, tls://"),
        ("ftp://h:1", "tcp://, tls://"),
        ("tcp://h", "is not tcp://HOST:PORT"),
        ("tls://h:70000", "tcp://, tls://"),
        ("tcp://:7000", "is not tcp://HOST:PORT"),
        ("mqtt://h/topic", "is not mqtt://HOST:PORT"),
        ("mqtt://till:secret@h", "only a host, a port"),
        ("http://h/?q=1", "only a host, a port"),
    ],
)
def test_what_is_no_address_is_told_without_a_password(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as told:
        parse(text)
    assert "secret" not in str(told.value)


async def test_each_scheme_has_its_link() -> None:
    names = {
        text: type(link(parse(text), ("S", "P"), Access())).__name__
        for text in ("tcp://h:1", "tls://h:1", "mqtt://h", "mqtts://h", "http://h", "https://[::1]")
    }
    assert names == {
        "tcp://h:1": "TcpLink",
        "tls://h:1": "TcpLink",
        "mqtt://h": "MqttLink",
        "mqtts://h": "MqttLink",
        "http://h": "HttpLink",
        "https://[::1]": "HttpLink",
    }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:1", ("::1", 1)),
        ("till.example:80", ("till.example", 80)),
    ],
)
def test_a_place_is_read(text: str, where: tuple[str, int]) -> None:
    assert place(text) == where


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "h", "h:", "h:0", "h:70000", "u@h:1", "h:1/x", "[::1:1"]
)
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        place(text)
