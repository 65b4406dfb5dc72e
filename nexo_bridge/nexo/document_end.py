"""Where an XML document that has no length before it ends. A scan, not a parse."""

from __future__ import annotations

import re
from enum import Enum, auto

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class _In(Enum):
    """Where in a document the scan stands."""

    TEXT = auto()  # between markup
    MARKUP = auto()  # at a "<" whose kind is not known yet
    SKIPPED = auto()  # inside a comment, CDATA section or processing instruction
    TAG = auto()  # inside a start or end tag, outside quotes
    QUOTES = auto()  # inside an attribute value


_SKIPPED = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))
_TAG_STOP = re.compile(rb"[>\"']")
_NAME = re.compile(rb"</?([^\s/>\"']*)")
_NAME_START = re.compile(rb"</?[A-Za-z_:\x80-\xff]")


class DocumentEnd:
    """Finds where an XML document ends, looking at each byte once.

    It tells markup from text and counts elements that are named like the root; whether the document is well
    formed is the parser's question. So one with a forgotten inner end tag still ends where its sender meant.
    """

    def __init__(self) -> None:
        self._in = _In.TEXT
        self._at = 0
        self._tag = 0
        self._closer = b""
        self._root: bytes | None = None
        self._open = 0

    def find(self, buffer: bytearray) -> int | str | None:
        """Look at what is new in ``buffer``, which only grows between calls.

        Returns:
            The document's length when its end is there, None when more is needed, or in words why it is none.
        """
        while True:
            before = (self._in, self._at)
            match self._in:
                case _In.TEXT:
                    fault = self._text(buffer)
                case _In.MARKUP:
                    fault = self._markup(buffer)
                case _In.SKIPPED:
                    fault = self._skipped(buffer)
                case _In.QUOTES:
                    fault = self._quotes(buffer)
                case _:
                    fault = self._tag_end(buffer)
                    if self._root is not None and self._open == 0:
                        return self._at
            if fault:
                return fault
            if before == (self._in, self._at) or self._at >= len(buffer):
                return None

    def _text(self, buffer: bytearray) -> str:
        found = buffer.find(b"<", self._at)
        end = found if found >= 0 else len(buffer)
        if self._root is None:
            text = bytes(buffer[self._at : end])
            if self._at == 0:
                if _BOM.startswith(text) and found < 0:
                    return ""
                text = text.removeprefix(_BOM)
            if text.strip(_BLANK):
                return "There is text before the first element"
        self._at = end
        if found >= 0:
            self._in = _In.MARKUP
        return ""

    def _markup(self, buffer: bytearray) -> str:
        head = bytes(buffer[self._at : self._at + 9])
        for opener, closer in _SKIPPED:
            if head.startswith(opener):
                self._in, self._closer, self._at = _In.SKIPPED, closer, self._at + len(opener)
                return ""
        if any(opener.startswith(head) for opener, _ in _SKIPPED) or head == b"</":
            return ""
        if head[:2] == b"<!":
            return "A DOCTYPE or any other declaration is never accepted"
        if _NAME_START.match(head):
            self._in, self._tag = _In.TAG, self._at
        elif self._root is None:
            return "What follows the first < is not a name"
        else:
            self._in, self._at = _In.TEXT, self._at + 1
        return ""

    def _skipped(self, buffer: bytearray) -> str:
        found = buffer.find(self._closer, self._at)
        if found >= 0:
            self._in, self._at = _In.TEXT, found + len(self._closer)
        else:
            self._at = max(self._at, len(buffer) - len(self._closer) + 1)
        return ""

    def _quotes(self, buffer: bytearray) -> str:
        found = buffer.find(self._closer, self._at)
        if found >= 0:
            self._in, self._at = _In.TAG, found + 1
        else:
            self._at = len(buffer)
        return ""

    def _tag_end(self, buffer: bytearray) -> str:
        stop = _TAG_STOP.search(buffer, self._at)
        if stop is None:
            self._at = len(buffer)
            return ""
        self._at = stop.end()
        if stop.group() != b">":
            self._in, self._closer = _In.QUOTES, stop.group()
            return ""
        self._in = _In.TEXT
        named = _NAME.match(buffer, self._tag)
        assert named is not None
        closing = buffer[self._tag + 1 : self._tag + 2] == b"/"
        empty = buffer[self._at - 2 : self._at - 1] == b"/"
        if self._root is None:
            if closing:
                return "The first tag is an end tag"
            self._root = named.group(1)
        if named.group(1) == self._root:
            self._open += -1 if closing else 0 if empty else 1
        return ""
