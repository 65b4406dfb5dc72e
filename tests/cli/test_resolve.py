"""``nexo-bridge resolve`` as a person types it; what it decides is tested with the core and the desk."""

from __future__ import annotations

from pathlib import Path

from tests.faults.daemon import Site, command, daemon, site


async def resolve(here: Site, *more: str) -> tuple[int, str]:
    words = ("resolve", "X99", "--config", str(here.config), "--by", "Ada", "--why", "looked", *more)
    code, out, errors = await command(*words, cwd=here.folder)
    return code, (out + errors).decode()


async def test_a_running_bridge_answers_over_its_socket(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        code, text = await resolve(here, "--paid")
        assert (code, text) == (
            1,
            "X99 is not an unresolved exchange; nexo-bridge journal list shows them.\n",
        )
        assert await bridge.stop() == 0


async def test_a_stopped_one_is_done_without_and_one_that_does_not_answer_keeps_the_journal(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        async with daemon(here.config) as bridge:
            (here.folder / "journal.control").unlink()
            code, text = await resolve(here, "--not-paid")
            assert code == 75
            assert len(text.splitlines()) == 1
            assert await bridge.stop() == 0
        code, text = await resolve(here, "--not-paid", "--i-have-checked-the-platform")
        assert code == 1
        assert text.startswith("X99 is not an unresolved exchange")


async def test_paid_or_not_paid_must_be_said(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code, _ = await resolve(here)
        assert code == 2
