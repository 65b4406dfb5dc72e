"""The way to the platform: dead, dumb, an impostor, or full of rubbish (F30 to F32, F34, F41 to F43)."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nexo_bridge.adapters.https import Timeouts
from nexo_bridge.sandbox.certificates import KeyPair
from nexo_bridge.sandbox.routes import Base
from nexo_bridge.sandbox.wire import Answer, Handler, Request, json_answer
from tests.faults.stage import Stage, Till, stage
from tests.faults.wire import cable, copy, point, proxy

BASES: tuple[Base, ...] = ("auth", "device_auth", "device_api")
HURRIED = Timeouts(pool=2.0, connect=0.15, write=2.0, read=0.15, total=0.3)


async def not_sent(till: Till, service: str) -> None:
    """Certain that nothing was done: the till is told at once, and that it may try again."""
    answer = await till.pay(service, "12.50")
    assert (answer.result, answer.condition, answer.code, answer.retry) == (
        "Failure",
        "UnreachableHost",
        "NB-311",
        "yes",
    )
    assert "nothing was charged" in answer.said
    assert (await till.pay(service, "12.50")).data == answer.data


# -- F30 to F32 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
async def test_f30_a_dead_address_is_certain_and_the_payment_after_it_lives(
    base: Base, tmp_path: Path
) -> None:
    async with stage(tmp_path, begin=False) as it, cable(it, base) as line:
        await it.begin()
        till = await it.logged_in()
        await line.cut()
        await not_sent(till, "11")
        assert it.sandbox.ledger() == []
        await line.plug_in()
        await it.usable(till)


async def test_f30_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    async with stage(tmp_path, begin=False) as it:
        right = it.settings
        for base in BASES:
            point(it, base, "https://platform.invalid:9021")
        await it.begin()
        till = await it.logged_in()
        await not_sent(till, "11")
        assert "does not resolve" in (it.platform.session_state("POI00001").problem or "")
        it.settings = right
        await it.restart()
        await it.usable(await it.till())


async def test_f30_the_address_dies_during_a_payment_and_comes_back(tmp_path: Path) -> None:
    """Reads fail for a minute: the customer has paid meanwhile, and the till hears so when it can be known."""
    async with stage(tmp_path, begin=False) as it, cable(it, "device_api") as line:
        await it.begin()
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        await line.cut()
        await it.advance(60)
        assert till.answers.empty()
        await line.plug_in()
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def talks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    await writer.drain()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


@pytest.mark.parametrize("behave", [silent, talks_http, hangs_up])
async def test_f31_a_connection_without_tls(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tmp_path: Path
) -> None:
    async with stage(tmp_path, begin=False, timeouts=HURRIED) as it, cable(it, "device_api") as line:
        await it.begin()
        till = await it.logged_in()
        await line.becomes(behave)
        await not_sent(till, "11")
        await line.becomes(None)
        await it.usable(till)


def impostor(kind: str, folder: Path, it: Stage) -> ssl.SSLContext:
    """The server side of one who is not the platform."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind == "unknown CA":
        trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
        return context
    authority = it.sandbox.authority
    if kind == "wrong name":
        pair = authority.server(["other.example"])
    else:
        pair = KeyPair(folder / "expired.pem", folder / "expired.key")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        authority._issue(
            pair,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
            ExtendedKeyUsageOID.SERVER_AUTH,
            hosts=["localhost", "127.0.0.1"],
            valid_from=yesterday - timedelta(days=30),
            valid_until=yesterday,
        )
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kind", ["unknown CA", "wrong name", "expired"])
async def test_f32_an_impostor_gets_nothing(kind: str, base: Base, tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))

    async with stage(tmp_path, begin=False) as it, cable(it, base) as line:
        await it.begin()
        till = await it.logged_in()
        await line.becomes(listen, await asyncio.to_thread(impostor, kind, tmp_path, it))
        await not_sent(till, "11")
        assert b"".join(heard) == b""
        assert "certificate is not accepted" in (it.platform.session_state("POI00001").problem or "")
        await line.becomes(None)
        await it.usable(till)


# -- F34 ----------------------------------------------------------------------------------------------------------


