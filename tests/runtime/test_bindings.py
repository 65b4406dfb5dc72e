"""H30 and H32: a SaleID that is bound to a certificate is spoken for by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.bindings import bindings_of
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_sections import Pos
from tests.adapters.tls_rig import Papers
from tests.faults.stage import POIID, Stage, stage

LISTEN = """
[[listen]]
kind = "tls"
port = 0
certificate = "bridge.pem"
key = "bridge.key"
client_ca = "ca.pem"
client_certificate = "optional"
[pos."KASSE1"]
certificate = "kasse1.pem"
"""


def settings(**files: Path) -> Settings:
    pos = {sale_id: Pos(certificate=path) for sale_id, path in files.items()}
    return Settings.model_construct(pos=pos | {"KASSE9": Pos()})


def test_each_certificate_of_a_file_is_one_of_its_pos(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    for name in ("old", "new"):
        papers.issue(name)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "old.pem").read_bytes() + (tmp_path / "new.pem").read_bytes())
    found = bindings_of(settings(KASSE1=both, KASSE2=tmp_path / "old.pem"))
    assert found == {
        "KASSE1": {papers.fingerprint("old"), papers.fingerprint("new")},
        "KASSE2": {papers.fingerprint("old")},
    }


def test_a_file_that_is_no_certificate_is_named_with_its_setting(tmp_path: Path) -> None:
    wrong = tmp_path / "kasse1.pem"
    wrong.write_text("-----BEGIN NOTHING-----")
    with pytest.raises(ConfigurationError, match=r'^pos\."KASSE1"\.certificate: .* is not a PEM certificate'):
        bindings_of(settings(KASSE1=wrong))
    with pytest.raises(ConfigurationError, match=r'^pos\."KASSE1"\.certificate: .* cannot be read'):
        bindings_of(settings(KASSE1=tmp_path / "none.pem"))


@asynccontextmanager
async def bound(folder: Path) -> AsyncIterator[tuple[Stage, Papers]]:
    papers = Papers(folder)
    papers.issue("bridge")
    for name in ("kasse1", "kasse2"):
        papers.issue(name, f"{name}@shop.example")
    async with stage(folder, extra=LISTEN) as it:
        yield it, papers


async def test_h32_its_own_certificate_pays_and_another_of_the_same_authority_is_refused(
    tmp_path: Path,
) -> None:
    async with bound(tmp_path) as (it, papers):
        thief = await it.till(tls=papers.client("kasse2"))
        refused = await thief.pay("11", "12.50")
        assert (refused.result, refused.condition, refused.code) == ("Failure", "NotAllowed", "NB-105")
        assert it.sandbox.ledger() == []
        till = await it.till(tls=papers.client("kasse1"))
        await till.login()
        assert (await till.pay("11", "12.50")).result == "Success"
        await it.usable(till)


async def test_h30_without_a_certificate_it_is_refused_encrypted_and_in_the_clear(tmp_path: Path) -> None:
    async with bound(tmp_path) as (it, papers):
        for till in (await it.till(tls=papers.client()), await it.till()):
            assert (await till.pay("11", "12.50")).code == "NB-105"
            assert (await till.status("12")).code == "NB-105"
        free = await it.logged_in("KASSE2")  # bound to nothing
        assert (await free.pay("11", "12.50")).result == "Success"
        certified = await it.till("KASSE3", POIID, tls=papers.client("kasse2"))
        await certified.login()


async def test_another_binding_holds_for_connections_that_stand(tmp_path: Path) -> None:
    async with bound(tmp_path) as (it, papers):
        till = await it.till(tls=papers.client("kasse1"))
        await till.login()
        it.app.reconfigure(it.settings, {"KASSE1": frozenset({papers.fingerprint("kasse2")})})
        assert (await till.pay("11", "12.50")).code == "NB-105"
        other = await it.till(tls=papers.client("kasse2"))
        assert (await other.pay("12", "12.50")).result == "Success"
