"""From bytes to events: what a listener hands over becomes ``Arrived`` or ``Unreadable``.

Large messages are read in a thread of their own, with schemas of their own, so that one POS's long receipt does not
hold up another's payment.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nexo_bridge.adapters.intake import ANYBODY, Reaction, Speaker
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.core.signals import Arrived, Event, HeaderIds, PosGone, Refused, Unreadable
from nexo_bridge.core.source import Source
from nexo_bridge.errors import NotXml, NotYours, Refusal
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.canonical import canonical
from nexo_bridge.nexo.codec import Document
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.messages import CATEGORIES, DisplayRequest, Message
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.tolerance import STRICT, Tolerance, told
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.redaction import Secret
from nexo_bridge.runtime.ports import Checkpoint, no_checkpoint
from nexo_bridge.runtime.turns import Turns

OFF_LOOP = 16 * 1024
"""Bytes from which a message is read off the event loop: reading 1 MiB takes some 20 ms."""
SHOWN = 1024
"""Bytes of a message that a ``Reject`` repeats."""

VersionOf = Callable[[str, str], Version | None]
CertificatesOf = Callable[[str], frozenset[str] | None]
"""SaleID → SHA-256 of the client certificates it is bound to, None if it is bound to none."""


def _unbound(_: str) -> None:
    """No SaleID is bound to a certificate."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How the messages of one Sale System are read (rule R14).

    Attributes:
        version: protocol version where neither header nor session says one; None: what fits.
        tolerance: what is forgiven.
    """

    version: Version | None = None
    tolerance: Tolerance = STRICT


ProfileOf = Callable[[str], Profile]
"""SaleID → its profile, as it is at this moment; asked in any thread."""


def _plain(_: str) -> Profile:
    """Everybody is read strictly."""
    return Profile()


class Reception:
    """An ``Intake``: reads messages and feeds the core."""

    def __init__(
        self,
        xsd_bytes: Mapping[str, bytes],
        keys: Keys,
        feed: Callable[[Event], None],
        *,
        turns: Turns,
        version_of: VersionOf,
        is_open: Callable[[Source], bool],
        has_room: Callable[[], bool],
        profile_of: ProfileOf = _plain,
        certificates_of: CertificatesOf = _unbound,
        schemas: Schemas | None = None,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        """Make it.

        Args:
            xsd_bytes: both schemas.
            keys: the installation's, for digests and secrets.
            feed: takes an event.
            turns: whose message is read and fed next.
            version_of: the version of a session.
            is_open: whether a connection still stands.
            has_room: whether the journal's disk has room for new money work.
            profile_of: how a Sale System is read.
            certificates_of: which client certificates a SaleID is bound to.
            schemas: compiled ones to use on the loop.
            checkpoint: see ``ports``.
        """
        self._keys = keys
        self._feed = feed
        self._turns = turns
        self._version_of = version_of
        self._is_open = is_open
        self._has_room = has_room
        self._profile_of = profile_of
        self._certificates_of = certificates_of
        self._checkpoint = checkpoint
        self._schemas = schemas or Schemas(xsd_bytes)
        self._xsd_bytes = xsd_bytes
        self._large: Schemas | None = None
        self._notices = Notices(Timer())
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nexo-large")
        self._last: dict[Source, HeaderIds] = {}
        self._tolerated: dict[str, Counter[str]] = {}

    @property
    def tolerated(self) -> dict[str, dict[str, int]]:
        """SaleID → how often which transformation was applied since the start."""
        return {sale_id: dict(counter) for sale_id, counter in self._tolerated.items()}

    async def frame(
        self,
        source: Source,
        data: bytes,
        *,
        speaker: Speaker = ANYBODY,
        ack: int | None = None,
        refused: Refusal | None = None,
    ) -> Reaction | None:
        """See ``adapters.intake``."""
        async with self._turns.of(source):
            return await self._frame(source, data, speaker, ack, refused)

    async def _frame(
        self, source: Source, data: bytes, speaker: Speaker, ack: int | None, refused: Refusal | None
    ) -> Reaction | None:
        self._checkpoint("frame.read")
        if len(data) < OFF_LOOP:
            event = self._event(source, data, speaker, refused, self._schemas)
        else:
            event = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._event_large, source, data, speaker, refused
            )
        self._checkpoint("frame.validated")
        if isinstance(event, Unreadable):
            self._note(event)
        elif event.tolerated:
            self._count(event, event.tolerated)
        if ack is not None:
            event = event.model_copy(update={"ack": ack})
        if isinstance(event, Arrived) and not (self._is_open(source) and self._has_room()):
            event = event.model_copy(update={"present": self._is_open(source), "room": self._has_room()})
        self._feed(event)
        return _reaction(event)

    async def fault(self, source: Source, refusal: Refusal, start: bytes, *, ack: int | None = None) -> None:
        """See ``adapters.intake``."""
        async with self._turns.of(source):
            event = self._unreadable(source, refusal, start, None, "3.1")
            self._feed(event if ack is None else event.model_copy(update={"ack": ack}))

    def gone(self, source: Source) -> None:
        """See ``adapters.intake``."""
        self._last.pop(source, None)
        self._turns.gone(source)
        self._feed(PosGone(source=source))

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- reading -------------------------------------------------------------------------------------------------

    def _event_large(
        self, source: Source, data: bytes, speaker: Speaker, refused: Refusal | None
    ) -> Arrived | Unreadable:
        if self._large is None:
            self._large = Schemas(self._xsd_bytes)  # lxml keeps its log on the object: one for each thread
        return self._event(source, data, speaker, refused, self._large)

    def _event(
        self, source: Source, data: bytes, speaker: Speaker, refused: Refusal | None, schemas: Schemas
    ) -> Arrived | Unreadable:
        document: Document | None = None
        version: Version = VERSIONS[0]
        try:
            document = codec.parse(data, source.form)
            self._remember(source, document)
            ids = _ids(document)
            if ids is None:
                raise NotXml("The message has no MessageHeader. Begin it with MessageHeader.")
            profile = self._profile_of(ids.sale_id)
            versions = self._versions(document, ids, profile)
            version = versions[0]
            self._check(speaker, document)
            read = codec.decode_any(document, versions, schemas, self._seal, profile.tolerance)
        except Refusal as refusal:
            return self._unreadable(source, refusal, data, document, version)
        return Arrived(
            source=source,
            message=read.message,
            version=read.version,
            digest=self._digest(read.message),
            refused=None if refused is None else _said(refused),
            tolerated=read.tolerated,
        )

    def _versions(self, document: Document, ids: HeaderIds, profile: Profile) -> tuple[Version, ...]:
        """Rule R14: the version the header names, else the session's, else the profile's, else the newest that fits."""
        envelope = document.envelope
        asked = envelope.header.get("ProtocolVersion") if envelope else None
        for version in VERSIONS:
            if asked == version:
                return (version,)
        known = self._version_of(ids.sale_id, ids.poi_id) or profile.version
        return (known,) if known else VERSIONS

    def _check(self, speaker: Speaker, document: Document) -> None:
        """Refuse a header that says another than who speaks: before the body is looked at, and whatever it holds."""
        ids = _ids(document)
        assert ids is not None, "versions were found by it"
        if speaker.pair is not None:
            for name, proved, said in zip(
                ("SaleID", "POIID"), speaker.pair, (ids.sale_id, ids.poi_id), strict=True
            ):
                if said != proved:
                    raise NotYours(
                        f"The message says another {name} than the way it came. Make both the same.",
                        at=document.place(f"/{document.root.tag}/MessageHeader/@{name}"),
                    )
            return
        bound = self._certificates_of(ids.sale_id)
        if bound is not None and speaker.certificate not in bound:
            raise NotYours(
                "This SaleID speaks with its own client certificate only. Connect with that certificate.",
                at=document.place(f"/{document.root.tag}/MessageHeader/@SaleID"),
            )

    def _seal(self, clear: str) -> Secret:
        return Secret.seal(clear, self._keys.digest)

    def _digest(self, message: Message) -> str:
        return hmac.new(self._keys.digest, canonical(message.body), hashlib.sha256).hexdigest()

    # -- what cannot be read -------------------------------------------------------------------------------------

    def _note(self, event: Unreadable) -> None:
        """Tell the log what is wrong with a message: who looks after the POS may see no more of it than this."""
        header = event.header
        self._notices.warn(
            "message_refused",
            connection=event.source.connection,
            category=header.category if header.category in CATEGORIES else "unknown",
            sale_id=header.sale_id,
            service_id=header.service_id or "",
            code=event.code,
            path=event.at,
            reason=event.text,
        )

    def _count(self, event: Arrived, done: Mapping[str, int]) -> None:
        header = event.message.header
        self._tolerated.setdefault(header.sale_id, Counter()).update(done)
        self._notices.warn(
            "message_tolerated",
            connection=event.source.connection,
            category=header.message_category,
            sale_id=header.sale_id,
            service_id=header.service_id or "",
            tolerated=told(done),
        )

    def _remember(self, source: Source, document: Document) -> None:
        ids = _ids(document)
        if ids is not None:
            self._last[source] = ids

    def _unreadable(
        self, source: Source, refusal: Refusal, data: bytes, document: Document | None, version: Version
    ) -> Unreadable:
        ids = _ids(document) if document is not None else None
        last = self._last.get(source, HeaderIds())
        header = ids or HeaderIds(sale_id=last.sale_id, poi_id=last.poi_id)
        entry = CATEGORIES.get(header.category)
        answerable = (
            ids is not None
            and entry is not None
            and header.kind == "request"
            and header.message_class == entry.message_class
            and (header.service_id if header.message_class == "Service" else header.device_id) is not None
        )
        return Unreadable(
            source=source,
            header=header,
            answerable=answerable,
            version=version,
            condition=refusal.condition,
            code=refusal.code,
            retry=refusal.retry,
            at=refusal.at,
            text=refusal.text,
            sale_transaction=_sale_transaction(document, self._profile_of(header.sale_id).tolerance.zone),
            start=self._seal(b64encode(data[:SHOWN]).decode()),
        )


def _said(refusal: Refusal) -> Refused:
    return Refused(
        condition=refusal.condition,
        code=refusal.code,
        retry=refusal.retry,
        at=refusal.at,
        text=refusal.text,
    )


def _ids(document: Document) -> HeaderIds | None:
    envelope = document.envelope
    if envelope is None:
        return None
    header = envelope.header
    return HeaderIds(
        kind=envelope.kind,
        message_class=header.get("MessageClass", ""),
        category=header.get("MessageCategory", ""),
        service_id=header.get("ServiceID"),
        device_id=header.get("DeviceID"),
        sale_id=header.get("SaleID", ""),
        poi_id=header.get("POIID", ""),
    )


def _reaction(event: Arrived | Unreadable) -> Reaction | None:
    """As the core answers it: ``core.counter`` and, for money, ``core.bridge``."""
    if isinstance(event, Unreadable):
        silent = event.header.kind == "response" or event.header.message_class == "Event"
        return "unreadable" if silent else "rejection"
    category = CATEGORIES[event.message.header.message_category]
    if event.message.kind == "response" or category.response is None:
        return None
    if isinstance(event.message.body, DisplayRequest):
        return (
            "response" if any(o.response_required_flag for o in event.message.body.display_output) else None
        )
    return "response"


def _sale_transaction(document: Document | None, zone: str) -> tuple[str, str] | None:
    """SaleTransactionID of a body that is otherwise invalid, if it is usable itself."""
    found = document.root.find(".//SaleTransactionID") if document is not None else None
    if found is None:
        return None
    transaction_id, time_stamp = found.get("TransactionID"), found.get("TimeStamp")
    if transaction_id is None or time_stamp is None:
        return None
    stamp = Timestamp(str(time_stamp)).zoned(zone)  # else the answer would be as invalid as the request
    try:
        stamp.moment()
    except ValueError:
        return None
    return str(transaction_id), str(stamp)
