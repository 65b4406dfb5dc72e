"""The tables of the configuration file, one class each; ``settings`` puts them together and reads them.

Every class is frozen and refuses keys it does not know. A path marked ``Placed`` becomes absolute while reading.
What each setting means to its reader is told in ``config/nexo-bridge.toml``; here stands what a programmer needs
besides.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from nexo_bridge.adapters.placed import (
    OptionalCertificate,
    OptionalKeyWrittenByUs,
    OptionalPrivateFile,
    Placed,
    WrittenByUs,
)
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.tolerance import NAMES, STRICT, Tolerance
from nexo_bridge.ppaas.environments import base_url
from nexo_bridge.ppaas.operations import with_paths
from nexo_bridge.redaction import printable


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no ``nan`` and ``inf`` (TOML has both)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _base_url(text: str, info: ValidationInfo) -> str:
    try:
        return base_url(str(info.field_name), text)
    except ConfigurationError as error:
        raise ValueError(str(error).removeprefix(f"{info.field_name}: ")) from None


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""Never http, since tokens travel here; what comes below a base belongs to ``[platform.paths]``."""


def _proxy(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        url = urlsplit(text)
        good = url.scheme == "http" and bool(url.hostname) and url.port is not None
        plain = f"http://{url.netloc}" == text.rstrip("/") and "@" not in url.netloc and text.isprintable()
    except ValueError:
        good = plain = False
    if not good or not plain:
        raise ValueError("write http://HOST:PORT; user and password belong in the file proxy_credentials")
    return text.rstrip("/")


def _paths(overrides: dict[str, str]) -> dict[str, str]:
    try:
        with_paths(overrides)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    return overrides


def _wire_id(text: str) -> str:
    if text != printable(text, 100) or text.strip() != text or not text:
        raise ValueError("must be 1 to 100 printable characters without blanks at its ends")
    return text


WireId = Annotated[str, AfterValidator(_wire_id)]
"""A POIID or SaleID as the POS sends it: free text (messages.md), so only what could not be shown is refused."""

Seconds = Annotated[float, Field(gt=0, le=3600)]


def _transformation(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"must be one of {', '.join(NAMES)} (docs/tolerance.md)")
    return name


def _zone(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00", text, re.ASCII):
        raise ValueError('must be "Z" or an offset from UTC such as "+01:00"')
    return text


class Journal(Section):
    """``[journal]``: where the bridge writes down what it does."""

    path: WrittenByUs = Field(examples=["journal.sqlite"])
    key: OptionalKeyWrittenByUs = None
    """32 bytes that seal the entries; made at the first start. None: the path with the suffix ``.key``."""
    reserve: int = Field(default=16 * 1024 * 1024, ge=1024 * 1024, le=1024**3)
    """Bytes of disk kept free, so that "disk full" leaves room to settle what runs (F66)."""
    keep_answers: int = Field(default=7, ge=7, le=3650)
    """Days; R3 judges repeats over seven days, so fewer would charge twice."""
    keep_bodies: int = Field(default=30, ge=7, le=3650)
    keep_transactions: int = Field(default=400, ge=30, le=3650)

    @model_validator(mode="after")
    def _what_is_older_is_smaller(self) -> Self:
        ordered(
            "journal",
            {name: getattr(self, name) for name in ("keep_answers", "keep_bodies", "keep_transactions")},
        )
        return self

    @property
    def key_file(self) -> Path:
        return self.path.with_suffix(".key") if self.key is None else self.key


class Control(Section):
    """``[control]``: the door into a running daemon, a Unix socket."""

    path: Annotated[Path | None, Placed(made_by_us=True)] = None
    """None: beside the journal, its name with the suffix ``.control``."""


class Platform(Section):
    """``[platform]``: which PPaaS, how to reach it, and when "never created" is certain (R4)."""

    environment: Literal["demo", "nar", "ind", "eur"] = Field(examples=["demo"])
    auth: BaseUrl
    device_auth: BaseUrl
    api: BaseUrl
    device_api: BaseUrl
    ca: OptionalCertificate = None
    """PEM bundle the platform's certificates are checked with; None: the system's."""
    proxy: Annotated[str | None, AfterValidator(_proxy)] = None
    """What connections to the platform are tunnelled through."""
    proxy_credentials: OptionalPrivateFile = None
    """File with ``USER:PASSWORD`` for the proxy."""
    fence: bool = True
    never_created_after: float = Field(default=60.0, ge=0, le=3600)
    never_created_reads: int = Field(default=3, ge=1, le=100)
    never_created_pause: float = Field(default=10.0, ge=0, le=600)
    paths: Annotated[dict[str, str], AfterValidator(_paths)] = {}
    """Row of the operations table → path template used instead."""


class Brand(Section):
    """``[brands."NAME"]``: how a nexo PaymentBrand is paid."""

    method: Literal["card", "qr"]
    payment_type: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,32}$")

    @model_validator(mode="after")
    def _only_qr_has_a_type(self) -> Self:
        if self.method == "card" and self.payment_type is not None:
            raise ValueError('payment_type belongs to method = "qr"; remove it')
        return self


class Deadlines(Section):
    """``[deadlines]``, seconds from *received*; R5 needs them in this order."""

    platform_limit: Seconds = 60.0
    customer_time: Seconds = 75.0
    answer_by: Seconds = 100.0
    pos_timeout: Seconds = 120.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        ordered("deadlines", self.model_dump(), strictly=True)
        return self


class PosDeadlines(Section):
    """``[pos."SALEID".deadlines]``: what differs for this Sale System."""

    platform_limit: Seconds | None = None
    customer_time: Seconds | None = None
    answer_by: Seconds | None = None
    pos_timeout: Seconds | None = None


def _pos_url(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
        plain = text == f"{url.scheme}://{url.netloc}{url.path}" and "@" not in url.netloc
    except ValueError:
        good = plain = False
    if not good or not plain or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("write http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
    return text


class Pos(Section):
    """``[pos."SALEID"]``: one Sale System's habits."""

    mode: Literal["strict", "tolerant"] = "strict"
    relax: tuple[Annotated[str, AfterValidator(_transformation)], ...] | None = None
    """None in tolerant mode: everything that ``nexo.tolerance`` has."""
    zone: Annotated[str | None, AfterValidator(_zone)] = None
    """Of times without one; None: UTC."""
    version: Literal["3.0", "3.1"] | None = None
    """For what neither the message nor its session says (R14)."""
    on_unknown: Literal["park", "answer"] = "park"
    repeat_sale: Literal["refuse", "allow"] = "refuse"
    busy_condition: Literal["Busy", "NotAllowed"] = "Busy"
    certificate: OptionalCertificate = None
    """PEM: this SaleID speaks with one of these client certificates only (H30, H32); None: with any, or none."""
    http: Annotated[str | None, AfterValidator(_pos_url)] = None
    """Where this POS listens itself for what the bridge asks or tells it, when it speaks HTTP."""
    http_ca: OptionalCertificate = None
    """PEM bundle its certificate is checked with; None: the system's."""
    deadlines: PosDeadlines = PosDeadlines()

    @model_validator(mode="after")
    def _only_the_tolerant_forgive(self) -> Self:
        for name in ("relax", "zone"):
            if self.mode == "strict" and getattr(self, name) is not None:
                raise ValueError(f'{name} belongs to mode = "tolerant"; set that, or remove {name}')
        return self

    @property
    def tolerance(self) -> Tolerance:
        """What is forgiven this POS."""
        if self.mode == "strict":
            return STRICT
        return Tolerance(frozenset(NAMES if self.relax is None else self.relax), self.zone or "Z")

    @model_validator(mode="after")
    def _an_authority_needs_tls(self) -> Self:
        if self.http_ca is not None and not (self.http or "").startswith("https://"):
            raise ValueError("http_ca belongs to an https:// address; change http, or remove http_ca")
        return self


class Log(Section):
    """``[log]``: what goes to standard error."""

    format: Literal["keyvalue", "json"] = "keyvalue"
    level: Literal["debug", "info", "warning", "error"] = "info"


def ordered(table: str, values: dict[str, float], *, strictly: bool = False) -> None:
    """Check that ``values`` rise in the order given.

    Raises:
        ValueError: two neighbours do not; both are named.
    """
    for lower, upper in pairwise(values):
        if values[lower] > values[upper] or (strictly and values[lower] == values[upper]):
            raise ValueError(
                f"{table}.{lower} ({values[lower]:g}) must be {'less than' if strictly else 'at most'} "
                f"{table}.{upper} ({values[upper]:g}); lower the first or raise the second"
            )
