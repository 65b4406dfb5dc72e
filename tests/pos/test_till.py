from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.money import Amount
from nexo_bridge.nexo.messages import (
    DisplayOutput,
    DisplayRequest,
    LoginResponse,
    LogoutResponse,
    Message,
    MessageHeader,
    OutputBarcode,
    OutputContent,
    OutputText,
    POISoftware,
    POISystemData,
    Response,
    TransactionStatusRequest,
)
from nexo_bridge.pos.devices import Picture
from nexo_bridge.pos.ending import Ending
from nexo_bridge.pos.marker import InProgress, Marker
from nexo_bridge.pos.till import Till
from tests.pos.scripted_poi import (
    NOW,
    Line,
    answer,
    drop,
    event,
    found,
    found_as,
    not_known,
    payment_response,
    reply,
    scripted_poi,
    silence,
    till_at,
)

APPROVED = payment_response(authorized="12.50")
TWELVE = Amount("12.50")


async def pay(till: Till, service_id: str = "7") -> Ending:
    return await till.pay(service_id, "T7", TWELVE, "EUR")


async def noted(state: Path) -> InProgress | None:
    return await asyncio.to_thread(Marker(state, "TILL1", "POI00001").read)


async def test_login_and_logout_are_done_or_refused() -> None:
    system = POISystemData(
        date_time=NOW,
        poi_software=POISoftware(
            provider_identification="X", application_name="X", software_version="1", certification_code="X"
        ),
    )
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Login", reply(LoginResponse(response=Response(result="Success"), poi_system_data=system)))
        assert (await till.login("1")).line() == {
            "serviceId": "1",
            "result": "Success",
            "condition": None,
            "authorized": None,
            "text": "",
        }
        refused = Response(
            result="Failure", error_condition="Busy", additional_response="code=NB-202; text=Wait."
        )
        poi.then("Logout", reply(LogoutResponse(response=refused)))
        ending = await till.logout("2")
        assert (ending.exit_code, ending.condition, ending.text) == (1, "Busy", "Wait.")


async def test_an_approved_payment_tells_the_amount_to_book() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Payment", reply(APPROVED))
        ending = await pay(till)
        assert (ending.service_id, ending.result, ending.authorized, ending.exit_code) == (
            "7",
            "Success",
            "12.50",
            0,
        )


async def test_a_partial_approval_is_approved_for_less() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Payment", reply(payment_response("Partial", authorized="6.25")))
        ending = await pay(till)
        assert (ending.result, ending.authorized, ending.exit_code) == ("Partial", "6.25", 0)


async def test_a_decline_is_no_and_is_not_asked_about() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Payment", reply(payment_response("Failure", "Refusal", text="code=NB-301; text=Declined.")))
        ending = await pay(till)
        assert (ending.exit_code, ending.condition, ending.text) == (1, "Refusal", "Declined.")
        assert poi.categories() == ["Payment"]


async def test_nobody_there_is_certain_that_nothing_was_sent() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with till_at(bound.getsockname()[1]) as (till, _):
            for ending in (
                await pay(till),
                await till.login("1"),
                await till.status("2", "7"),
                await till.abort("3", "7"),
            ):
                assert (ending.exit_code, ending.condition) == (1, "UnreachableHost")
            assert (await till.send(b"<x/>", "4")).exit_code == 1


async def test_a_lost_answer_is_found_by_asking_and_the_payment_is_never_sent_again() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, said):
        poi.then("Payment", drop)
        poi.then(
            "TransactionStatus",
            reply(not_known("InProgress")),
            reply(not_known("Busy")),
            drop,
            found_as(APPROVED),
        )
        ending = await pay(till)
        assert (ending.service_id, ending.result, ending.authorized) == ("7", "Success", "12.50")
        assert poi.categories() == ["Payment", *["TransactionStatus"] * 4]
        asked = [message for message in poi.seen if isinstance(message.body, TransactionStatusRequest)]
        assert len({message.header.service_id for message in asked}) == 4
        for message in asked:
            assert isinstance(message.body, TransactionStatusRequest)
            reference = message.body.message_reference
            assert reference is not None
            assert (reference.message_category, reference.service_id) == ("Payment", "7")
        assert "asking how the payment ended" in said.words[0]


