"""The door into a running daemon (H33), over a real Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.adapters.control import LONGEST, ControlSocket, Handler, Json, NotRunningError, ask
from nexo_bridge.errors import ConfigurationError

NOBODY = 65534


async def echo(asked: Json) -> Json:
    return {"ok": True, "asked": asked}


@asynccontextmanager
async def listening(
    path: Path, handler: Handler = echo, patience: float = 10.0
) -> AsyncIterator[ControlSocket]:
    control = ControlSocket(path, handler, patience)
    await control.start()
    try:
        yield control
    finally:
        await control.close()


async def says(path: Path, words: bytes) -> Any:
    """What is answered to ``words``; None: nothing."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
    writer.write(words)
    line = await reader.readline()
    writer.close()
    return json.loads(line) if line else None


async def test_one_question_one_answer(tmp_path: Path) -> None:
    path = tmp_path / "journal.control"
    async with listening(path):
        assert await asyncio.to_thread(ask, path, {"command": "status", "why": "Käse"}) == {
            "ok": True,
            "asked": {"command": "status", "why": "Käse"},
        }


async def test_h33_only_the_owner_may_open_it_from_the_first_moment_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.control"
    before = os.umask(0)
    try:
        async with listening(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert not path.exists()


_AS_NOBODY = """
import json, os, socket, sys
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
with socket.socket(socket.AF_UNIX) as line:
    try:
        line.connect(sys.argv[1])
    except PermissionError:
        sys.exit(13)
    line.sendall(json.dumps({{"command": "status"}}).encode() + b"\\n")
    sys.stdout.write(line.makefile().readline())
"""


def as_nobody(path: Path) -> subprocess.CompletedProcess[str]:
    script = _AS_NOBODY.format(nobody=NOBODY)
    return subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=20, check=False
    )


async def test_h33_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c")
        async with listening(path):
            if os.geteuid() == 0:  # really another user
                await asyncio.to_thread(Path(folder).chmod, 0o755)
                assert (await asyncio.to_thread(as_nobody, path)).returncode == 13
                await asyncio.to_thread(path.chmod, 0o666)  # whatever lets them in, they get no answer
                refused = await asyncio.to_thread(as_nobody, path)
                answer = json.loads(refused.stdout)
            else:  # the daemon's own user is another than ours
                monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
                answer = await asyncio.to_thread(ask, path, {"command": "status"})
    assert answer == {"ok": False, "text": "only root and the daemon's own user may ask"}


@pytest.mark.parametrize(
    "words",
    [
        b"\n",
        b"status\n",
        b'"status"\n',
        b"[1]\n",
        b"\xff\xfe\n",
        b"{\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"[" * 60_000 + b"\n",
        b'{"why": "' + b"x" * (LONGEST + 1) + b'"}\n',
        b"x" * (2 * LONGEST),
    ],
    ids=["empty", "word", "string", "list", "not UTF-8", "cut", "browser", "deep", "long", "no line"],
)
async def test_h33_what_is_no_question_is_told_so(tmp_path: Path, words: bytes) -> None:
    path = tmp_path / "c"
    async with listening(path):
        assert await says(path, words) == {"ok": False, "text": "one JSON object on one line is wanted"}
        assert (await says(path, b"{}\n"))["ok"]


async def test_a_caller_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "c"
    async with listening(path, patience=0.01):
        assert await says(path, b"") is None
        assert (await says(path, b"{}\n"))["ok"]


async def test_a_caller_that_takes_no_answer_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "c"

    async def long(asked: Json) -> Json:
        return {"ok": True, "text": "x" * (1 << 23)}

    async with listening(path, long, patience=0.05) as control:
        reader, writer = await asyncio.open_unix_connection(path, limit=1024)
        writer.write(b"{}\n")
        await reader.readexactly(1)
        while control._under_way:
            await asyncio.wait(control._under_way)
        writer.close()
        assert len((await asyncio.to_thread(ask, path, {}))["text"]) == 1 << 23


async def test_a_caller_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "c"
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(question: Json) -> Json:
        asked.set()
        await go_on.wait()
        return {"ok": True, "text": "x" * (1 << 20)}

    async with listening(path, slow) as control:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b"{}\n")
        await asked.wait()
        writer.transport.abort()
        go_on.set()
        await asyncio.wait(set(control._under_way))
        assert (await asyncio.to_thread(ask, path, {}))["ok"]


async def test_a_question_that_fails_is_a_defect_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c"

    async def failing(asked: Json) -> Json:
        if asked:
            raise RuntimeError(f"no such thing: {asked['secret']}")
        return {"ok": True}

    async with listening(path, failing):
        answer = await says(path, b'{"secret": "4111111111111111"}\n')
        assert answer == {
            "ok": False,
            "text": "the bridge met an unexpected problem; its log says where",
        }
        assert await says(path, b"{}\n") == {"ok": True}


async def test_closing_cuts_what_is_under_way(tmp_path: Path) -> None:
    path = tmp_path / "c"
    asked = asyncio.Event()

    async def never(question: Json) -> Json:
        asked.set()
        await asyncio.Event().wait()
        return {}

    async with listening(path, never):
        question = asyncio.create_task(asyncio.to_thread(ask, path, {}))
        await asked.wait()
    with pytest.raises(NotRunningError):
        await question


async def test_closing_what_was_never_opened_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("precious", encoding="utf-8")
    await ControlSocket(path, echo).close()
    assert path.exists()


async def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(NotRunningError):
        await asyncio.to_thread(ask, path, {})
    async with listening(path):
        assert (await asyncio.to_thread(ask, path, {}))["ok"]


async def test_what_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"control\.path: .* \(something else lies there\); name a"):
        await ControlSocket(path, echo).start()
    assert path.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize(
    ("name", "reason"), [("absent/c", "no such file or directory"), ("x" * 120, "path too long")]
)
async def test_a_place_that_cannot_be_used_is_named_with_the_fix(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        await ControlSocket(tmp_path / name, echo).start()
    assert f"cannot be made ({reason}); name a short path" in str(told.value)


@pytest.mark.parametrize(
    "answer", [b"", b"what?\n", b"[]\n", None], ids=["nothing", "noise", "list", "silence"]
)
def test_asking_where_no_bridge_answers(tmp_path: Path, answer: bytes | None) -> None:
    path = tmp_path / "c"
    with pytest.raises(NotRunningError, match=r"no bridge answers at .*; is it running"):
        ask(path, {})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)
        script = (
            "import socket, sys; line = socket.socket(fileno=0); taken, _ = line.accept();"
            f" taken.recv(99); taken.sendall({answer!r}); taken.close()"
        )
        words = [sys.executable, "-c", script]
        other = None if answer is None else subprocess.Popen(words, stdin=listener.fileno())
        with pytest.raises(NotRunningError):
            ask(path, {}, patience=10.0 if other else 0.01)
        if other:
            assert other.wait(10) == 0
