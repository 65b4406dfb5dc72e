"""What every link keeps to, whatever carries the bytes; and TLS as a client."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest
import trustme

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.pos.links.address import Access, Address, Scheme, link
from nexo_bridge.pos.links.link import AnswerLost, Link, Login, NothingSent, cannot_connect, tls_context
from tests.pos.links.peers import PAIR, WAYS, Ears, line

EVERY_WAY = pytest.mark.parametrize("way", WAYS)
SAYING = "é" * 100_000


@EVERY_WAY
async def test_messages_go_whole_both_ways(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears()
        await ears.connect(one)
        assert one.connected
        peer.answers = [b"<one/>", SAYING.encode()]
        for message, answer in ((SAYING.encode(), b"<one/>"), (b"<two/>", SAYING.encode())):
            await one.send(message, ears.lost.put_nowait)
            assert await peer.taken.get() == message
            assert await ears.heard.get() == answer


@EVERY_WAY
async def test_what_the_pos_says_to_a_message_goes_back(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears(says=b"<shown/>")
        await ears.connect(one)
        peer.answers = [b"<show/>", b""]
        await one.send(b"<pay/>", ears.lost.put_nowait)
        assert [await peer.taken.get(), await peer.taken.get()] == [b"<pay/>", b"<shown/>"]


@EVERY_WAY
async def test_a_message_that_nothing_answers_is_only_handed_over(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears()
        await ears.connect(one)
        peer.answers = [b""]
        await one.send(b"<stop/>", None)
        assert await peer.taken.get() == b"<stop/>"
        assert ears.heard.empty()


@EVERY_WAY
async def test_whoever_vanishes_takes_the_answer_along(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears()
        await ears.connect(one)
        await one.send(b"<pay/>", ears.lost.put_nowait)
        await peer.taken.get()
        await peer.vanish()
        if way.startswith("http"):  # a connection for each message: nothing else is lost
            assert isinstance(await ears.lost.get(), AnswerLost)
            assert one.connected
        else:
            await ears.ended.wait()
            assert not one.connected
            with pytest.raises(NothingSent, match="has ended"):
                await one.send(b"<pay/>", ears.lost.put_nowait)


@EVERY_WAY
async def test_closing_is_no_ending_and_connecting_again_begins_anew(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears()
        await ears.connect(one)
        await ears.connect(one)
        await one.close()
        await one.close()
        assert (one.connected, ears.ended.is_set()) == (False, False)
        with pytest.raises(NothingSent):
            await one.send(b"<pay/>", ears.lost.put_nowait)
        await ears.connect(one)
        peer.answers = [b"<paid/>"]
        await one.send(b"<pay/>", ears.lost.put_nowait)
        assert await ears.heard.get() == b"<paid/>"


@pytest.mark.parametrize("scheme", ["tcp", "tls", "mqtt", "mqtts", "http", "https"])
async def test_where_nobody_is_nothing_is_sent(scheme: Scheme) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        context = await asyncio.to_thread(tls_context, None, None, None)
        one = link(Address(scheme, "127.0.0.1", port, "/x"), PAIR, Access(tls=context))
        assert f"cannot connect to 127.0.0.1 port {port}: Connection refused" in str(await refusal(one))


@pytest.mark.filterwarnings(
    "ignore:unclosed <ssl.SSLSocket:ResourceWarning"
)  # paho leaves that to the collector
@pytest.mark.parametrize("way", ["tls", "mqtts", "https"])
async def test_a_certificate_of_somebody_else_is_not_trusted(way: str, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (_, peer):
        stranger = await asyncio.to_thread(tls_context, None, None, None)
        one = link(peer.address, PAIR, Access(tls=stranger))
        said = str(await refusal(one))
        gc.collect()
        assert said.endswith(
            ("self-signed certificate in certificate chain", "unable to get local issuer certificate")
        )


async def refusal(one: Link) -> NothingSent:
    """Why nothing was sent, whenever the link finds out."""
    ears = Ears()
    try:
        await ears.connect(one)
        await one.send(b"<pay/>", ears.lost.put_nowait)
    except NothingSent as why:
        return why
    problem = await ears.lost.get()
    await one.close()
    assert isinstance(problem, NothingSent)
    return problem


def test_a_reason_is_the_systems_own_or_none() -> None:
    assert str(cannot_connect("h", 1, OSError(113, "No route to host"))) == (
        "cannot connect to h port 1: No route to host"
    )
    assert str(cannot_connect("h", 1, TimeoutError())) == "cannot connect to h port 1: no answer"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Login("till", "secret"))


def test_tls_shows_a_certificate_of_our_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("till.example")
    both, ca = tmp_path / "till.pem", tmp_path / "ca.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(both)
    authority.cert_pem.write_to_path(ca)
    context = tls_context(ca, both, None)
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    for files, said in (
        ((missing, None, None), f"--ca {missing}: No such file"),
        ((text, None, None), f"--ca {text}: "),
        ((None, text, None), f"--certificate {text}: "),
        ((None, missing, missing), f"--certificate {missing}: No such file"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            tls_context(*files)
