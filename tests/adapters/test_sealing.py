from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexo_bridge.adapters.sealing import Keys, Sealer
from nexo_bridge.errors import ConfigurationError, JournalFailure
from tests.adapters.journal_rig import listed


def test_first_start_makes_a_private_key_and_the_next_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "bridge.key"
    made = Keys.load_or_create(path, journal=tmp_path / "journal")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == 32
    assert Keys.load_or_create(path) == made == Keys.load(path)
    assert listed(tmp_path) == ["bridge.key"]


def test_derived_keys_differ_from_each_other_and_the_master() -> None:
    keys = Keys.derive(b"m" * 32)
    assert len({keys.seal, keys.digest, keys.refs, keys.credentials, b"m" * 32}) == 5
    assert len(keys.installation_id) == 32
    assert Keys.derive(b"n" * 32).installation_id != keys.installation_id


def test_keys_do_not_show_themselves() -> None:
    keys = Keys.derive(b"m" * 32)
    for secret in (keys.seal, keys.digest, keys.refs, keys.credentials):
        assert secret.hex() not in repr(keys)
        assert repr(secret) not in repr(keys)
    assert keys.installation_id in repr(keys)


def test_derivation_never_changes() -> None:
    """Journals of every version are read with the keys derived here."""
    keys = Keys.derive(bytes(range(32)))
    assert keys.installation_id == "2cc11cb81e72e365496deb2ccf0cf232"
    assert keys.seal.hex().startswith("741b143f7402e33c")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_key_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "bridge.key"
    path.write_bytes(b"k" * length)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"\[journal\] key: .* not exactly 32 bytes; put back"):
        Keys.load_or_create(path)
    with pytest.raises(ValueError, match="32 bytes"):
        Keys.derive(b"k" * length)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o620, 0o602])
def test_h38_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "bridge.key"
    path.write_bytes(b"k" * 32)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keys.load_or_create(path)


def test_credentials_folder_may_show_its_acl_as_group_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bridge.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Keys.load(path) == Keys.derive(b"k" * 32)
    path.chmod(0o444)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keys.load(path)


def test_missing_key_beside_a_journal_is_never_made_anew(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(b"something")
    with pytest.raises(ConfigurationError, match="put back the key it was made with"):
        Keys.load_or_create(tmp_path / "bridge.key", journal=journal)
    assert listed(tmp_path) == ["journal"]


def test_missing_key_of_a_tool_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing; put back the key"):
        Keys.load(tmp_path / "bridge.key")


def test_key_that_cannot_be_read_or_made_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Keys.load_or_create(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"cannot be made .* a folder the bridge's user may write to"
    ):
        Keys.load_or_create(tmp_path / "nowhere" / "bridge.key")


def test_slower_of_two_first_starts_takes_the_key_of_the_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bridge.key"
    link = os.link

    def meanwhile(source: Path, target: Path) -> None:
        path.write_bytes(b"f" * 32)
        path.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", meanwhile)
    assert Keys.load_or_create(path) == Keys.derive(b"f" * 32)
    assert listed(tmp_path) == ["bridge.key"]


def test_sealed_opens_with_its_key_in_its_place_alone() -> None:
    sealer = Sealer(b"s" * 32)
    sealed = sealer.seal(b"clear", b"row 1")
    assert b"clear" not in sealed
    assert sealer.unseal(sealed, b"row 1") == b"clear"
    assert sealer.seal(b"clear", b"row 1") != sealed
    for wrong in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", sealed[:12]):
        with pytest.raises(JournalFailure, match="does not open"):
            sealer.unseal(wrong, b"row 1")
    with pytest.raises(JournalFailure):
        sealer.unseal(sealed, b"row 2")
    with pytest.raises(JournalFailure):
        Sealer(b"t" * 32).unseal(sealed, b"row 1")
