"""What can be set for one HTTP listener: a ``[[listen]]`` section with ``kind = "http"``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from nexo_bridge.adapters.certificates import Asked, Files
from nexo_bridge.adapters.placed import OptionalCertificate, OptionalPrivateFile
from nexo_bridge.nexo.framing import LARGEST_CAP, MAX_FRAME

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*", re.ASCII)


def _host_name(text: str) -> str:
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise ValueError("write a host name without a port, e.g. bridge.shop.example")
    return text.lower()


class HttpListen(BaseModel):
    """One port that takes nexo messages as HTTP requests, with TLS where a certificate is set; seconds and bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["http"]
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on. Without certificate, HTTP is not encrypted: keep it in the shop.",
    )
    port: int = Field(
        ge=0, le=65535, description="Port to listen on; 0 takes a free one, named in the ready line."
    )
    names: tuple[Annotated[str, AfterValidator(_host_name)], ...] = Field(
        default=(),
        description="Host names by which POS call this listener, besides addresses and localhost (H33).",
    )
    json_form: bool = Field(
        default=False, alias="json", description="Whether messages in the JSON form are taken too."
    )
    certificate: OptionalCertificate = Field(
        default=None,
        description="As for TLS: PEM with its chain, or PKCS#12 with its key. With it, this is HTTPS.",
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
        default=10.0, gt=0, description="With a certificate, a connection must be encrypted after this long."
    )
    max_frame: int = Field(
        default=MAX_FRAME,
        ge=1024,
        le=LARGEST_CAP,
        description="Cap on one message. Above it: 413 with a Reject, then closed.",
    )
    max_connections: int = Field(
        default=512,
        ge=1,
        description="Connections at one time, and so requests: a connection carries one after the other.",
    )
    max_connections_per_address: int = Field(
        default=128,
        ge=1,
        description="Of these, from one address. A shop's POS may share one behind a router.",
    )
    frame_timeout: float = Field(
        default=30.0,
        gt=0,
        description="The head of a request that began, and then its body, must be whole after this long each.",
    )
    idle_timeout: float = Field(
        default=600.0,
        gt=0,
        description="A connection on which no request runs is closed after this long.",
    )
    response_timeout: float = Field(
        default=150.0,
        gt=0,
        description="A request without an answer ends with 504 after this long. Above pos_timeout.",
    )
    write_timeout: float = Field(
        default=30.0,
        gt=0,
        description="An answer not taken by the POS after this long: the connection is dropped.",
    )
    keepalive: int = Field(
        default=60,
        ge=0,
        le=32767,
        description="TCP asks a silent peer for a sign of life after this many seconds; 0 never does.",
    )

    @property
    def scheme(self) -> Literal["http", "https"]:
        """What a POS connects with."""
        return "http" if self.certificate is None else "https"

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.certificate is None:
            for name in ("key", "key_password", "client_ca"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} needs certificate; add it, or remove {name} for plain HTTP")
        if self.client_certificate != "none" and self.client_ca is None:
            raise ValueError(
                f'client_certificate = "{self.client_certificate}" needs client_ca; add the authorities\' file'
            )
        if self.client_ca is not None and self.client_certificate == "none":
            raise ValueError('client_ca is never asked; add client_certificate = "optional" or "required"')
        return self

    def files(self, setting: str) -> Files | None:
        """Where the parts of our identity lie, ``setting`` names this section in errors; None for plain HTTP."""
        if self.certificate is None:
            return None
        return Files(
            setting, self.certificate, self.key, self.key_password, self.client_ca, f"{setting}.client_ca"
        )
