"""What the whole reading says about each mistake is in test_settings.py; here are the parts."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from nexo_bridge.runtime.settings_mistakes import mistakes, setting_name


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("platform", "api"), "platform.api"),
        (("listen", 0, "port"), "listen[0].port"),
        (("terminals", "POI00001", "serial"), 'terminals."POI00001".serial'),
        (("pos", "Kasse 1/2", "mode"), 'pos."Kasse 1/2".mode'),
        (("stray name",), '"stray name"'),
    ],
)
def test_a_setting_is_named_as_in_the_file(place: tuple[str | int, ...], name: str) -> None:
    assert setting_name(place) == name


def test_a_name_cannot_write_to_the_terminal() -> None:
    assert "\x1b" not in setting_name(("pos", "\x1b[31m"))


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    speed: int = 1
    wanted: bool


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leaf: Leaf | None = None
    named: dict[str, Leaf] = {}
    many: tuple[Leaf, ...] = ()


def lines(tree: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate(tree)
    return mistakes(caught.value, Tree, {})


def test_a_near_name_is_found_wherever_the_table_stands() -> None:
    wrong = {"wanted": True, "sped": 3}

    assert lines({"leaf": wrong}) == ("leaf.sped: unknown setting; did you mean leaf.speed?",)
    assert lines({"named": {"a": wrong}}) == ("named.a.sped: unknown setting; did you mean named.a.speed?",)
    assert lines({"many": [wrong]}) == ("many[0].sped: unknown setting; did you mean many[0].speed?",)


def test_every_mistake_has_its_line_and_misspelt_names_come_first() -> None:
    assert lines({"leaf": {"speed": "x", "wnated": True}}) == (
        "leaf.wnated: unknown setting; did you mean leaf.wanted?",
        'leaf.speed: should be a valid integer; "x" was found, correct it',
        "leaf.wanted: missing; add it",
    )


def test_what_was_found_is_shown_as_written() -> None:
    assert lines({"leaf": {"wanted": True, "speed": [True]}}) == (
        "leaf.speed: should be a valid integer; [True] was found, correct it",
    )
    assert lines({"many": [True]}) == ("many[0]: must be a table; write [many[0]]",)
