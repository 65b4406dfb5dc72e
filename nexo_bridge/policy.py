"""What the deciding layers (categories, core) must know of the configuration, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds from the moment a request was received (rule R5); rising in this order."""

    platform_limit: float = 60.0
    customer_time: float = 75.0
    answer_by: float = 100.0
    pos_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class Certainty:
    """How "never created" is proved (rule R4); only tests with real processes shorten these.

    Attributes:
        fence: the platform has the fencing cancel.
        after: seconds between the fence's answer and the first read that counts.
        reads: reads in a row that must find nothing.
        pause: seconds between those reads.
    """

    fence: bool = True
    after: float = 60.0
    reads: int = 3
    pause: float = 10.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal behind the platform.

    Attributes:
        watchdog: seconds without an event after which a payment is looked at; 0 where no events come by themselves.
    """

    poiid: str
    serial: str
    default: Literal["card", "qr"] = "card"
    payment_type: str = "KB"
    watchdog: float = 0.0


@dataclass(frozen=True, slots=True)
class SalePolicy:
    """What one Sale System (SaleID) gets that others do not.

    Attributes:
        on_unknown: ``park`` keeps silent until the outcome is known, ``answer`` says a provisional InProgress.
        repeat_sale: whether a sale already paid is refused under a new ServiceID.
        busy_condition: ErrorCondition for a request that meets a running one.
    """

    deadlines: Deadlines = field(default_factory=Deadlines)
    on_unknown: Literal["park", "answer"] = "park"
    repeat_sale: Literal["refuse", "allow"] = "refuse"
    busy_condition: Literal["Busy", "NotAllowed"] = "Busy"


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the core takes as given.

    Attributes:
        brands: PaymentBrand -> code of the wallet scheme to ask for, empty for the terminal's own, None for a card.
        sales: overrides ``default_sale`` by SaleID.
        keys_kept: seconds for which a ServiceID is remembered (rule R3).
    """

    environment: str
    installation: str
    software_version: str
    terminals: Mapping[str, Terminal]
    brands: Mapping[str, str | None] = field(default_factory=dict)
    default_sale: SalePolicy = field(default_factory=SalePolicy)
    sales: Mapping[str, SalePolicy] = field(default_factory=dict)
    certainty: Certainty = field(default_factory=Certainty)
    login_required: bool = True
    keys_kept: float = 7 * 86400.0

    def reference(self, exchange: str) -> str:
        """The POI's transaction id for an exchange: unique over installations."""
        return f"{self.installation[:8]}-{exchange}"

    def sale(self, sale_id: str) -> SalePolicy:
        """The policy of one SaleID."""
        return self.sales.get(sale_id, self.default_sale)
