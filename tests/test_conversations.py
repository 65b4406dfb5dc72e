"""Every conversation script, against a whole bridge and a whole platform; some with a platform that de-duplicates, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.player import play

FOLDER = Path(__file__).parent / "conversations"
SCRIPTS = sorted(FOLDER.glob("*.conv"))


def plays() -> list[tuple[Path, bool]]:
    return [
        (path, dedup)
        for path in SCRIPTS
        for dedup in (False, True)
        if not dedup or parse(path.read_text(encoding="utf-8")).dedup
    ]


@pytest.mark.parametrize(
    ("path", "dedup"), plays(), ids=lambda value: value.stem if isinstance(value, Path) else "dedup" * value
)
async def test_it_goes_as_written(path: Path, *, dedup: bool, tmp_path: Path) -> None:
    script = parse(path.read_text(encoding="utf-8"))
    await play(script, tmp_path, FOLDER, dedup=dedup)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_says_which_rule_it_proves(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    rule = path.stem.partition("-")[0]
    assert first.startswith("# ")
    assert rule in first
