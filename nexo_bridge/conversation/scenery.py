"""How a stage is set: what one script can be played before, and still go as written.

A script says what tills, platform and customers do. By which grant the terminals get their tokens, by which channel
results come, over which transport and in which form a POS speaks is none of its business, so each script is played with
all of them; one whose point is a certain one says ``ONLY``. What transports make different has names, see
``transports``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from nexo_bridge.conversation.transports import HAS, TRANSPORTS, Transport
from nexo_bridge.nexo.form import Form

Grant: TypeAlias = Literal["mtls", "password", "custom_token"]
Results: TypeAlias = Literal["poll", "stream", "webhook"]

GRANTS: Final[tuple[Grant, ...]] = ("mtls", "password", "custom_token")
CHANNELS: Final[tuple[Results, ...]] = ("poll", "stream", "webhook")
FORMS: Final[tuple[Form, ...]] = get_args(Form)
WORDS: Final = frozenset({*GRANTS, *CHANNELS, *TRANSPORTS, *FORMS})
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
        transport: how POS speak to the bridge.
        form: how they write.
        broker: where a broker is, for MQTT; whoever plays provides it.
    """

    grant: Grant = "mtls"
    results: Results = "poll"
    dedup: bool = False
    transport: Transport = "tcp"
    form: Form = "xml"
    broker: tuple[str, int] | None = field(default=None, compare=False)

    @property
    def traits(self) -> frozenset[str]:
        """What its transport makes different."""
        return HAS[self.transport]

    def __str__(self) -> str:
        """What differs from the usual scenery, as part of a name; empty if nothing does."""
        names = [one.name for one in fields(self) if one.compare]
        different = [name for name in names if getattr(self, name) != getattr(USUAL, name)]
        return "-".join("dedup" if name == "dedup" else str(getattr(self, name)) for name in different)

    def suits(self, only: Iterable[str]) -> bool:
        """Whether a script with these words behind ``ONLY`` can be played here."""
        words = set(only)
        return all(
            mine in words or not words & set(others)
            for mine, others in (
                (self.grant, GRANTS),
                (self.results, CHANNELS),
                (self.transport, TRANSPORTS),
                (self.form, FORMS),
            )
        )

    def settings(self, poiids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Dotted names and values beside what the sandbox's own file says for ``grant``."""
        if self.results != "poll":
            yield from ((f"terminals.{poiid}.results", self.results) for poiid in poiids)


USUAL: Final = Scenery()
"""What a script is played before unless something else is asked for."""


def every(grants: Iterable[Grant] = GRANTS, channels: Iterable[Results] = CHANNELS) -> tuple[Scenery, ...]:
    """Each grant with each channel."""
    return tuple(Scenery(grant, results) for grant, results in product(grants, channels))


def ways() -> tuple[Scenery, ...]:
    """Each transport with each form."""
    return tuple(Scenery(transport=transport, form=form) for transport, form in product(TRANSPORTS, FORMS))


def lay_webhook(folder: Path, certificate: Path, key: Path) -> Iterator[tuple[str, str]]:
    """Write the webhook's secret into ``folder``; the settings of a listener that uses it and that certificate."""
    secret = folder / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET, encoding="ascii")
    yield "webhook.port", "0"
    yield "webhook.certificate", str(certificate)
    yield "webhook.key", str(key)
    yield "webhook.secret", secret.name
