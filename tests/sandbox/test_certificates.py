from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from nexo_bridge.sandbox.certificates import Authority


def _fingerprint(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    pairs = [authority.root, authority.server(["localhost", "127.0.0.1"]), authority.client("POI00001", "S1")]
    assert {stat.S_IMODE(pair.key.stat().st_mode) for pair in pairs} == {0o600}


def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    first = Authority(tmp_path)
    kept = [first.root, first.server(["127.0.0.1"]), first.client("POI00001", "S1")]
    before = [_fingerprint(pair.certificate) for pair in kept]

    second = Authority(tmp_path)
    again = [second.root, second.server(["127.0.0.1"]), second.client("POI00001", "S1")]
    assert [_fingerprint(pair.certificate) for pair in again] == before


def test_what_does_not_fit_is_made_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.server(["127.0.0.1"])
    client = authority.client("POI00001", "S1")
    before = _fingerprint(server.certificate), _fingerprint(client.certificate)

    assert _fingerprint(authority.server(["127.0.0.1", "localhost"]).certificate) != before[0]
    assert _fingerprint(authority.client("POI00001", "S2").certificate) != before[1]


def test_a_lost_root_takes_its_leaves_along(tmp_path: Path) -> None:
    before = _fingerprint(Authority(tmp_path).client("POI00001", "S1").certificate)
    (tmp_path / "ca.key").unlink()
    assert _fingerprint(Authority(tmp_path).client("POI00001", "S1").certificate) != before


def test_an_expired_certificate_can_be_asked_for_and_is_replaced_at_the_next_start(tmp_path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority = Authority(tmp_path)
    pair = authority.client("POI00001", "S1", valid_from=yesterday - timedelta(days=9), valid_until=yesterday)
    expired = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert expired.not_valid_after_utc < datetime.now(UTC)

    assert _fingerprint(Authority(tmp_path).client("POI00001", "S1").certificate) != expired.serial_number


def test_garbage_in_a_file_is_as_good_as_a_missing_one(tmp_path: Path) -> None:
    before = Authority(tmp_path).client("POI00001", "S1")
    before.key.write_text("not a key")
    after = Authority(tmp_path).client("POI00001", "S1")
    assert b"PRIVATE KEY" in after.key.read_bytes()


def test_a_key_of_another_certificate_is_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first, second = authority.client("POI00001", "S1"), authority.client("POI00002", "S2")
    before = _fingerprint(first.certificate)
    first.key.write_bytes(second.key.read_bytes())
    assert _fingerprint(authority.client("POI00001", "S1").certificate) != before


def test_a_server_certificate_without_names_is_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.client("server", "S1")
    before = _fingerprint(tmp_path / "server.pem")
    assert _fingerprint(authority.server(["127.0.0.1"]).certificate) != before
