"""A POS that speaks JSON over TCP: one payment whatever form it is asked for in, and no JSON that does harm.

What is sent is written by hand, and what comes is read by the standard library: no line of the bridge's own codec.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.faults import words
from tests.faults.stage import POIID, Stage, Till, stage

SALE = "KASSE1"


def enabled(text: str) -> str:
    assert 'kind = "tcp"\n' in text
    return text.replace('kind = "tcp"\n', 'kind = "tcp"\njson = true\n')


def said(category: str, service: str, body: dict[str, Any], *, bare: bool = False) -> bytes:
    """A request, as a POS with any JSON library writes it."""
    inside = {
        "MessageHeader": {
            "MessageClass": "Service",
            "MessageCategory": category,
            "MessageType": "Request",
            "ServiceID": service,
            "SaleID": SALE,
            "POIID": POIID,
            **({"ProtocolVersion": "3.1"} if category == "Login" else {}),
        },
        f"{category}Request": body,
    }
    return json.dumps(inside if bare else {"SaleToPOIRequest": inside}).encode()


def login(service: str = "1", *, bare: bool = False) -> bytes:
    software = {
        "ProviderIdentification": "Kornblume",
        "ApplicationName": "Kasse",
        "SoftwareVersion": "7",
        "CertificationCode": "K7",
    }
    capable = {"TerminalEnvironment": "Attended", "SaleCapabilities": ["CashierDisplay", "CashierError"]}
    body = {
        "DateTime": words.MOMENT,
        "OperatorLanguage": "en",
        "SaleSoftware": software,
        "SaleTerminalData": capable,
    }
    return said("Login", service, body, bare=bare)


def payment(service: str, amount: str, *, bare: bool = False) -> bytes:
    """``amount`` goes out digit for digit."""
    body = {
        "SaleData": {"SaleTransactionID": {"TransactionID": f"B-{service}", "TimeStamp": words.MOMENT}},
        "PaymentTransaction": {"AmountsReq": {"Currency": "EUR", "RequestedAmount": "@"}},
    }
    return said("Payment", service, body, bare=bare).replace(b'"@"', amount.encode())


def status(service: str, reference: str, *, bare: bool = False) -> bytes:
    body = {"MessageReference": {"MessageCategory": "Payment", "ServiceID": reference}}
    return said("TransactionStatus", service, body, bare=bare)


class JsonTill:
    """One connection; messages go out behind their length or bare, and answers have to come alike."""

    def __init__(self, it: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stage = it
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.framed = True
        self._reader, self._writer = reader, writer
        self._task = asyncio.create_task(self._read(), name="json till")

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                first = await self._reader.readexactly(1)
                assert (first != b"{") == self.framed, first
                if self.framed:
                    size = int.from_bytes(first + await self._reader.readexactly(3))
                    self._hear(await self._reader.readexactly(size))
                    continue
                text = first
                while not _whole(text):
                    text += await self._reader.readuntil(b"}")
                self._hear(text)

    def _hear(self, data: bytes) -> None:
        self.heard.put_nowait(data)
        self.stage.received += 1
        self.stage.news.set()

    async def send(self, *messages: bytes) -> None:
        self.stage.expected += len(messages)
        self._writer.write(
            b"".join(words.framed(message) if self.framed else message for message in messages)
        )
        await self.stage.settle()

    async def ask(self, message: bytes) -> bytes:
        await self.send(message)
        until = self.stage.time.passed + 600
        while self.heard.empty():
            assert await self.stage.tick(until), "no answer"
        return self.heard.get_nowait()

    async def leave(self) -> None:
        self._writer.transport.abort()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _whole(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@contextlib.asynccontextmanager
async def json_till(it: Stage) -> Any:
    till = JsonTill(it, *await asyncio.open_connection(*it.address))
    try:
        yield till
    finally:
        await till.leave()


def body_of(data: bytes, *, bare: bool = False) -> dict[str, Any]:
    """The body of a response, whose header names the request."""
    whole = json.loads(data, parse_float=str)
    inside = whole if bare else whole["SaleToPOIResponse"]
    category = inside["MessageHeader"]["MessageCategory"]
    assert inside["MessageHeader"]["MessageType"] == "Response"
    assert len(inside) == 2
    body = inside[f"{category}Response"]
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("bare", [False, True], ids=["envelope", "no-envelope"])
@pytest.mark.parametrize("framed", [True, False], ids=["length", "no-length"])
async def test_a_payment_in_json_is_answered_in_json_and_its_repeat_byte_for_byte(
    framed: bool, bare: bool, tmp_path: Path
) -> None:
    async with stage(tmp_path, edit=enabled) as it, json_till(it) as till:
        till.framed = framed
        assert body_of(await till.ask(login(bare=bare)), bare=bare)["Response"]["Result"] == "Success"
        first = await till.ask(payment("11", "12.5", bare=bare))
        paid = body_of(first, bare=bare)
        assert paid["Response"] == {"Result": "Success"}
        assert paid["SaleData"]["SaleTransactionID"] == {"TransactionID": "B-11", "TimeStamp": words.MOMENT}
        assert paid["PaymentResult"]["AmountsResp"]["AuthorizedAmount"] == "12.50"
        assert isinstance(paid["PaymentResult"]["PaymentInstrumentData"]["CardData"]["EntryMode"], list)
        assert await till.ask(payment("11", "12.5", bare=bare)) == first
        told = body_of(await till.ask(status("12", "11", bare=bare)), bare=bare)
        repeated = told["RepeatedMessageResponse"]
        assert repeated["MessageHeader"]["ServiceID"] == "11"
        assert repeated["RepeatedResponseMessageBody"]["PaymentResponse"]["Response"] == {"Result": "Success"}
        assert len(it.sandbox.ledger()) == 1
        await it.invariants()


async def test_a_pos_may_change_its_form_in_the_middle(tmp_path: Path) -> None:
    """What one connection asked for in XML is repeated and asked after in JSON, and the other way round."""
    async with stage(tmp_path, edit=enabled) as it, json_till(it) as till:
        xml = await it.logged_in(SALE)
        assert (await xml.pay("11", "10.00")).amount == "10.00"
        again = body_of(await till.ask(payment("11", "10.0")))
        assert again["PaymentResult"]["AmountsResp"]["AuthorizedAmount"] == "10.00"
        assert body_of(await till.ask(payment("12", "5.00")))["Response"]["Result"] == "Success"
        assert (await xml.pay("12", "5.00")).amount == "5.00"
        assert (await xml.status("13", "12")).inner == ("Success", None)
        assert body_of(await till.ask(payment("12", "6.00")))["Response"]["ErrorCondition"] == "MessageFormat"
        assert len(it.sandbox.ledger()) == 2
        await it.invariants()


async def test_what_is_journalled_and_stored_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path, edit=enabled) as it:
        async with json_till(it) as till:
            await till.ask(login())
            first = await till.ask(payment("11", "10.0"))
        it.exact = False
        await it.restart()
        async with json_till(it) as till:
            assert await till.ask(payment("11", "10.0")) == first
        assert len(it.sandbox.ledger()) == 1


@pytest.mark.parametrize("bare", [False, True], ids=["envelope", "no-envelope"])
async def test_a_wrong_member_is_refused_with_the_path_its_writer_knows(bare: bool, tmp_path: Path) -> None:
    async with stage(tmp_path, edit=enabled) as it, json_till(it) as till:
        await till.ask(login(bare=bare))
        root = "$" if bare else "$.SaleToPOIRequest"
        at = f"{root}.PaymentRequest.PaymentTransaction.AmountsReq"
        for wrong, path in (
            (payment("11", '"10.00"', bare=bare), f"{at}.RequestedAmount"),
            (payment("12", "10.00", bare=bare).replace(b"Currency", b"currency"), f"{at}.currency"),
            (payment("13", "1e2", bare=bare), f"{at}.RequestedAmount"),
            (payment("14", "10.001", bare=bare), f"{at}.RequestedAmount"),
        ):
            refused = body_of(await till.ask(wrong), bare=bare)["Response"]
            assert (refused["Result"], refused["ErrorCondition"]) == ("Failure", "MessageFormat")
            assert f"at={path};" in refused["AdditionalResponse"]
        assert it.sandbox.ledger() == []


PAY = payment("11", "10.00")
HOSTILE = {
    "f41 depth 10 000": b'{"a":' * 10_000,
    "f41 depth 10 000 inside": PAY.replace(
        b'"SaleData"', b'"x": ' + b"[" * 10_000 + b"]" * 10_000 + b', "SaleData"'
    ),
    "a member twice": PAY.replace(b'"10.00"', b"10.00").replace(b'"SaleID"', b'"SaleID": "KASSE2", "SaleID"'),
    "nan": payment("11", "NaN"),
    "infinity": payment("11", "-Infinity"),
    "h08 utf-16": PAY.decode().encode("utf-16"),
    "h08 wrong utf-8": PAY.replace(b"KASSE1", b"KASS\xc3\x28"),
    "h08 nul": PAY.replace(b"KASSE1", b"KAS\x00SE"),
    "half of it": PAY[:200],
    "h12 trailing bytes": PAY + b"rest",
    "h12 two of them": PAY + PAY,
    "an array": b"[" + PAY + b"]",
    "another envelope": b'{"Invoice": {}}',
    "many members": b'{"a": [' + b"1," * 200_000 + b"1]}",
    "many strings": b'{"a": [' + b'"",' * 200_000 + b'""]}',
    "a number of 500 000 digits": payment("11", "1" * 500_000),
    "many unknown members": said("Payment", "11", {f"x{n}": n for n in range(20_000)}),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_json_is_refused_and_the_next_customer_pays(name: str, tmp_path: Path) -> None:
    async with stage(tmp_path, edit=enabled) as it, json_till(it) as till:
        await till.ask(login())
        sent = HOSTILE[name]
        await till.send(sent)
        heard = till.heard.get_nowait()
        if heard.startswith(b"<"):  # it does not even begin like JSON
            assert name in {"h08 utf-16", "an array"}
        else:
            ((root, inside),) = json.loads(heard).items()
            if root == "SaleToPOIResponse":
                assert inside["MessageHeader"]["ServiceID"] == "11"
                assert inside["PaymentResponse"]["Response"]["ErrorCondition"] == "MessageFormat"
            else:
                event = inside["EventNotification"]
                assert event["EventToNotify"] == "Reject"
                assert b64decode(event["RejectedMessage"]) == sent[:1024]
        assert it.sandbox.ledger() == []
        assert body_of(await till.ask(payment("99", "7.77")))["Response"]["Result"] == "Success"
        await it.invariants()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_secrets_in_json_are_as_secret_as_in_xml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "28161234567890123456"
    scanned = json.loads(payment("11", "10.00"))
    token = {"TokenRequestedType": "Transaction", "TokenValue": secret}
    scanned["SaleToPOIRequest"]["PaymentRequest"]["PaymentData"] = {
        "PaymentInstrumentData": {
            "PaymentInstrumentType": "Mobile",
            "CardData": {"EntryMode": ["Scanned"], "PaymentToken": token},
        }
    }
    async with stage(tmp_path, edit=enabled) as it, json_till(it) as till:
        await till.ask(login())
        paid = body_of(await till.ask(json.dumps(scanned).encode()))
        assert paid["Response"]["Result"] == "Success"
        shown = capsys.readouterr()
        assert secret not in shown.out + shown.err
    written = everything_in(tmp_path)
    assert b"POI00001" in written
    assert secret.encode() not in written


async def test_h24_where_json_is_not_enabled_it_is_named_and_xml_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stage(tmp_path) as it:
        async with json_till(it) as till:
            refused = body_of(await till.ask(payment("11", "10.00")))["Response"]
            assert refused["ErrorCondition"] == "MessageFormat"
            assert "JSON is not enabled" in refused["AdditionalResponse"]
            till.framed = False
            heard = json.loads(await till.ask(b'{"SaleToPOIRequest": {"MessageHeader": {}}}'))
            event = heard["SaleToPOIRequest"]["EventNotification"]
            assert event["EventToNotify"] == "Reject", "no header, so no response is possible"
        shown = capsys.readouterr()
        assert (shown.out + shown.err).count("JSON is not enabled") >= 2
        assert it.sandbox.ledger() == []
        it.exact = False
        xml: Till = await it.logged_in()
        assert (await xml.pay("12", "7.77")).result == "Success"
