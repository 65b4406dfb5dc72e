"""``nexo-bridge demo``: the main job on the sandbox, on one screen. The exit code says whether it went well."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from nexo_bridge.demo.audit import report
from nexo_bridge.demo.play import Play
from nexo_bridge.demo.screen import Screen
from nexo_bridge.demo.stage import DemoError, Stage
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.runtime.data import read_schemas

_TITLE = "nexo-bridge between a till and a payment platform: real processes, real mutual TLS, play money"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--think", type=float, default=0.3, metavar="SECONDS", help="how long a customer takes (0.3)"
    )
    parser.add_argument("--mqtt", action="store_true", help="the till speaks through a broker (mosquitto)")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: everything was as it must be; 1: something was not, and what; 130: interrupted."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a locale without arrows gets question marks
    schemas = Schemas(read_schemas())
    with tempfile.TemporaryDirectory(prefix="nexo-bridge-demo-", ignore_cleanup_errors=True) as folder:
        stage, screen = Stage(Path(folder), arguments.think, mqtt=arguments.mqtt), Screen()
        try:
            return asyncio.run(_demo(stage, screen, Play(stage, screen, schemas)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("interrupted", file=sys.stderr)
            return 130


async def _demo(stage: Stage, screen: Screen, play: Play) -> int:
    task = asyncio.current_task()
    assert task is not None, "run as one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    screen.line(_TITLE, "bold")
    try:
        await play.run()
        rows = await stage.ledger()
        await stage.stop_bridge()
        code, said = await stage.replay()
    except DemoError as problem:
        screen.verdict(False, str(problem))
        for line in await stage.last_words():
            screen.line(f"         {line}", "dim")
        return 1
    finally:
        await stage.close()
    screen.line()
    good = report(screen, play.told, rows)
    if code == 0:
        screen.verdict(True, f"replay of the journal: {said}")
    else:
        screen.verdict(False, f"replay of the journal: {said}")
    screen.line(f"  {screen.since():.1f} seconds", "dim")
    return 0 if good and code == 0 else 1
