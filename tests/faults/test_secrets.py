"""Card numbers, scanned codes and tokens, wherever a till puts them, are in no file and no log (H37, H38)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import words
from tests.faults.daemon import begin, command, daemon, site

PAN = "4111111111111111"
SPACED = "4111 1111 1111 1111"
TRACK = f"%B{PAN}^DOE/JANE^30121010000000000000?"
SCANNED = "28763443825664394-CODE"
ACQUIRER = "scannedPaymentId=99887766554433221-TWO;channel=lane"


def shapes(secret: str) -> Iterator[bytes]:
    """A secret as it would stand in a file."""
    plain = secret.encode()
    yield plain
    yield secret.encode("utf-16-le")
    yield plain.hex().encode()
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + plain)[4 * (shift > 0) + (shift == 2) : -4]
    yield hashlib.sha256(plain).hexdigest().encode()  # without our key, a table undoes it
    yield hashlib.sha256(plain).digest()


GIVEN = frozenset({"merchant.token", "user.password"})
"""Credentials that the sandbox hands out; they are files that the bridge is to read."""


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "certificates" not in path.parts and path.name not in GIVEN
    }


def hunt(where: str, data: bytes, secrets: list[str]) -> None:
    for secret in secrets:
        for shape in shapes(secret):
            assert shape not in data, f"{where} holds {shape!r}"


async def test_h37_nothing_secret_is_readable_anywhere_after_a_day_at_the_till(tmp_path: Path) -> None:
    """The real daemon: its log, its journal's raw files while it runs and after, and what the tools print."""
    seen: list[bytes] = []
    async with site(tmp_path) as here:
        here.write(lambda text: text + '[log]\nlevel = "debug"\n')
        office = here.sandbox._office
        assert office is not None
        serial = here.sandbox.terminals()[0]["serial"]
        secrets = [PAN, SPACED, TRACK, SCANNED, "99887766554433221-TWO", office.client(serial).secret]
        async with daemon(here.config) as bridge:
            till = await bridge.logged_in()
            sale, poi = till.sale, till.poi
            for service, more in (
                ("21", {"transaction": PAN}),
                ("22", {"transaction": SPACED, "sale_data": f' SaleReferenceID="{PAN}"'}),
                ("23", {"scanned": SCANNED}),
            ):
                answer = await till.pay(service, "12.50", **more)
                assert answer.result == "Success", str(answer)
            acquirer = words.payment("24", sale, poi, "12.50", qr=True).replace(
                b"</SaleData>", f"<SaleToAcquirerData>{ACQUIRER}</SaleToAcquirerData></SaleData>".encode()
            )
            assert (await till.ask(acquirer)).result == "Success"
            for reason in (PAN, SPACED, TRACK):
                await till.ask(words.abort("31", sale, poi, "21", reason))
            for message in (
                words.payment("25", sale, poi, PAN),
                words.payment("26", sale, poi, "12.50", currency=PAN),
                words.payment("27", sale, poi, "12.50").replace(
                    b"<SaleData>", f"<SaleData><Pan>{PAN}</Pan>".encode()
                ),
                words.payment("28", sale, poi, "12.50", scanned=SCANNED).replace(
                    b'Transaction" Tok', b'Customer" Tok'
                ),
                words.payment(PAN[:10], sale, poi, "0"),
                words.status("29", sale, poi, PAN),
                f"<{PAN}>".encode(),
                f"card {PAN}".encode(),
            ):
                await till.ask(message)
            display = words.request(
                words.header("Display", "30", sale, poi).replace(
                    'Class="Service"', 'Class="Device" DeviceID="1"'
                ),
                '<DisplayRequest><DisplayOutput Device="CustomerDisplay" InfoQualify="Display"><OutputContent '
                f'OutputFormat="Text"><OutputText>{PAN}</OutputText></OutputContent></DisplayOutput></DisplayRequest>',
            )
            await till.ask(display)
            stranger = await bridge.line()
            stranger.writer.write(
                f"GET /?pan={PAN} HTTP/1.1\r\nAuthorization: Bearer {SCANNED}\r\n\r\n".encode()
            )
            await stranger.reader.read()
            await till.usable()
            for name, data in (await asyncio.to_thread(files, tmp_path)).items():
                hunt(f"{name} while it runs", data, secrets)
            journal = str(tmp_path / "journal.sqlite")
            code, listed, _ = await command("journal", "list", "--journal", journal, "--json", cwd=tmp_path)
            assert code == 0
            seen.append(listed)
            code, printed, _ = await command("journal", "list", "--journal", journal, cwd=tmp_path)
            exchange = printed.split()[0].decode()
            code, shown, _ = await command(
                "journal", "show", exchange, "--journal", journal, "--json", cwd=tmp_path
            )
            assert code == 0
            seen += [printed, shown]
            assert await bridge.stop() == 0
        seen.append(bridge.errors)
        for name, data in (await asyncio.to_thread(files, tmp_path)).items():
            hunt(name, data, secrets)
        for said in seen:
            hunt("what is printed", said, secrets)
            assert b"eyJ" not in said  # how every token of the sandbox begins
        holding = [name for name, data in files(tmp_path).items() if b"eyJhbGciOi" in data]
        assert holding == []


BOMBS = {
    "deep arrays": "x = " + "[" * 20_000 + "]" * 20_000 + "\n",
    "deep tables": "x" + ".x" * 50_000 + " = 1\n",
    "a long number": "x = " + "9" * 200_000 + "\n",
    "a long text": 'x = "' + "a" * 5_000_000 + '"\n',
    "many keys": "".join(f"k{n} = {n}\n" for n in range(300_000)),
    "not utf-8": 'x = "\udcff"\n',
}


@pytest.mark.parametrize("name", BOMBS)
def test_h38_a_configuration_that_is_a_bomb_is_one_line(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bomb.toml"
    config.write_text(BOMBS[name], encoding="utf-8", errors="surrogateescape")
    assert begin(config) == 78
    out, errors = capfd.readouterr()
    assert out == ""
    assert errors.count("\n") == 1
    assert len(errors) < 2000
