"""A real mosquitto on a loopback port, to be killed and started again: what every test about MQTT talks to."""

from __future__ import annotations

import collections
import contextlib
import getpass
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from nexo_bridge.conversation.ways import free_port

PATIENCE = 20.0
HOW_TO_GET_IT = "mosquitto is not installed; run: sudo apt-get install -y mosquitto mosquitto-clients"
_PROGRAMS = ("mosquitto", "mosquitto_passwd", "mosquitto_pub", "mosquitto_sub")


def need_mosquitto() -> None:
    """Skip where it is not installed; in CI that fails (tests/conftest.py)."""
    if any(program_or_none(name) is None for name in _PROGRAMS):
        pytest.skip(HOW_TO_GET_IT)


def program_or_none(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def program(name: str) -> str:
    """Where ``name`` is; Debian puts the broker where a user's PATH does not look."""
    found = program_or_none(name)
    assert found is not None, HOW_TO_GET_IT
    return found


@dataclass(frozen=True)
class Tls:
    """The broker's certificate; with ``demand``, clients need one of ``ca`` too."""

    ca: Path
    certificate: Path
    key: Path
    demand: bool = False

    def lines(self) -> Iterator[str]:
        yield f"cafile {self.ca}"
        yield f"certfile {self.certificate}"
        yield f"keyfile {self.key}"
        yield f"require_certificate {str(self.demand).lower()}"


class Broker:
    """One broker. It writes to disk with every change, so that ``kill`` loses nothing that is in its file.

    Args:
        folder: its own; made if need be.
        users: name → password; without them anybody may connect.
        acl: text of an ACL file.
        tls: see ``Tls``.
        options: further lines of its configuration.

    Attributes:
        port: the same over restarts.
        config: the file it reads at each start.
        said: the last lines it logged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str = "",
        tls: Tls | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = 0
        self.config = folder / "mosquitto.conf"
        self.said: collections.deque[str] = collections.deque(maxlen=100_000)
        self._users, self._acl, self._tls = users, acl, tls
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._heard = threading.Condition(threading.RLock())
        self._state: Literal["starting", "running", "ended"] = "ended"
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return once it listens. The port is free at the first start and kept from then on."""
        assert self._process is None, "it runs"
        first = not self.port
        for _ in range(5):
            if first:
                self.port = free_port()
            self._write_config()
            if self._up():
                return
            if not first:
                break  # another port would be another broker
        raise AssertionError("\n".join(self.said))

    def kill(self) -> None:
        """``kill -9``."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """SIGTERM: it writes everything down and goes. Nothing to do where it does not run."""
        self._end(lambda process: process.terminate())

    def forget(self) -> None:
        """Lose what it wrote down: sessions, queues, retained messages. Only while it does not run."""
        assert self._process is None, "it runs"
        for file in self.folder.glob("store/mosquitto.db*"):
            file.unlink()

    def saved(self) -> None:
        """Return once what it acknowledged until now is in its file.

        It saves at the end of each turn of its one loop, so a later turn proves it: one that takes a connection.
        """
        before = self._count("New connection from")
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE):
            self.heard("New connection from", times=before + 1)

    def _count(self, text: str) -> int:
        with self._heard:
            return sum(text in line for line in self.said)

    def heard(self, text: str, *, times: int = 1) -> None:
        """Wait until that many lines with ``text`` were logged, since it began first."""
        with self._heard:
            ok = self._heard.wait_for(lambda: self._count(text) >= times, PATIENCE)
        assert ok, "\n".join(self.said)

    def _write_config(self) -> None:
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        lines = [
            f"user {getpass.getuser()}",  # started as root it would otherwise give up its rights to our folder
            f"listener {self.port} 127.0.0.1",
            *(self._tls.lines() if self._tls else ()),
            f"allow_anonymous {str(self._users is None).lower()}",
            "persistence true",
            f"persistence_location {store}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            "log_dest stderr",
            "log_type all",
        ]
        if self._users is not None:
            lines.append(f"password_file {self._passwords(self._users)}")
        if self._acl:
            path = self.folder / "acl"
            path.write_text(self._acl)
            path.chmod(0o600)
            lines.append(f"acl_file {path}")
        self.config.write_text("\n".join([*lines, *self._options]) + "\n")

    def _passwords(self, users: Mapping[str, str]) -> Path:
        path = self.folder / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        path.chmod(0o600)
        subprocess.run([program("mosquitto_passwd"), "-U", path], check=True, timeout=PATIENCE)
        return path

    def _up(self) -> bool:
        process = subprocess.Popen(
            [program("mosquitto"), "-c", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._process, self._state = process, "starting"
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        with self._heard:
            self._heard.wait_for(lambda: self._state != "starting", PATIENCE)
            state: str = self._state
        if state != "running":
            self.kill()
        return state == "running"

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._heard:
                self.said.append(line.rstrip())
                if self.said[-1].endswith(" running"):
                    self._state = "running"
                self._heard.notify_all()
        with self._heard:
            self._state = "ended"
            self._heard.notify_all()

    def _end(self, end: Callable[[subprocess.Popen[str]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for _ in range(int(PATIENCE)):
            end(process)  # a signal that comes while it starts is lost: it sets its flag anew
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
                break
        assert process.returncode is not None, "it does not end"
        self._reader.join(PATIENCE)
        if process.stderr is not None:
            process.stderr.close()


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Broker]:
    """A broker that runs, with the settings of ``Broker``; it is gone at the end. Skips where there is none."""
    need_mosquitto()
    broker = Broker(folder, **settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