async def test_an_answer_that_does_not_come_in_time_is_asked_for_on_the_same_connection() -> None:
    async with scripted_poi() as poi, till_at(poi.port, answer=0.05) as (till, _):
        poi.then("Payment", silence)
        poi.then("TransactionStatus", found_as(payment_response("Failure", "Cancel")))
        ending = await pay(till)
        assert (ending.result, ending.condition, ending.exit_code) == ("Failure", "Cancel", 1)


async def test_a_response_that_comes_late_is_taken_too() -> None:
    async with scripted_poi() as poi, till_at(poi.port, answer=0.05) as (till, _):
        payments: list[Message] = []

        async def hold(line: Line, request: Message) -> None:
            payments.append(request)

        async def late(line: Line, request: Message) -> None:
            await line.send(answer(payments[0], APPROVED))
            await line.send(answer(request, not_known("InProgress")))

        poi.then("Payment", hold)
        poi.then("TransactionStatus", late)
        assert (await pay(till)).result == "Success"


async def test_a_provisional_in_progress_is_no_answer() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Payment", reply(payment_response("Failure", "InProgress", text="retry=check; text=Wait.")))
        poi.then("TransactionStatus", found_as(APPROVED))
        assert (await pay(till)).result == "Success"


async def test_not_found_means_that_nothing_was_started() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("Payment", drop)
        poi.then("TransactionStatus", reply(not_known("NotFound")))
        ending = await pay(till)
        assert (ending.result, ending.condition, ending.exit_code) == ("Failure", "NotFound", 1)


@pytest.mark.parametrize("condition", ["InProgress", "LoggedOut", "MessageFormat"])
async def test_what_never_becomes_known_is_3(condition: str) -> None:
    async with scripted_poi() as poi, till_at(poi.port, recovery=0) as (till, _):
        poi.then("Payment", drop)
        poi.then("TransactionStatus", reply(not_known(condition)))
        ending = await pay(till)
        assert (ending.result, ending.condition, ending.exit_code) == ("Unknown", condition, 3)


async def test_lost_after_sending_with_nobody_to_ask_is_3() -> None:
    async with scripted_poi() as poi, till_at(poi.port, recovery=0) as (till, _):
        poi.then("Payment", drop)
        poi.then("TransactionStatus", drop)
        ending = await pay(till)
        assert (ending.result, ending.condition, ending.exit_code) == ("Unknown", None, 3)


async def test_a_status_about_another_payment_is_not_believed() -> None:
    async with scripted_poi() as poi, till_at(poi.port, recovery=0) as (till, _):
        poi.then("Payment", drop)

        async def other(line: Line, request: Message) -> None:
            await line.send(answer(request, found("6", APPROVED)))

        poi.then("TransactionStatus", other)
        assert (await pay(till)).exit_code == 3


async def test_the_terminal_s_displays_are_shown_and_answered_while_the_payment_runs() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, said):
        answered = asyncio.Event()

        async def show(line: Line, request: Message) -> None:
            await line.send(display(request, "71", wanted=True))
            await line.send(display(request, "72", wanted=False))
            await answered.wait()
            await line.send(answer(request, APPROVED))

        async def answers(line: Line, response: Message) -> None:
            answered.set()

        async def payment(line: Line, request: Message) -> None:
            running.add(asyncio.create_task(show(line, request)))

        running: set[asyncio.Task[None]] = set()
        poi.then("Payment", payment)
        poi.then("Display", answers)
        assert (await pay(till)).result == "Success"
        await asyncio.gather(*running)
        assert said.pictures[:2] == [
            Picture("CustomerDisplay", "qr", "https://pay.example/7"),
            Picture("CashierDisplay", "text", "Customer pays"),
        ]
        displays = [message for message in poi.seen if message.header.message_category == "Display"]
        assert [message.header.device_id for message in displays] == ["71"]


