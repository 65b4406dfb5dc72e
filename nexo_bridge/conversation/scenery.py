"""How a stage is set: what one script can be played before, and still go as written.

A script says what tills, platform and customers do. By which grant the terminals get their tokens and by which channel
results come is none of its business, so each script is played with all of them; one whose point is a certain grant or
channel says ``ONLY``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Final, Literal, TypeAlias

Grant: TypeAlias = Literal["mtls", "password", "custom_token"]
Results: TypeAlias = Literal["poll", "stream", "webhook"]

GRANTS: Final[tuple[Grant, ...]] = ("mtls", "password", "custom_token")
CHANNELS: Final[tuple[Results, ...]] = ("poll", "stream", "webhook")
WORDS: Final = frozenset({*GRANTS, *CHANNELS})
"""What a script may be played with ``ONLY``."""

SECRET: Final = "s" * 48
"""Signs the events of the webhook; worth nothing beyond this play."""


@dataclass(frozen=True, slots=True)
class Scenery:
    """See the module.

    Attributes:
        grant: how device sessions are opened.
        results: how results come.
        dedup: whether the platform merges creates of one key.
    """

    grant: Grant = "mtls"
    results: Results = "poll"
    dedup: bool = False

    def __str__(self) -> str:
        """What differs from the usual scenery, as part of a name; empty if nothing does."""
        usual = Scenery()
        different = [one.name for one in fields(self) if getattr(self, one.name) != getattr(usual, one.name)]
        return "-".join("dedup" if name == "dedup" else str(getattr(self, name)) for name in different)

    def suits(self, only: Iterable[str]) -> bool:
        """Whether a script with these words behind ``ONLY`` can be played here."""
        words = set(only)
        return all(
            mine in words or not words & set(others)
            for mine, others in ((self.grant, GRANTS), (self.results, CHANNELS))
        )

    def settings(self, poiids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Dotted names and values beside what the sandbox's own file says for ``grant``."""
        if self.results != "poll":
            yield from ((f"terminals.{poiid}.results", self.results) for poiid in poiids)


def every(grants: Iterable[Grant] = GRANTS, channels: Iterable[Results] = CHANNELS) -> tuple[Scenery, ...]:
    """Each grant with each channel."""
    return tuple(Scenery(grant, results) for grant, results in product(grants, channels))


def lay_webhook(folder: Path, certificate: Path, key: Path) -> Iterator[tuple[str, str]]:
    """Write the webhook's secret into ``folder``; the settings of a listener that uses it and that certificate."""
    secret = folder / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET, encoding="ascii")
    yield "webhook.port", "0"
    yield "webhook.certificate", str(certificate)
    yield "webhook.key", str(key)
    yield "webhook.secret", secret.name
