"""What a request must be before its body is looked at; all of it can be told from its head.

A till is a program, so whatever only a browser says is refused (H33): a web page that somebody opens in the shop must
not be able to pay. A browser says where a request comes from (``Origin``, ``Sec-Fetch-*``); it may send no XML and no
JSON to another site without asking first, and nothing here answers that question; and a page that has bound a name of
its own to our address (DNS rebinding), which makes it the same site, calls us by that name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from multidict import MultiMapping

from nexo_bridge.core.source import Form

CONTENT_TYPES: Final[dict[Form, str]] = {
    "xml": "application/xml; charset=utf-8",
    "json": "application/json",
    "json-bare": "application/json",
}
"""What we call our own messages."""

_FORMS: Final[dict[str, Form]] = {"application/xml": "xml", "text/xml": "xml", "application/json": "json"}
_PATH: Final = re.compile(r"/EPASSaleToPOI/[^/]+/?|/nexo/?")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(?::[0-9]{1,5})?")
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HeadRefusal:
    """Why a request is not served: an HTTP status, and a sentence that says what to do."""

    status: int
    text: str


def form_by_type(content_type: str) -> Form | None:
    """The form that a Content-Type names; None if it is none of ours."""
    found = _FORMS.get(content_type.partition(";")[0].strip().lower())
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        return None
    return found


def check(
    method: str, path: str, headers: MultiMapping[str], *, names: Collection[str], json: bool
) -> Form | HeadRefusal:
    """The form of the message that this head announces, or why it is refused.

    Args:
        method, path: of the request line; path without a query.
        headers: as received.
        names: host names by which we may be called, in small letters.
        json: whether the JSON form is taken.
    """
    if any(name.lower() == "origin" or name.lower().startswith("sec-fetch-") for name in headers):
        return HeadRefusal(
            403, "Requests made by web pages are refused; leave Origin and Sec-Fetch headers away"
        )
    hosts = headers.getall("Host", [])
    if len(hosts) != 1 or not _is_ours(hosts[0], names):
        return HeadRefusal(
            421,
            "This host name is not one of this bridge; call it by its address, or add the name to names of [[listen]]",
        )
    if not _PATH.fullmatch(path):
        return HeadRefusal(404, "Nothing is here; nexo messages go to /EPASSaleToPOI/3.1 or /nexo")
    if method != "POST":
        return HeadRefusal(405, "Send nexo messages with POST")
    if headers.getall("Content-Encoding", ["identity"]) != ["identity"]:
        return HeadRefusal(415, "Send the message as it is, without Content-Encoding")
    if headers.get("Expect", "100-continue").lower() != "100-continue":
        return HeadRefusal(417, "The only Expect served is 100-continue")
    types = headers.getall("Content-Type", [])
    form = form_by_type(types[0]) if len(types) == 1 else None
    if form is None:
        wanted = "application/xml or application/json" if json else "application/xml"
        return HeadRefusal(415, f"Content-Type must be {wanted}, and the text UTF-8")
    if form != "xml" and not json:
        return HeadRefusal(
            415, "The JSON form is not switched on; set json = true in [[listen]], or send XML"
        )
    return form


def _is_ours(host: str, names: Collection[str]) -> bool:
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts[1].lower().rstrip(".")
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