def display(request: Message, device_id: str, *, wanted: bool) -> Message:
    header = MessageHeader(
        message_class="Device",
        message_category="Display",
        message_type="Request",
        service_id=request.header.service_id,
        device_id=device_id,
        sale_id=request.header.sale_id,
        poi_id=request.header.poi_id,
    )
    code = OutputContent(
        output_format="BarCode",
        output_barcode=OutputBarcode(barcode_type="QRCODE", barcode_value="https://pay.example/7"),
    )
    text = OutputContent(output_format="Text", output_text=(OutputText(text="Customer pays"),))
    outputs = (
        DisplayOutput(
            response_required_flag=False,
            device="CustomerDisplay",
            info_qualify="Display",
            output_content=code,
        ),
        DisplayOutput(
            response_required_flag=wanted, device="CashierDisplay", info_qualify="Status", output_content=text
        ),
    )
    return Message(kind="request", header=header, body=DisplayRequest(display_output=outputs))


async def test_the_note_is_on_disk_before_the_payment_leaves_and_gone_when_it_is_known(
    tmp_path: Path,
) -> None:
    state = tmp_path / "till.json"
    async with scripted_poi() as poi, till_at(poi.port, state=state) as (till, _):
        notes: list[object] = []

        async def look(line: Line, request: Message) -> None:
            notes.append(await noted(state))
            await line.send(answer(request, APPROVED))

        poi.then("Payment", look)
        await pay(till)
        (note,) = notes
        assert getattr(note, "service_id", None) == "7"
        assert await noted(state) is None


async def test_after_a_crash_the_earlier_payment_is_asked_about_before_the_next_begins(
    tmp_path: Path,
) -> None:
    state = tmp_path / "till.json"
    async with scripted_poi() as poi:
        poi.then("Payment", drop)
        poi.then("TransactionStatus", reply(not_known("InProgress")))
        async with till_at(poi.port, state=state, recovery=0) as (till, _):
            assert (await pay(till, "7")).exit_code == 3
        async with till_at(poi.port, state=state, recovery=0) as (till, said):
            ending = await pay(till, "8")
            assert (ending.service_id, ending.exit_code) == ("7", 3)
            assert "payment 7 was in progress" in said.words[0]
            assert poi.categories().count("Payment") == 1
        poi.then("TransactionStatus", found_as(APPROVED))
        poi.then("Payment", reply(APPROVED))
        async with till_at(poi.port, state=state) as (till, _):
            ending = await pay(till, "8")
            assert (ending.service_id, ending.result) == ("8", "Success")
        assert poi.categories().count("Payment") == 2
        assert await noted(state) is None


async def test_status_asks_about_the_payment_of_the_note_and_clears_it_once_known(tmp_path: Path) -> None:
    state = tmp_path / "till.json"
    async with scripted_poi() as poi:
        poi.then("Payment", drop)
        poi.then("TransactionStatus", drop)
        async with till_at(poi.port, state=state, recovery=0) as (till, _):
            assert (await pay(till, "7")).exit_code == 3
            assert (await till.status("9", None)).exit_code == 3
            poi.then("TransactionStatus", reply(not_known("InProgress")))
            ending = await till.status("10", None)
            assert (ending.service_id, ending.condition, ending.exit_code) == ("7", "InProgress", 3)
            poi.then("TransactionStatus", found_as(payment_response("Failure", "Refusal")))
            ending = await till.status("11", None)
            assert (ending.service_id, ending.exit_code) == ("7", 1)
        assert await noted(state) is None


async def test_status_without_reference_tells_which_payment_was_the_last() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("TransactionStatus", reply(found("42", APPROVED)))
        ending = await till.status("9", None)
        assert (ending.service_id, ending.authorized) == ("42", "12.50")


async def test_a_state_file_that_cannot_be_written_stops_the_payment_before_it_is_sent(
    tmp_path: Path,
) -> None:
    async with scripted_poi() as poi, till_at(poi.port, state=tmp_path / "no" / "till.json") as (till, _):
        with pytest.raises(OSError, match="till"):
            await pay(till)
        assert poi.seen == []


