"""What can be set for a TLS listener, ``kind = "tls"``: TCP's limits, and our certificate and the POS's."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nexo_bridge.adapters.certificates import Asked, Files
from nexo_bridge.adapters.placed import Certificate, OptionalCertificate, OptionalPrivateFile
from nexo_bridge.adapters.tcp_settings import PortLimits


class TlsListen(PortLimits):
    """One port on which POS connect, inside TLS 1.2 or 1.3."""

    kind: Literal["tls"]
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    certificate: Certificate = Field(
        description="PEM, the certificate first, then its chain; or a PKCS#12 file that holds the key as well."
    )
    key: OptionalPrivateFile = Field(default=None, description="PEM, the certificate's private key.")
    key_password: OptionalPrivateFile = Field(
        default=None, description="File with the password of the key, or of the PKCS#12 file."
    )
    client_ca: OptionalCertificate = Field(
        default=None, description="PEM bundle of the authorities that sign the POS's client certificates."
    )
    client_certificate: Asked = Field(
        default="none", description="Whether a POS is asked for a client certificate."
    )
    handshake_timeout: float = Field(
        default=10.0, gt=0, description="A connection must be encrypted after this long."
    )

    @model_validator(mode="after")
    def _what_is_asked_can_be_judged(self) -> Self:
        if self.client_certificate != "none" and self.client_ca is None:
            raise ValueError(
                f'client_certificate = "{self.client_certificate}" needs client_ca; add the authorities\' file'
            )
        if self.client_ca is not None and self.client_certificate == "none":
            raise ValueError('client_ca is never asked; add client_certificate = "optional" or "required"')
        return self

    def files(self, setting: str) -> Files:
        """Where the parts of our identity lie; ``setting`` names this section in errors."""
        return Files(
            setting, self.certificate, self.key, self.key_password, self.client_ca, f"{setting}.client_ca"
        )
