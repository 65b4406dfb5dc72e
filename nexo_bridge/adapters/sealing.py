"""The installation's key: where it lives, what is derived from it, how bodies are sealed with it.

One file of 32 random bytes, made 0600 at the first start. Four keys are derived from it (HKDF-SHA256), so that no
use of one says anything about another: *seal* (AES-256-GCM of the journal's bodies), *digest* (HMAC of requests and
secrets, rules R2 and R3), *refs* (HMAC of the values by which exchanges are found) and *credentials* (AES-256-GCM of
refresh tokens and passwords that a person gave). The installation id is derived too: a journal and a key that do not
belong together are noticed before anything is written.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nexo_bridge.errors import ConfigurationError, JournalFailure

LENGTH = 32
_NONCE = 12
_SETTING = "[journal] key"


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What is derived from one installation's master key.

    Attributes:
        seal: 32 bytes, for ``Sealer``.
        digest: 32 bytes, the installation key of request digests and of ``Secret.seal``.
        refs: 32 bytes, for the index of references.
        credentials: 32 bytes, for ``credentials.CredentialFile``.
        installation_id: 32 hex digits, the same for the life of the key; not secret.
    """

    seal: bytes
    digest: bytes
    refs: bytes
    credentials: bytes
    installation_id: str

    @classmethod
    def derive(cls, master: bytes) -> Keys:
        """The keys that belong to ``master``.

        Raises:
            ValueError: ``master`` has not 32 bytes.
        """
        if len(master) != LENGTH:
            raise ValueError(f"a master key has {LENGTH} bytes")
        return cls(
            seal=_derived(master, b"seal", LENGTH),
            digest=_derived(master, b"digest", LENGTH),
            refs=_derived(master, b"refs", LENGTH),
            credentials=_derived(master, b"credentials", LENGTH),
            installation_id=_derived(master, b"installation", 16).hex(),
        )

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Read the key file.

        Raises:
            ConfigurationError: missing, unreadable, of the wrong length, or open to others (H38).
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                master = file.read(LENGTH + 1)
        except FileNotFoundError:
            raise ConfigurationError(
                f"{_SETTING}: {path} is missing; put back the key this journal was made with"
            ) from None
        except OSError as problem:
            raise ConfigurationError(
                f"{_SETTING}: {path} cannot be read ({problem.strerror}); make it readable for the bridge's user"
            ) from None
        if mode & _forbidden(path):
            raise ConfigurationError(
                f"{_SETTING}: {path} can be read or written by others (mode {stat.S_IMODE(mode):04o}); "
                f"run chmod 600 on it"
            )
        if len(master) != LENGTH:
            raise ConfigurationError(
                f"{_SETTING}: {path} has not exactly {LENGTH} bytes; put back the key this journal was made with"
            )
        return cls.derive(master)

    @classmethod
    def load_or_create(cls, path: Path, *, journal: Path | None = None) -> Keys:
        """Read the key file, or make it at the first start, whole or not at all.

        ``journal`` is the journal the key is for: while it exists, a missing key is never replaced by a new one, for
        nothing in that journal could be read with it.

        Raises:
            ConfigurationError: as ``load``; the key is missing beside an existing journal; it cannot be made.
        """
        if not path.exists():
            if journal is not None and journal.exists() and journal.stat().st_size > 0:
                raise ConfigurationError(
                    f"{_SETTING}: {path} is missing, but the journal {journal} exists; put back the key it was made "
                    f"with, or move the journal away to begin anew"
                )
            try:
                _create(path)
            except OSError as problem:
                raise ConfigurationError(
                    f"{_SETTING}: {path} cannot be made ({problem.strerror}); name a file in a folder the bridge's "
                    f"user may write to"
                ) from None
        return cls.load(path)

    def __repr__(self) -> str:
        return f"Keys(installation_id={self.installation_id!r})"


class Sealer:
    """AES-256-GCM. What is sealed can be opened with the same key and the same context only."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, clear: bytes, context: bytes) -> bytes:
        """``clear`` encrypted and bound to ``context``, which is not stored.

        The nonce is random: numbers of entries lost in a crash are given again, so none could be made from them.
        """
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, clear, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The clear bytes.

        Raises:
            JournalFailure: altered, moved to another place, or sealed with another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise JournalFailure("a sealed body does not open with this key") from None


def _derived(master: bytes, purpose: bytes, length: int) -> bytes:
    info = b"nexo-bridge journal 1 " + purpose
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master)


def _forbidden(path: Path) -> int:
    # systemd grants a service its credentials through an ACL, whose mask shows as group bits; the folder is private.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and path.resolve().is_relative_to(Path(credentials).resolve()):
        return stat.S_IRWXO
    return stat.S_IRWXG | stat.S_IRWXO


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(handle, secrets.token_bytes(LENGTH))
            os.fsync(handle)
        finally:
            os.close(handle)
        with suppress(FileExistsError):  # another start was faster: its key is the one
            os.link(draft, path)
    finally:
        draft.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power loss."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
