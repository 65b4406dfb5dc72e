"""The sealed file of one session: whole or not at all, and one at a time (F37, H38)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.errors import ConfigurationError

KEY = b"k" * 32
KEPT = Credential("cashier@shop", "hush-password", "hush-refresh", "state-1")


@pytest.fixture
def file(tmp_path: Path) -> CredentialFile:
    return CredentialFile(tmp_path / "P1.credential", KEY, "P1")


def test_what_is_kept_comes_back_and_is_not_shown(file: CredentialFile) -> None:
    assert file.load() == Credential()
    file.save(KEPT)
    assert file.load() == KEPT
    assert "hush" not in repr(KEPT)
    assert b"hush" not in file.path.read_bytes()
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_f37_it_is_replaced_whole(file: CredentialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.save(KEPT)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.save(Credential(refresh="newer"))
    monkeypatch.undo()
    assert file.load() == KEPT
    assert [path.name for path in file.path.parent.iterdir()] == ["P1.credential"]


def test_a_file_moved_elsewhere_opens_nothing(file: CredentialFile) -> None:
    file.save(KEPT)
    for other in (CredentialFile(file.path, KEY, "P2"), CredentialFile(file.path, b"x" * 32, "P1")):
        with pytest.raises(ConfigurationError, match="log in again"):
            other.load()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100])
def test_a_damaged_file_is_said(file: CredentialFile, content: bytes) -> None:
    file.save(KEPT)
    file.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="remove it and log in again"):
        file.load()


def test_h38_a_file_that_others_can_read_is_refused(file: CredentialFile) -> None:
    file.save(KEPT)
    file.path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        file.load()


def test_a_file_that_cannot_be_read_is_said(file: CredentialFile) -> None:
    file.path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        file.load()


async def test_one_at_a_time(file: CredentialFile) -> None:
    second = CredentialFile(file.path, KEY, "P1")
    order: list[str] = []
    entered = asyncio.Event()

    async def other() -> None:
        async with second.alone():
            order.append("second")
            entered.set()

    async with file.alone():
        waiting = asyncio.create_task(other())
        await asyncio.to_thread(file.save, KEPT)  # a turn of the loop and of a thread
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_who_gives_up_waiting_holds_nothing(file: CredentialFile) -> None:
    second = CredentialFile(file.path, KEY, "P1")

    async def hold() -> None:
        async with second.alone():
            raise AssertionError("it was held by another")

    async with file.alone():
        waiting = asyncio.create_task(hold())
        await asyncio.to_thread(file.load)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
    async with file.alone():
        pass


async def test_a_lock_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    nowhere = CredentialFile(tmp_path / "absent" / "P1.credential", KEY, "P1")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        async with nowhere.alone():
            pass


@pytest.mark.parametrize(("user", "times"), [(0, 2), (1000, 0)])
async def test_what_root_writes_is_the_daemon_s(
    file: CredentialFile, monkeypatch: pytest.MonkeyPatch, user: int, times: int
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "fchown", lambda _handle, owner, group: given.append((owner, group)))
    async with file.alone():
        await asyncio.to_thread(file.save, KEPT)
    folder = file.path.parent.stat()
    assert given == [(folder.st_uid, folder.st_gid)] * times
