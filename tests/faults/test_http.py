"""Payments over HTTP through the bridge as a process: side by side, left alone, sent again, drained."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.adapters.http_rig import Client, Response, connected
from tests.adapters.test_http_outgoing import Till as OwnListener
from tests.adapters.test_http_outgoing import till as own_listener
from tests.faults import words
from tests.faults.daemon import PATIENCE, POIID, Daemon, Site, daemon, site
from tests.faults.words import Answer

HTTP = '\n[[listen]]\nkind = "http"\nport = 0\n'


@dataclass
class Asked:
    """A request under way, on a connection of its own."""

    client: Client

    async def response(self) -> Response:
        async with asyncio.timeout(PATIENCE):
            return await self.client.response()

    async def answer(self) -> Answer:
        response = await self.response()
        assert (response.status, response.headers["content-type"]) == (200, "application/xml; charset=utf-8")
        return Answer(response.body)


@dataclass
class Shop:
    """A bridge that listens for HTTP, and the platform behind it."""

    here: Site
    bridge: Daemon
    made: list[Client]

    async def ask(self, message: bytes) -> Asked:
        client = await connected(self.bridge.port("http"))
        self.made.append(client)
        await client.ask(message)
        return Asked(client)

    async def answer(self, message: bytes) -> Answer:
        asked = await self.ask(message)
        answer = await asked.answer()
        asked.client.leave()  # one address may have so many connections at a time
        return answer

    async def login(self, capabilities: str = "") -> None:
        answer = await self.answer(words.login("1", "KASSE1", POIID, capabilities=capabilities))
        assert answer.result == "Success"

    async def held(self, *, qr: bool = False) -> Asked:
        """A payment whose customer stands at the terminal until ``release``."""
        self.here.sandbox.hold(POIID)
        asked = await self.ask(words.payment("11", "KASSE1", POIID, "12.50", qr=qr))
        while not self.here.sandbox.ledger():  # noqa: ASYNC110 - the platform does not say that it was asked
            await asyncio.sleep(0)
        return asked

    async def status(self, service: str) -> Answer:
        return await self.answer(words.status(service, "KASSE1", POIID, "11"))

    async def settled(self) -> Answer:
        """TransactionStatus, asked until the payment has ended."""
        async with asyncio.timeout(PATIENCE):
            for service in range(1000, 9999):
                answer = await self.status(str(service))
                if answer.condition != "InProgress":
                    return answer
        raise AssertionError

    def release(self) -> None:
        self.here.sandbox.release(POIID)

    @property
    def charged(self) -> int:
        return sum(row["charges"] for row in self.here.sandbox.ledger())


@asynccontextmanager
async def shop(folder: Path, extra: str = HTTP) -> AsyncIterator[Shop]:
    async with site(folder) as here:
        here.write(lambda text: text + extra)
        async with daemon(here.config) as bridge:
            made = Shop(here, bridge, [])
            try:
                yield made
            finally:
                for client in made.made:
                    client.leave()


async def test_log_in_pay_and_ask(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login()
        paid = await it.answer(words.payment("11", "KASSE1", POIID, "12.50"))
        assert (paid.service, paid.result, paid.amount) == ("11", "Success", "12.50")
        assert (await it.status("12")).inner == ("Success", None)
        assert it.charged == 1


async def test_status_and_abort_go_beside_a_payment(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login()
        payment = await it.held()
        assert (await it.status("12")).condition == "InProgress"
        refused = await it.answer(words.payment("13", "KASSE1", POIID, "1.00"))
        assert refused.condition == "Busy"
        aborted = await (await it.ask(words.abort("14", "KASSE1", POIID, "11"))).response()
        assert (aborted.status, aborted.body) == (204, b"")
        ended = await payment.answer()
        assert (ended.result, ended.condition) == ("Failure", "Aborted")
        assert it.charged == 0


async def test_r11_a_client_that_left_gets_its_answer_by_asking_and_by_sending_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login()
        payment = await it.held()
        payment.client.leave()
        assert (await it.status("12")).condition == "InProgress"
        it.release()
        assert (await it.settled()).inner == ("Success", None)
        again = await it.answer(words.payment("11", "KASSE1", POIID, "12.50"))
        assert (again.result, again.amount) == ("Success", "12.50")
        assert it.charged == 1


async def test_r3_a_request_sent_again_joins_and_the_answer_goes_to_the_newest(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login()
        first = await it.held()
        first.client.leave()
        again = await it.ask(words.payment("11", "KASSE1", POIID, "12.50"))
        line = await it.bridge.line()
        told = await line.ask(words.status("12", "KASSE1", POIID, "11"))
        assert told.condition == "InProgress", "the same POS, over TCP"
        it.release()
        assert (await again.answer()).result == "Success"
        assert it.charged == 1


async def test_f62_a_stop_lets_a_running_request_end_and_answers_questions_meanwhile(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login()
        payment = await it.held()
        it.bridge.process.terminate()
        await it.bridge.says(b"stopping")
        assert (await it.status("12")).condition == "InProgress"
        refused = await it.answer(words.payment("13", "KASSE1", POIID, "1.00"))
        assert (refused.condition, refused.code) == ("Busy", "NB-343")
        it.release()
        response = await payment.response()
        assert response.headers["connection"] == "close"
        assert Answer(response.body).result == "Success"
        assert await it.bridge.ended() == 0
        assert it.charged == 1


async def test_a_pos_with_a_listener_of_its_own_is_shown_what_happens(tmp_path: Path) -> None:
    async with own_listener() as pos:
        async with shop(tmp_path, f'{HTTP}[pos."KASSE1"]\nhttp = "{pos.address().url}"\n') as it:
            await it.login("CustomerDisplay")
            payment = await it.held(qr=True)
            shown = await display_on(pos)
            assert (shown.category, shown.value("//OutputContent/@OutputFormat")) == ("Display", "BarCode")
            late = await (await it.ask(words.abort("14", "KASSE1", POIID, "10"))).response()
            assert late.status == 204
            event = await display_on(pos)
            assert event.value("//@EventToNotify") == "Reject"
            it.release()
            assert (await payment.answer()).result == "Success"


async def display_on(pos: OwnListener) -> Answer:
    async with asyncio.timeout(PATIENCE):
        return Answer((await pos.told.get())[1])


async def test_what_a_client_only_pos_cannot_be_told_does_not_disturb_its_payment(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.login("CustomerDisplay")
        payment = await it.held(qr=True)
        await it.bridge.says(b"pos_cannot_be_told")
        it.release()
        assert (await payment.answer()).result == "Success"


async def test_what_is_not_valid_says_where(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        wrong = await it.answer(
            words.payment("11", "KASSE1", POIID, "12.50").replace(b"RequestedAmount", b"Amount")
        )
        assert (wrong.service, wrong.condition) == ("11", "MessageFormat")
        assert wrong.at
        for junk, status in ((b"4711", 400), (b"<" + b"x" * (1 << 20), 413)):
            response = await (await it.ask(junk)).response()
            event = Answer(response.body)
            assert (response.status, event.value("//@EventToNotify")) == (status, "Reject")


async def test_https_and_json(tmp_path: Path) -> None:
    ca = trustme.CA()
    certificate = ca.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "bridge.key")
    (tmp_path / "bridge.key").chmod(0o600)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(tmp_path / "bridge.pem", append=True)
    tls = ssl.create_default_context()
    ca.configure_trust(tls)
    extra = f'{HTTP}certificate = "bridge.pem"\nkey = "bridge.key"\njson = true\n'
    async with shop(tmp_path, extra) as it:
        client = await connected(it.bridge.port("https"), tls=tls)
        it.made.append(client)
        header = {
            "ProtocolVersion": "3.1",
            "MessageClass": "Service",
            "MessageCategory": "Diagnosis",
            "MessageType": "Request",
            "ServiceID": "21",
            "SaleID": "KASSE1",
            "POIID": POIID,
        }
        body = {"MessageHeader": header, "DiagnosisRequest": {"HostDiagnosisFlag": False}}
        for sent in ({"SaleToPOIRequest": body}, body):
            response = await client.post(
                json.dumps(sent).encode(), {"Content-Type": "application/json"}, path="/nexo"
            )
            assert (response.status, response.headers["content-type"]) == (200, "application/json")
            told = json.loads(response.body)
            inner = told["SaleToPOIResponse"] if sent is not body else told
            assert inner["MessageHeader"]["ServiceID"] == "21"
            assert inner["DiagnosisResponse"]["Response"]["Result"] == "Success"