async def test_another_pair_s_note_is_not_overwritten(tmp_path: Path) -> None:
    state = tmp_path / "till.json"
    async with scripted_poi() as poi, till_at(poi.port, state=state, recovery=0) as (till, _):
        poi.then("Payment", drop)
        poi.then("TransactionStatus", drop)
        await pay(till)
        with pytest.raises(ConfigurationError, match="TILL1"):
            await asyncio.to_thread(Marker(state, "TILL2", "POI00001").read)


async def test_abort_is_a_wish_and_says_whether_it_came_in_time() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):
        poi.then("TransactionStatus", reply(not_known("InProgress")))
        ending = await till.abort("9", "7")
        assert (ending.result, ending.condition, ending.exit_code) == ("Success", "InProgress", 0)
        assert poi.categories() == ["Abort", "TransactionStatus"]
        poi.then("TransactionStatus", found_as(payment_response("Failure", "Aborted")))
        assert (await till.abort("10", "7")).exit_code == 0
        poi.then("TransactionStatus", found_as(APPROVED))
        assert (await till.abort("11", "7")).condition == "Completed"
        poi.then("TransactionStatus", reply(not_known("NotFound")))
        assert (await till.abort("12", "7")).condition == "NotFound"
        poi.then("TransactionStatus", drop)
        assert (await till.abort("13", "7")).exit_code == 3


@pytest.mark.parametrize("kind", ["Completed", "Reject"])
async def test_an_event_that_answers_the_abort_is_believed(kind: str) -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):

        async def tell(line: Line, request: Message) -> None:
            await line.send(event("CardInserted", "another matter"))
            await line.send(event(kind, "code=NB-1; text=Too late."))

        poi.then("Abort", tell)
        poi.then("TransactionStatus", reply(not_known("NotFound")))
        ending = await till.abort("9", "7")
        assert (ending.condition, ending.text, ending.exit_code) == (kind, "Too late.", 1)


async def test_send_takes_any_bytes_and_tells_the_answer_or_the_reject() -> None:
    async with scripted_poi() as poi, till_at(poi.port, answer=5) as (till, _):

        async def reject(line: Line) -> None:
            await line.send(event("Reject", "code=NB-102; text=Unreadable."))

        poi.on_garbage = reject
        for garbage in (b"not xml", b"<SaleToPOIRequest/>"):
            ending = await till.send(garbage, "9")
            assert (ending.condition, ending.text, ending.exit_code) == ("Reject", "Unreadable.", 1)
        poi.then("Payment", reply(APPROVED))
        sample = Path(__file__).parents[1] / "corpus" / "3.1"
        ending = await till.send(
            await asyncio.to_thread((sample / "payment-request-card.xml").read_bytes), "92653"
        )
        assert (ending.service_id, ending.result) == ("92653", "Success")
        ending = await till.send(await asyncio.to_thread((sample / "abort-request.xml").read_bytes), "9")
        assert (ending.result, ending.text) == ("Success", "sent; nothing answers this message")


async def test_send_with_no_answer_is_unknown() -> None:
    async with scripted_poi() as poi, till_at(poi.port, answer=0.05) as (till, _):

        async def nothing(line: Line) -> None:
            pass

        async def gone(line: Line) -> None:
            line.drop()

        poi.on_garbage = nothing
        assert (await till.send(b"?", "9")).exit_code == 3
        poi.on_garbage = gone
        assert (await till.send(b"?", "9")).exit_code == 3


async def test_an_answer_that_cannot_be_read_is_a_lost_answer() -> None:
    async with scripted_poi() as poi, till_at(poi.port) as (till, _):

        async def invalid(line: Line, request: Message) -> None:
            header = (
                f'<MessageHeader MessageClass="Service" MessageCategory="Payment" MessageType="Response" '
                f'ServiceID="{request.header.service_id}" SaleID="TILL1" POIID="POI00001"/>'
            )
            await line.send_bytes(b"neither XML")
            await line.send_bytes(
                f"<SaleToPOIResponse>{header}<PaymentResponse/></SaleToPOIResponse>".encode()
            )

        poi.then("Payment", invalid)
        poi.then("TransactionStatus", found_as(APPROVED))
        assert (await pay(till)).result == "Success"
