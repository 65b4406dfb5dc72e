"""Our own certificate is wrong (F33, H38): 78 for what a person must mend, out of order for what time decides."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.faults.daemon import begin, daemon, site
from tests.faults.stage import POIID, stage

NOW = datetime.now(UTC)


def mismatch(folder: Path) -> str:
    shutil.copyfile(folder / "POI00002.key", folder / "POI00001.key")
    return 'terminals."POI00001".key'


def missing_certificate(folder: Path) -> str:
    (folder / "POI00001.pem").unlink()
    return 'terminals."POI00001".certificate'


def missing_key(folder: Path) -> str:
    (folder / "POI00001.key").unlink()
    return 'terminals."POI00001".key'


def unreadable(folder: Path) -> str:
    (folder / "POI00001.pem").unlink()
    (folder / "POI00001.pem").mkdir()
    return 'terminals."POI00001".certificate'


def rubbish(folder: Path) -> str:
    (folder / "POI00001.pem").write_bytes(
        b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"
    )
    return 'terminals."POI00001".certificate'


def open_to_all(folder: Path) -> str:
    (folder / "POI00001.key").chmod(0o644)
    return 'terminals."POI00001".key'


SPOILS: tuple[Callable[[Path], str], ...] = (
    mismatch,
    missing_certificate,
    missing_key,
    unreadable,
    rubbish,
    open_to_all,
)


async def laid_out(folder: Path) -> Path:
    async with site(folder, terminals=2) as here:
        return here.config


async def sells(folder: Path) -> None:
    async with site(folder, terminals=2) as here, daemon(here.config) as bridge:
        await (await bridge.logged_in()).usable()


def test_f33_h38_what_a_person_must_mend_is_one_line_and_78(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = asyncio.run(laid_out(tmp_path))
    certificates, kept, key = tmp_path / "certificates", tmp_path / "kept", tmp_path / "journal.key"
    shutil.copytree(certificates, kept)
    capfd.readouterr()
    for spoil in SPOILS:
        setting = spoil(certificates)
        assert begin(config) == 78, spoil
        line = capfd.readouterr().err
        assert setting in line
        assert line.count("\n") == 1
        assert not (tmp_path / "journal.sqlite").exists()
        shutil.rmtree(certificates)
        shutil.copytree(kept, certificates)
    key.write_bytes(bytes(32))
    key.chmod(0o644)
    assert begin(config) == 78
    line = capfd.readouterr().err
    assert "chmod 600" in line
    assert line.count("\n") == 1
    key.chmod(0o600)
    asyncio.run(sells(tmp_path))


@pytest.mark.parametrize(
    ("valid", "told"),
    [
        ({"valid_from": NOW - timedelta(days=9), "valid_until": NOW - timedelta(days=1)}, "expired on"),
        ({"valid_from": NOW + timedelta(days=1)}, "is valid only from"),
    ],
)
async def test_f33_what_time_decides_is_a_terminal_out_of_order_until_new_files_come(
    valid: dict[str, datetime], told: str, tmp_path: Path
) -> None:
    """Also F33 "rotated while running": the probe takes the new files, and nothing is started again."""
    async with stage(tmp_path, terminals=2, begin=False) as it:
        serial = it.settings.terminals[POIID].serial
        await asyncio.to_thread(lambda: it.sandbox.authority.client(POIID, serial, **valid))
        await it.begin()
        state = await it.platform.probe(POIID)
        assert not state.ok
        assert told in (state.problem or "")
        till, other = await it.logged_in(), await it.logged_in("KASSE2", "POI00002")
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.condition, answer.code) == ("Failure", "UnreachableHost", "NB-311")
        assert (await other.pay("11", "12.50")).result == "Success"

        await asyncio.to_thread(
            lambda: it.sandbox.authority.client(POIID, serial, valid_until=NOW + timedelta(days=30))
        )
        assert (await it.platform.probe(POIID)).ok
        await it.usable(till)


async def test_f33_the_daemon_starts_with_an_expired_certificate_and_says_so(tmp_path: Path) -> None:
    async with site(tmp_path, terminals=2) as here:
        serial = here.sandbox.terminals()[0]["serial"]
        await asyncio.to_thread(
            lambda: here.sandbox.authority.client(
                POIID, serial, valid_from=NOW - timedelta(days=9), valid_until=NOW - timedelta(days=1)
            )
        )
        async with daemon(here.config) as bridge:
            till, other = await bridge.logged_in(), await bridge.logged_in("KASSE2", "POI00002")
            answer = await till.pay("11", "12.50")
            assert (answer.result, answer.code) == ("Failure", "NB-311")
            await other.usable()
            assert await bridge.stop() == 0
        assert b"expired on" in bridge.errors


async def test_f33_files_half_exchanged_on_disk_change_nothing_yet(tmp_path: Path) -> None:
    async with stage(tmp_path, terminals=2) as it:
        till = await it.logged_in()
        folder = it.sandbox.authority.folder
        old = (folder / "POI00001.pem").read_bytes()
        shutil.copyfile(folder / "POI00002.pem", folder / "POI00001.pem")
        assert (await it.platform.probe(POIID)).ok
        assert (await till.pay("11", "12.50")).result == "Success"
        (folder / "POI00001.pem").write_bytes(old)
        assert (await it.platform.probe(POIID)).ok
        await it.usable(till)


PASSWORD = b"open sesame"


def packed(folder: Path, kind: str) -> None:
    """The files of the terminal once more, as ``kind`` has them, beside a password of their own."""
    key = serialization.load_pem_private_key((folder / "POI00001.key").read_bytes(), None)
    leaf = x509.load_pem_x509_certificate((folder / "POI00001.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    locked = serialization.BestAvailableEncryption(PASSWORD)
    if kind == "PKCS#12":
        data = pkcs12.serialize_key_and_certificates(b"device", key, leaf, None, locked)
        name = "packed.p12"
    else:
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        data, name = key.private_bytes(pem, form, locked), "packed.key"
    for file, content in ((name, data), ("packed.password", PASSWORD + b"\n")):
        (folder / file).write_bytes(content)
        (folder / file).chmod(0o600)


@pytest.mark.parametrize("kind", ["PKCS#12", "encrypted key"])
async def test_f33_files_under_a_password_pay_and_are_replaced_during_a_payment(
    kind: str, tmp_path: Path
) -> None:
    key = 'key = "certificates/POI00001.key"\n'
    certificate = 'certificate = "certificates/POI00001.pem"\n'
    password = 'key_password = "certificates/packed.password"\n'

    folder = tmp_path / "certificates"

    def named(text: str) -> str:
        packed(folder, kind)
        if kind == "PKCS#12":
            store = 'certificate = "certificates/packed.p12"\n'
            return text.replace(certificate, store).replace(key, password)
        return text.replace(key, f'key = "certificates/packed.key"\n{password}')

    async with stage(tmp_path, edit=named) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        serial = it.settings.terminals[POIID].serial
        until = NOW + timedelta(days=2000)
        await asyncio.to_thread(lambda: it.sandbox.authority.client(POIID, serial, valid_until=until))
        await asyncio.to_thread(packed, folder, kind)
        state = await it.platform.probe(POIID)
        assert state.ok
        assert (state.certificate_days or 0) > 1900
        it.sandbox.release(POIID, "approve")
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        await it.usable(till)


async def test_f33_another_devices_certificate_is_refused_by_the_platform(tmp_path: Path) -> None:
    """Files of POI00002 under POI00001: it starts, that terminal is out of order, nothing is charged."""

    def swapped(text: str) -> str:
        return text.replace("certificates/POI00001.", "certificates/POI00002.")

    async with stage(tmp_path, terminals=2, edit=swapped) as it:
        assert not (await it.platform.probe(POIID)).ok
        till = await it.logged_in()
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.code) == ("Failure", "NB-311")
        assert it.sandbox.ledger() == []
        await it.usable(await it.logged_in("KASSE2", "POI00002"))
