"""The note a POS makes before it sends a payment: after a crash it knows what to ask about."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from nexo_bridge.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class InProgress:
    """A payment that was about to be sent, and is not known to have ended."""

    sale_id: str
    poi_id: str
    service_id: str
    transaction_id: str
    amount: str
    currency: str
    began: str


class Marker:
    """One small JSON file for one pair; without a path it keeps nothing, for scripts that accept that.

    Blocking: call it from a thread when an event loop runs. Raises OSError when the disk refuses, and then nothing
    must be sent.
    """

    def __init__(self, path: Path | None, sale_id: str, poi_id: str) -> None:
        self._path = path
        self._pair = (sale_id, poi_id)

    def read(self) -> InProgress | None:
        """The payment in progress, if there is one.

        Raises:
            ConfigurationError: the file is there and is not ours, or another pair's.
        """
        try:
            text = "" if self._path is None else self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if not text.strip():
            return None
        try:
            payment = InProgress(**json.loads(text))
        except (ValueError, TypeError):
            raise ConfigurationError(
                f"--state {self._path}: not a state file of this program; name another file"
            ) from None
        if (payment.sale_id, payment.poi_id) != self._pair:
            raise ConfigurationError(
                f"--state {self._path}: holds a payment of {payment.sale_id} at {payment.poi_id}; ask there first, "
                "or name another file"
            )
        return payment

    def set(self, payment: InProgress) -> None:
        """Write it down; when this returns it is on the disk."""
        self._replace(json.dumps(asdict(payment)) + "\n")

    def clear(self) -> None:
        """The payment has ended; its ending is known."""
        self._replace("")

    def _replace(self, text: str) -> None:
        if self._path is None:
            return
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
