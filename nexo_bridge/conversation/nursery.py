"""Bridges in processes of their own, forked from one that has loaded everything already.

Loading the program takes most of the time that a bridge needs to start, and a script that kills it starts it again and
again. So the first bridge of a script's process starts a nursery, and each bridge is a fork of that. The nursery
carries out one order at a time, has one thread and no event loop, and ends with the process that started it.

Orders are JSON lines over a Unix socket: ``{"id", "argv"}`` with the three standard files of the new bridge, and
``{"id", "kill"}``. What became of a bridge is the last line of its standard output: ``{"code"}``, as
``subprocess`` counts.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

_MOST: Final = 65536
_FILES: Final = 3


class Nursery:
    """The script's side of it: started when first needed, one for the whole process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._door: socket.socket
        self._asked = 0

    def fork(self, argv: Sequence[str], files: Sequence[int]) -> int:
        """Begin a bridge with these arguments and standard files; its number.

        Raises:
            OSError: there can be no nursery.
        """
        self._open()
        self._asked += 1
        order = {"id": self._asked, "argv": list(argv)}
        socket.send_fds(self._door, [json.dumps(order).encode() + b"\n"], files)
        return self._asked

    def kill(self, number: int) -> None:
        """SIGKILL to that bridge, unless it is over already: the nursery knows which process is still the bridge."""
        self._door.send(json.dumps({"id": number, "kill": True}).encode() + b"\n")

    @property
    def process(self) -> int | None:
        """Its process id, if there is one."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End it; its bridges end by themselves when their orders end."""
        if self._process is not None:
            self._door.close()
            self._process.wait()
            self._process = None

    def _open(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._door, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own module
                [sys.executable, "-m", "nexo_bridge.conversation.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)


NURSERY: Final = Nursery()
"""Of this process."""


@dataclass
class _Room:
    """The nursery's side.

    Attributes:
        children: process id → (number, standard output) of each bridge that is not over.
    """

    door: socket.socket
    children: dict[int, tuple[int, int]] = field(default_factory=dict)
    _rest: bytes = b""

    def serve(self) -> list[str] | None:
        """Carry out orders until the script is gone (None), or be a bridge: its arguments."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the script, and we end with it
        with wake, woken, selectors.DefaultSelector() as ready:
            ready.register(self.door, selectors.EVENT_READ)
            ready.register(wake, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is wake:
                        wake.recv(_MOST)
                        self._bury()
                        continue
                    data, files, _, _ = socket.recv_fds(self.door, _MOST, _FILES)
                    if not data:
                        return None
                    argv = self._obey(data, files)
                    if argv is not None:
                        return argv

    def _obey(self, data: bytes, files: Iterable[int]) -> list[str] | None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        given = list(files)
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            if "kill" in order:
                for child, (number, _) in self.children.items():
                    if number == order["id"]:
                        os.kill(child, signal.SIGKILL)
                continue
            child = os.fork()
            if not child:
                self._become(given)
                return list(order["argv"])
            self.children[child] = (order["id"], os.dup(given[1]))
            for file in given:
                os.close(file)
        return None

    def _become(self, files: list[int]) -> None:
        """In the fork: nothing is left of the nursery, and the standard files are the bridge's own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.door.close()
        for _, output in self.children.values():
            os.close(output)
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)

    def _bury(self) -> None:
        """Tell of each bridge that is over how it ended."""
        for child in list(self.children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            _, output = self.children.pop(child)
            line = json.dumps({"code": os.waitstatus_to_exitcode(status)})
            with suppress(BrokenPipeError):
                os.write(output, f"{line}\n".encode())
            os.close(output)


def main() -> int:
    """The nursery's process."""
    # Loaded here: the script's own process needs none of it, and each fork finds it done.
    from pydantic import BaseModel

    from nexo_bridge.conversation import victim
    from nexo_bridge.nexo.messages import BODIES, Message, MessageHeader
    from nexo_bridge.nexo.schema import Schemas
    from nexo_bridge.runtime.data import read_schemas

    models: tuple[type[BaseModel], ...] = (Message, MessageHeader, *BODIES.values())
    for model in models:
        model.model_rebuild()
    Schemas(read_schemas())
    gc.freeze()  # so that no fork's collector touches, and thereby copies, what all of them share
    with socket.socket(fileno=int(sys.argv[1])) as door:
        argv = _Room(door).serve()
    return 0 if argv is None else victim.main(argv)


if __name__ == "__main__":
    raise SystemExit(main())
