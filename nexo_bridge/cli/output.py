"""What a command prints, for a reader who may have seen enough before the end."""

from __future__ import annotations

import os
import sys


def show(text: str) -> None:
    """Print ``text``. A reader that leaves, as ``head`` does, is no error; nothing printed later reaches anybody."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the interpreter flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
