from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nexo_bridge.adapters import terminal_access
from nexo_bridge.adapters.grants import MtlsGrant, RefreshingGrant
from nexo_bridge.adapters.terminal_access import (
    Access,
    Bases,
    CustomTokenAccess,
    PasswordAccess,
    TerminalAccess,
)
from nexo_bridge.errors import ConfigurationError
from tests.adapters.scripted_platform import SERIAL, Certificates

BASES = Bases("https://auth", "https://auth:9021", "https://api", "https://api:9021")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def every(certificates: Certificates, tmp_path: Path) -> tuple[Access, Access, Access]:
    files = certificates.certificate, certificates.key
    return (
        TerminalAccess(SERIAL, *files),
        PasswordAccess(SERIAL, *files, "cashier@shop", tmp_path / "P1", password=tmp_path / "password"),
        CustomTokenAccess(
            SERIAL, tmp_path / "P1", "DX8000", "ingenico-DX8000-1", merchant_token=tmp_path / "merchant"
        ),
    )


def test_a_session_by_certificate_uses_the_device_bases_and_one_without_does_not(
    every: tuple[Access, Access, Access],
) -> None:
    mtls, password, custom = every
    for access in (mtls, password):
        assert BASES.of(access, "device_api") == "https://api:9021"
        assert BASES.of(access, "device_auth") == "https://auth:9021"
    assert BASES.of(custom, "device_api") == "https://api"
    assert BASES.of(custom, "device_auth") == BASES.of(custom, "auth") == "https://auth"


def test_each_grant_is_made_of_its_settings(every: tuple[Access, Access, Access]) -> None:
    made = [terminal_access.grant_of("P1", access, BASES, b"k" * 32, lambda: 0.0) for access in every]
    assert [type(grant) for grant in made] == [MtlsGrant, RefreshingGrant, RefreshingGrant]
    assert [grant.rotates for grant in made] == [False, True, True]


def test_a_session_without_a_certificate_has_none(
    every: tuple[Access, Access, Access], certificates: Certificates
) -> None:
    loaded = [terminal_access.load("P1", access, certificates.ca) for access in every]
    assert [material.identity is None for material in loaded] == [False, False, True]
    assert len(loaded[2].context.get_ca_certs()) == 1


def test_versions_change_with_certificate_and_bundle(
    every: tuple[Access, Access, Access], certificates: Certificates, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificates.ca.read_bytes())
    for access in every:
        before = terminal_access.load("P1", access, bundle).versions
        files = terminal_access.files_of("P1", access, bundle)
        assert terminal_access.versions_of(files, bundle) == before
        bundle.write_bytes(bundle.read_bytes() + b"\n")
        assert terminal_access.versions_of(files, bundle) != before
    assert terminal_access.versions_of(None, None) == ()


def test_a_missing_file_is_a_mistake_of_the_configuration(
    every: tuple[Access, Access, Access], tmp_path: Path
) -> None:
    mtls = every[0]
    assert isinstance(mtls, TerminalAccess)
    with pytest.raises(ConfigurationError, match=r'terminals."P1".certificate: '):
        terminal_access.load("P1", dataclasses.replace(mtls, certificate=tmp_path / "absent"), None)


def test_a_person_s_login_reads_no_file_of_secrets(every: tuple[Access, Access, Access]) -> None:
    mtls, password, custom = (terminal_access.without_secrets(access) for access in every)
    assert mtls is every[0]
    assert isinstance(password, PasswordAccess)
    assert password.password is None
    assert isinstance(custom, CustomTokenAccess)
    assert custom.merchant_token is None
