from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.adapters.mqtt_topics import Topics, checked, decoded, encoded

TOPICS = Topics(
    "nexo/{SaleID}/{POIID}/to-poi",
    "nexo/{SaleID}/{POIID}/to-sale",
    "nexo/status/{POIID}",
    "nexo/owner/{POIID}",
    "nexo/bridge/{bridge}",
)


@given(st.text(max_size=40).filter(lambda text: "\0" not in text))
def test_every_id_is_one_level_and_comes_back(name: str) -> None:
    level = encoded(name)
    assert not set("/+# $") & set(level)
    assert decoded(level) == name


@pytest.mark.parametrize("level", ["KASSE%31", "a b", "%2f", "%", "%FF", "ü", "a+b"])
def test_an_id_has_one_encoding_only(level: str) -> None:
    assert decoded(level) is None


def test_who_speaks_is_read_out_of_the_topic() -> None:
    assert TOPICS.levels_of("nexo/KASSE%201/POI1/to-poi") == ("KASSE%201", "POI1")
    for other in (
        "nexo/KASSE1/POI1/to-sale",
        "nexo/KASSE1/POI1",
        "else/KASSE1/POI1/to-poi",
        "nexo/a/b/c/to-poi",
    ):
        assert TOPICS.levels_of(other) is None
    assert TOPICS.answers_to("KASSE%201", "POI1") == "nexo/KASSE%201/POI1/to-sale"


def test_requests_are_heard_of_one_terminal_and_of_every_sale_system() -> None:
    assert TOPICS.requests_of("POI/1") == "nexo/+/POI%2F1/to-poi"


def test_owner_status_and_bridge_have_topics_of_their_own() -> None:
    assert TOPICS.status_of("POI 1") == "nexo/status/POI%201"
    assert TOPICS.owner_of("POI 1") == "nexo/owner/POI%201"
    assert TOPICS.owned("nexo/owner/POI%201") == "POI 1"
    assert TOPICS.owned("nexo/status/POI%201") is None
    assert TOPICS.bridge_at("b/1") == "nexo/bridge/b%2F1"


def test_a_response_topic_is_the_pairs_own_or_below_it() -> None:
    standard = "nexo/KASSE1/POI1/to-sale"
    for good in (standard, f"{standard}/till-7", f"{standard}/a/b"):
        assert TOPICS.allows(good, standard)
    for bad in (
        "nexo/KASSE2/POI1/to-sale",
        "nexo/KASSE1/POI1/to-poi",
        f"{standard}x",
        f"{standard}/+",
        f"{standard}/#",
        f"{standard}/\0",
        f"{standard}/{'x' * 65535}",
    ):
        assert not TOPICS.allows(bad, standard)


@pytest.mark.parametrize(
    "template", ["nexo/{SaleID}/to-poi", "nexo/{SaleID}/{SaleID}/{POIID}", "nexo/x{SaleID}/{POIID}"]
)
def test_each_id_stands_once_as_a_whole_level(template: str) -> None:
    with pytest.raises(ValueError, match=r"\{POIID\} and \{SaleID\} each stand once, as a whole level"):
        checked(template, frozenset({"{SaleID}", "{POIID}"}))


@pytest.mark.parametrize(
    "template", ["nexo/+/{POIID}", "nexo/#/{POIID}", "$share/x/{POIID}", "nexo/{SaleID}/{POIID}"]
)
def test_a_topic_holds_no_wildcards_and_is_no_shared_subscription(template: str) -> None:
    with pytest.raises(ValueError, match="a topic holds no"):
        checked(template, frozenset({"{POIID}"}))
