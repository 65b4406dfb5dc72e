"""What can be set for one MQTT broker: a ``[[listen]]`` section with ``kind = "mqtt"``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from nexo_bridge.adapters.mqtt_topics import BRIDGE, POI, SALE, Topics, checked
from nexo_bridge.adapters.placed import OptionalCertificate, OptionalPrivateFile
from nexo_bridge.nexo.framing import LARGEST_CAP, MAX_FRAME

PairTopic = Annotated[str, AfterValidator(lambda text: checked(text, frozenset({SALE, POI})))]
TerminalTopic = Annotated[str, AfterValidator(lambda text: checked(text, frozenset({POI})))]
BridgeTopic = Annotated[str, AfterValidator(lambda text: checked(text, frozenset({BRIDGE})))]


class MqttListen(BaseModel):
    """One broker at which POS and bridge meet; seconds and bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["mqtt"]
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address of the broker. Without tls, nothing on the way is encrypted: keep it in the shop.",
    )
    port: int = Field(ge=1, le=65535, description="Port of the broker: 1883 by custom, 8883 with TLS.")
    name: str = Field(
        default="mqtt",
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="Tells several brokers apart; answers kept over a restart go to the one of the same name.",
    )
    version: Literal["5", "3.1.1"] = Field(default="5", description="Of MQTT, as the broker speaks it.")
    transport: Literal["tcp", "websockets"] = Field(default="tcp", description="How the broker is reached.")
    websocket_path: str = Field(
        default="/mqtt", pattern=r"^/\S*$", description="Path of its WebSocket, with transport websockets."
    )
    client_id: str = Field(
        default="",
        max_length=128,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of this bridge at the broker; none: made from the id of this installation.",
    )
    username: str = Field(default="", description="User of the broker, none without one.")
    password: OptionalPrivateFile = Field(default=None, description="File with that user's password.")
    tls: bool = Field(default=False, description="Whether the broker is spoken to through TLS.")
    ca: OptionalCertificate = Field(
        default=None, description="PEM bundle that signs the broker; none: what the machine trusts."
    )
    certificate: OptionalCertificate = Field(
        default=None, description="PEM, the bridge's client certificate, then its chain."
    )
    key: OptionalPrivateFile = Field(default=None, description="PEM, that certificate's private key.")
    to_poi: PairTopic = Field(
        default="nexo/{SaleID}/{POIID}/to-poi", description="Topic of what a POS sends."
    )
    to_sale: PairTopic = Field(
        default="nexo/{SaleID}/{POIID}/to-sale", description="Topic of what the bridge sends to it."
    )
    status: TerminalTopic = Field(
        default="nexo/status/{POIID}", description="Topic of a terminal's retained status."
    )
    owner: TerminalTopic = Field(
        default="nexo/owner/{POIID}", description="Topic of the retained record which bridge serves it."
    )
    bridge: BridgeTopic = Field(
        default="nexo/bridge/{bridge}", description="Topic of this bridge's retained status and last will."
    )
    json_form: bool = Field(
        default=False, alias="json", description="Whether messages in the JSON form are taken too."
    )
    max_frame: int = Field(
        default=MAX_FRAME, ge=1024, le=LARGEST_CAP, description="Cap on one message. Above it: Reject."
    )
    max_age: float = Field(
        default=0.0,
        ge=0,
        description="Requests whose property sent-at is older are refused; 0 refuses none for its age.",
    )
    session_expiry: int = Field(
        default=604800,
        ge=60,
        le=0xFFFFFFFE,
        description="How long the broker keeps messages for a bridge that is away (MQTT 5).",
    )
    keepalive: int = Field(
        default=30, ge=5, le=3600, description="Silence after which broker and bridge ask for a sign of life."
    )
    max_unsent: int = Field(
        default=4 << 20, ge=65536, description="Answers that may wait for a broker that is away."
    )

    @property
    def topics(self) -> Topics:
        """The templates, to be filled in."""
        return Topics(self.to_poi, self.to_sale, self.status, self.owner, self.bridge)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            missing, there = ("key", "certificate") if self.key is None else ("certificate", "key")
            raise ValueError(f"{missing} is missing beside {there}; add it, or remove {there}")
        if not self.tls and (self.ca is not None or self.certificate is not None):
            raise ValueError("ca and certificate are for TLS; add tls = true, or remove them")
        if self.password is not None and not self.username:
            raise ValueError("password is of no use without username; add it")
        if self.to_poi == self.to_sale:
            raise ValueError("to_poi and to_sale are one topic; give each its own")
        if len({self.status, self.owner}) < 2:
            raise ValueError("status and owner are one topic; give each its own")
        return self
