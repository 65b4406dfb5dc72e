"""Bytes of a connection in, whole messages out. No I/O and no clock.

Rule 1. A message is preceded by its length: four bytes, most significant first, not counting themselves.
Rule 2. A message whose first byte is ``<``, ``{``, white space or a byte order mark has no length before it. It
        ends with the end tag of its root element, or with its object, and is answered without a length too.
Rule 3. The two never collide: a length that begins with one of those bytes would be far above any cap we
        allow, and so would be the first four bytes of HTTP, TLS, ZVT and the others that reach a wrong port.
Rule 4. The same bytes give the same events, whatever pieces they arrive in. So a fault that ends the
        connection waits for the first 1 KiB of the message (or for ``receive_end``): Reject events quote it.
Rule 5. What follows a fault that ends the connection is never looked at.

Source: the transport protocol as four vendors implement it (the document itself is not public); rule 2 is the
tolerance every server in the field needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from nexo_bridge.errors import FrameTooLarge, NotXml, Refusal
from nexo_bridge.nexo.document_end import DocumentEnd
from nexo_bridge.nexo.form import BOM, Form, form_of
from nexo_bridge.nexo.json_end import JsonEnd

MAX_FRAME: Final = 1 << 20
"""Default cap, in bytes, on one message: receipts and signatures are a few ten kB, so this is generous."""

LARGEST_CAP: Final = 64 << 20
"""No cap may be above this: rule 3 holds below 0x06000000, where ZVT starts."""

QUOTED: Final = 1024
"""How much of a refused message is kept to show its sender, in bytes; nothing more of it is read."""

_HEADER = 4
_PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n"
_BLANK = b" \t\r\n"
_HTTP = frozenset(b"GET ,POST,PUT ,HEAD,DELE,OPTI,PATC,CONN,TRAC,PRI ".split(b","))


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole message.

    Attributes:
        data: the message without its length; not yet known to be well formed.
        framed: it had a length before it, so its answer gets one.
        form: by how it begins.
    """

    data: bytes
    framed: bool
    form: Form = "xml"


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Bytes that cannot be a message.

    Attributes:
        refusal: what to tell the sender.
        start: the first bytes of what was refused, at most ``QUOTED``.
        survives: the next message can still be found; if not, nothing more will come from this framer.
        framed: how the sender would read an answer.
        protocol: the other protocol it looks like, in words; empty when it looks like nexo.
        answerable: an Event Reject is worth sending. False for peers that speak something else altogether.
        form: of that Event, by how the refused message begins.
    """

    refusal: Refusal
    start: bytes
    survives: bool
    framed: bool = True
    protocol: str = ""
    answerable: bool = True
    form: Form = "xml"


class Framer:
    """Feeds on bytes and yields frames and faults, for one direction of one connection.

    After each ``receive_data`` and ``receive_end`` call ``next_event`` until it gives None.

    Args:
        max_size: cap on one message, in bytes.

    Raises:
        ValueError: the cap is not between 1 and ``LARGEST_CAP``.
    """

    def __init__(self, max_size: int = MAX_FRAME) -> None:
        if not 1 <= max_size <= LARGEST_CAP:
            raise ValueError(f"a frame cap is 1 to {LARGEST_CAP} bytes")
        self._max = max_size
        self._buffer = bytearray()
        self._ended = False
        self._document: DocumentEnd | JsonEnd | None = None
        self._fatal: FrameFault | None = None
        self._dead = False

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes in; looks at nothing yet."""
        if not self._dead:
            self._buffer += data

    def receive_end(self) -> None:
        """No more bytes will come, or none are waited for. What has begun becomes a fault."""
        self._ended = True

    @property
    def room(self) -> int:
        """How many bytes may be read now, so that never more than ``QUOTED`` of a refused message are taken.

        Meaningful when ``next_event`` gave None; 0 after a fault that ends the connection.
        """
        if self._dead:
            return 0
        whole = _HEADER
        if self._fatal:
            whole = 0
        elif self._document:
            whole = self._max
        elif len(self._buffer) >= _HEADER and self._buffer[0] not in _BLANK:
            whole = _HEADER + int.from_bytes(self._buffer[:_HEADER])
        return whole + QUOTED - len(self._buffer)

    @property
    def unfinished(self) -> bool:
        """A message has begun and its end has not come: the reader's deadline runs."""
        return not self._dead and (self.failing or bool(self._buffer[: len(_PROXY_2)].strip(_BLANK)))

    @property
    def failing(self) -> bool:
        """A fault that ends the connection is certain; only the rest of the quoted start is waited for."""
        return self._fatal is not None and not self._dead

    def next_event(self) -> Frame | FrameFault | None:
        """The next message or fault, or None when more bytes are needed."""
        if self._dead:
            return None
        if self._fatal:
            return self._quote(self._fatal)
        if self._document:
            return self._unframed(self._document)
        if not self._at_start():
            return None
        if self._buffer.startswith(_PROXY_2):
            return self._fail(_stranger("PROXY protocol"))
        if not self._buffer.startswith((b"<", b"{", BOM[:1])):
            return self._framed()
        if len(self._buffer) <= len(BOM) and BOM.startswith(self._buffer) and not self._ended:
            return None
        json = self._buffer.removeprefix(BOM).startswith(b"{")
        self._document = JsonEnd() if json else DocumentEnd()
        return self._unframed(self._document)

    def _at_start(self) -> bool:
        """Skip white space between messages, which means nothing unless a PROXY protocol signature opens so.

        False while that is not decided, or nothing else has come.
        """
        while self._buffer:
            start = bytes(self._buffer[: len(_PROXY_2)])
            if start == _PROXY_2 or start[0] not in _BLANK:
                return True
            if _PROXY_2.startswith(start) and not self._ended:
                return False
            del self._buffer[0]
        return False

    def _framed(self) -> Frame | FrameFault | None:
        if len(self._buffer) < _HEADER:
            return self._cut(framed=True)
        size = int.from_bytes(self._buffer[:_HEADER])
        if size > self._max:
            return self._too_large(size)
        if size == 0:
            del self._buffer[:_HEADER]
            return FrameFault(NotXml("A message of length 0 says nothing"), b"", survives=True)
        if len(self._buffer) < _HEADER + size:
            return self._cut(framed=True)
        data = bytes(self._buffer[_HEADER : _HEADER + size])
        del self._buffer[: _HEADER + size]
        return Frame(data, framed=True, form=form_of(data))

    def _unframed(self, document: DocumentEnd | JsonEnd) -> Frame | FrameFault | None:
        over = len(self._buffer) > self._max
        found = document.find(self._buffer[: self._max] if over else self._buffer)
        if isinstance(found, int):
            data = bytes(self._buffer[:found])
            del self._buffer[:found]
            self._document = None
            return Frame(data, framed=False, form=form_of(data))
        if found:
            return self._fail(FrameFault(NotXml(found), b"", survives=False, framed=False))
        if over:
            refusal = FrameTooLarge(f"A message may have {self._max} bytes")
            return self._fail(FrameFault(refusal, b"", survives=False, framed=False))
        return self._cut(framed=False)

    def _too_large(self, size: int) -> FrameFault | None:
        header = bytes(self._buffer[:_HEADER])
        if protocol := _other_protocol(header):
            return self._fail(_stranger(protocol))
        del self._buffer[:_HEADER]
        text = f"A message may have {self._max} bytes, this one announced {size}"
        if 0 < int.from_bytes(header, "little") <= self._max:
            text += "; a length is sent most significant byte first"
        elif header[2:3] == b"<":
            text += "; a length has four bytes"
        return self._fail(FrameFault(FrameTooLarge(text), b"", survives=False))

    def _cut(self, *, framed: bool) -> FrameFault | None:
        if not self._ended:
            return None
        return self._fail(
            FrameFault(NotXml("The message was cut off before its end"), b"", survives=False, framed=framed)
        )

    def _fail(self, fault: FrameFault) -> FrameFault | None:
        self._fatal = fault
        return self._quote(fault)

    def _quote(self, fault: FrameFault) -> FrameFault | None:
        """The fault with its start, once enough of it is there (rule 4)."""
        if len(self._buffer) < QUOTED and not self._ended:
            return None
        start = bytes(self._buffer[:QUOTED])
        self._dead = True
        self._buffer.clear()
        return replace(fault, start=start, form=form_of(start))


def frame(data: bytes, framed: bool = True) -> bytes:
    """``data`` as it goes onto the wire: behind its length, or bare for a peer that sent its request bare."""
    return len(data).to_bytes(_HEADER) + data if framed else data


def _stranger(protocol: str) -> FrameFault:
    refusal = NotXml(f"This port speaks nexo; what came looks like {protocol}")
    return FrameFault(refusal, b"", survives=False, protocol=protocol, answerable=False)


def _other_protocol(start: bytes) -> str:
    """What four bytes that cannot be a length are the beginning of; empty when unknown (H24, H28)."""
    if start in _HTTP:
        return "HTTP"
    if start[:2] == b"\x16\x03":
        return "TLS"
    if start[:2] == b"\x06\x00":
        return "ZVT"
    if start == b"PROX":
        return "PROXY protocol"
    if start == b"VER|":
        return "a VER|APP banner"
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "UTF-16"
    if all(0x20 <= byte < 0x7F for byte in start):
        return "a text protocol"
    return ""
