"""The devices of the scripted POS: what the terminal asks them to show, and how they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import (
    DisplayOutput,
    DisplayRequest,
    DisplayResponse,
    InputRequest,
    InputResponse,
    InputResult,
    Message,
    OutputContent,
    OutputResult,
    PrintRequest,
    PrintResponse,
    Response,
)

_ABSENT = Response(result="Failure", error_condition="UnavailableDevice")


@dataclass(frozen=True, slots=True)
class Picture:
    """One thing to show.

    Attributes:
        device: whose screen, e.g. ``CustomerDisplay``, or ``Printer``.
        form: text, or a QR code.
        content: the text, or what the code says.
    """

    device: str
    form: Literal["text", "qr"]
    content: str


def pictures(message: Message) -> tuple[Picture, ...]:
    """What a request of the terminal wants a person to see; XHTML and predefined texts are not drawn."""
    body = message.body
    if isinstance(body, DisplayRequest):
        drawn = [_picture(output.device, output.output_content) for output in body.display_output]
    elif isinstance(body, PrintRequest):
        drawn = [_picture("Printer", body.print_output.output_content)]
    elif isinstance(body, InputRequest) and body.display_output is not None:
        drawn = [_picture(body.display_output.device, body.display_output.output_content)]
    else:
        drawn = []
    return tuple(picture for picture in drawn if picture is not None)


def _picture(device: str, content: OutputContent) -> Picture | None:
    barcode = content.output_barcode
    if barcode is not None and barcode.barcode_type == "QRCODE" and barcode.barcode_value:
        return Picture(device, "qr", barcode.barcode_value)
    text = "".join(run.text + ("\n" if run.end_of_line_flag else "") for run in content.output_text)
    return Picture(device, "text", text.rstrip("\n")) if text else None


def answer(message: Message) -> Message | None:
    """The answer to a device request of the terminal; None if it wants none, or is nothing this POS knows.

    Displays always succeed; an output that wants no answer is left out of it. Questions to a person are answered
    with UnavailableDevice: a script has nobody to ask.
    """
    body = message.body
    if isinstance(body, DisplayRequest):
        wanted = tuple(_shown(output) for output in body.display_output if output.response_required_flag)
        return _response(message, DisplayResponse(output_result=wanted)) if wanted else None
    if isinstance(body, PrintRequest):
        if body.print_output.response_mode == "NotRequired":
            return None
        done = Response(result="Success")
        qualifier = body.print_output.document_qualifier
        return _response(message, PrintResponse(document_qualifier=qualifier, response=done))
    if isinstance(body, InputRequest):
        shown = None if body.display_output is None else _shown(body.display_output)
        question = body.input_data
        refused = InputResult(device=question.device, info_qualify=question.info_qualify, response=_ABSENT)
        return _response(message, InputResponse(output_result=shown, input_result=refused))
    return None


def _shown(output: DisplayOutput) -> OutputResult:
    done = Response(result="Success")
    return OutputResult(device=output.device, info_qualify=output.info_qualify, response=done)


def _response(message: Message, body: Element) -> Message:
    header = message.header.model_copy(update={"message_type": "Response"})
    return Message(kind="response", header=header, body=body)
