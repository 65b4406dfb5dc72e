from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexo_bridge.runtime.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        yield receiver


def notifier(receiver: socket.socket, **more: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": receiver.getsockname(), **more})


def test_ready_stopping_and_status_reach_systemd(systemd: socket.socket) -> None:
    sender = notifier(systemd)
    sender.ready("3 terminals")
    sender.stopping("2 payments left")
    sender.status("journal is full")
    sender.alive()

    assert [systemd.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=3 terminals",
        b"STOPPING=1\nSTATUS=2 payments left",
        b"STATUS=journal is full",
        b"WATCHDOG=1",
    ]


def test_whether_anybody_listens(systemd: socket.socket) -> None:
    assert notifier(systemd).heard
    assert not Notifier.from_environment({}).heard


def test_a_status_cannot_smuggle_another_assignment(systemd: socket.socket) -> None:
    notifier(systemd).status("fine\nMAINPID=1")

    assert b"\n" not in systemd.recv(4096)


def test_abstract_sockets() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # Linux picks an abstract name
        receiver.settimeout(5)
        name = receiver.getsockname()
        Notifier.from_environment({"NOTIFY_SOCKET": "@" + name[1:].decode()}).alive()

        assert receiver.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_unix_socket_nothing_happens(environ: dict[str, str]) -> None:
    sender = Notifier.from_environment({**environ, "WATCHDOG_USEC": "1000000"})
    sender.ready("unheard")

    assert sender.interval is None


def test_a_deaf_supervisor_is_no_error(tmp_path: Path) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("unheard")


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_interval_is_half_of_what_systemd_allows(
    systemd: socket.socket, environ: dict[str, str], interval: float | None
) -> None:
    assert notifier(systemd, **environ).interval == interval


class Stop(Exception):
    """Ends a loop that has no end of its own."""


async def test_the_watchdog_is_fed_only_after_the_work_came_back(systemd: socket.socket) -> None:
    seen: list[object] = []

    async def works() -> None:
        seen.append("worked")
        if seen.count("worked") == 3:
            raise Stop

    async def pause(seconds: float) -> None:
        systemd.setblocking(False)
        seen.append(systemd.recv(100))
        seen.append(seconds)

    with pytest.raises(Stop):
        await notifier(systemd, WATCHDOG_USEC="2000000").feed_watchdog(works, pause)

    assert seen == ["worked", b"WATCHDOG=1", 1.0, "worked", b"WATCHDOG=1", 1.0, "worked"]


async def test_no_watchdog_no_loop(systemd: socket.socket) -> None:
    async def works() -> None:
        raise Stop

    await notifier(systemd).feed_watchdog(works)
