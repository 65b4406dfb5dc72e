"""Every conversation script, against a whole bridge and platform; some with one that de-duplicates, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import Script, parse
from nexo_bridge.conversation.player import play

FOLDER = Path(__file__).parent / "conversations"
SCRIPTS = sorted(FOLDER.glob("*.conv"))


def plays() -> list[object]:
    scripts = [(path.stem, parse(path.read_text(encoding="utf-8"))) for path in SCRIPTS]
    return [
        pytest.param(script, dedup, id=f"{name}-dedup" if dedup else name)
        for name, script in scripts
        for dedup in ((False, True) if script.dedup else (False,))
    ]


@pytest.mark.parametrize(("script", "dedup"), plays())
async def test_it_goes_as_written(script: Script, *, dedup: bool, tmp_path: Path) -> None:
    await play(script, tmp_path, FOLDER, dedup=dedup)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_says_which_rule_it_proves(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    rule = path.stem.partition("-")[0]
    assert first.startswith("# ")
    assert rule in first
