"""The forms in which a POS may write one and the same message."""

from __future__ import annotations

import re
from typing import Literal

from nexo_bridge.nexo.messages import BODIES

Form = Literal["xml", "json", "json-bare"]
"""How a POS writes its messages; answers are written alike. ``json-bare`` has no envelope around header and body."""

BOM = b"\xef\xbb\xbf"
_JSON = re.compile(rb"(?:" + BOM + rb')?[ \t\r\n]*\{[ \t\r\n]*(?:"(\w*)")?')
_UNWRAPPED = frozenset(name.encode() for name in ("MessageHeader", "SecurityTrailer", *BODIES))


def form_of(data: bytes) -> Form:
    """The form of a message, by how it begins; what begins like no message at all is called ``xml``.

    JSON begins with ``{``. It is bare if the first member is one that stands inside the envelope.
    """
    start = _JSON.match(data)
    if start is None:
        return "xml"
    return "json-bare" if start[1] in _UNWRAPPED else "json"
