from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_space import Space

BLOCK = 64 * 1024


class Disk:
    """How much room statvfs tells of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 10 * BLOCK
        self.full = False
        self._fallocate = os.posix_fallocate
        monkeypatch.setattr(os, "statvfs", lambda _: self)
        monkeypatch.setattr(os, "posix_fallocate", self._allocate)

    f_frsize = 1

    @property
    def f_bavail(self) -> int:
        return self.free

    def _allocate(self, handle: int, offset: int, length: int) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self._fallocate(handle, offset, length)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def reserve(tmp_path: Path) -> Path:
    return tmp_path / "journal.reserve"


def space(reserve: Path, size: int = BLOCK, low: int = 2 * BLOCK) -> Space:
    return Space(reserve.with_name("journal"), size, low)


def test_reserve_is_put_aside_and_given_back_once(disk: Disk, reserve: Path) -> None:
    ours = space(reserve)
    assert ours.look()
    assert reserve.stat().st_size == BLOCK
    assert reserve.stat().st_blocks * 512 >= BLOCK
    assert ours.release()
    assert not reserve.exists()
    assert not ours.release()


def test_room_ends_before_the_disk_is_full(disk: Disk, reserve: Path) -> None:
    ours = space(reserve)
    assert ours.look()
    disk.free = 2 * BLOCK - 1
    assert not ours.look()
    assert reserve.exists()
    disk.free = 2 * BLOCK
    assert ours.look()


def test_room_comes_back_with_the_reserve(disk: Disk, reserve: Path) -> None:
    ours = space(reserve)
    assert ours.look()
    ours.release()
    disk.free = 3 * BLOCK - 1
    assert not ours.look()
    assert not reserve.exists()
    disk.free = 3 * BLOCK
    assert ours.look()
    assert reserve.exists()


def test_reserve_of_an_earlier_run_is_taken_over_even_when_there_is_no_room(
    disk: Disk, reserve: Path
) -> None:
    assert space(reserve).look()
    disk.free = 0
    later = space(reserve)
    assert not later.look()
    assert later.release()


def test_reserve_follows_its_setting(disk: Disk, reserve: Path) -> None:
    assert space(reserve, 2 * BLOCK).look()
    assert space(reserve, BLOCK).look()
    assert reserve.stat().st_size == BLOCK


def test_no_reserve_wanted(disk: Disk, reserve: Path) -> None:
    ours = space(reserve, 0)
    assert ours.look()
    assert not reserve.exists()
    assert not ours.release()


def test_reserve_that_cannot_be_made_is_no_room(disk: Disk, reserve: Path) -> None:
    disk.full = True
    ours = space(reserve)
    assert not ours.look()
    assert not reserve.exists()
    assert not ours.release()


def test_folder_that_is_gone_is_no_room(tmp_path: Path) -> None:
    assert not Space(tmp_path / "gone" / "journal", BLOCK, 0).look()
