"""How the demo looks: who says what to whom, a code to scan, a table, verdicts. Fits a window of 100 columns."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Literal, TextIO

import segno

WIDTH = 98
_NAME, _WHO = 13, 15
_COLOURS = {"good": "32", "bad": "31", "dim": "2", "bold": "1", "code": "97;40"}

Tone = Literal["good", "bad", "dim", "bold"]


class Screen:
    """Writes to one stream; colours only where a person looks at it and wants them (NO_COLOR)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._coloured = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._begun = time.monotonic()
        self._scene = ""

    def line(self, text: str = "", tone: Tone | None = None) -> None:
        """One line."""
        self._write(self._styled(text, tone))

    def scene(self, name: str) -> None:
        """What follows belongs to ``name``; it stands beside the next line."""
        self._scene = name

    def says(self, who: str, text: str, *, seconds: float | None = None, tone: Tone | None = None) -> None:
        """One line of the conversation, wrapped where it is long; ``seconds`` is what it took."""
        took = "" if seconds is None else f"{seconds:.2f} s"
        room = WIDTH - _NAME - _WHO - 7
        for part in textwrap.wrap(text, room):
            name = self._styled(f"{self._scene:{_NAME}}", "bold")
            said = self._styled(f"{part:{room}}" if took else part, tone)
            self._write(f"{name}{who:{_WHO}}{said}{self._styled(f'{took:>7}', 'dim')}".rstrip())
            self._scene = who = took = ""

    def code(self, content: str, captions: Sequence[str]) -> None:
        """The code a customer scans, with ``captions`` beside it."""
        rows = code_rows(content)
        top = (len(rows) - len(captions)) // 2
        for place, row in enumerate(rows):
            caption = captions[place - top] if 0 <= place - top < len(captions) else ""
            self._write(f"{'':{_NAME}}{self._styled(row, 'code')}  {caption}".rstrip())

    def table(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Rows under the first one as heading."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for place, row in enumerate(rows):
            cells = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            self.line(f"  {cells}".rstrip(), "dim" if place == 0 else None)

    def verdict(self, good: bool, text: str) -> None:
        """What was checked."""
        self.line(f"  {'ok' if good else 'FAILED':7}{text}", "good" if good else "bad")

    def since(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._begun

    def _styled(self, text: str, tone: Tone | Literal["code"] | None) -> str:
        if tone is None or not self._coloured or not text.strip():
            return text
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


def code_rows(content: str) -> list[str]:
    """A QR code in half blocks, two rows of modules in one line; light modules are drawn, for dark windows."""
    code = segno.make(content, error="l", micro=False, boost_error=False)
    matrix = [list(row) for row in code.matrix_iter(border=2)]
    if len(matrix) % 2:
        matrix.append([1] * len(matrix[0]))  # not drawn, so that the last line has two rows too
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return [
        "".join(blocks[bool(upper), bool(lower)] for upper, lower in zip(above, below, strict=True))
        for above, below in zip(matrix[::2], matrix[1::2], strict=True)
    ]