def says(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Answer:
    return Answer(status, body, kind, {name.replace("_", "-"): value for name, value in headers.items()})


NO_TOKEN = {
    "503": says(503, b'{"code":"UNAVAILABLE"}'),
    "429": says(429, b"{}", Retry_After="30"),
    "500 without a body": says(500, b""),
    "html": says(200, b"<html>login</html>", "text/html"),
    "no access_token": says(200, b'{"token_type":"Bearer","expires_in":300}'),
    "access_token is a number": says(200, b'{"access_token":7}'),
    "a list": says(200, b"[]"),
    "a redirect": says(302, b"", Location="https://localhost/elsewhere"),
    "a life that is no number": says(200, b'{"access_token":"a","expires_in":1e999}'),
    "not utf-8": says(200, b'{"access_token":"\xff"}'),
    "a token with a line end": says(200, b'{"access_token":"a\\r\\nX-Evil: 1"}'),
}


@pytest.mark.parametrize("name", NO_TOKEN)
async def test_f34_no_token(name: str, tmp_path: Path) -> None:
    async def spoil(request: Request, handler: Handler) -> Answer:
        return NO_TOKEN[name]

    async with stage(tmp_path, begin=False) as it, proxy(it, "device_auth") as between:
        await it.begin()
        till = await it.logged_in()
        between.spoil = spoil
        await not_sent(till, "11")
        between.spoil = None
        await it.advance(31)  # of the 429: not asked again before its Retry-After
        await it.usable(till)


@pytest.mark.parametrize("expires_in", ["0", "-5", '"300"', "null", '"soon"', "true", "0.5"])
async def test_f34_an_odd_life_of_a_token_stops_no_payment(expires_in: str, tmp_path: Path) -> None:
    async def spoil(request: Request, handler: Handler) -> Answer:
        answer = await handler(request)
        odd = answer.body.replace(b'"expires_in":300', f'"expires_in":{expires_in}'.encode())
        assert odd != answer.body
        return replace(answer, body=odd)

    async with stage(tmp_path, begin=False) as it, proxy(it, "device_auth") as between:
        await it.begin()
        till = await it.logged_in()
        between.spoil = spoil
        answer = await till.pay("11", "12.50")
        assert answer.result == "Success"
        await it.usable(till)


# -- F41 and F42: the answer to a create --------------------------------------------------------------------------


def _bomb() -> bytes:
    return gzip.compress(b" " * (8 << 20))


def instead(made_up: Answer) -> Callable[[Answer], Answer]:
    return lambda _: made_up


SPOILT: dict[str, Callable[[Answer], Answer]] = {
    "empty": lambda a: replace(a, body=b""),
    "cut inside the document": lambda a: replace(a, body=a.body[:-9]),
    "html": lambda a: replace(a, body=b"<html>busy</html>", content_type="text/html"),
    "gzip bomb": lambda a: replace(a, body=_bomb(), headers={"Content-Encoding": "gzip"}),
    "too long": lambda a: replace(a, body=a.body[:-1] + b" " * 300_000 + b"}"),
    "utf-16": lambda a: replace(a, body=a.body.decode().encode("utf-16")),
    "a key twice": lambda a: replace(a, body=a.body[:-1] + b',"status":"DECLINED"}'),
    "not a number": lambda a: replace(a, body=a.body[:-1] + b',"surchargeAmount":NaN}'),
    "nested 10 000 deep": lambda a: replace(
        a, body=a.body[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    ),
    "another transaction's": lambda a: replace(
        a, body=a.body.replace(b'"clientTransactionId":"', b'"clientTransactionId":"0')
    ),
    "another device's": lambda a: replace(a, body=a.body.replace(b'"deviceId":"', b'"deviceId":"X')),
    "another currency": lambda a: replace(a, body=a.body.replace(b'"EUR"', b'"USD"')),
    "an amount that is a text": lambda a: replace(
        a, body=a.body.replace(b'"amount":1250', b'"amount":"1250"')
    ),
    "202 without a transaction": instead(says(202, b"")),
    "204": instead(says(204, b"")),
    "301": instead(says(301, b"", Location="https://localhost/elsewhere")),
    "408": instead(says(408, b"")),
    "502": instead(says(502, b"<html>bad gateway</html>", "text/html")),
    "504": instead(says(504, b"")),
    "599": instead(says(599, b"")),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_f41_the_answer_to_a_create_that_was_carried_out_is(name: str, tmp_path: Path) -> None:
    """What cannot be read may have been a yes: it is looked for, never sent again, and paid once."""

    async def spoil(request: Request, handler: Handler) -> Answer:
        answer = await handler(request)
        return SPOILT[name](answer) if request.method == "POST" else answer

    async with stage(tmp_path, begin=False) as it, proxy(it, "device_api") as between:
        await it.begin()
        till = await it.logged_in()
        between.spoil = spoil
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.amount) == ("Success", "12.50")
        assert len([one for one in between.requests if one.method == "POST"]) == 1
        between.spoil = None
        await it.usable(till)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_f42_a_redirect_never_carries_credentials(status: int, tmp_path: Path) -> None:
    """It is not followed at all: nothing connects to where it points, and no header of ours gets there."""
    async with (
        stage(tmp_path, begin=False) as it,
        proxy(it, "device_api") as between,
        cable(it, "api") as elsewhere,
    ):
        location = f"https://localhost:{elsewhere.port}/card-payment/v1/transactions"

        async def spoil(request: Request, handler: Handler) -> Answer:
            return says(status, b"", Location=location)

        await it.begin()
        till = await it.logged_in()
        between.spoil = spoil
        await till.send(till.payment("11", "12.50"))
        await it.advance(30)
        assert elsewhere.connections == 0
        assert till.answers.empty()  # a redirect says neither yes nor no
        between.spoil = None
        answer = await till.hear()
        assert (answer.result, answer.code) == ("Failure", "NB-312")
        await it.usable(till)


async def test_f43_a_body_that_trickles_is_not_waited_for(tmp_path: Path) -> None:
    """The create's answer stops in the middle and its connection stays: another one finds the payment."""
    async with stage(tmp_path, begin=False, timeouts=HURRIED) as it, cable(it, "device_api") as line:

        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(*line.target)
            up = asyncio.create_task(copy(reader, back))
            try:
                while data := await there.read(65536):
                    if it.sandbox.ledger():  # from the create's answer on
                        writer.write(data[:40])
                        await asyncio.Event().wait()
                    writer.write(data)
            finally:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)
                back.transport.abort()

        await line.becomes(trickle)
        await it.begin()
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        await it.advance(2)
        assert len(it.sandbox.ledger()) == 1
        assert till.answers.empty()
        await line.becomes(None)
        answer = await till.hear()
        assert answer.result == "Success"
        await it.usable(till)


async def test_f34_credentials_of_several_merchants_and_none(tmp_path: Path) -> None:
    """Which merchant is meant is not guessed: the terminal is out of order and says why."""

    async def several(request: Request, handler: Handler) -> Answer:
        entry = '{"merchantName":"%s","userDomain":"%s","clientId":"c","clientSecret":"s"}'
        return says(200, f"[{entry % ('A', 'a')},{entry % ('B', 'b')}]".encode())

    async def none(request: Request, handler: Handler) -> Answer:
        return json_answer([])

    async with stage(tmp_path, begin=False) as it, proxy(it, "auth") as between:
        await it.begin()
        till = await it.logged_in()
        for number, (spoil, said) in enumerate(((several, "A (a), B (b)"), (none, "no merchant")), start=11):
            between.spoil = spoil
            await not_sent(till, str(number))
            state = it.platform.session_state("POI00001")
            assert state.ok is False
            assert said in (state.problem or "")
        between.spoil = None
        await it.usable(till)


@pytest.mark.parametrize("chosen", ['merchant_name = "Sandbox Shop"', 'user_domain = "sandbox-ma"'])
async def test_of_several_merchants_the_terminal_s_own_is_taken(chosen: str, tmp_path: Path) -> None:
    async def several(request: Request, handler: Handler) -> Answer:
        other = {"merchantName": "B", "userDomain": "b", "clientId": "c", "clientSecret": "s"}
        return json_answer([other, *json.loads((await handler(request)).body)])

    def edit(text: str) -> str:
        return text.replace('grant = "mtls"\n', f'grant = "mtls"\n{chosen}\n')

    async with stage(tmp_path, begin=False, edit=edit) as it, proxy(it, "auth") as between:
        between.spoil = several
        await it.begin()
        await it.usable(await it.logged_in())


FOREIGN = {
    "another payment": (b'"clientTransactionId":"', b'"clientTransactionId":"0'),
    "another device": (b'"deviceId":"', b'"deviceId":"X'),
    "another currency": (b'"EUR"', b'"USD"'),
    "more money": (b'"authorisedAmount":1250', b'"authorisedAmount":999999'),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_r4_an_approval_that_is_not_ours_is_never_said_to_be(name: str, tmp_path: Path) -> None:
    """Every answer tells of something else: nothing is said, an alarm is raised, and the truth comes out later."""
    ours, foreign = FOREIGN[name]

    async def spoil(request: Request, handler: Handler) -> Answer:
        answer = await handler(request)
        return replace(answer, body=answer.body.replace(ours, foreign))

    async with stage(tmp_path, begin=False) as it, proxy(it, "device_api") as between:
        await it.begin()
        till = await it.logged_in()
        between.spoil = spoil
        await till.send(till.payment("11", "12.50"))
        await it.advance(40)
        assert till.answers.empty()
        assert set(it.alarms) & {"FOREIGN", "AMOUNT"}
        between.spoil = None
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)
