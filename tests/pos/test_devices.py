from __future__ import annotations

import pytest

from nexo_bridge.nexo.codec import decode, encode, parse
from nexo_bridge.nexo.messages import DisplayResponse, InputResponse, Message, PrintResponse
from nexo_bridge.pos.devices import Picture, answer, pictures
from nexo_bridge.redaction import Secret
from tests.pos.scripted_poi import schemas

HEADER = (
    '<MessageHeader MessageClass="Device" MessageCategory="{}" MessageType="Request" ServiceID="7" DeviceID="71" '
    'SaleID="TILL1" POIID="POI00001"/>'
)
TEXT = (
    '<OutputContent OutputFormat="Text"><OutputText EndOfLineFlag="false">Total </OutputText>'
    "<OutputText>12,50</OutputText><OutputText>Thanks</OutputText></OutputContent>"
)
REFERENCE = '<OutputContent OutputFormat="MessageRef"><PredefinedContent ReferenceID="9"/></OutputContent>'
CODE = (
    '<OutputContent OutputFormat="BarCode"><OutputBarcode BarcodeType="{}">'
    "<BarcodeValue>4006381333931</BarcodeValue></OutputBarcode></OutputContent>"
)


def message(category: str, body: str) -> Message:
    text = f"<SaleToPOIRequest>{HEADER.format(category)}{body}</SaleToPOIRequest>"
    return decode(parse(text.encode()), "3.1", schemas(), lambda clear: Secret.seal(clear, b"k"))


def display(*outputs: str) -> Message:
    return message("Display", f"<DisplayRequest>{''.join(outputs)}</DisplayRequest>")


def output(device: str, content: str, flag: str = "") -> str:
    return f'<DisplayOutput Device="{device}" InfoQualify="Status"{flag}>{content}</DisplayOutput>'


def test_text_and_qr_codes_are_drawn_and_what_is_neither_is_not() -> None:
    request = display(
        output("CashierDisplay", TEXT),
        output("CustomerDisplay", CODE.format("QRCODE")),
        output("CashierInput", CODE.format("EAN13")),
        output("CustomerInput", REFERENCE),
    )
    assert pictures(request) == (
        Picture("CashierDisplay", "text", "Total 12,50\nThanks"),
        Picture("CustomerDisplay", "qr", "4006381333931"),
    )


def test_only_outputs_that_want_an_answer_are_answered_and_an_absent_flag_wants_one() -> None:
    unasked = output("CustomerDisplay", TEXT, ' ResponseRequiredFlag="false"')
    response = answer(display(output("CashierDisplay", TEXT), unasked))
    assert response is not None
    assert isinstance(response.body, DisplayResponse)
    assert [result.device for result in response.body.output_result] == ["CashierDisplay"]
    assert (response.header.message_type, response.header.device_id) == ("Response", "71")
    assert encode(response, "3.1", schemas())
    assert answer(display(unasked)) is None


@pytest.mark.parametrize(
    ("mode", "answered"), [("NotRequired", False), ("Immediate", True), ("PrintEnd", True)]
)
def test_a_print_is_shown_and_answered_if_it_wants(mode: str, answered: bool) -> None:
    body = f'<PrintRequest><PrintOutput DocumentQualifier="CustomerReceipt" ResponseMode="{mode}">{TEXT}</PrintOutput>'
    request = message("Print", f"{body}</PrintRequest>")
    assert pictures(request) == (Picture("Printer", "text", "Total 12,50\nThanks"),)
    response = answer(request)
    assert (response is not None) == answered
    if response is not None:
        assert isinstance(response.body, PrintResponse)
        assert encode(response, "3.1", schemas())


@pytest.mark.parametrize("shown", [True, False])
def test_a_question_to_a_person_is_answered_with_unavailable_device(shown: bool) -> None:
    screen = output("CashierInput", TEXT) if shown else ""
    data = '<InputData Device="CashierInput" InfoQualify="Input" InputCommand="GetConfirmation"/>'
    request = message("Input", f"<InputRequest>{screen}{data}</InputRequest>")
    assert len(pictures(request)) == shown
    response = answer(request)
    assert response is not None
    assert isinstance(response.body, InputResponse)
    assert response.body.input_result.response.error_condition == "UnavailableDevice"
    assert (response.body.output_result is not None) == shown
    assert encode(response, "3.1", schemas())


def test_what_this_pos_does_not_know_is_left_alone() -> None:
    request = message(
        "Sound",
        '<SoundRequest SoundAction="StopSound"><SoundContent SoundFormat="MessageRef"/></SoundRequest>',
    )
    assert pictures(request) == ()
    assert answer(request) is None
