"""What a person gave for one session, and the refresh token that came of it: one small sealed file.

Written whole or not at all (draft, fsync, rename), 0600, sealed with the installation's key and bound to the session's
name, so that a copy of the file opens nothing elsewhere. Whoever refreshes holds ``alone``: a refresh token that is
used twice ends the session, and the daemon is not the only program that reads this file (``nexo-bridge ppaas``).

Everything but ``alone`` blocks on files: call it in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from nexo_bridge.adapters.sealing import Sealer, sync_folder
from nexo_bridge.errors import ConfigurationError, JournalFailure

LONGEST = 65536


@dataclass(frozen=True, slots=True)
class Credential:
    """What is kept. Empty: there is none.

    Attributes:
        username: whose ``password`` it is.
        password: given to ``nexo-bridge login``.
        refresh: the newest refresh token.
        session_state: the platform's id of the session, not secret.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    session_state: str = ""


class CredentialFile:
    """The file at ``path`` of the session ``name``, e.g. a POIID."""

    def __init__(self, path: Path, key: bytes, name: str) -> None:
        self.path = path
        self._sealer = Sealer(key)
        self._context = b"credential 1 " + name.encode()

    def load(self) -> Credential:
        """What is kept; an empty one where there is no file yet.

        Raises:
            ConfigurationError: unreadable, open to others (H38), of another installation or session, or damaged.
        """
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                sealed = file.read(LONGEST)
        except FileNotFoundError:
            return Credential()
        except OSError as problem:
            raise ConfigurationError(
                f"credential: {self.path} cannot be read ({problem.strerror}); let the daemon's user read it"
            ) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(
                f"credential: {self.path} can be read or written by others; run chmod 600 on it, and log in again"
            )
        try:
            kept = json.loads(self._sealer.unseal(sealed, self._context))
            return Credential(**{one.name: str(kept.get(one.name, "")) for one in fields(Credential)})
        except (JournalFailure, ValueError, AttributeError):
            raise ConfigurationError(
                f"credential: {self.path} does not open with this installation's key; remove it and log in again"
            ) from None

    def save(self, credential: Credential) -> None:
        """Keep ``credential`` instead of what was kept; on disk when this returns.

        Raises:
            OSError: it cannot be written; what was kept before still is.
        """
        sealed = self._sealer.seal(json.dumps(asdict(credential)).encode(), self._context)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                self._hand_over(handle)
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold this session's file against every other program and task of this machine.

        Raises:
            ConfigurationError: the lock file beside it cannot be made.
        """
        locking = asyncio.ensure_future(asyncio.to_thread(self._lock))
        try:
            handle = await asyncio.shield(locking)
        except asyncio.CancelledError:
            locking.add_done_callback(_release)  # the thread cannot be stopped; what it gets is given back
            raise
        except OSError as problem:
            raise ConfigurationError(
                f"credential: {self.path}.lock cannot be made ({problem.strerror}); name a file in a folder the "
                f"bridge's user may write to"
            ) from None
        try:
            yield
        finally:
            os.close(handle)

    def _hand_over(self, handle: int) -> None:
        """What root writes for a daemon is the daemon's: of whoever the folder is."""
        if os.geteuid() == 0:
            folder = self.path.parent.stat()
            os.fchown(handle, folder.st_uid, folder.st_gid)

    def _lock(self) -> int:
        handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._hand_over(handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            os.close(handle)
            raise
        return handle


def _release(locking: asyncio.Future[int]) -> None:
    if not locking.cancelled() and locking.exception() is None:
        os.close(locking.result())
