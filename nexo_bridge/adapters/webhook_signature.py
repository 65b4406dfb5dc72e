"""Whether a webhook really comes from the platform, and comes for the first time (F58; contract section 8, assumed)."""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from typing import Final

TIMESTAMP: Final = "x-ppaas-timestamp"
SIGNATURE: Final = "x-ppaas-signature"

MOST_REMEMBERED: Final = 100_000
"""Signatures kept to know replays by. An older one that comes again inside the window costs one read, no more."""

_TIMESTAMP = re.compile(r"[0-9]{10,16}", re.ASCII)
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})", re.ASCII)


class ForgedError(Exception):
    """It is refused; the text is ours and for the log alone."""


class Signatures:
    """HMAC-SHA256 over timestamp, a dot and the raw body, under a secret both sides hold.

    Args:
        secret: the bytes both sides hold.
        window: seconds by which the timestamp may differ from our clock, either way.
    """

    def __init__(self, secret: bytes, window: float) -> None:
        self._secret = secret
        self._window = window
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def take(self, timestamp: str, signature: str, body: bytes, now: float) -> bytes:
        """Check one request and remember it; the result takes it back with ``release``.

        Args:
            timestamp: header, milliseconds since the epoch.
            signature: header, ``v1=`` and 64 hexadecimal digits.
            body: as it came, before anything is made of it.
            now: our wall time in seconds.

        Raises:
            ForgedError: unsigned, wrongly signed, too old or too new, or used before.
        """
        signed = _SIGNATURE.fullmatch(signature)
        if signed is None or not _TIMESTAMP.fullmatch(timestamp):
            raise ForgedError("not signed")
        given = bytes.fromhex(signed[1])
        right = hmac.digest(self._secret, timestamp.encode() + b"." + body, "sha256")
        if not hmac.compare_digest(given, right):
            raise ForgedError("the signature is wrong")
        if abs(int(timestamp) / 1000 - now) > self._window:
            raise ForgedError("its timestamp is outside the window: replayed, or a clock is wrong")
        self._forget(now)
        if given in self._used:
            raise ForgedError("replayed")
        self._used[given] = now
        return given

    def release(self, taken: bytes) -> None:
        """It was not served after all: the same bytes may come again."""
        self._used.pop(taken, None)

    def _forget(self, now: float) -> None:
        """Let go of what the window refuses by itself; a timestamp may be ahead, so twice the window."""
        while self._used:
            oldest = next(iter(self._used.values()))
            if len(self._used) < MOST_REMEMBERED and abs(now - oldest) <= 2 * self._window:
                return
            self._used.popitem(last=False)
