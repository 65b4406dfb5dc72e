"""Literal frames of a till and the bridge's literal answers, byte for byte; the platform and the clock are fixed.

``tests/golden/frames`` holds the conversation in order: ``NN-what.till`` is what the till sends, ``NN-what.bridge``
what it gets until nothing more comes, each frame behind its four bytes of length. They are read by nothing of ours,
so that a codec that changes its mind on both sides at once is noticed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.stage import POIID, Stage, Till, stage
from tests.faults.words import framed

FRAMES = Path(__file__).parent / "golden" / "frames"
MOMENT = datetime(2026, 3, 1, 10, 15, 30, tzinfo=UTC).timestamp()
NAMES = sorted(path.stem for path in FRAMES.glob("*.till"))


def split(data: bytes) -> Iterator[bytes]:
    """The frames in ``data``."""
    while data:
        size = int.from_bytes(data[:4], "big")
        assert len(data) >= 4 + size, "the last frame is cut"
        yield data[4 : 4 + size]
        data = data[4 + size :]


def told(frame: bytes) -> str:
    """A frame without the numbers that count the journal's rows: more of these are no change of what is said."""
    text = re.sub(r'(TransactionID="30a6a4e4-[XQ])\d+"', r'\1"', frame.decode())
    return re.sub(r'DeviceID="\d+"', 'DeviceID=""', text)


async def heard(it: Stage, till: Till, name: str, sent: bytes) -> bytes:
    """What follows from ``sent``: at once while a payment runs, else until all that it began is over."""
    if name.endswith("-begins"):
        it.sandbox.hold(POIID)
    await till.raw(sent, messages=len(list(split(sent))))
    while it.app.bridge.unresolved and not name.endswith(("-begins", "-meanwhile")):
        assert await it.tick(it.time.passed + 120)
    if not it.app.bridge.unresolved:
        it.sandbox.release(POIID)
    said = b""
    while not till.answers.empty():
        answer = till.answers.get_nowait()
        assert answer is not None
        said += framed(answer.data)
    return said


async def test_the_bridge_says_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One conversation, from Login to Logout.

    A file whose name ends in ``-begins`` leaves its payment running, and ``-meanwhile`` comes while it does.
    """
    monkeypatch.setattr("nexo_bridge.runtime.app.__version__", "0.1.0")
    async with stage(tmp_path, start=MOMENT, certificates_at=time.time) as it:
        till = await it.till()
        for name in NAMES:
            said = await heard(it, till, name, (FRAMES / f"{name}.till").read_bytes())
            expected = (FRAMES / f"{name}.bridge").read_bytes()
            assert [told(one) for one in split(said)] == [told(one) for one in split(expected)], name
        assert [row["charges"] for row in it.sandbox.ledger()] == [1, 1, 0, 0]
        await it.invariants()


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_made_of_whole_frames(name: str) -> None:
    for kind in ("till", "bridge"):
        for frame in split((FRAMES / f"{name}.{kind}").read_bytes()):
            assert frame


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in FRAMES.iterdir() if path.suffix} == set(NAMES)
    assert len(NAMES) >= 15
