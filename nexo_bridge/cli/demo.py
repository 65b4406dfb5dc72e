"""``nexo-bridge demo``: the main job on the embedded sandbox, on one screen; the exit code says how it went."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from nexo_bridge.demo.play import Play, faults
from nexo_bridge.demo.screen import Screen
from nexo_bridge.demo.stage import DemoError, Stage
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.runtime.data import read_schemas


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--think", type=float, default=0.4, metavar="SECONDS", help="how long a customer takes (0.4)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: everything was as it must be; 1: something was not, and what; 130: interrupted."""
    schemas = Schemas(read_schemas())
    with tempfile.TemporaryDirectory(prefix="nexo-bridge-demo-") as folder:
        try:
            return asyncio.run(_demo(Path(folder), arguments.think, schemas))
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            return 130


async def _demo(folder: Path, think: float, schemas: Schemas) -> int:
    screen = Screen()
    stage = Stage(folder, think)
    play = Play(stage, screen, schemas)
    try:
        await play.run()
        rows = await stage.ledger()
    except DemoError as problem:
        screen.verdict(False, str(problem))
        return 1
    finally:
        await play.close()
        await stage.close()
    screen.line()
    screen.line("What the platform really charged:", "bold")
    heading = ("amount", "status", "creates", "charges", "the till was told")
    told = {name.replace(".", ""): ending for name, ending in play.endings.items()}
    body = [
        (
            f"{row['amount'] / 100:.2f} {row['currency']}",
            row["status"],
            str(row["creates"]),
            str(row["charges"]),
            _words(told.get(str(row["amount"]))),
        )
        for row in rows
    ]
    screen.table([heading, *body])
    screen.line()
    wrong = faults(rows, play.endings)
    for text in wrong:
        screen.verdict(False, text)
    if not wrong:
        screen.verdict(True, f"nothing charged twice: {len(rows)} payments, each as the till was told")
    code, said = await stage.replay()
    screen.verdict(code == 0, f"the journal replayed through the core: {said}")
    screen.line(f"  {'':6} {screen.since():.1f} seconds in all", "dim")
    return 1 if wrong or code else 0


def _words(ending: object) -> str:
    result, condition = getattr(ending, "result", "nothing"), getattr(ending, "condition", None)
    return f"{result}, {condition}" if condition else str(result)
