"""The daemon's start: one ready line, one instance, one line for a mistake. Its end: tests/faults/test_process.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lxml import etree

from nexo_bridge.runtime.daemon import run
from nexo_bridge.runtime.settings import load_settings
from tests.faults.daemon import command, daemon, site


async def test_f64_a_second_instance_is_refused_with_75_in_one_line(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        code, out, errors = await command("run", "--config", str(here.config), cwd=here.folder)
        assert (code, out) == (75, b"")
        assert len(errors.splitlines()) == 1
        till = await bridge.logged_in()
        await till.usable()


async def test_ready_is_one_line_on_standard_output_and_logs_are_not(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        await bridge.says(b"terminal session proved")
        assert await bridge.stop() == 0
        assert bridge.process.stdout is not None
        assert await bridge.process.stdout.read() == b""


async def configured(folder: Path) -> Path:
    async with site(folder) as here:
        return here.config


def test_h04_an_old_parser_takes_small_messages_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(asyncio.run(configured(tmp_path)), {})
    monkeypatch.setattr(etree, "LIBXML_VERSION", (2, 9, 14))
    assert run(settings) == 78
    assert capsys.readouterr().err.startswith("listen[0].max_frame: this libxml2 is too old")
