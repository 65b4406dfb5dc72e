"""Where a JSON object that has no length before it ends. A scan, not a parse."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')


class JsonEnd:
    """Finds where a JSON object ends, looking at each byte once.

    It tells strings from the rest and counts brackets of both kinds as one; whether they match is the parser's
    question.
    """

    def __init__(self) -> None:
        self._at = 0
        self._open = 0
        self._in_string = False

    def find(self, buffer: bytearray) -> int | None:
        """Look at what is new in ``buffer``, which begins with the object (or a mark before it) and only grows.

        Returns:
            The object's length when its end is there, None when more is needed.
        """
        while True:
            stop = (_INSIDE if self._in_string else _OUTSIDE).search(buffer, self._at)
            if stop is None:
                self._at = max(self._at, len(buffer))  # beyond it, if an escaped character has not come yet
                return None
            self._at = stop.end()
            match stop.group():
                case b'"':
                    self._in_string = not self._in_string
                case b"\\":
                    self._at += 1
                case b"{" | b"[":
                    self._open += 1
                case _:
                    self._open -= 1
                    if self._open <= 0:
                        return self._at
