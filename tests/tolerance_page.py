"""Writes the page of tolerant mode from its table: ``.venv/bin/python tests/tolerance_page.py > docs/tolerance.md``."""

from __future__ import annotations

import sys

from nexo_bridge.nexo.tolerance import TABLE

HEAD = """\
# Tolerant mode

Written by `tests/tolerance_page.py` from `nexo_bridge/nexo/tolerance.py`; a test checks that it is current.

A message that the schema refuses is answered `MessageFormat`. That is right for a POS that can be corrected. For one
that cannot, slips that can mean one thing alone are put right on the way in, by name:

```toml
[pos."KASSE1"]
mode = "tolerant"                                    # all of the transformations below
# relax = ["missing-zone", "unknown-attribute"]      # or these alone
# zone = "+01:00"                                    # of times without one; default "Z"
```

- A message that is valid is never changed, and the bridge itself always sends what the schema says.
- SaleID, POIID, ServiceID and DeviceID are read as they came: the profile is that of the SaleID in the header.
- In JSON a member counts as attribute if it is a text, a number or true or false, and else as element. Names of members
  in other capitals, and values of another JSON type than wanted, stay refused there.
- What was done is in the journal (`nexo-bridge journal list` and `show` say `tolerated="missing-zone x2"`), in the log
  and, as sums since the start, in `nexo-bridge status`. The POS gets the answer to the message it meant.
- Two requests [are the same](decisions/same-is-judged-by-key-then-sale-then-terminal.md) if they are after the
  transformations.
- `nexo-bridge validate --tolerant FILE` says which of them a message needs.
- A reload takes over a change at once. Change `relax` or `zone` while no request of that POS is under way: a repeat
  that is read otherwise than the first time is another request.
"""

BEFORE = "\n## What is put right\n\nIn this order.\n"

AFTER = """
## What stays refused

Whatever could move other money, or could be meant in two ways:

- **The value of an amount** is never touched: not a comma, a sign, a blank, nor an empty one. `12,500` is twelve and a
  half to one reader and twelve thousand five hundred to another.
- **Unknown elements where amounts can stand** at or below the element they are in (most of PaymentRequest is such a
  place), and there also attributes that could be an amount, a switch or a code: `Surcharge="1.00"`,
  `Refund="true"`.
- **The same in MessageHeader and LoginRequest**: `Test="true"` may say that nothing is to be charged.
- **Names that are like a name of nexo**, or that nexo has elsewhere or in the other version: `TipAmout` is a tip.
- **Anything twice**: two AmountsReq, or `TipAmount` beside `tipamount`.
- **What is unknown or empty in a reference** (MessageReference, OriginalPOITransaction, CardAcquisitionReference,
  SaleTransactionID, POITransactionID): it says which request or payment is meant.
- **Empty attributes that have a default**: an empty PaymentType may have been a refund.
- **What is missing**, but for the zone: nothing is made up.
- **What is broken as XML**, namespaces, and the rules [NX-…](nexo-rules.md).
- A message with 200 faults or more.

Nothing is decided by the moment of a time without a zone: it is kept, and repeated in the answer with the zone behind
it, since the schema wants one there too. A POS should therefore find its sale by the TransactionID of the answer, not
by the text of its TimeStamp.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD, BEFORE]
    for one in TABLE:
        parts.append(f"\n### {one.id}\n\n{_code(one.says)}.\n\n```xml\n{one.before}\n```\n\nis read as\n\n")
        parts.append(f"```xml\n{one.after}\n```\n")
    return "".join([*parts, AFTER])


def _code(text: str) -> str:
    """Markdown would take bare tags for HTML."""
    return text.replace("<", r"\<")


if __name__ == "__main__":
    sys.stdout.write(page())
