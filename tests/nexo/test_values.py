from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from nexo_bridge.nexo.values import Day, Timestamp


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T24:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00.000+01:00", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5Z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.1234567-02:30", datetime(2026, 1, 31, 14, 30, 0, 123_456, tzinfo=UTC)),
        (" 2026-01-31T12:00:00+14:00\n", datetime(2026, 1, 30, 22, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_the_instant_of_a_timestamp(text: str, moment: datetime) -> None:
    assert Timestamp(text).moment() == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T24:00:00.1Z",
        "2026-01-31T25:00:00Z",
        "10000-01-31T12:00:00Z",
        "-2026-01-31T12:00:00Z",
        "9999-12-31T24:00:00Z",
        "2026-01-31T12:00:00+15:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00z",
    ],
)
def test_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        Timestamp(text).moment()


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])))
def test_of_and_moment_agree_to_the_millisecond(moment: datetime) -> None:
    shown = Timestamp.of(moment)
    try:
        back = shown.moment()
    except ValueError:
        return  # the year 9999 in another zone
    assert back == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_utc_is_written_z_and_a_zone_is_needed() -> None:
    assert Timestamp.of(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00.000Z"
    with pytest.raises(ValueError, match="zone"):
        Timestamp.of(datetime(2026, 1, 31))  # noqa: DTZ001 - that is the point


def test_days() -> None:
    assert Day("2026-01-31").day() == date(2026, 1, 31)
    for text in ("", "31.01.2026", "2026-02-30", "20260131"):
        with pytest.raises(ValueError):
            Day(text).day()


def test_they_are_texts_to_pydantic() -> None:
    adapter = TypeAdapter(Timestamp)
    stamp = adapter.validate_python("2026-01-31T24:00:00Z")
    assert isinstance(stamp, Timestamp)
    assert adapter.dump_json(stamp) == b'"2026-01-31T24:00:00Z"'
    with pytest.raises(ValidationError):
        adapter.validate_python(20260131)


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("2026-03-01T24:00:00", "2026-03-01T24:00:00+02:00"),
        (" 2026-03-01T10:15:30.5 ", "2026-03-01T10:15:30.5+02:00"),
        ("2026-03-01T10:15:30Z", "2026-03-01T10:15:30Z"),
        (" 2026-03-01T10:15:30-05:00", " 2026-03-01T10:15:30-05:00"),
    ],
)
def test_a_zone_is_written_behind_a_time_without_one(text: str, zoned: str) -> None:
    assert Timestamp(text).zoned("+02:00") == zoned
