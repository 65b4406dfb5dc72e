"""Which SaleID speaks with which client certificate: ``[pos."SALEID"] certificate`` (H30, H32)."""

from __future__ import annotations

from collections.abc import Mapping

from nexo_bridge.adapters.certificates import fingerprints
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_mistakes import setting_name

Bindings = Mapping[str, frozenset[str]]
"""SaleID → SHA-256 of the certificates it may show; a SaleID that is not in it is bound to none."""


def bindings_of(settings: Settings) -> Bindings:
    """Read the certificates; blocks.

    Raises:
        ConfigurationError: a file cannot be read, or is no PEM certificate.
    """
    return {
        sale_id: fingerprints(setting_name(("pos", sale_id, "certificate")), pos.certificate)
        for sale_id, pos in settings.pos.items()
        if pos.certificate is not None
    }
