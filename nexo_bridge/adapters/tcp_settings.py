"""What can be set for a TCP listener, ``kind = "tcp"``, and for whatever else carries messages as TCP does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nexo_bridge.nexo.framing import LARGEST_CAP, MAX_FRAME


class ConnectionLimits(BaseModel):
    """One limit for each way a connected peer can cost us something; seconds and bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    json_form: bool = Field(
        default=False,
        alias="json",
        description="Whether messages in the JSON form are taken too, framed or bare; else they are refused.",
    )
    max_frame: int = Field(
        default=MAX_FRAME,
        ge=1024,
        le=LARGEST_CAP,
        description="Cap on one message. Above it: Reject, then closed.",
    )
    frame_timeout: float = Field(
        default=30.0,
        gt=0,
        description="A message that began must be whole after this long, however steadily it trickles in.",
    )
    idle_timeout: float = Field(
        default=86400.0,
        gt=0,
        description="A connection on which nothing was said for this long is closed. POS are silent over night.",
    )
    half_closed_timeout: float = Field(
        default=150.0,
        gt=0,
        description="A POS that has closed its sending side may wait this long for each answer. Above pos_timeout.",
    )
    write_timeout: float = Field(
        default=30.0,
        gt=0,
        description="An answer not taken by the POS after this long: the connection is dropped.",
    )
    max_unread: int = Field(
        default=4 << 20,
        ge=1024,
        description="Answers waiting for one POS to read them; above it, it is dropped.",
    )
    keepalive: int = Field(
        default=60,
        ge=0,
        le=32767,
        description="TCP asks a silent peer for a sign of life after this many seconds; 0 never does.",
    )


class PortLimits(ConnectionLimits):
    """A port on which POS connect, many of them."""

    port: int = Field(
        ge=0, le=65535, description="Port to listen on; 0 takes a free one, named in the ready line."
    )
    max_connections: int = Field(
        default=512, ge=1, description="Connections at one time. More are closed at once."
    )
    max_connections_per_address: int = Field(
        default=128,
        ge=1,
        description="Of these, from one address. A shop's POS may share one behind a router.",
    )


class TcpListen(PortLimits):
    """One port on which POS connect, in the clear."""

    kind: Literal["tcp"]
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on. TCP here is neither encrypted nor authenticated: keep it in the shop.",
    )
