"""The platform over real mutual TLS: golden exchanges, and what each fault means for a payment (F30 to F44)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.typing import EventDict

from nexo_bridge.adapters.https import Timeouts
from nexo_bridge.adapters.ppaas_http import Clock, Platform, TerminalAccess
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.models import (
    AbortBody,
    Absent,
    Accepted,
    Approved,
    CancelBody,
    CardCreate,
    Declined,
    DisplayBody,
    FenceBody,
    NotSent,
    Order,
    Outcome,
    PaymentAmount,
    Pending,
    QrCreate,
    TerminalIs,
    Unknown,
)
from nexo_bridge.ppaas.operations import Call, with_paths
from nexo_bridge.redaction import Secret
from tests.adapters.scripted_platform import (
    CARDS,
    COUNTRIES,
    CREDENTIALS,
    SERIAL,
    TOKEN,
    Certificates,
    Reply,
    Request,
    ScriptedPlatform,
    Silence,
    Time,
    bases,
    bridge,
    cut_at,
    hang_up,
    http,
    reset,
    scripted,
    token,
    transaction,
    write,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "http"
KEY = "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d"
OWN = "0b6f3c52-7a0d-5a4e-8d0e-3f5b7a9c1e2d"
ID = {"transactionId": "txn_01HV3K9Q2N"}
ORDER = Order(order_id="5d0a3f7c-8c59-5f5e-b1a4-7e6d5c4b3a29", order_description="Sale 4711, café")
QR_ORDER = Order(order_id=ORDER.order_id, order_description="Sale 4712")
AMOUNT = PaymentAmount(amount=1250, currency="EUR")
SCANNED = Secret.seal("281612345678901234", b"key")
CARD = CardCreate(client_transaction_id=KEY, payment_amount=AMOUNT, tip_amount=100, order=ORDER)
SALE = Call("P1", "create_card", body=CARD, key=KEY)
FENCE = FenceBody(client_transaction_id=OWN, original_client_transaction_id=KEY)


def qr(scenario: str, scanned: Secret | None = None) -> QrCreate:
    return QrCreate.model_validate(
        {
            "payment_type": "KB",
            "payment_scenario": scenario,
            "scanned_payment_id": scanned,
            "client_transaction_id": KEY,
            "payment_amount": {"amount": 2000, "currency": "EUR"},
            "order": QR_ORDER,
        }
    )


EXCHANGES: dict[str, tuple[Call, type[Any]]] = {
    "countries": (Call("P1", "countries"), Accepted),
    "create_card": (SALE, Pending),
    "create_card-busy": (SALE, NotSent),
    "create_card-fenced": (SALE, Unknown),
    "create_qr": (Call("P1", "create_qr", body=qr("consumerscan"), key=KEY), Pending),
    "create_qr-scanned": (Call("P1", "create_qr", body=qr("merchantscan", SCANNED), key=KEY), Pending),
    "create_qr-printed-sample": (Call("P1", "create_qr", body=qr("consumerscan", SCANNED), key=KEY), Pending),
    "read_card": (Call("P1", "read_card", ID), Approved),
    "read_qr": (Call("P1", "read_qr", ID), Absent),
    "find_card": (Call("P1", "find_card", query={"clientTransactionId": KEY}, key=KEY), Absent),
    "find_qr": (Call("P1", "find_qr", query={"clientTransactionId": KEY}, key=KEY), Declined),
    "cancel_card": (
        Call("P1", "cancel_card", ID, body=CancelBody(client_transaction_id=OWN), key=OWN),
        Approved,
    ),
    "cancel_card-captured": (
        Call("P1", "cancel_card", ID, body=CancelBody(client_transaction_id=OWN), key=OWN),
        NotSent,
    ),
    "cancel_qr": (Call("P1", "cancel_qr", ID, body=CancelBody(client_transaction_id=OWN), key=OWN), Accepted),
    "fence_card": (Call("P1", "fence_card", body=FENCE, key=OWN), Absent),
    "fence_qr": (Call("P1", "fence_qr", body=FENCE, key=OWN), Declined),
    "terminal_status": (Call("P1", "terminal_status"), TerminalIs),
    "terminal_abort": (
        Call("P1", "terminal_abort", body=AbortBody(transaction_id=ID["transactionId"])),
        Accepted,
    ),
    "terminal_display": (
        Call(
            "P1",
            "terminal_display",
            body=DisplayBody(format="TEXT", text="Thank you\nGoodbye", duration_seconds=10),
        ),
        Accepted,
    ),
    "terminal_display-qr": (
        Call(
            "P1",
            "terminal_display",
            body=DisplayBody(
                format="QRCODE", text="Scan to pay 12.50 EUR", qr_content="https://pay.example/q/7Yq2"
            ),
        ),
        Accepted,
    ),
}
HOSTS = {
    "auth": "auth.demo.ppaas.tech",
    "device_auth": "auth.device.demo.ppaas.tech:9021",
    "device_api": "api.device.demo.ppaas.tech:9021",
}


def golden_request(name: str) -> tuple[str, dict[str, str], bytes]:
    head, body = (GOLDEN / f"{name}.request.http").read_bytes().split(b"\r\n\r\n", 1)
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {field.lower(): value for field, value in (line.split(": ", 1) for line in lines)}
    return first, headers, body


def sent(request: Request) -> tuple[str, dict[str, str], bytes]:
    """A request of ours as a golden one; the host is that of its base in the environment demo."""
    headers = {name: value for name, value in request.headers.items() if name != "connection"}
    headers["host"] = HOSTS[request.base]
    return f"{request.method} {request.target} HTTP/1.1", headers, request.body


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def platform(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    async with scripted(certificates) as platform:
        yield platform


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def ours(platform: ScriptedPlatform, certificates: Certificates, time: Time) -> AsyncIterator[Platform]:
    async with bridge(platform.port, certificates, time=time) as ours:
        yield ours


async def performed(ours: Platform, platform: ScriptedPlatform, *replies: Reply) -> Outcome:
    platform.says(CARDS, *replies)
    return await ours.perform(SALE)


@pytest.mark.parametrize("name", EXCHANGES)
async def test_a_call_is_sent_and_answered_as_documented(
    ours: Platform, platform: ScriptedPlatform, name: str
) -> None:
    for row in ("merchants-credentials", "token", name):
        target = golden_request(row)[0].split(" ")[1]
        platform.says(target.split("?")[0], (GOLDEN / f"{row}.response.http").read_bytes())
    # The golden credentials are those of the golden token request.
    call, expected = EXCHANGES[name]
    assert isinstance(await ours.perform(call), expected)
    assert [sent(request) for request in platform.requests] == [
        golden_request("merchants-credentials"),
        golden_request("token"),
        golden_request(name),
    ]


def test_every_golden_exchange_is_played() -> None:
    names = {path.name.removesuffix(".request.http") for path in GOLDEN.glob("*.request.http")}
    assert names == {*EXCHANGES, "merchants-credentials", "token"}


async def test_the_session_is_opened_once_for_many_calls(ours: Platform, platform: ScriptedPlatform) -> None:
    platform.says(CARDS, http(201, transaction()))
    await asyncio.gather(*(ours.perform(SALE) for _ in range(4)))
    assert len(platform.asked(CREDENTIALS)) == len(platform.asked(TOKEN)) == 1


async def test_each_terminal_has_its_own_session_and_connections(
    certificates: Certificates, platform: ScriptedPlatform
) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    ours = await asyncio.to_thread(
        Platform, {"P1": access, "P2": access}, bases(platform.port), ca=certificates.ca
    )
    await ours.probe("P1")
    await ours.probe("P2")
    assert [request.bearer for request in platform.asked(COUNTRIES)] == ["token-1", "token-2"]
    assert platform.connections == 2
    await ours.close()


async def test_f35_a_token_that_ends_between_create_and_read(
    ours: Platform, platform: ScriptedPlatform, time: Time
) -> None:
    platform.says(f"{CARDS}/t-1", http(200, transaction(status="APPROVED")))
    await performed(ours, platform, http(201, transaction()))
    time.mono += 301
    assert isinstance(await ours.perform(Call("P1", "read_card", {"transactionId": "t-1"})), Approved)
    assert platform.requests[-1].bearer == "token-2"


async def test_f36_a_401_is_answered_by_the_same_bytes_and_a_new_token(
    ours: Platform, platform: ScriptedPlatform
) -> None:
    found = await performed(ours, platform, http(401), http(201, transaction()))
    assert isinstance(found, Pending)
    first, second = platform.asked(CARDS)
    assert (first.bearer, second.bearer) == ("token-1", "token-2")
    assert first.body == second.body
    assert json.loads(second.body)["clientTransactionId"] == KEY


async def test_f36_fifty_calls_refused_together_cost_one_token(
    platform: ScriptedPlatform, certificates: Certificates
) -> None:
    async def only_new(writer: asyncio.StreamWriter, request: Request) -> None:
        writer.write(http(201, transaction()) if request.bearer == "token-2" else http(401))

    platform.says(CARDS, only_new)
    async with bridge(platform.port, certificates, timeouts=Timeouts(pool=20)) as ours:
        await ours.probe("P1")
        found = await asyncio.gather(*(ours.perform(SALE) for _ in range(50)))
    assert all(isinstance(outcome, Pending) for outcome in found)
    assert len(platform.asked(TOKEN)) == 2


async def test_f36_a_second_401_is_final(ours: Platform, platform: ScriptedPlatform) -> None:
    found = await performed(ours, platform, http(401, {"code": "UNAUTHORISED"}))
    assert found == NotSent(code="UNAUTHORISED", reason="refused with 401 UNAUTHORISED", status=401)
    assert len(platform.asked(CARDS)) == 2
    assert ours.session_state("P1").ok is False


async def test_a_401_and_then_no_token_is_not_sent(ours: Platform, platform: ScriptedPlatform) -> None:
    platform.says(TOKEN, token("one"), http(503))
    found = await performed(ours, platform, http(401), http(201, transaction()))
    assert isinstance(found, NotSent)
    assert found.code == "TOKEN"


async def test_a_401_and_then_silence_is_unknown(ours: Platform, platform: ScriptedPlatform) -> None:
    assert isinstance(await performed(ours, platform, http(401), hang_up), Unknown)


@pytest.mark.parametrize(
    "fault", [http(500), http(429), http(200, body=b"<html>"), hang_up, cut_at(40, token("x"))]
)
async def test_f34_without_a_token_nothing_is_sent(
    ours: Platform, platform: ScriptedPlatform, fault: Reply
) -> None:
    platform.says(TOKEN, fault)
    found = await performed(ours, platform, http(201, transaction()))
    assert isinstance(found, NotSent)
    assert found.code == "TOKEN"
    assert platform.asked(CARDS) == []
    platform.says(TOKEN, token("again"))
    assert isinstance(await ours.perform(SALE), Pending)


UNCERTAIN: dict[str, Reply] = {
    "202 and the end": cut_at(30, http(202, transaction())),
    "202 without a word": http(202),
    "500 after storing": http(500),
    "502": http(502),
    "503": http(503),
    "504": http(504),
    "408": http(408),
    "409": http(409, {"code": "CONFLICT"}),
    "302": http(302, headers="Location: https://localhost/\r\n"),
    "closed without a word": hang_up,
    "reset": reset,
    "a byte short": cut_at(len(http(201, transaction())) - 1, http(201, transaction())),
    "not JSON": http(201, body=b"<html>created</html>"),
    "latin-1": http(201, body=json.dumps(transaction()).encode().replace(b"t-1", b"t-\xe9")),
    "key given twice": http(201, body=b'{"status": "APPROVED",' + json.dumps(transaction()).encode()[1:]),
    "too long": http(201, body=b" " * 300_000),
    "compressed": http(201, transaction(), headers="Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("reply", UNCERTAIN.values(), ids=UNCERTAIN.keys())
async def test_f40_f41_what_leaves_a_create_uncertain_is_unknown_and_sent_once(
    ours: Platform, platform: ScriptedPlatform, reply: Reply
) -> None:
    assert isinstance(await performed(ours, platform, reply), Unknown)
    assert len(platform.asked(CARDS)) == 1
    platform.says(CARDS, http(201, transaction()))
    assert isinstance(await ours.perform(SALE), Pending)


@pytest.mark.parametrize("status", [400, 403, 404, 415, 422, 429])
async def test_f40_a_readable_refusal_is_not_sent(
    ours: Platform, platform: ScriptedPlatform, status: int
) -> None:
    found = await performed(ours, platform, http(status, {"code": "SAID_NO"}, headers="Retry-After: 1\r\n"))
    assert found == NotSent(code="SAID_NO", reason=f"refused with {status} SAID_NO", status=status)


async def test_f42_a_redirect_carries_no_token_anywhere(ours: Platform, platform: ScriptedPlatform) -> None:
    elsewhere = f"Location: https://localhost:{platform.port}/elsewhere/thief\r\n"
    assert isinstance(await performed(ours, platform, http(307, headers=elsewhere)), Unknown)
    assert platform.asked("/thief") == []


async def test_f43_an_answer_that_does_not_come_in_time_is_unknown(
    platform: ScriptedPlatform, certificates: Certificates
) -> None:
    platform.says(CARDS, Silence())
    async with bridge(platform.port, certificates, timeouts=Timeouts(read=0.1)) as ours:
        assert await ours.perform(SALE) == Unknown(reason="no complete answer in time")


async def test_f44_a_connection_closed_just_as_we_send_is_unknown(
    ours: Platform, platform: ScriptedPlatform
) -> None:
    await ours.probe("P1")
    assert isinstance(await performed(ours, platform, hang_up, http(201, transaction())), Unknown)
    assert len(platform.asked(CARDS)) == 1


async def test_a_session_that_works_is_reported(ours: Platform, time: Time) -> None:
    assert ours.session_state("P1").ok is None
    state = await ours.probe("P1")
    assert (state.ok, state.problem) == (True, None)
    time.mono += 7
    assert ours.session_state("P1").token_age == 7


@pytest.mark.parametrize(
    ("path", "reply", "said"),
    [
        (CREDENTIALS, http(404, {"code": "NOT_FOUND"}), "merchants-credentials answered 404 NOT_FOUND"),
        (TOKEN, http(401, {"error": "invalid_client"}), "the token endpoint answered 401 INVALID_CLIENT"),
        (COUNTRIES, http(401), "the platform refuses a token it has just issued"),
        (COUNTRIES, http(503), "answered 503"),
        (COUNTRIES, http(200, {}), "unreadable answer"),
        (COUNTRIES, hang_up, "the connection failed"),
    ],
)
async def test_a_probe_says_what_is_wrong_and_when_it_is_mended(
    ours: Platform, platform: ScriptedPlatform, path: str, reply: Reply, said: str
) -> None:
    before = platform._script[path]
    platform.says(path, reply)
    state = await ours.probe("P1")
    assert state.ok is False
    assert state.problem is not None
    assert said in state.problem
    platform.says(path, *before)
    assert (await ours.probe("P1")).ok is True


async def test_i9_a_platform_that_is_down_behind_its_door_proves_nothing(
    ours: Platform, platform: ScriptedPlatform
) -> None:
    platform.says(COUNTRIES, http(503))
    assert (await ours.probe("P1")).ok is False
    await performed(ours, platform, http(503))
    assert ours.session_state("P1").ok is False
    await performed(ours, platform, http(201, transaction()))
    assert ours.session_state("P1").ok is True


@pytest.mark.parametrize("host", ["nowhere.invalid", "localhost"])
async def test_f30_a_platform_that_cannot_be_reached_is_not_sent(
    certificates: Certificates, host: str
) -> None:
    async with scripted(certificates) as gone:
        pass
    async with bridge(gone.port, certificates, host=host) as ours:
        found = await ours.perform(SALE)
        assert isinstance(found, NotSent)
        assert found.code == "TOKEN"
        assert ("DNS" if host == "nowhere.invalid" else "CONNECT") in found.reason


async def test_f30_a_platform_that_went_away_after_the_token_is_not_sent(certificates: Certificates) -> None:
    async with scripted(certificates) as platform:
        async with bridge(platform.port, certificates) as ours:
            platform.says(COUNTRIES, http(200, [], headers="Connection: close\r\n"))
            await ours.probe("P1")
            where = ours._bases
            ours._bases = bases(1, "nowhere.invalid")
            found = await ours.perform(SALE)
            assert isinstance(found, NotSent)
            assert found.code == "DNS"
            assert ours.session_state("P1").problem == "the platform's name does not resolve"
            ours._bases = where
            assert (await ours.probe("P1")).ok is True


async def test_f32_an_untrusted_platform_gets_nothing(certificates: Certificates) -> None:
    async with scripted(certificates, certificates.server(trustme.CA().issue_cert("localhost"))) as stranger:
        async with bridge(stranger.port, certificates) as ours:
            state = await ours.probe("P1")
            assert state.ok is False
            assert "the platform's certificate is not accepted" in str(state.problem)
        assert stranger.requests == []


async def test_f33_a_refused_client_certificate_is_found_by_the_probe(certificates: Certificates) -> None:
    async with scripted(certificates, certificates.server(trusts=trustme.CA())) as stranger:
        async with bridge(stranger.port, certificates) as ours:
            state = await ours.probe("P1")
            assert "perhaps the platform refuses the client certificate" in str(state.problem)
            found = await ours.perform(SALE)
            assert isinstance(found, NotSent)
            assert found.code == "TOKEN"


@pytest.mark.parametrize(("year", "said"), [(1999, "valid only from"), (3500, "expired on")])
async def test_f33_a_client_certificate_out_of_its_time_sends_no_money_call(
    certificates: Certificates, platform: ScriptedPlatform, year: int, said: str
) -> None:
    wall = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    ours = await asyncio.to_thread(
        Platform, {"P1": access}, bases(platform.port), ca=certificates.ca, clock=Clock(wall=lambda: wall)
    )
    found = await ours.perform(SALE)
    assert isinstance(found, NotSent)
    assert found.code == "TLS"
    assert said in found.reason
    assert platform.requests == []
    state = await ours.probe("P1")
    assert state.ok is False
    assert said in str(state.problem)
    await ours.close()


def test_f33_files_that_only_a_person_can_mend_are_a_configuration_error(
    certificates: Certificates, tmp_path: Path
) -> None:
    access = TerminalAccess(SERIAL, tmp_path / "none.pem", certificates.key)
    with pytest.raises(ConfigurationError, match=re.escape('terminals."P1".certificate: ')):
        Platform({"P1": access}, bases(1), ca=certificates.ca)


async def test_f33_certificates_exchanged_on_disk_are_taken_up_by_the_next_probe(
    tmp_path: Path, logs: list[EventDict]
) -> None:
    certificates = await asyncio.to_thread(Certificates.make, tmp_path)
    async with scripted(certificates) as platform, bridge(platform.port, certificates) as ours:
        assert (await ours.probe("P1")).ok is True
        silence = Silence(http(201, transaction()))
        platform.says(CARDS, silence, http(201, transaction()))
        running = asyncio.create_task(ours.perform(SALE))
        await silence.begun.wait()

        renewed = certificates.authority.issue_cert("renewed.device.example")
        await asyncio.to_thread(renewed.cert_chain_pems[0].write_to_path, str(certificates.certificate))
        assert (await ours.probe("P1")).ok is True  # half exchanged: what is loaded still works
        assert "cannot be used yet" in f"{logs}"
        await asyncio.to_thread(write, renewed, certificates.certificate, certificates.key)
        assert (await ours.probe("P1")).ok is True
        assert platform.requests[-1].bearer == "token-2"

        silence.end.set()
        assert isinstance(await running, Pending)  # the old connection served its call to the end
        assert isinstance(await ours.perform(SALE), Pending)
        assert platform.requests[-1].bearer == "token-2"


async def test_two_probes_at_once_exchange_certificates_once(tmp_path: Path) -> None:
    certificates = await asyncio.to_thread(Certificates.make, tmp_path)
    async with scripted(certificates) as platform, bridge(platform.port, certificates) as ours:
        renewed = certificates.authority.issue_cert("renewed.device.example")
        await asyncio.to_thread(write, renewed, certificates.certificate, certificates.key)
        states = await asyncio.gather(ours.probe("P1"), ours.probe("P1"))
        assert [state.ok for state in states] == [True, True]


async def test_a_secret_is_sent_in_clear_and_one_that_is_gone_is_not_sent(
    ours: Platform, platform: ScriptedPlatform
) -> None:
    path = "/qrcode-payment/v1/transactions"
    platform.says(path, http(201, transaction()))
    body = qr("merchantscan", SCANNED)
    await ours.perform(Call("P1", "create_qr", body=body))
    assert json.loads(platform.requests[-1].body)["scannedPaymentId"] == "281612345678901234"
    journalled = QrCreate.model_validate(body.model_dump(mode="json"))
    found = await ours.perform(Call("P1", "create_qr", body=journalled))
    assert isinstance(found, NotSent)
    assert found.code == "CALL"
    assert len(platform.asked(path)) == 1


@pytest.mark.parametrize(
    "call",
    [
        Call("P9", "countries"),
        Call("P1", "refund_card"),
        Call("P1", "read_card"),
        Call("P1", "read_card", {"transactionId": ".."}),
    ],
)
async def test_a_call_that_cannot_be_made_is_not_sent(
    ours: Platform, platform: ScriptedPlatform, call: Call
) -> None:
    found = await ours.perform(call)
    assert isinstance(found, NotSent)
    assert found.code == "CALL"
    assert platform.requests == []


async def test_paths_of_the_settings_are_used(certificates: Certificates, platform: ScriptedPlatform) -> None:
    platform.says("/v9/sales", http(201, transaction()))
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    rows = with_paths({"create_card": "/v9/sales"})
    ours = await asyncio.to_thread(
        Platform, {"P1": access}, bases(platform.port), ca=certificates.ca, operations=rows
    )
    assert isinstance(await ours.perform(SALE), Pending)
    await ours.close()


async def test_a_strange_status_is_logged_once_and_pending(
    ours: Platform, platform: ScriptedPlatform, logs: list[EventDict]
) -> None:
    for _ in range(2):
        found = await performed(ours, platform, http(201, transaction(status="SETTLING\n\x1b")))
        assert isinstance(found, Pending)
    (said,) = [one["status"] for one in logs if one["event"] == "unknown status taken as pending"]
    assert said.startswith("SETTLING")
    assert said.isprintable()


async def test_a_fault_of_our_own_is_unknown(ours: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_bases", None)
    assert await ours.perform(SALE) == Unknown(reason="a fault in the bridge")


async def test_a_caller_that_is_cancelled_is_cancelled(ours: Platform, platform: ScriptedPlatform) -> None:
    silence = Silence()
    platform.says(CARDS, silence)
    task = asyncio.create_task(ours.perform(SALE))
    await silence.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_leaves_no_call_waiting(ours: Platform, platform: ScriptedPlatform) -> None:
    token_silence, card_silence = Silence(), Silence()
    await ours.probe("P1")
    platform.says(CARDS, card_silence)
    task = asyncio.create_task(ours.perform(SALE))
    await card_silence.begun.wait()
    ours._lanes["P1"].session.refused("token-1")
    platform.says(TOKEN, token_silence)
    waiting = asyncio.create_task(ours.perform(SALE))
    await token_silence.begun.wait()
    await ours.close()
    assert isinstance(await waiting, NotSent)
    assert isinstance(await task, Unknown)


async def test_nothing_secret_is_logged(
    ours: Platform, platform: ScriptedPlatform, logs: list[EventDict]
) -> None:
    await performed(ours, platform, http(401), http(500))
    for secret in ("token-1", "token-2", "hush-1", KEY):
        assert secret not in f"{logs}"


async def test_a_call_about_another_device_is_not_made(ours: Platform, platform: ScriptedPlatform) -> None:
    """Else its "no such transaction" would be taken for this one's (R4)."""
    platform.says(CARDS, http(200, []))
    look = Call("P1", "find_card", query={"clientTransactionId": KEY}, serial="exchanged")
    found = await ours.perform(look)
    assert isinstance(found, NotSent)
    assert (found.code, platform.requests) == ("CALL", [])
    assert isinstance(await ours.perform(dataclasses.replace(look, serial=SERIAL)), Absent)


