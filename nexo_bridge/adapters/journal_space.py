"""Disk space: told before it is gone, and some of it put aside.

A file beside the journal holds space that nothing uses. When the disk is full the journal gives it back and writes
on, so that what runs can still be settled; from then until there is room again the bridge takes no new money work.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Space:
    """The reserve of one journal. Blocking: used by the journal's thread.

    Args:
        journal: the journal's file; the reserve lies beside it as ``<journal>.reserve``.
        reserve: bytes to put aside; 0 for none.
        low: free bytes below which there is no room for new money work.
    """

    def __init__(self, journal: Path, reserve: int, low: int) -> None:
        self._path = journal.with_name(f"{journal.name}.reserve")
        self._folder = journal.parent
        self._reserve = reserve
        self._low = low
        self._held = False

    def look(self) -> bool:
        """Whether there is room for new money work. Puts the reserve aside (again) when there is room for it."""
        try:
            if not self._held and (self._kept() or self._free() >= self._low + self._reserve):
                self._hold()
            return self._held and self._free() >= self._low
        except OSError:
            return False

    def release(self) -> bool:
        """Give the reserve back to the disk; False when there was none left."""
        held, self._held = self._held and self._reserve > 0, False
        with suppress(OSError):
            self._path.unlink()
        return held

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def _kept(self) -> bool:
        """Whether an earlier run has left the reserve."""
        try:
            return self._path.stat().st_blocks * 512 >= self._reserve
        except FileNotFoundError:
            return False

    def _hold(self) -> None:
        if self._reserve:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.ftruncate(handle, self._reserve)  # it may be left of a start with another setting
                os.posix_fallocate(handle, 0, self._reserve)
            except OSError:
                self._path.unlink()
                raise
            finally:
                os.close(handle)
        self._held = True
