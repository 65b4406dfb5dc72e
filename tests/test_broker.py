"""The broker that other tests rely on does what they rely on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.broker import HOW_TO_GET_IT, Broker, need_mosquitto, program, running


def publish(broker: Broker, *words: str) -> int:
    command = [program("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", *words]
    return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode


def hears(broker: Broker, topic: str) -> str:
    """A retained message; empty when there is none."""
    words = ["-h", "127.0.0.1", "-p", str(broker.port), "-t", topic, "--retained-only", "-C", "1", "-W", "1"]
    heard = subprocess.run(
        [program("mosquitto_sub"), *words], check=False, capture_output=True, text=True, timeout=20
    )
    return heard.stdout.strip()


def test_what_it_said_it_has_outlives_a_kill(broker: Broker) -> None:
    assert publish(broker, "-t", "a", "-m", "kept", "-r") == 0
    broker.saved()
    port = broker.port

    broker.kill()
    broker.start()

    assert broker.port == port
    assert hears(broker, "a") == "kept"


def test_it_can_be_made_to_forget(broker: Broker) -> None:
    assert publish(broker, "-t", "a", "-m", "lost", "-r") == 0
    broker.stop()
    broker.forget()
    broker.start()

    assert hears(broker, "a") == ""


def test_users_need_their_password(tmp_path: Path) -> None:
    with running(tmp_path / "broker", users={"till": "secret"}) as broker:
        assert publish(broker, "-t", "a", "-m", "x") != 0
        assert publish(broker, "-t", "a", "-m", "x", "-u", "till", "-P", "wrong") != 0
        assert publish(broker, "-t", "a", "-m", "x", "-u", "till", "-P", "secret") == 0


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    need_mosquitto()
    with pytest.raises(AssertionError, match="Unknown configuration variable"):
        Broker(tmp_path, options=["no_such_option 1"]).start()


def test_without_it_a_test_skips_and_says_the_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.broker.program_or_none", lambda _: None)
    with pytest.raises(pytest.skip.Exception, match="sudo apt-get install -y mosquitto mosquitto-clients"):
        need_mosquitto()
    assert HOW_TO_GET_IT.count("run: ") == 1