async def test_the_last_error_stays_told_when_the_session_works_again(
    ours: Platform, platform: ScriptedPlatform, time: Time
) -> None:
    assert ours.session_state("P1").last_error is None
    await performed(ours, platform, http(503))
    time.mono += 5
    await performed(ours, platform, http(201, transaction()))
    state = ours.session_state("P1")
    assert (state.ok, state.last_error, state.last_error_age) == (True, "SERVER_ERROR: answered 503", 5)
    await performed(ours, platform, http(422, {"code": "TERMINAL_BUSY"}))
    assert ours.session_state("P1").last_error == "TERMINAL_BUSY: refused with 422 TERMINAL_BUSY"
    await ours.perform(Call("P9", "countries"))


async def test_f63_terminals_are_added_changed_and_taken_away(
    ours: Platform, platform: ScriptedPlatform, certificates: Certificates
) -> None:
    first = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    second = dataclasses.replace(first, serial="2097CD800008")
    assert isinstance(await performed(ours, platform, http(201, transaction())), Pending)
    change = await ours.prepare({"P1": first, "P2": second})
    with pytest.raises(KeyError):
        ours.session_state("P2")  # nothing has changed yet
    await ours.adopt(change)
    assert ours.session_state("P1").ok is True  # it was not touched
    assert len(platform.asked(TOKEN)) == 1
    assert isinstance(await ours.perform(Call("P2", "countries")), Accepted)
    assert len(platform.asked(TOKEN)) == 2

    await ours.adopt(await ours.prepare({"P1": dataclasses.replace(first, merchant_name="Dupont")}))
    assert ours.session_state("P1").ok is None
    with pytest.raises(KeyError):
        ours.session_state("P2")
    found = await ours.perform(Call("P2", "countries"))
    assert isinstance(found, NotSent)
    assert found.code == "CALL"
    assert isinstance(await performed(ours, platform, http(201, transaction())), Pending)
    assert len(platform.asked(TOKEN)) == 3


async def test_f63_what_is_under_way_when_its_terminal_goes_ends_where_it_began(
    ours: Platform, platform: ScriptedPlatform, certificates: Certificates
) -> None:
    silence = Silence(http(201, transaction()))
    platform.says(CARDS, silence)
    running = asyncio.create_task(ours.perform(SALE))
    await silence.begun.wait()
    await ours.adopt(await ours.prepare({}))
    silence.end.set()
    assert isinstance(await running, Pending)

    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key)
    await ours.adopt(await ours.prepare({"P1": access}))
    assert ours.session_state("P1").last_error is None


async def test_f63_a_certificate_that_cannot_be_used_changes_nothing(
    ours: Platform, platform: ScriptedPlatform, certificates: Certificates, tmp_path: Path
) -> None:
    absent = TerminalAccess("S2", tmp_path / "absent.pem", certificates.key)
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        await ours.prepare({"P2": absent})
    assert isinstance(await performed(ours, platform, http(201, transaction())), Pending)
