"""How the demo looks: one line for each turn of the conversation, a table, a verdict."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import TextIO

import segno

_COLOURS = {"good": "32", "bad": "31", "dim": "2", "bold": "1"}


class Screen:
    """Writes to one stream; colours only where a person looks at it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._begun = time.monotonic()

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line."""
        if style and self._coloured:
            text = f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def turn(self, who: str, says: str, answer: str, seconds: float) -> None:
        """One request and what came of it."""
        left = f"  {who:6} {says}"
        self.line(f"{left:55} {answer:36} {seconds:5.2f} s")

    def event(self, text: str) -> None:
        """Something that happens between two turns."""
        self.line(f"  {'':6} {text}", "dim")

    def qr(self, content: str) -> None:
        """The code a customer scans."""
        drawn = io.StringIO()
        segno.make(content, error="l", micro=False).terminal(out=drawn, compact=True, border=1)
        for row in drawn.getvalue().splitlines():
            self.line(f"         {row}")

    def table(self, rows: list[tuple[str, ...]]) -> None:
        """Rows under the first one as heading."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for place, row in enumerate(rows):
            cells = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            self.line(f"  {cells}".rstrip(), "bold" if place == 0 else None)

    def verdict(self, good: bool, text: str) -> None:
        """What was checked."""
        self.line(f"  {'ok' if good else 'FAILED':6} {text}", "good" if good else "bad")

    def since(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._begun
