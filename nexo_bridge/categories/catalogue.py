"""Every category this bridge serves. One line each; the rest is answered ``UnavailableService``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nexo_bridge.categories.abort import ABORT
from nexo_bridge.categories.diagnosis import DIAGNOSIS
from nexo_bridge.categories.login import LOGIN
from nexo_bridge.categories.logout import LOGOUT
from nexo_bridge.categories.payment import PAYMENT
from nexo_bridge.categories.plan import Category
from nexo_bridge.categories.transaction_status import TRANSACTION_STATUS

CATALOGUE: tuple[Category[Any, Any], ...] = (LOGIN, LOGOUT, PAYMENT, TRANSACTION_STATUS, ABORT, DIAGNOSIS)

BY_NAME: Mapping[str, Category[Any, Any]] = MappingProxyType(
    {category.name: category for category in CATALOGUE}
)

GUARDED = frozenset({"Payment", "Reversal", "Loyalty", "StoredValue", "Batch", "CardAcquisition"})
"""Categories for which rule R3's table of sameness holds, whether they are served yet or not."""
