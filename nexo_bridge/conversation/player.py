"""Plays a script: one statement after the other, then the invariants of every payment."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from nexo_bridge.conversation import invariants, wording
from nexo_bridge.conversation.grammar import (
    Act,
    Disk,
    Expect,
    Hear,
    Line,
    Move,
    Pass,
    Process,
    Rows,
    Say,
    Script,
    SetTerminal,
    Silence,
    Statement,
)
from nexo_bridge.conversation.hearing import Heard, differences, inner_differences, repeats
from nexo_bridge.conversation.scenery import USUAL, Scenery
from nexo_bridge.conversation.stage import Stage, StageError
from nexo_bridge.conversation.till import Till
from nexo_bridge.nexo.json_form import in_form

LONGEST_WAIT = 600.0
"""Seconds of the script's time that an expected message may take."""


_ATTRIBUTE = re.compile(rb'\b(SaleID|POIID|ServiceID|MessageCategory)\s*=\s*"(\w*)"')


class ScriptFailed(Exception):
    """A script did not go as written.

    Attributes:
        line: where, from 1; 0 for what must hold after any script.
        text: that line.
        why: what was expected and what was got.
    """

    def __init__(self, line: int, text: str, why: str) -> None:
        super().__init__(f"line {line}: {text}\n    {why}" if line else why)
        self.line, self.text, self.why = line, text, why


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, as a POS sent it."""

    request: str
    ids: tuple[str, str, str]
    message: bytes


class Player:
    """One play of one script.

    Args:
        script: what to play.
        folder: an empty one, for this play alone.
        files: folder of the files that ``raw`` names.
        scenery: what it is played before.
    """

    def __init__(
        self,
        script: Script,
        folder: Path,
        files: Path,
        *,
        scenery: Scenery = USUAL,
    ) -> None:
        self._script = script
        self._files = files
        self.stage = Stage(
            folder, script.settings, own_process=script.kills, scenery=scenery, ways=script.ways
        )
        self.sent: list[Sent] = []
        self.heard: list[Heard] = []
        self.secrets: list[str] = []
        self._numbers = 1000

    async def play(self) -> None:
        """Play it.

        Raises:
            ScriptFailed: it does not go as written, or an invariant does not hold after it.
        """
        async with self:
            for line in self._script.lines:
                await self.do(line)
            await self.check()

    async def __aenter__(self) -> Self:
        """Raise the curtain: platform and bridge run."""
        try:
            await self.stage.open()
            await self.stage.start_bridge()
        except BaseException:
            await self.stage.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stage.close()

    async def do(self, line: Line) -> None:
        """Play one line.

        Raises:
            ScriptFailed: it does not go as written.
        """
        if line.where is not None and (line.where[0] in self.stage.scenery.traits) != line.where[1]:
            return
        try:
            await self._do(line.statement)
        except StageError as problem:
            raise ScriptFailed(line.number, line.text, str(problem)) from None

    async def check(self) -> None:
        """What must hold after any script.

        Raises:
            ScriptFailed: a POS heard more than was asked for, or an invariant does not hold.
        """
        for till in self.stage.tills.values():
            if till.inbox:
                raise ScriptFailed(0, "", f"{till.name} heard more than the script says: {till.inbox[0]}")
        broken = await invariants.broken(self)
        if broken:
            raise ScriptFailed(0, "", "\n    ".join(broken))

    async def _do(self, statement: Statement) -> None:
        match statement:
            case Say():
                await self._say(statement)
            case Hear():
                await self._hear(statement)
            case Silence(pos=pos, closed=closed):
                await self._silence(pos, closed=closed)
            case Move():
                await self._move(statement)
            case Act():
                await self._act(statement)
            case SetTerminal(poiid=poiid, state=state):
                place = poiid or self.stage.sandbox.poiids[0]
                self.stage.sandbox.set_terminal(place, "IDLE" if state == "idle" else "OUT_OF_ORDER")
            case Pass(seconds=seconds):
                await self.stage.advance(seconds)
            case Disk(waits=waits):
                if self.stage.bridge is not None:
                    self.stage.bridge.disk(waits=waits)
                await self.stage.settle()
            case Process():
                await self._process(statement)
            case Rows(count=count, values=values):
                self._rows(count, dict(values))
            case Expect(what=what, name=name, times=times):
                await self._expect(what, name, times)

    # -- tills ---------------------------------------------------------------------------------------------------

    async def _say(self, said: Say) -> None:
        till = await self.stage.till(said.pos)
        if said.request == "repeat":
            sent = self._earlier(said, till)
        elif said.request == "raw":
            path = self._files / said.words["file"]
            try:
                sent = Sent("raw", ("", "", ""), await asyncio.to_thread(path.read_bytes))
            except OSError as problem:
                raise StageError(f"{path} cannot be read: {problem.strerror}") from None
        else:
            sent = self._worded(said, till)
        self.sent.append(sent)
        await self.stage.send(till, sent.message, *_addressed(sent))
        if not said.at_once:
            await self.stage.settle()

    def _worded(self, said: Say, till: Till) -> Sent:
        self._numbers += 1
        if said.request == "Login":
            till.version = "3.0" if said.words.get("version") == "3.0" else "3.1"
        ids = {"SaleID": till.sale_id, "POIID": till.poi_id, "ServiceID": str(self._numbers)}
        self.secrets += [said.words[name] for name in ("scan", "acquirer") if name in said.words]
        words = {**ids, **said.words}
        message = in_form(wording.request(said, ids, till.version), self.stage.scenery.form)
        return Sent(said.request, (words["SaleID"], words["POIID"], words["ServiceID"]), message)

    def _earlier(self, said: Say, till: Till) -> Sent:
        sale = said.words.get("SaleID", till.sale_id)
        wanted = said.words.get("ServiceID")
        for sent in reversed(self.sent):
            if sent.ids[0] == sale and wanted in {None, sent.ids[2]}:
                return sent
        raise StageError("there is nothing to repeat")

    async def _hear(self, wanted: Hear) -> None:
        if wanted.perhaps and wanted.told is not None:
            await self.stage.settle()
            till = self.stage.tills.get(wanted.pos)
            if till is None or not till.inbox or differences(till.inbox[0], wanted.told):
                return
        heard = await self.next_heard(wanted.pos)
        before = [one for one in self.heard[:-1] if _answers_same(one, heard)]
        if wanted.told is None:
            if not before:
                raise StageError(f"this is the first answer of its kind: {heard}")
            if before[-1].data != heard.data:
                raise StageError(f"another answer came: {heard}; before: {before[-1]}")
            return
        wrong = differences(heard, wanted.told)
        if wanted.inner is not None and not wrong:
            wrong = inner_differences(heard, wanted.inner)
        if wanted.same_inner and not wrong and not any(repeats(heard, one) for one in self.heard[:-1]):
            wrong = ["what it repeats was never heard before"]
        if wrong:
            raise StageError(f"{'; '.join(wrong)}. It says: {heard}")

    async def next_heard(self, pos: str) -> Heard:
        """The next message to a POS; time passes until it comes.

        Raises:
            StageError: none comes, or that POS has no connection.
        """
        till = self.stage.tills.get(pos)
        if till is None:
            raise StageError(f"{pos} said nothing yet")
        until = self.stage.clock.passed + LONGEST_WAIT
        while not till.inbox:
            if till.ended:
                raise StageError(f"{pos} heard nothing, and its connection is over")
            if not await self.stage.tick(until):
                raise StageError(f"{pos} heard nothing within {LONGEST_WAIT:g} s")
        self.heard.append(till.inbox.popleft())
        return self.heard[-1]

    async def _silence(self, pos: str, *, closed: bool) -> None:
        await self.stage.settle()
        till = self.stage.tills.get(pos)
        if till is None:
            raise StageError(f"{pos} said nothing yet")
        if till.inbox:
            raise StageError(f"{pos} heard {till.inbox[0]}")
        if closed:
            line = till.has("line")
            await self.stage.until(lambda: till.ended if line else not self.stage.alive, "it can still speak")

    async def _move(self, move: Move) -> None:
        pos, by = move.pos, move.by
        known = self.stage.tills.get(pos)
        match move.what:
            case "comes":
                if known is not None:
                    raise StageError(f"{pos} was there before; say: {pos} returns by {by}")
                await self.stage.till(pos, by)
            case "returns":
                if known is None or (known.connected and known.has("line")):
                    raise StageError(f"{pos} is {'not gone' if known else 'nobody yet'}")
                same = by is None or by == known.wire.transport
                if not (same and known.connected and known.has("pushes")):
                    await self.stage.connect(known, by)
            case "drops":
                await self.stage.drop(await self.stage.till(pos))
            case _:
                (await self.stage.till(pos)).half_close()
                await self.stage.settle()

    # -- the others ----------------------------------------------------------------------------------------------

    async def _act(self, act: Act) -> None:
        sandbox = self.stage.sandbox
        poiid = act.poiid or sandbox.poiids[0]
        await self.stage.settle()
        try:
            match act.what:
                case "fault":
                    sandbox.inject(act.fault, act.poiid, act.times, operation=act.operation)
                case "answers":
                    sandbox.answer_with(int(act.fault), act.operation or "", act.poiid, act.times)
                case "overturn":
                    sandbox.overturn(poiid)
                case "late":
                    if not sandbox.deliver_late():
                        raise StageError("no create is kept back")
                case _:
                    self.stage.act(poiid, act.what)
        except ValueError as problem:
            raise StageError(str(problem)) from None
        await self.stage.settle()

    async def _process(self, order: Process) -> None:
        stage = self.stage
        if order.what == "START":
            await stage.start_bridge()
        elif order.what == "STOP":
            if stage.bridge is None:
                raise StageError("there is no bridge")
            stage.bridge.stop()
            await stage.settle()
        elif order.point and not stage.alive:
            stage.doom = (order.point, order.times)
        elif stage.bridge is None:
            raise StageError("there is no bridge")
        elif order.point:
            stage.bridge.kill_at(order.point, order.times)
            await stage.settle()
        else:
            await stage.bridge.kill()
            await stage.settle()

    def _rows(self, count: int, values: dict[str, str]) -> None:
        rows = self.stage.ledger()
        fitting = [row for row in rows if all(str(row[name]) == value for name, value in values.items())]
        if len(fitting) != count:
            shown = [
                {name: row[name] for name in ("amount", "currency", "status", "charges")} for row in rows
            ]
            raise StageError(f"{len(fitting)} rows of the ledger are so; it holds {shown}")

    async def _expect(self, what: str, name: str, times: int) -> None:
        await self.stage.settle()
        if what == "journal":
            entries = await invariants.journal_of(self.stage)
            found = Counter(entry.name for entry in entries)[name]
        else:
            found = self.stage.times_reached(f"{name}.{'sending' if what == 'call' else 'raised'}")
        if found != times:
            raise StageError(f"{what} {name}: {found} times, not {times}")


def _addressed(sent: Sent) -> tuple[tuple[str, str, str], str]:
    """SaleID, POIID and ServiceID of what is sent, and its category; of a file, as far as it says so."""
    if sent.request != "raw":
        return sent.ids, "Display" if sent.request == "DisplayResponse" else sent.request
    said = {name.decode(): value.decode() for name, value in _ATTRIBUTE.findall(sent.message)}
    sale_id, poi_id, service_id, category = (
        said.get(name, "") for name in ("SaleID", "POIID", "ServiceID", "MessageCategory")
    )
    return (sale_id, poi_id, service_id), category


def _answers_same(one: Heard, other: Heard) -> bool:
    """Whether two answers are to the same ids of one category."""
    return one.is_response and other.is_response and one.header == other.header


async def play(
    script: Script,
    folder: Path,
    files: Path,
    *,
    scenery: Scenery = USUAL,
) -> Player:
    """Play a script once; see ``Player``."""
    player = Player(script, folder, files, scenery=scenery)
    await player.play()
    return player
