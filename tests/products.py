"""How much of a product of cases a run plays: what covers it, all of it, or what the covering run left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def chosen(name: str, cases: Callable[[bool], Iterable[Case]]) -> list[Case]:
    """The cases to play.

    Args:
        name: of the environment variable that chooses: ``all``, ``rest``, or nothing for the covering set.
        cases: yields all of them (True), or those that cover them (False).

    Raises:
        ValueError: the variable says something else; nothing would be played that was meant.
    """
    wanted = os.environ.get(name, "")
    if wanted not in {"", "all", "rest"}:
        raise ValueError(f"{name} is all, rest or not set; not {wanted!r}")
    few = list(cases(False))
    if not wanted:
        return few
    return [case for case in cases(True) if wanted == "all" or case not in few]
