"""Writes the page of platform errors: ``.venv/bin/python tests/platform_errors_page.py > docs/platform-errors.md``."""

from __future__ import annotations

import sys

from nexo_bridge.ppaas.errors import ERRORS, Kind

HEAD = """\
# What can go wrong at the platform

Written by `tests/platform_errors_page.py` from the code; a test checks that it is current.

Every call to the platform that fails has one of these codes; the list is closed. `nexo-bridge status` shows the last
one of each terminal. The POS never sees these codes: it gets the **ErrorCondition** and, in `AdditionalResponse`, a
code and a sentence of [errors.md](errors.md). **retry** is told to the POS: `yes`: nothing was charged, a new request
may be sent. `no`: it would fail again. `check`: ask TransactionStatus, it may have been charged. A `-` means that no
response follows from it.
"""

BEFORE = {
    Kind.NOT_SENT: "Certain: not a byte of the request left the bridge. The code is the bridge's own.",
    Kind.REFUSED: (
        "Certain: a readable refusal with 400, 401 (the second), 403, 404, 415, 422 or 429. The code is the platform's."
    ),
    Kind.UNKNOWN: (
        "Never told to the POS as a failure: the payment stays open until the bridge has found out how it ended."
    ),
    Kind.DECLINED: (
        "The platform's final word, with status DECLINED, CANCELLED, EXPIRED or FAILED. After a stop of ours\n"
        "the `Cancel` of `TERMINAL_ABORTED`, `MERCHANT_CANCELLED` and `FENCED` becomes `Aborted`."
    ),
    Kind.ASIDE: "Only the wish failed.",
}


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for kind in Kind:
        rows = [row for row in ERRORS.values() if row.kind is kind]
        parts.append(f"\n## {kind.value}\n\n{BEFORE[kind]}\n\n")
        parts.append("| code | what happened | ErrorCondition | retry | what you can do |\n")
        parts.append("| --- | --- | --- | --- | --- |\n")
        parts += [
            f"| `{row.code}` | {row.sentence} | {row.condition or '-'} | {row.retry if row.condition else '-'} "
            f"| {row.advice} |\n"
            for row in rows
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
