"""The application: what it makes of settings, where an answer goes, how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.runtime.app import policy_of
from nexo_bridge.runtime.settings import Settings, load_settings
from tests.faults.stage import stage

EXTRA = """
[brands]
TWINT = { method = "qr", payment_type = "TW" }
Wallet = { method = "qr" }
Visa = { method = "card" }

[deadlines]
answer_by = 90.0

[pos."PATIENT"]
busy_condition = "NotAllowed"
repeat_sale = "allow"
on_unknown = "answer"
[pos."PATIENT".deadlines]
pos_timeout = 149.0
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    for path in (certificate, key):
        path.write_text("x", encoding="utf-8")
        path.chmod(0o600)
    path = tmp_path / "bridge.toml"
    path.write_text(
        'login_required = false\n[[listen]]\nkind = "tcp"\nport = 0\n[journal]\npath = "j.sqlite"\n'
        '[platform]\nenvironment = "demo"\nfence = false\nnever_created_after = 5.0\n'
        '[terminals."POI1"]\nserial = "S1"\ncertificate = "client.pem"\nkey = "client.key"\ndefault = "qr"\n'
        'payment_type = "ALI"\n' + EXTRA,
        encoding="utf-8",
    )
    return load_settings(path, {})


def test_the_policy_is_what_the_settings_say(settings: Settings) -> None:
    policy = policy_of(settings, "installation")
    assert (policy.environment, policy.installation, policy.login_required) == ("demo", "installation", False)
    assert (policy.terminals["POI1"].serial, policy.terminals["POI1"].default) == ("S1", "qr")
    assert policy.terminals["POI1"].payment_type == "ALI"
    assert policy.brands == {"TWINT": "TW", "Wallet": "", "Visa": None}
    assert (policy.certainty.fence, policy.certainty.after) == (False, 5.0)
    assert policy.keys_kept == 7 * 86400


def test_a_sale_system_has_what_it_was_given_and_else_what_everybody_has(settings: Settings) -> None:
    policy = policy_of(settings, "installation")
    patient, other = policy.sale("PATIENT"), policy.sale("OTHER")
    assert (patient.busy_condition, patient.repeat_sale, patient.on_unknown) == (
        "NotAllowed",
        "allow",
        "answer",
    )
    assert (patient.deadlines.answer_by, patient.deadlines.pos_timeout) == (90.0, 149.0)
    assert (other.busy_condition, other.repeat_sale, other.on_unknown) == ("Busy", "refuse", "park")
    assert (other.deadlines.answer_by, other.deadlines.pos_timeout) == (90.0, 120.0)


async def test_an_answer_goes_to_the_connection_that_asked(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        one = await it.logged_in("KASSE1")
        other = await it.logged_in("KASSE2")
        assert (await one.pay("11", "5.00")).result == "Success"
        assert other.answers.empty()


async def test_what_is_reconfigured_holds_for_the_next_request(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        stranger = await it.till("KASSE9")
        assert (await stranger.pay("11", "5.00")).condition == "LoggedOut"
        it.app.reconfigure(it.settings.model_copy(update={"login_required": False}), {})
        assert (await stranger.pay("12", "5.00")).result == "Success"
