from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.demo.stage import DemoError, Stage


async def test_a_process_that_cannot_start_is_told_with_its_own_last_words(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 0.1)
    stage.config = tmp_path / "absent.toml"
    with pytest.raises(DemoError, match=r"run did not start: .*absent\.toml"):
        await stage.open_bridge()
    await stage.close()
