"""Says what is wrong with a configuration: one line for each mistake, naming the setting and the fix."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from nexo_bridge.redaction import printable
from nexo_bridge.runtime.settings_sources import Place, variable

_NAMED_TABLES = ("terminals", "pos", "brands")
_FROM_PRESET = tuple(("platform", base) for base in ("auth", "device_auth", "api", "device_api"))
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def setting_name(place: Place) -> str:
    """``place`` as a reader of the file would write it: ``terminals."POI00001".serial``, ``listen[0].port``."""
    shown = ""
    for index, part in enumerate(place):
        if isinstance(part, int):
            shown += f"[{part}]"
            continue
        quoted = not _BARE_KEY.fullmatch(part) or (index == 1 and place[0] in _NAMED_TABLES)
        shown += ("." if shown else "") + (f'"{printable(part, 60)}"' if quoted else printable(part, 60))
    return shown


def mistakes(error: ValidationError, model: type[BaseModel], origins: Mapping[Place, str]) -> tuple[str, ...]:
    """One line for each error; a setting that came from the environment is named as its variable."""
    errors = error.errors(include_url=False)
    if any(details["loc"] == ("platform", "environment") for details in errors):
        # Without an environment there is no preset: its bases are not missing, they are not known yet.
        errors = [it for it in errors if not (it["type"] == "missing" and it["loc"] in _FROM_PRESET)]
    # A list whose only entry is wrong counts as empty to pydantic; the entry's own line says what is the matter.
    errors = [it for it in errors if not (it["type"] == "too_short" and it["input"])]
    errors.sort(
        key=lambda details: details["type"] != "extra_forbidden"
    )  # a misspelt name explains a missing one
    return tuple(_line(details, model, origins) for details in errors)


def _line(details: ErrorDetails, model: type[BaseModel], origins: Mapping[Place, str]) -> str:
    place, _ = _walk(details["loc"], model)
    parent = _walk(details["loc"][:-1], model)[1]
    name = variable(place) if origins.get(place) == "environment" else setting_name(place)
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{name}: unknown setting; {_nearest(place, _fields(parent))}"
    if kind == "missing":
        return f"{name}: missing; {_example(place, _fields(parent))}"
    if kind == "value_error":
        text = str(context["error"])
        return f"{name}: {text}" if name and not text.startswith(f"{name}.") else text
    if kind == "union_tag_invalid":
        wanted = " or ".join(context["expected_tags"].rsplit(", ", 1))
        tag = f'"{printable(str(context["tag"]), 60)}"'
        return f"{name}.{_tag_name(_walk(details['loc'], model)[1])}: {tag} is not one of the values; write {wanted}"
    if kind == "literal_error":
        return f"{name}: {_found(details)} is not one of the values; write {context['expected']}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{name}: must be a table; write [{setting_name(place)}]"
    if kind in ("tuple_type", "list_type"):
        return f"{name}: must be a list of tables; write [[{setting_name(place)}]]"
    if kind == "too_short":
        return f"{name}: empty; {_example(place, _fields(parent))}"
    wanted = details["msg"].removeprefix("Input ").partition(", unable to")[0]
    return f"{name}: {wanted}; {_found(details)} was found, correct it"


def _found(details: ErrorDetails) -> str:
    value = details["input"]
    shown = (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )
    return printable(shown, 60)


def _nearest(place: Place, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(place[-1]), list(known), 1, 0.6)
    if near:
        return f"did you mean {setting_name((*place[:-1], near[0]))}?"
    return f"remove it; known here are {', '.join(known)}"


def _example(place: Place, known: Mapping[str, Any]) -> str:
    field = known.get(str(place[-1]))
    examples = field.examples if field is not None else None
    if not examples:
        return "add it"
    example = examples[0]
    if isinstance(example, str) and example.startswith("["):
        return f"add {example}"
    return f"add {place[-1]} = {json.dumps(example)}"


def _walk(loc: Place, model: type[BaseModel]) -> tuple[Place, Any]:
    """Where ``loc`` points in the file and what is declared there.

    pydantic's own words in it are left out: ``[key]``, and the tag by which it chose one class of a union.
    """
    here: Any = model
    place: list[str | int] = []
    for part in loc:
        if part == "[key]":
            continue
        members = _members(here)
        if part in members:
            here = members[str(part)]
            continue
        place.append(part)
        here = _inner(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            # pydantic keeps what stands beside a type apart from it; the tags of a union stand there.
            here = None if field is None else field.annotation
        else:
            here = get_args(here)[-1 if get_origin(here) is dict else 0] if get_args(here) else None
    return tuple(place), here


def _fields(declared: Any) -> Mapping[str, Any]:
    """Fields of the table that is ``declared``."""
    inner = _inner(declared)
    return inner.model_fields if isinstance(inner, type) and issubclass(inner, BaseModel) else {}


def _members(declared: Any) -> dict[str, Any]:
    """The classes of a union told apart by a tag, by their tags; none when it is something else."""
    if get_origin(declared) is Annotated:
        declared = get_args(declared)[0]
    if get_origin(declared) not in (Union, types.UnionType):
        return {}
    return {
        extra.tag: get_args(member)[0]
        for member in get_args(declared)
        if get_origin(member) is Annotated
        for extra in get_args(member)[1:]
        if isinstance(extra, Tag)
    }


def _tag_name(declared: Any) -> str:
    """The setting by which the classes of a union are told apart: the one that is a single word in each."""
    members = [_fields(member) for member in _members(declared).values()]
    single = (
        name
        for name in (members[0] if members else ())
        if all(len(get_args(fields[name].annotation)) == 1 for fields in members if name in fields)
        and all(get_origin(fields[name].annotation) is Literal for fields in members if name in fields)
    )
    return next(single, "kind")


def _inner(annotation: Any) -> Any:
    """``annotation`` without ``Annotated`` and ``| None``."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        annotation = get_args(annotation)[0]
    return annotation
