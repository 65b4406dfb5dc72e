"""What carries a POS's messages to a POI: the same client, till and recovery work over every link.

A link knows nothing of what it carries but its form. It says two things of a message that could not be delivered, and
never mixes them up: ``NothingSent`` is certain, ``AnswerLost`` is everything else.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from nexo_bridge.errors import BridgeError, ConfigurationError
from nexo_bridge.nexo.form import form_of

CONNECT = 5.0
"""Seconds in which a connection must stand, its handshakes included."""


class NothingSent(BridgeError):
    """Certain: no byte of the request left us, so nothing was started."""


class AnswerLost(BridgeError):
    """The request left us, or may have; what became of it is not known. Never send a payment again: ask."""


def content_type(message: bytes) -> str:
    """What HTTP and MQTT call ``message``, by how it begins."""
    return "application/xml; charset=utf-8" if form_of(message) == "xml" else "application/json"


Heard = Callable[[bytes], Awaitable[bytes | None]]
"""Told every whole message that comes; what it returns is sent back where that message came from."""
Ended = Callable[[], None]
"""Told that the link is over by itself: what waits for an answer gets none by it."""
Lost = Callable[[BridgeError], None]
"""Told that one message will not be answered although the link stands: ``NothingSent`` or ``AnswerLost``."""


Mqtt = Literal["3.1.1", "5"]


@dataclass(frozen=True, slots=True)
class Login:
    """What a broker knows a client by, beside its certificate."""

    user: str
    password: str = field(repr=False)


class Link(Protocol):
    """One way to a POI. It can be closed and connected again."""

    @property
    def connected(self) -> bool:
        """Whether a message can be sent, as far as we know."""

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """Connect; a link that stands is closed first, and ``ended`` is not called for it.

        Raises:
            NothingSent: nobody answers there, or not as who they should be.
        """

    async def send(self, data: bytes, lost: Lost | None) -> None:
        """Send one message.

        Args:
            data: the message, without a length.
            lost: None for a message that nothing answers; then this returns only when the other side has it, as far
                as this link can know.

        Raises:
            NothingSent: there was no connection.
            AnswerLost: the connection broke while sending.
        """

    async def close(self) -> None:
        """End the connection, without calling ``ended``."""


def cannot_connect(host: str, port: int, error: BaseException) -> NothingSent:
    """``error`` in words: the reason alone, and nothing else that came from the other side."""
    why = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or "no answer"
    if isinstance(error, ConnectionError) and error.errno:
        why = os.strerror(error.errno)  # asyncio words it as a call that failed
    return NothingSent(f"cannot connect to {host} port {port}: {why}")


def tls_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS as a client that checks whom it speaks to. Blocking: it reads files.

    Args:
        ca: PEM of who may have signed the POI's certificate; None: whom this machine trusts.
        certificate: PEM of this POS's own, if the POI wants one.
        key: PEM of its key; None: in the same file.

    Raises:
        ConfigurationError: a file cannot be read, or does not fit.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--ca {ca}: {_reason(error)}; name a PEM file of certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"--certificate {certificate}: {_reason(error)}; name PEM files of a certificate and its key, "
                "without a password"
            ) from None
    return context


def _no_password() -> str:
    """A key under a password must not stop a script with a question."""
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "not usable").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
