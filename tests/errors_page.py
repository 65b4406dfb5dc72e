"""Writes the page of errors from the code: ``.venv/bin/python tests/errors_page.py > docs/errors.md``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

import nexo_bridge.categories
import nexo_bridge.core
from nexo_bridge.categories.conditions import FAILURES
from nexo_bridge.errors import Refusal

HEAD = """\
# What a failed response says

Written by `tests/errors_page.py` from the code; a test checks that it is current.

A response with `Result="Failure"` carries an `ErrorCondition` of nexo and, in `AdditionalResponse`, one line:

    code=NB-301; retry=no; at=/SaleToPOIRequest/…; text=The payment was declined. Ask for another means of payment.

- **code** is stable and means one thing: search for it here and in the log.
- **retry** is for the program: `yes`: nothing was charged, send the request again with a new ServiceID. `no`: the same
  request would fail again. `check`: ask TransactionStatus before anything else; it may have been charged.
- **at** names what is wrong in the request, as a path; it is left out where nothing is.
- **text** is for the cashier: it may be shown as it is. Where the bridge knows more it says more than is listed here.

A message whose header cannot be read is answered by an EventNotification `Reject` with the same line.

| code | ErrorCondition | retry | what happened |
| --- | --- | --- | --- |
"""


def refusals() -> Iterator[type[Refusal]]:
    """Every class of refusal that the deciding layers know."""
    for package in (nexo_bridge.categories, nexo_bridge.core):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    waiting: list[type[Refusal]] = [Refusal]
    while waiting:
        refusal = waiting.pop()
        if refusal.__module__.startswith(f"{nexo_bridge.__name__}."):
            yield refusal
        waiting += refusal.__subclasses__()


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(code, condition, retry, what happened), some codes more than once."""
    for refusal in refusals():
        if refusal is not Refusal:
            first = str(inspect.getdoc(refusal)).partition("\n\n")[0].replace("\n", " ")
            yield refusal.code, refusal.condition, refusal.retry, first
    for failure in FAILURES.values():
        yield failure.code, failure.condition, failure.retry, failure.text


def page() -> str:
    """The page as Markdown; of rows with one code the first is told."""
    told: dict[str, str] = {}
    for code, condition, retry, text in sorted(rows(), key=lambda row: row[0]):
        told.setdefault(code, f"| {code} | {condition} | {retry} | {text} |\n")
    return HEAD + "".join(told.values())


if __name__ == "__main__":
    sys.stdout.write(page())
