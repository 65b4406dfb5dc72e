"""The command as a program: what it prints, and its exit code."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.cli import main
from nexo_bridge.nexo.codec import encode
from nexo_bridge.nexo.messages import LogoutResponse, Response
from nexo_bridge.pos.requests import Requests
from tests.pos.links.peers import authority, behind, sockets
from tests.pos.scripted_poi import (
    Line,
    answer,
    drop,
    event,
    found_as,
    not_known,
    payment_response,
    reply,
    schemas,
    scripted_poi,
)
from tests.pos.test_till import display


def said(sale_id: str, poi_id: str) -> bytes:
    """The answer to Logout 5 of a pair."""
    request = Requests(sale_id, poi_id).logout("5")
    return encode(answer(request, LogoutResponse(response=Response(result="Success"))), "3.1", schemas())


APPROVED = payment_response(authorized="12.50")


async def pos(port: int, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON line and standard error of one run."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nexo_bridge", "pos", "--connect", f"tcp://127.0.0.1:{port}"),
        *("--sale-id", "TILL1", "--poiid", "POI00001", "--pause", "0", "--recover", "5"),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    lines = out.decode().splitlines()
    assert len(lines) == (process.returncode != 2), (out, err)
    return process.returncode or 0, json.loads(lines[0]) if lines else {}, err.decode()


async def test_pay_prints_one_line_and_draws_the_code_for_a_person() -> None:
    async with scripted_poi() as poi:

        async def payment(line: Line, request: Any) -> None:
            await line.send(display(request, "71", wanted=False))
            await line.send(answer(request, APPROVED))

        poi.then("Payment", payment)
        code, line, shown = await pos(
            poi.port, "pay", "12.50", "EUR", "--qr", "--service-id", "7", "--transaction-id", "A1"
        )
        assert code == 0
        assert line == {
            "serviceId": "7",
            "result": "Success",
            "condition": None,
            "authorized": "12.50",
            "text": "",
        }
        assert "https://pay.example/7" in shown
        assert "█" in shown
        (request,) = poi.seen
        assert (
            request.dump()["body"]["PaymentRequest"]["SaleData"]["SaleTransactionID"]["TransactionID"] == "A1"
        )


async def test_a_lost_answer_is_recovered_and_an_unknown_one_is_3(tmp_path: Path) -> None:
    state = str(tmp_path / "till.json")
    async with scripted_poi() as poi:
        poi.then("Payment", drop)
        poi.then("TransactionStatus", reply(not_known("InProgress")), found_as(APPROVED))
        assert (await pos(poi.port, "pay", "12.50", "EUR"))[0] == 0
        poi.then("TransactionStatus", reply(not_known("InProgress")))
        code, line, _ = await pos(poi.port, "--state", state, "--recover", "0", "pay", "12.50", "EUR")
        assert (code, line["result"], line["condition"]) == (3, "Unknown", "InProgress")
        poi.then("TransactionStatus", found_as(payment_response("Failure", "Refusal", text="text=Nein, ä")))
        code, again, _ = await pos(poi.port, "--state", state, "status")
        assert (code, again["serviceId"], again["text"]) == (1, line["serviceId"], "Nein, ä")


async def test_nobody_there_is_1_and_says_so() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        code, line, _ = await pos(bound.getsockname()[1], "login")
    assert (code, line["condition"]) == (1, "UnreachableHost")


async def test_send_prints_the_line_on_stdout_and_the_answer_on_stderr(tmp_path: Path) -> None:
    async with scripted_poi() as poi:

        async def reject(line: Line) -> None:
            await line.send(event("Reject", "code=NB-102; text=Unreadable."))

        poi.on_garbage = reject
        file = tmp_path / "wrong.xml"
        await asyncio.to_thread(file.write_bytes, b"<wrong")
        code, line, shown = await pos(poi.port, "send", str(file))
        assert (code, line["condition"], line["text"]) == (1, "Reject", "Unreadable.")
        assert "<RejectedMessage>" in shown
        assert poi.raw == [b"<wrong"]


async def test_abort_and_logout_speak_too() -> None:
    async with scripted_poi() as poi:
        poi.then("TransactionStatus", reply(not_known("InProgress")))
        assert (await pos(poi.port, "abort", "7"))[:2] == (
            0,
            {
                "serviceId": poi.seen[0].header.service_id,
                "result": "Success",
                "condition": "InProgress",
                "authorized": None,
                "text": "Asked to stop",
            },
        )
        poi.then("Logout", drop)
        assert (await pos(poi.port, "logout"))[0] == 3


GOOD = ["pos", "--connect", "tcp://127.0.0.1:9", "--sale-id", "S", "--poiid", "P"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*GOOD, "pay", "12.505", "EUR"], "EUR has 2 decimals"),
        ([*GOOD, "pay", "0", "EUR"], "above 0"),
        ([*GOOD, "pay", "1.00", "EURO"], "not an active ISO 4217 currency"),
        ([*GOOD, "send", "/no/such/file"], "/no/such/file: No such file"),
        (["pos", "--sale-id", "S", "--poiid", "P", "login"], "--connect is required"),
        ([*GOOD[:-2], "login"], "--poiid is required"),
        ([*GOOD, "--ca", "ca.pem", "login"], "--ca: tcp:// has no TLS"),
        ([*GOOD, "--mqtt-login", "login.txt", "login"], "--mqtt-login: tcp:// has no broker"),
        ([*GOOD, "--listen", "127.0.0.1:8080", "login"], "--listen: over tcp:// everything comes the way"),
        ([*GOOD, "--connect", "tls://h:1", "--key", "k.pem", "login"], "--key: goes with --certificate"),
        ([*GOOD, "--connect", "tls://h:1", "--ca", "/no/ca.pem", "login"], "--ca /no/ca.pem: No such file"),
        ([*GOOD, "--connect", "mqtt://h", "--mqtt-login", "/no/file", "login"], "/no/file: No such file"),
        ([*GOOD, "--connect", "mqtt://h", "--mqtt-login", __file__, "login"], "one line each"),
    ],
)
def test_usage_mistakes_are_one_line_and_2(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("nexo-bridge pos: ")
    assert says in told.err


@pytest.mark.parametrize(
    "words",
    [
        [*GOOD, "pay", "12,50", "EUR"],
        [*GOOD, "pay", "1", "EUR", "--qr", "--scan", "1"],
        [*GOOD, "--timeout", "-1", "login"],
        [*GOOD, "--timeout", "soon", "login"],
        [*GOOD, "fly"],
        [*GOOD, "--connect", "http://h", "--listen", "8080", "login"],
        ["pos", "--connect", "127.0.0.1:9", "login"],
        ["pos", "--connect", "tcp://127.0.0.1:99999", "login"],
        ["pos", "--connect", "tcp://127.0.0.1", "login"],
    ],
)
def test_what_argparse_refuses_is_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2


def test_a_service_id_that_is_too_long_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        words = ["pos", "--connect", f"tcp://127.0.0.1:{port}", "--sale-id", "S", "--poiid", "P", "login"]
        assert main([*words, "--service-id", "12345678901"]) == 2
    assert "ServiceID" in capsys.readouterr().err


async def test_over_tls_and_over_a_broker_it_prints_the_same_line(tmp_path: Path) -> None:
    ca, login = tmp_path / "ca.pem", tmp_path / "login.txt"
    await asyncio.to_thread(authority().cert_pem.write_to_path, ca)
    await asyncio.to_thread(login.write_text, "till\nright\n")
    async with sockets(secure=True) as peer:
        peer.answers = [said("TILL1", "POI00001")]
        code, line, _ = await pos(
            9,
            "--connect",
            f"tls://127.0.0.1:{peer.address.port}",
            "--ca",
            str(ca),
            "--service-id",
            "5",
            "logout",
        )
        assert (code, line["result"]) == (0, "Success")
    async with behind(tmp_path, "5", users={"till": "right"}) as peer:
        peer.answers = [said("TILL/1", "POI 1")]
        words = ("--connect", f"mqtt://127.0.0.1:{peer.address.port}", "--service-id", "5", "logout")
        code, line, _ = await pos(9, *words, "--sale-id", "TILL/1", "--poiid", "POI 1")
        assert (code, line["condition"]) == (1, "UnreachableHost")
        assert "Not authorized" in line["text"]
        code, line, _ = await pos(
            9, *words, "--sale-id", "TILL/1", "--poiid", "POI 1", "--mqtt-login", str(login)
        )
        assert (code, line["result"]) == (0, "Success")
