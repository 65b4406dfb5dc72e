"""From bytes to events: which version, which digest, and what is left of a message that cannot be read."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from structlog.testing import capture_logs

from nexo_bridge.adapters.intake import Speaker
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.signals import Arrived, Event, PosGone, Unreadable
from nexo_bridge.core.source import Source
from nexo_bridge.errors import FrameTooLarge, NotYours
from nexo_bridge.nexo import json_form
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.json_form import in_form
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.tolerance import TOLERANT, Tolerance
from nexo_bridge.runtime.data import read_schemas
from nexo_bridge.runtime.log_fields import shown
from nexo_bridge.runtime.reception import OFF_LOOP, SHOWN, Profile, Reception
from nexo_bridge.runtime.turns import MOST, Turns
from tests.faults import words

KEYS = Keys.derive(b"r" * 32)
HERE, THERE = Source("tcp", "tcp-1"), Source("tcp", "tcp-2")
XSD = read_schemas()
SCHEMAS = Schemas(XSD)
SCANNED = "28161234567890"


@dataclass
class Door:
    """A reception, and what it fed."""

    fed: list[Event] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    confirm: list[Callable[[], None]] = field(default_factory=list)
    session: Version | None = None
    bound: dict[str, frozenset[str]] = field(default_factory=dict)
    is_open: bool = True
    has_room: bool = True
    profiles: dict[str, Profile] = field(default_factory=dict)
    reception: Reception = field(init=False)

    def __post_init__(self) -> None:
        self.reception = Reception(
            XSD,
            KEYS,
            self.fed.append,
            turns=Turns(self.confirm.append),
            version_of=lambda *_: self.session,
            is_open=lambda _: self.is_open,
            has_room=lambda: self.has_room,
            profile_of=lambda sale_id: self.profiles.get(sale_id, Profile()),
            certificates_of=self.bound.get,
            schemas=SCHEMAS,
            checkpoint=self.points.append,
        )

    def disk(self) -> None:
        """The disk has all that was fed."""
        while self.confirm:
            self.confirm.pop(0)()

    async def arrived(self, data: bytes) -> Arrived:
        self.disk()
        await self.reception.frame(HERE, data)
        event = self.fed[-1]
        assert isinstance(event, Arrived), event
        return event

    async def unreadable(self, data: bytes, source: Source = HERE) -> Unreadable:
        self.disk()
        await self.reception.frame(source, data)
        event = self.fed[-1]
        assert isinstance(event, Unreadable), event
        return event


@asynccontextmanager
async def door(session: Version | None = None) -> AsyncIterator[Door]:
    made = Door(session=session)
    yield made
    made.reception.close()


def pay(service: str = "7", amount: str = "10.00", **more: str) -> bytes:
    return words.payment(service, "KASSE1", "POI00001", amount, **more)  # type: ignore[arg-type]  # texts all


def logged(version: str) -> bytes:
    return words.login("1", "KASSE1", "POI00001").replace(b'"3.1"', f'"{version}"'.encode())


async def test_a_message_is_read_and_its_points_are_passed() -> None:
    async with door() as it:
        event = await it.arrived(pay())
        assert (event.version, event.present, event.room) == ("3.1", True, True)
        assert it.points == ["frame.read", "frame.validated"]


async def test_what_is_refused_is_told_to_the_log_without_what_may_be_secret() -> None:
    wrong = pay().replace(b"RequestedAmount", b"RequestedAmounts")
    with capture_logs() as records:
        async with door() as it:
            await it.unreadable(wrong)
            await it.unreadable(wrong.replace(b'"Payment"', b'"4111111111111111"'))
            await it.unreadable(b"4111111111111111")
            await it.arrived(pay())
    first, second, third = ({name: shown(name, value) for name, value in one.items()} for one in records)
    assert first["path"] == "/SaleToPOIRequest/PaymentRequest/PaymentTransaction/AmountsReq/@RequestedAmounts"
    assert {name: first[name] for name in ("category", "sale_id", "service_id", "code")} == {
        "category": "Payment",
        "sale_id": "KASSE1",
        "service_id": "7",
        "code": "NB-103",
    }
    assert second["category"] == "unknown"
    assert third["code"] == "NB-102"
    assert "4111" not in f"{first}{second}{third}"


async def test_r14_the_version_named_decides() -> None:
    async with door("3.0") as it:
        assert (await it.arrived(logged("3.1"))).version == "3.1"


async def test_r14_else_the_sessions_version() -> None:
    async with door("3.0") as it:
        assert (await it.arrived(pay())).version == "3.0"


async def test_r14_else_the_newest_that_fits() -> None:
    newer = logged("3.1").replace(b'ProtocolVersion="3.1" ', b"")
    older = newer.replace(b"ProviderIdentification", b"ManufacturerID")
    async with door() as it:
        assert (await it.arrived(newer)).version == "3.1"
        assert (await it.arrived(older)).version == "3.0"


async def test_r14_a_version_nobody_speaks_is_read_by_what_fits() -> None:
    async with door() as it:
        event = await it.arrived(logged("2.0"))
        assert event.message.header.protocol_version == "2.0"


async def test_r3_the_digest_is_of_what_is_meant() -> None:
    async with door() as it:
        first = await it.arrived(pay(amount="10.00"))
        assert (await it.arrived(pay(amount="10.0"))).digest == first.digest
        assert (
            await it.arrived(pay(service="8"))
        ).digest != first.digest  # its SaleTransactionID differs too
        assert (await it.arrived(pay(amount="10.01"))).digest != first.digest
        assert (await it.arrived(pay(scanned=SCANNED))).digest != first.digest


async def test_secrets_are_sealed_before_the_core_sees_them() -> None:
    async with door() as it:
        event = await it.arrived(pay(scanned=SCANNED))
        assert SCANNED not in repr(event)
        assert SCANNED not in event.model_dump_json()


async def test_who_is_gone_and_what_has_no_room_is_said() -> None:
    async with door() as it:
        it.is_open, it.has_room = False, False
        event = await it.arrived(pay())
        assert (event.present, event.room) == (False, False)


async def test_the_transports_number_goes_with_the_message() -> None:
    async with door() as it:
        await it.reception.frame(HERE, pay(), ack=17)
        await it.reception.frame(HERE, b"<nonsense", ack=18)
        await it.reception.fault(HERE, FrameTooLarge("Too long."), b"<", ack=19)
        assert [event.ack for event in it.fed if isinstance(event, Arrived | Unreadable)] == [17, 18, 19]


async def test_what_the_transport_refuses_is_answered_where_its_header_can_be_read() -> None:
    async with door() as it:
        await it.reception.frame(HERE, pay(), refused=NotYours("No."))
        await it.reception.frame(HERE, b"<nonsense", refused=NotYours("No."))
        await it.reception.frame(HERE, pay().replace(b"AmountsReq", b"Amounts"), refused=NotYours("No."))
        first, second, third = it.fed
        assert isinstance(first, Arrived)
        assert first.refused is not None
        assert (first.refused.code, first.refused.text) == ("NB-105", "No.")
        assert isinstance(second, Unreadable)
        assert (second.code, second.answerable) == ("NB-102", False)
        assert isinstance(third, Unreadable)
        assert (third.code, third.answerable, third.header.service_id) == ("NB-103", True, "7")


async def test_f86_a_header_that_says_another_pair_than_the_way_it_came_is_refused() -> None:
    async with door() as it:
        for pair, at in (
            (("KASSE1", "POI00001"), None),
            (("KASSE2", "POI00001"), "/SaleToPOIRequest/MessageHeader/@SaleID"),
            (("KASSE1", "POI00002"), "/SaleToPOIRequest/MessageHeader/@POIID"),
        ):
            await it.reception.frame(HERE, pay(), speaker=Speaker(pair=pair))
            event = it.fed[-1]
            assert getattr(event, "at", None) == at
            assert at is None or (event.code, event.condition) == ("NB-105", "NotAllowed")  # type: ignore[union-attr]  # Unreadable


async def test_h30_a_saleid_with_a_certificate_is_spoken_for_by_it_alone() -> None:
    async with door() as it:
        it.bound["KASSE1"] = frozenset({"ab12"})
        for speaker, good in (
            (Speaker(certificate="ab12"), True),
            (Speaker(certificate="cd34"), False),
            (Speaker(), False),
            (Speaker(pair=("KASSE1", "POI00001")), True),  # the broker has proved it
        ):
            await it.reception.frame(HERE, pay(), speaker=speaker)
            assert isinstance(it.fed[-1], Arrived) is good
        refused = it.fed[-2]
        assert isinstance(refused, Unreadable)
        assert (refused.code, refused.answerable) == ("NB-105", True)
        assert refused.at == "/SaleToPOIRequest/MessageHeader/@SaleID"


async def test_json_means_what_its_xml_means_and_names_places_its_own_way() -> None:
    forms: tuple[Form, Form] = ("json", "json-bare")
    async with door() as it:
        plain = await it.arrived(pay(scanned=SCANNED))
        for form, root in zip(forms, ("$.SaleToPOIRequest", "$"), strict=True):
            source = replace(HERE, form=form)
            data = in_form(pay(scanned=SCANNED), form)
            await it.reception.frame(source, data)
            event = it.fed[-1]
            assert isinstance(event, Arrived)
            assert (event.message, event.digest, event.source.form) == (plain.message, plain.digest, form)
            assert SCANNED not in event.model_dump_json()

            broken = await it.unreadable(data.replace(b"10.00", b'"10.00"'), source)
            assert (broken.answerable, broken.header.service_id) == (True, "7")
            at = f"{root}.PaymentRequest.PaymentTransaction.AmountsReq.RequestedAmount"
            assert (broken.code, broken.at) == ("NB-103", at)

            await it.reception.frame(source, data, speaker=Speaker(pair=("KASSE2", "POI00001")))
            assert getattr(it.fed[-1], "at", None) == f"{root}.MessageHeader.SaleID"

            await it.reception.frame(source, b"{" + b" " * OFF_LOOP + data[1:])
            assert getattr(it.fed[-1], "digest", None) == plain.digest
            assert (await it.unreadable(b'{"a": NaN}', source)).code == "NB-102"


async def test_a_large_message_is_read_off_the_loop_and_comes_out_the_same() -> None:
    small = pay()
    large = small.replace(b"</PaymentRequest>", b" " * OFF_LOOP + b"</PaymentRequest>")
    async with door() as it:
        first, second, third = [await it.arrived(data) for data in (small, large, large)]
        assert second.digest == first.digest == third.digest


async def test_a_wrong_body_keeps_its_header_and_the_ids_of_its_sale() -> None:
    async with door() as it:
        event = await it.unreadable(pay().replace(b'RequestedAmount="10.00"', b'RequestedAmount="ten"'))
        assert event.answerable
        assert (event.header.category, event.header.service_id) == ("Payment", "7")
        assert event.sale_transaction is not None
        assert event.sale_transaction[1] == words.MOMENT
        assert event.at.endswith("@RequestedAmount")


async def test_ids_of_a_sale_that_are_no_ids_are_left() -> None:
    wrong = pay().replace(b'RequestedAmount="10.00"', b'RequestedAmount="ten"')
    async with door() as it:
        assert (await it.unreadable(wrong.replace(words.MOMENT.encode(), b"soon"))).sale_transaction is None
        assert (await it.unreadable(wrong.replace(b"TimeStamp=", b"Time="))).sale_transaction is None
        assert (await it.unreadable(wrong.replace(b"SaleTransactionID", b"Sale"))).sale_transaction is None


async def test_a_message_without_a_header_takes_the_ids_last_readable_there() -> None:
    async with door() as it:
        await it.arrived(pay())
        event = await it.unreadable(b"<SaleToPOIRequest/>")
        assert not event.answerable
        assert (event.header.sale_id, event.header.poi_id) == ("KASSE1", "POI00001")
        assert (await it.unreadable(b"<nonsense", THERE)).header.sale_id == ""
        it.reception.gone(HERE)
        assert isinstance(it.fed[-1], PosGone)
        assert (await it.unreadable(b"<nonsense")).header.sale_id == ""


async def test_what_has_no_answer_of_its_own_is_not_answerable() -> None:
    wrong = pay().replace(b'RequestedAmount="10.00"', b'RequestedAmount="ten"')
    async with door() as it:
        for change in (
            (b'ServiceID="7" ', b""),
            (b'MessageCategory="Payment"', b'MessageCategory="Juggling"'),
            (b'MessageClass="Service"', b'MessageClass="Device"'),
            (b"SaleToPOIRequest", b"SaleToPOIResponse"),
        ):
            assert not (await it.unreadable(wrong.replace(*change))).answerable


async def test_a_fault_of_the_frame_is_told_with_its_beginning_sealed() -> None:
    start = b"\xff" * 2000
    async with door() as it:
        await it.reception.fault(HERE, FrameTooLarge("The message is too long."), start)
        event = it.fed[-1]
        assert isinstance(event, Unreadable)
        assert (event.code, event.condition) == ("NB-101", "MessageFormat")
        assert event.start is not None
        assert b64decode(event.start.reveal()) == start[:SHOWN]
        assert b64encode(start[:SHOWN]).decode() not in event.model_dump_json()


async def reacted(data: bytes) -> str | None:
    async with door() as it:
        return await it.reception.frame(HERE, data)


async def test_no_more_is_read_than_the_disk_keeps_up_with_faults_included() -> None:
    async with door() as it:
        reading = [asyncio.create_task(it.reception.frame(HERE, pay(str(number)))) for number in range(MOST)]
        reading.append(asyncio.create_task(it.reception.frame(THERE, b"x" * OFF_LOOP)))
        refused = asyncio.create_task(it.reception.fault(HERE, FrameTooLarge("Too long."), b"<"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(it.fed) == MOST
        it.disk()
        await asyncio.gather(*reading, refused)
        assert len(it.fed) == MOST + 2


def device(category: str, kind: str, body: str) -> bytes:
    return (
        f'<SaleToPOI{kind}><MessageHeader ProtocolVersion="3.1" MessageClass="Device" MessageCategory="{category}" '
        f'MessageType="{kind}" DeviceID="1" ServiceID="7" SaleID="KASSE1" POIID="POI00001"/>{body}</SaleToPOI{kind}>'
    ).encode()


def output(wanted: str) -> str:
    return (
        f'<DisplayRequest><DisplayOutput Device="CustomerDisplay" InfoQualify="Display" '
        f'ResponseRequiredFlag="{wanted}"><OutputContent OutputFormat="Text"><OutputText>x</OutputText>'
        "</OutputContent></DisplayOutput></DisplayRequest>"
    )


async def test_the_listener_is_told_what_follows() -> None:
    result = '<DisplayResponse><OutputResult Device="CashierDisplay" InfoQualify="Status"><Response Result="Success"/>'
    answered = device("Display", "Response", f"{result}</OutputResult></DisplayResponse>")
    assert await reacted(pay()) == "response"
    assert await reacted(words.status("8", "KASSE1", "POI00001")) == "response"
    assert await reacted(words.abort("9", "KASSE1", "POI00001", "7")) is None
    assert await reacted(answered) is None
    assert await reacted(device("Display", "Request", output("true"))) == "response"
    assert await reacted(device("Display", "Request", output("false"))) is None
    assert await reacted(pay().replace(b"RequestedAmount", b"Amount")) == "rejection"
    assert await reacted(b"GET / HTTP/1.1") == "rejection"
    assert await reacted(answered.replace(b"OutputResult", b"Output")) == "unreadable"


# -- tolerant mode -----------------------------------------------------------------------------------------------------


def slipped(data: bytes) -> bytes:
    """A payment with two slips: a time without its zone, and an attribute that nexo does not have."""
    shorter = re.sub(rb'TimeStamp="([^"Z]*)Z"', rb'TimeStamp="\1"', data)
    assert shorter != data
    return shorter.replace(b"<PaymentRequest", b'<PaymentRequest Colour="green"')


async def test_r14_tolerant_mode_reads_what_was_meant_and_says_what_it_did() -> None:
    async with door() as it:
        meant = await it.arrived(pay())
        it.profiles["KASSE1"] = Profile(tolerance=TOLERANT)
        event = await it.arrived(slipped(pay()))
        assert (event.message, event.digest, event.version) == (meant.message, meant.digest, "3.1")
        assert event.tolerated == {"unknown-attribute": 1, "missing-zone": 1}
        assert meant.tolerated is None
        assert (await it.arrived(pay())).tolerated is None
        assert it.reception.tolerated == {"KASSE1": {"unknown-attribute": 1, "missing-zone": 1}}


async def test_r14_tolerant_mode_in_json() -> None:
    async with door() as it:
        it.profiles["KASSE1"] = Profile(tolerance=TOLERANT)
        meant = await it.arrived(pay())
        data = json_form.in_form(pay(), "json")
        shorter = re.sub(rb'"TimeStamp":"([^"Z]*)Z"', rb'"TimeStamp":"\1"', data)
        assert shorter != data
        await it.reception.frame(replace(HERE, form="json"), shorter)
        event = it.fed[-1]
        assert isinstance(event, Arrived)
        assert (event.message, event.tolerated) == (meant.message, {"missing-zone": 1})


async def test_r14_the_profile_is_of_the_sale_id_and_asked_for_each_message() -> None:
    async with door() as it:
        it.profiles["KASSE2"] = Profile(tolerance=TOLERANT)
        assert (await it.unreadable(slipped(pay()))).code == "NB-103"
        it.profiles["KASSE1"] = Profile(tolerance=TOLERANT)
        assert (await it.arrived(slipped(pay()))).tolerated
        del it.profiles["KASSE1"]
        assert (await it.unreadable(slipped(pay()))).code == "NB-103"


async def test_r14_what_is_forgiven_is_not_told_as_a_fault() -> None:
    async with door() as it:
        it.profiles["KASSE1"] = Profile(tolerance=Tolerance(frozenset({"missing-zone"}), zone="+01:00"))
        event = await it.unreadable(slipped(pay()))
        assert event.at.endswith("/PaymentRequest/@Colour")
        assert event.sale_transaction is not None
        assert event.sale_transaction[1].endswith("+01:00")


async def test_r14_a_large_message_is_put_right_off_the_loop() -> None:
    async with door() as it:
        it.profiles["KASSE1"] = Profile(tolerance=TOLERANT)
        many = b"".join(
            b'<SaleItem ItemID="%d" ProductCode="1" ItemAmount="1.00"/>' % number for number in range(500)
        )
        data = slipped(pay()).replace(b"</PaymentTransaction>", many + b"</PaymentTransaction>")
        assert len(data) > OFF_LOOP
        assert (await it.arrived(data)).tolerated == {"unknown-attribute": 1, "missing-zone": 1}


async def test_r14_valid_by_any_version_is_valid_as_it_came() -> None:
    """Tolerant mode would read the name of 3.0 as that of 3.1."""
    newer = logged("3.1").replace(b'ProtocolVersion="3.1" ', b"")
    older = newer.replace(b"ProviderIdentification", b"ManufacturerID")
    async with door() as it:
        it.profiles["KASSE1"] = Profile(tolerance=TOLERANT)
        event = await it.arrived(older)
        assert (event.version, event.tolerated) == ("3.0", None)


async def test_r14_else_the_version_of_the_sale_id() -> None:
    async with door() as it:
        it.profiles["KASSE1"] = Profile(version="3.0")
        assert (await it.arrived(pay())).version == "3.0"
        assert (await it.arrived(logged("3.1"))).version == "3.1"
        it.session = "3.1"
        assert (await it.arrived(pay())).version == "3.1"
