"""``[terminals."POIID"]``, one class for each way a device session is opened, and ``[application]``.

What each setting means to its reader is told in ``config/nexo-bridge.toml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from nexo_bridge.adapters.placed import Certificate, OptionalPrivateFile, Placed
from nexo_bridge.ppaas import token_requests
from nexo_bridge.runtime.settings_sections import Section

Word = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
"""Something of an address or a form: printable, no blanks."""

OptionalCredentialWrittenByUs = Annotated[Path | None, Placed(private=True, made_by_us=True)]
"""Sealed with the installation's key. None: beside the journal, see ``access.credential_of``."""


class TerminalTable(Section):
    """What every ``[terminals."POIID"]`` has, however its session is opened."""

    serial: str = Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$", examples=["1850123456"])
    default: Literal["card", "qr"] = "card"
    payment_type: str = Field(default="KB", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    results: Literal["poll", "stream", "webhook"] = "poll"
    """How results come by themselves; reads go on beside every channel."""
    watchdog: float = Field(default=5.0, ge=0.5, le=60)
    """Seconds without an event after which a payment is read, where ``results`` is not poll."""


class CertifiedTerminal(TerminalTable):
    """A terminal with a client certificate: PEM and its key, or PKCS#12 with both."""

    certificate: Certificate = Field(examples=["client.pem"])
    key: OptionalPrivateFile = Field(default=None, validate_default=True, examples=["client.key"])
    key_password: OptionalPrivateFile = None
    """File with the password of the key or of the PKCS#12 file; none ever stands in the configuration (H39)."""

    @field_validator("key")
    @classmethod
    def _pem_has_a_key_of_its_own(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate")
        bundled = isinstance(certificate, Path) and certificate.suffix.lower() in {".p12", ".pfx"}
        if key is None and certificate is not None and not bundled:
            raise ValueError('missing; add key = "client.key"')
        if key is not None and bundled:
            raise ValueError(f"{certificate} holds its key already; remove key")
        return key


class MtlsTerminal(CertifiedTerminal):
    """``grant = "mtls"``: the certificate alone."""

    grant: Literal["mtls"] = "mtls"
    merchant_name: str | None = Field(default=None, min_length=1)
    user_domain: str | None = Field(default=None, min_length=1)
    send_serial: bool = True
    """Name the serial number in merchants-credentials (stated: Tetra devices must)."""


class PasswordTerminal(CertifiedTerminal):
    """``grant = "password"``: an end user, over the certificate."""

    grant: Literal["password"]
    username: str = Field(
        min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["cashier@cornershop"]
    )
    password: OptionalPrivateFile = None
    """None: ``nexo-bridge login`` asks for it."""
    client_id: Word = token_requests.POWERED_APP
    scope: str = Field(default=token_requests.USER_SCOPE, pattern=r"^[\x20-\x7e]{1,256}$")
    credential: OptionalCredentialWrittenByUs = None


class CustomTokenTerminal(TerminalTable):
    """``grant = "custom_token"``: the demo environment's way, without a certificate."""

    grant: Literal["custom_token"]
    device_model: Word = Field(examples=["DX8000"])
    device_id: Word | None = None
    """None: made of model and serial number as in the documented sample."""
    method: str = Field(default=token_requests.DEVICE_METHOD, pattern=r"^[\x20-\x7e]{1,128}$")
    realm: Word = token_requests.MERCHANT_REALM
    client_id: Word = token_requests.PORTAL
    callback: str = Field(default=token_requests.PORTAL_CALLBACK, pattern=r"^https://[\x21-\x7e]+$")
    """Where the platform sends the browser of ``nexo-bridge login --paste``."""
    merchant_token: OptionalPrivateFile = None
    """None: ``nexo-bridge login`` gets one."""
    credential: OptionalCredentialWrittenByUs = None


def _grant(value: Any) -> str:
    """The tag of a table, or of a class made of one; what is no table is said by the first class."""
    if isinstance(value, dict):
        return str(value.get("grant", "mtls"))
    return str(getattr(value, "grant", "mtls"))


Terminal: TypeAlias = Annotated[
    Annotated[MtlsTerminal, Tag("mtls")]
    | Annotated[PasswordTerminal, Tag("password")]
    | Annotated[CustomTokenTerminal, Tag("custom_token")],
    Discriminator(_grant),
]
"""Told apart by ``grant``; without one it is ``mtls``."""


class Application(Section):
    """``[application]``: a client of our own for the platform's application-level APIs; nothing rests on it."""

    grant: Literal["client_credentials", "authorization_code"] = "client_credentials"
    realm: Word = Field(examples=["sandbox-ma"])
    client_id: Word = Field(examples=["reporting"])
    client_secret: OptionalPrivateFile = None
    scope: str = Field(default="openid", pattern=r"^[\x20-\x7e]{1,256}$")
    credential: OptionalCredentialWrittenByUs = None

    @model_validator(mode="after")
    def _client_credentials_are_two(self) -> Self:
        if self.grant == "client_credentials" and self.client_secret is None:
            raise ValueError("application.client_secret: missing; add the file that holds it")
        return self
