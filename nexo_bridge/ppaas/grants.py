"""The answers a device session is made of: merchants-credentials, and tokens of every grant.

Pure reading, so that every odd answer of a token endpoint (F34) can be tested without one. Client secrets and
tokens are in no ``repr`` and in no text of an error. What is asked stands in ``token_requests``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from nexo_bridge.ppaas.answers import UnreadableError, load, problem_code
from nexo_bridge.redaction import printable

CREDENTIALS_PATH = "/oauth2-mtls/v1/merchants-credentials"
"""On base ``auth``, with ``?serial_number=`` (stated)."""

TOKEN_PATH = "/oauth2-mtls/v1/token"  # noqa: S105 -- a path, not a password
"""On base ``device_auth`` (stated)."""

LONGEST_LIFE = 86400.0
"""Seconds; what ``expires_in`` says beyond a day is not believed."""

LONGEST_WAIT = 60.0
"""Seconds; a ``Retry-After`` beyond that is not obeyed: a customer stands at the terminal."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


class NoSessionError(Exception):
    """There is no token to be had now. The text is one sentence of ours, without secrets.

    Attributes:
        code: the token endpoint's word for it in capitals, e.g. ``INVALID_GRANT``; empty when it said none.
        retry_after: seconds for which it asked to be left alone.
        person: nothing but a person can mend it.
    """

    def __init__(self, text: str, *, code: str = "", retry_after: float = 0.0, person: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after = retry_after
        self.person = person

    @property
    def invalid_client(self) -> bool:
        """The token endpoint does not know this client and secret (any more)."""
        return self.code == "INVALID_CLIENT"

    @property
    def invalid_grant(self) -> bool:
        """What was shown for the token (a password, a refresh token, a code) is not good (any more)."""
        return self.code == "INVALID_GRANT"


@dataclass(frozen=True, slots=True)
class Merchant:
    """One entry of merchants-credentials."""

    name: str
    user_domain: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token.

    Attributes:
        life: seconds; 0: good for the call it was fetched for.
        refresh: the refresh token that came with it; empty without one.
        refresh_life: seconds the refresh token lives; 0 when nothing is said of it.
        session_state: the platform's id of the user's session; not secret, for people at the platform.
    """

    bearer: str = field(repr=False)
    life: float
    refresh: str = field(default="", repr=False)
    refresh_life: float = 0.0
    session_state: str = ""


def credentials_query(serial: str | None) -> str:
    """Path and query of merchants-credentials; with the serial number for devices that need it (Tetra)."""
    return (
        CREDENTIALS_PATH if serial is None else f"{CREDENTIALS_PATH}?{urlencode({'serial_number': serial})}"
    )


def token_form(merchant: Merchant) -> bytes:
    """The form of the token request; secret."""
    form = {
        "client_id": merchant.client_id,
        "client_secret": merchant.client_secret,
        "grant_type": "client_credentials",
    }
    return urlencode(form).encode()


def merchants(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Merchant, ...]:
    """Read an answer of merchants-credentials.

    Raises:
        NoSessionError: refused, unreadable, or no merchant.
    """
    if status != 200:
        raise NoSessionError(
            f"merchants-credentials answered {status} {problem_code(status, headers, body)}",
            retry_after=_quiet(status, headers),
        )
    try:
        document = load(headers, body)
    except UnreadableError as fault:
        raise NoSessionError(f"merchants-credentials gave an unreadable answer: {fault}") from None
    if not isinstance(document, list):
        raise NoSessionError("merchants-credentials gave no array")
    found = tuple(filter(None, map(_merchant, document)))
    if not found:
        raise NoSessionError("merchants-credentials names no merchant for this device")
    return found


def _merchant(entry: Any) -> Merchant | None:
    fields = entry if isinstance(entry, dict) else {}
    texts = [fields.get(name) for name in ("merchantName", "userDomain", "clientId", "clientSecret")]
    name, domain, client_id, client_secret = (text if isinstance(text, str) else "" for text in texts)
    return Merchant(name, domain, client_id, client_secret) if client_id and client_secret else None


def choose(found: tuple[Merchant, ...], merchant_name: str | None, user_domain: str | None) -> Merchant:
    """The merchant that the settings name, or the only one.

    Raises:
        NoSessionError: none or several fit; the text lists those there are.
    """
    fitting = [
        merchant
        for merchant in found
        if merchant_name in {None, merchant.name} and user_domain in {None, merchant.user_domain}
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(printable(f"{merchant.name} ({merchant.user_domain})", 80) for merchant in found[:20])
    which = "no merchant fits" if not fitting else "several merchants fit"
    raise NoSessionError(f"{which}: set merchant_name or user_domain of the terminal to one of: {names}")


def token(status: int, headers: Mapping[str, str], body: bytes) -> Token:
    """Read an answer of the token endpoint.

    Raises:
        NoSessionError: refused, unreadable, or without a usable ``access_token``.
    """
    if status != 200:
        code = problem_code(status, headers, body)
        raise NoSessionError(
            f"the token endpoint answered {status} {code}",
            code=code if status in {400, 401, 403} else "",
            retry_after=_quiet(status, headers),
        )
    try:
        document = load(headers, body)
    except UnreadableError as fault:
        raise NoSessionError(f"the token endpoint gave an unreadable answer: {fault}") from None
    fields = document if isinstance(document, dict) else {}
    bearer, refresh, state = (fields.get(name) for name in ("access_token", "refresh_token", "session_state"))
    if not isinstance(bearer, str) or not _TOKEN.fullmatch(bearer):
        raise NoSessionError("the token endpoint gave no usable access_token")
    return Token(
        bearer,
        life(fields.get("expires_in")),
        refresh if isinstance(refresh, str) and _TOKEN.fullmatch(refresh) else "",
        life(fields.get("refresh_expires_in")),
        printable(state, 64) if isinstance(state, str) else "",
    )


def is_token(text: str) -> bool:
    """Whether ``text`` can be a token: what would break a header is none."""
    return _TOKEN.fullmatch(text) is not None


def life(expires_in: Any) -> float:
    """``expires_in`` as seconds between 0 and a day; 0 when it is missing, not positive or not a number."""
    if isinstance(expires_in, str) and re.fullmatch(r"[0-9]{1,9}", expires_in):
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return 0.0
    return float(min(max(expires_in, 0), LONGEST_LIFE))


def server_time(headers: Mapping[str, str]) -> float | None:
    """What time the peer says it is (``Date``), in seconds since the epoch; None when it says nothing readable."""
    return _http_date(headers.get("date", ""))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds for which the peer asks to be left alone, at most ``LONGEST_WAIT``; 0 when it does not ask."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), LONGEST_WAIT)
    until, now = _http_date(text), server_time(headers)
    return 0.0 if until is None or now is None else min(max(until - now, 0.0), LONGEST_WAIT)


def _quiet(status: int, headers: Mapping[str, str]) -> float:
    return retry_after(headers) if status in {429, 503} else 0.0


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()  # HTTP has no other zone
    except (ValueError, OverflowError):
        return None
