"""Every category that is served has its sample, its place and its class."""

from __future__ import annotations

from typing import Any

import pytest

from nexo_bridge.categories.catalogue import BY_NAME, CATALOGUE, GUARDED
from nexo_bridge.categories.plan import Category
from nexo_bridge.nexo.messages import CATEGORIES
from tests.nexo.corpus import SAMPLES, read, sample


@pytest.mark.parametrize("name", BY_NAME)
def test_every_category_is_nexos_and_has_samples_in_both_versions(name: str) -> None:
    assert name in CATEGORIES
    seen = {
        version
        for version, stem in SAMPLES
        if "request" in stem and read(sample(stem, version), version)[0].header.message_category == name
    }
    assert seen == {"3.0", "3.1"}


def test_names_are_unique_and_the_guard_holds_for_what_moves_money() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    assert {category.name for category in CATALOGUE if category.guarded} == GUARDED & BY_NAME.keys()


@pytest.mark.parametrize("category", CATALOGUE, ids=lambda one: one.name)
def test_a_guarded_category_can_reply_and_needs_a_session(category: Category[Any, Any]) -> None:
    if category.guarded:
        assert category.reply is not None
        assert not category.sessionless
