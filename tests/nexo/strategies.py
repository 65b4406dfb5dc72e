"""Hypothesis strategies for whole messages, drawn from ``facts.json``: every field, value and facet of a version."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from hypothesis import strategies as st

from nexo_bridge.nexo import messages
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import Message
from nexo_bridge.redaction import Secret
from tests.nexo.building import attributes, elements, text
from tests.nexo.generator import FACTS, Fact, code_of, code_values, in_version, occurs, snake

_XML_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r<&\"' "),
    max_size=6,
)
_PRIVATE = st.from_regex(r"[0-9a-z]{1,3}:[A-Z][0-9A-Za-z]{0,3}", fullmatch=True)


def seal(clear: str) -> Secret:
    return Secret.seal(clear, b"a key for tests")


def _sized(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(st.sampled_from("0123456789"), min_size=low, max_size=high)


@cache
def texts(value: str, version: Version) -> st.SearchStrategy[str]:
    """Valid texts of a type."""
    code = code_of(value)
    if code is not None:
        values = st.sampled_from(code_values(code[0], version))
        one = values if FACTS["codes"][code[0]].get("closed") else values | _PRIVATE
        return st.lists(one, max_size=3).map(" ".join) if code[1] else one
    fact = FACTS["values"][value]
    least = fact.get("length", fact.get("minLength", 0))
    most = fact.get("length", fact.get("maxLength", 8))
    if value in _KNOWN:
        return _KNOWN[value]
    if fact["base"] == "integer":
        low, high = fact.get("minInclusive", -(10**6)), fact.get("maxInclusive", 10**6)
        return st.integers(int(low), int(high)).map(str)
    if fact["base"] == "base64Binary":
        return st.binary(min_size=least, max_size=most).map(lambda raw: base64.b64encode(raw).decode())
    if "pattern" in fact:
        return _sized(least, most)
    return _XML_TEXT if value == "text" else st.text(st.sampled_from("aZ9 é-"), min_size=least, max_size=most)


_MOMENTS = st.builds(
    "{:%Y-%m-%dT%H:%M:%S}{}{}".format,
    st.datetimes().filter(lambda moment: moment.year >= 1000),
    st.sampled_from(["", ".5", ".000", ".123456789"]),
    st.sampled_from(["Z", "+01:00", "-14:00"]),
) | st.just("2026-01-31T24:00:00Z")
_AMOUNTS = st.decimals(0, 99999999, places=6).map(str) | st.sampled_from(
    ["10.0", "10", "0.00", "+5", "010.50", ".5"]
)
_KNOWN: dict[str, st.SearchStrategy[str]] = {
    "flag": st.sampled_from(["true", "false"]),
    "amount": _AMOUNTS,
    "decimal": _AMOUNTS | st.sampled_from(["-1.5", "-0"]),
    "moment": _MOMENTS,
    "day": st.dates().map(str) | st.just("soon"),
    "language": st.sampled_from(["de", "en", "is"]),
    "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
    "country": st.sampled_from(["DEU", "ISL"]),
}


def _python(fact: Fact, version: Version) -> st.SearchStrategy[Any]:
    """One item of a field: an element, or a value as pydantic takes it."""
    if "choice" in fact:
        return st.one_of([instances(one["structure"], version) for one in fact["choice"]])
    if "structure" in fact:
        return instances(fact["structure"], version)
    code = code_of(fact["value"])
    found = texts(fact["value"], version)
    if code is not None and code[1]:
        return found.map(lambda text: tuple(text.split()))
    return found.map(seal) if fact.get("secret") else found


@cache
def instances(name: str, version: Version) -> st.SearchStrategy[Element]:
    """Elements of a structure; any optional field may be there or not, and repeated ones up to twice."""
    cls: type[Element] = getattr(messages, name)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for fact in attributes(name, version):
        (required if fact.get("required") else optional)[snake(fact["name"])] = _python(fact, version)
    content = text(name, version)
    if content is not None:
        required[snake(content["name"])] = _python(content, version)
        return st.fixed_dictionaries(required, optional=optional).map(cls.model_validate)
    picks = []
    for fact in elements(name, version):
        if "choice" in fact and "as" not in fact:
            picks.append(
                [(snake(one["name"]), instances(one["structure"], version)) for one in fact["choice"]]
            )
            continue
        field = snake(fact.get("as") or fact["name"])
        least, most = occurs(fact)
        if most == 1:
            (required if least else optional)[field] = _python(fact, version)
        else:
            items = st.lists(_python(fact, version), min_size=least, max_size=min(most or 2, 2))
            (required if least else optional)[field] = items.map(tuple)
    fields = st.fixed_dictionaries(required, optional=optional)
    if picks:
        (choice,) = picks
        chosen = st.one_of([st.fixed_dictionaries({field: strategy}) for field, strategy in choice])
        fields = st.builds(lambda one, more: one | more, fields, chosen)
    return fields.map(cls.model_validate)


@st.composite
def whole_messages(draw: st.DrawFn, version: Version) -> Message:
    """A message of any body of ``version``, valid by its schema; its rules may be broken."""
    rows = [row for row in FACTS["categories"].values() if in_version(row, version)]
    names = sorted({row[side] for row in rows for side in ("request", "response") if side in row})
    name = draw(st.sampled_from(names))
    return Message.model_validate(
        {
            "kind": "request" if name in messages.REQUESTS else "response",
            "header": draw(instances("MessageHeader", version)),
            "body": draw(instances(name, version)),
            "trailer": draw(st.none() | instances("ContentInformation", version)),
        }
    )
