"""What can be set where the bridge calls the POS: a ``[[listen]]`` section with ``kind = "dial"``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nexo_bridge.adapters.certificates import Files
from nexo_bridge.adapters.placed import OptionalCertificate, OptionalPrivateFile
from nexo_bridge.adapters.tcp_settings import ConnectionLimits

_ONLY_WITH_TLS = ("ca", "certificate", "key", "key_password", "server_name")


class DialListen(ConnectionLimits):
    """One POS that listens itself: the bridge connects to it, and again whenever that connection ends."""

    kind: Literal["dial"]
    host: str = Field(min_length=1, description="Address of the POS.", examples=["10.0.0.21"])
    port: int = Field(ge=1, le=65535, description="Port on which the POS listens.", examples=[7001])
    tls: bool = Field(default=False, description="Whether the POS speaks TLS.")
    ca: OptionalCertificate = Field(
        default=None, description="PEM bundle that signs the POS's certificate; none: the system's."
    )
    certificate: OptionalCertificate = Field(
        default=None, description="Client certificate for a POS that asks: PEM, or PKCS#12 with the key."
    )
    key: OptionalPrivateFile = Field(default=None, description="PEM, the certificate's private key.")
    key_password: OptionalPrivateFile = Field(
        default=None, description="File with the password of the key, or of the PKCS#12 file."
    )
    server_name: str | None = Field(
        default=None, min_length=1, description="Name in the POS's certificate; none: ``host``."
    )
    connect_timeout: float = Field(
        default=10.0,
        gt=0,
        description="The POS must answer after this long, and then be encrypted after as long.",
    )
    retry_first: float = Field(
        default=1.0,
        gt=0,
        description="Pause before it is called again; doubled each time, up to ``retry_longest``.",
    )
    retry_longest: float = Field(default=30.0, gt=0, description="Longest pause between two calls.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        there = next((name for name in _ONLY_WITH_TLS if getattr(self, name) is not None), None)
        if there is not None and not self.tls:
            raise ValueError(f"{there} is of use with TLS alone; add tls = true, or remove {there}")
        if self.certificate is None and (self.key is not None or self.key_password is not None):
            raise ValueError("certificate is missing beside key; add it, or remove key and key_password")
        if self.retry_first > self.retry_longest:
            raise ValueError(
                f"retry_first ({self.retry_first:g}) must be at most retry_longest ({self.retry_longest:g}); "
                "lower the first or raise the second"
            )
        return self

    def files(self, setting: str) -> Files | None:
        """Where the parts of our identity lie, ``setting`` naming this section in errors; None without one."""
        if self.certificate is None:
            return None
        return Files(setting, self.certificate, self.key, self.key_password, self.ca, f"{setting}.ca")
