"""Values of nexo messages that keep their text: what a POS wrote is echoed as it wrote it (``24:00:00`` stays).

Amounts are ``nexo_bridge.money.Amount``; codes stay plain ``str``, because every list of codes may be extended on
the wire with ``prefix:Value``.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_MOMENT = re.compile(
    r"(?P<day>-?\d{4,}-\d\d-\d\d)T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?"
)
_ZONED = re.compile(r"(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


class _Text(str):
    """A ``str`` with a meaning; compares, hashes and dumps as its text."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str.__str__)
        )

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, str):
            return cls(value)
        raise ValueError("a text is wanted")


class Timestamp(_Text):
    """An xs:dateTime with its zone, as text. Two texts of the same instant are different timestamps."""

    __slots__ = ()

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """``moment`` with milliseconds and zone, the form nexo recommends; UTC is written ``Z``.

        Raises:
            ValueError: ``moment`` has no zone.
        """
        if moment.tzinfo is None:
            raise ValueError("a timestamp needs a zone")
        text = moment.isoformat(timespec="milliseconds")
        return cls(text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text)

    def zoned(self, zone: str) -> Self:
        """The same text, with ``zone`` behind it where it has none."""
        return self if _ZONED.search(self.strip(" \t\r\n")) else type(self)(self.strip(" \t\r\n") + zone)

    def moment(self) -> datetime:
        """The instant: digits beyond microseconds are cut off, ``24:00:00`` is midnight of the next day.

        A text without a zone (tolerated from some senders) is read as UTC.

        Raises:
            ValueError: not a dateTime, or outside the years 1 to 9999 that Python can hold.
        """
        match = _MOMENT.fullmatch(self.strip(" \t\r\n"))
        if match is None:
            raise ValueError("not an xs:dateTime")
        hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
        micro = int((match["fraction"] or "").ljust(6, "0")[:6])
        midnight = hour == 24
        if midnight and (minute or second or int(match["fraction"] or "0")):
            raise ValueError("after 24:00:00 there is nothing")
        try:
            start = datetime.combine(
                date.fromisoformat(match["day"]), datetime.min.time(), tzinfo=_zone(match["zone"])
            )
            moment = start.replace(
                hour=0 if midnight else hour, minute=minute, second=second, microsecond=micro
            )
            return moment + timedelta(days=midnight)
        except OverflowError:
            raise ValueError("outside the years 1 to 9999") from None


class Day(_Text):
    """A calendar day as text. The schema takes any text here, so ``day()`` may refuse it."""

    __slots__ = ()

    def day(self) -> date:
        """The day.

        Raises:
            ValueError: the text is not YYYY-MM-DD.
        """
        match = _DAY.fullmatch(self)
        if match is None:
            raise ValueError("not a day as YYYY-MM-DD")
        return date(*map(int, match.groups()))


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError("no such zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
