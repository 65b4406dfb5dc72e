"""``[webhook]``: where the platform may call us with results."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from nexo_bridge.adapters.placed import Certificate, OptionalCertificate, OptionalPrivateFile, PrivateFile
from nexo_bridge.runtime.settings_sections import Section


class Webhook(Section):
    """One HTTPS listener for all terminals with ``results = "webhook"``."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(ge=0, le=65535, examples=[8443])
    certificate: Certificate = Field(examples=["webhook.pem"])
    key: PrivateFile = Field(examples=["webhook.key"])
    secret: OptionalPrivateFile = None
    """File whose bytes sign each event (HMAC-SHA256); 32 or more."""
    client_ca: OptionalCertificate = None
    window: float = Field(default=300.0, ge=1, le=3600)
    """Seconds by which a signature's timestamp may differ from our clock."""

    @model_validator(mode="after")
    def _somebody_is_let_in_by_name(self) -> Self:
        if self.secret is None and self.client_ca is None:
            raise ValueError("webhook.secret: missing, and anybody could call; add secret, client_ca or both")
        return self
