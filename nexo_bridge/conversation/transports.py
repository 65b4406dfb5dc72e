"""What differs from transport to transport, so that one script is played over all of them. Pure.

A script says what a POS says and hears. Where a transport makes that another thing, it is a trait with a name here, and
a line of the script says ``IF trait`` or ``UNLESS trait``: what is not named is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

Transport: TypeAlias = Literal["tcp", "tls", "http", "mqtt3", "mqtt5"]

TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)

KINDS: Final[Mapping[Transport, str]] = MappingProxyType(
    {"tcp": "tcp", "tls": "tls", "http": "http", "mqtt3": "mqtt", "mqtt5": "mqtt"}
)
"""What ``[[listen]]`` and the ready line call each transport."""

TRAITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "line": "a POS has one connection to the bridge, which ends with either of them",
        "departs": "the bridge learns that a POS has gone",
        "half-closes": "a POS can end what it says and still hear",
        "apart": "of several POS that speak for one SaleID, each hears only what is meant for it",
        "pushes": "what a POS is owed comes unasked, though the bridge was restarted or the POS away meanwhile",
        "keeps": "what the bridge had not written down when it died comes to it again",
    }
)
"""Names of what may differ, and what each means."""

HAS: Final[Mapping[Transport, frozenset[str]]] = MappingProxyType(
    {
        "tcp": frozenset({"line", "departs", "half-closes", "apart"}),
        "tls": frozenset({"line", "departs", "apart"}),
        "http": frozenset({"departs", "apart"}),
        "mqtt3": frozenset({"pushes", "keeps"}),
        "mqtt5": frozenset({"pushes", "keeps"}),
    }
)
"""The traits of each transport."""


def want_broker(transports: Iterable[Transport]) -> bool:
    """Whether a broker must be there for POS to come over all of them."""
    return any(KINDS[one] == "mqtt" for one in transports)
