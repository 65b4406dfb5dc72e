"""One frozen tree of settings, read once: environment over file over preset over defaults.

``load_settings`` is the daemon's door and raises on the first mistake; ``read_settings`` is ``check-config``'s and
tells all of them, with the origin of every value. A new setting is added in ``settings_sections`` and told in
``config/nexo-bridge.toml``; a test compares the two.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.placed import Placed
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas import environments
from nexo_bridge.runtime.data import read_data
from nexo_bridge.runtime.settings_channels import Webhook
from nexo_bridge.runtime.settings_mistakes import mistakes, setting_name
from nexo_bridge.runtime.settings_sections import (
    Brand,
    Control,
    Deadlines,
    Journal,
    Log,
    Platform,
    Pos,
    WireId,
    ordered,
)
from nexo_bridge.runtime.settings_sources import (
    Place,
    Source,
    Tree,
    leaves,
    read_environment,
    read_file,
    reason,
)
from nexo_bridge.runtime.settings_terminals import Application, Terminal


def _kind(value: Any) -> str:
    """The tag of a table, or of a class made of one; a table without ``kind`` is told so by the first class."""
    if isinstance(value, dict):
        return str(value.get("kind", "tcp"))
    return str(getattr(value, "kind", "tcp"))


Listen: TypeAlias = Annotated[
    Annotated[TcpListen, Tag("tcp")]
    | Annotated[TlsListen, Tag("tls")]
    | Annotated[DialListen, Tag("dial")]
    | Annotated[HttpListen, Tag("http")]
    | Annotated[MqttListen, Tag("mqtt")],
    Discriminator(_kind),
]
"""Told apart by ``kind``."""

Tables = TypeVar("Tables", bound=BaseModel)


class Settings(BaseSettings):
    """Everything the configuration says; paths are absolute."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    listen: tuple[Listen, ...] = Field(min_length=1, examples=['[[listen]] with kind = "tcp", host and port'])
    journal: Journal = Field(examples=["[journal] with path"])
    platform: Platform = Field(examples=["[platform] with environment"])
    terminals: dict[WireId, Terminal] = Field(
        min_length=1, examples=['[terminals."POI00001"] with serial, certificate and key']
    )
    login_required: bool = True
    brands: dict[Annotated[str, Field(min_length=1)], Brand] = {}
    deadlines: Deadlines = Deadlines()
    pos: dict[WireId, Pos] = {}
    webhook: Webhook | None = None
    application: Application | None = None
    control: Control = Control()
    log: Log = Log()

    @property
    def control_path(self) -> Path:
        """Where the control socket is."""
        return self.control.path or self.journal.path.with_suffix(".control")

    @model_validator(mode="after")
    def _one_name_one_thing(self) -> Self:
        owners: dict[str, str] = {}
        for poiid, terminal in self.terminals.items():
            first = owners.setdefault(terminal.serial, poiid)
            if first != poiid:
                raise ValueError(
                    f"{setting_name(('terminals', poiid, 'serial'))}: the same serial as "
                    f"{setting_name(('terminals', first))}; give each terminal its own"
                )
        return self

    @model_validator(mode="after")
    def _custom_tokens_are_of_the_demo(self) -> Self:
        for poiid, terminal in self.terminals.items():
            if terminal.grant == "custom_token" and self.platform.environment != "demo":
                name = setting_name(("terminals", poiid, "grant"))
                raise ValueError(
                    f'{name}: only the environment "demo" gives custom tokens; write "mtls" or "password"'
                )
        return self

    @model_validator(mode="after")
    def _a_webhook_where_one_is_wanted(self) -> Self:
        for poiid, terminal in self.terminals.items():
            if terminal.results == "webhook" and self.webhook is None:
                name = setting_name(("terminals", poiid, "results"))
                raise ValueError(f"{name}: there is no [webhook] to take them; add that section")
        return self

    @model_validator(mode="after")
    def _brokers_have_names(self) -> Self:
        names: set[str] = set()
        for place, listen in enumerate(self.listen):
            if isinstance(listen, MqttListen):
                if listen.name in names:
                    name = setting_name(("listen", place, "name"))
                    raise ValueError(
                        f'{name}: another broker is called "{listen.name}"; give each its own name'
                    )
                names.add(listen.name)
        return self

    @model_validator(mode="after")
    def _deadlines_of_each_pos(self) -> Self:
        for sale_id in self.pos:
            ordered(setting_name(("pos", sale_id, "deadlines")), self._deadlines(sale_id), strictly=True)
        return self

    @model_validator(mode="after")
    def _listeners_outlast_every_pos(self) -> Self:
        """A till that only listens any more must not lose its connection while its payment may still be answered."""
        longest, where = self.deadlines.pos_timeout, "deadlines.pos_timeout"
        for sale_id in self.pos:
            seconds = self._deadlines(sale_id)["pos_timeout"]
            if seconds > longest:
                longest, where = seconds, setting_name(("pos", sale_id, "deadlines", "pos_timeout"))
        for place, listen in enumerate(self.listen):
            name = "response_timeout" if isinstance(listen, HttpListen) else "half_closed_timeout"
            waits = getattr(listen, name, None)
            if waits is not None and waits <= longest:
                raise ValueError(
                    f"{setting_name(('listen', place, name))} ({waits:g}) "
                    f"must be more than {where} ({longest:g}); raise the first or lower the second"
                )
        return self

    def _deadlines(self, sale_id: str) -> dict[str, float]:
        own = self.pos_for(sale_id).deadlines.model_dump(exclude_none=True)
        return {**self.deadlines.model_dump(), **own}

    def deadlines_for(self, sale_id: str) -> Deadlines:
        """The deadlines of one Sale System: its own where it has them."""
        return Deadlines(**self._deadlines(sale_id))

    def pos_for(self, sale_id: str) -> Pos:
        """The habits of one Sale System; the defaults for one that is not in the file."""
        return self.pos.get(sale_id, Pos())

    def projection(self) -> Tree:
        """The settings as JSON for the journal's first row and for people: file names, never what the files hold."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a configuration gave.

    Attributes:
        settings: None when there are mistakes.
        origins: place → ``file``, ``environment`` or ``preset``; what is absent is a default.
        mistakes: one line each, naming setting and fix.
        notes: what is allowed and worth knowing, one line each.
    """

    settings: Settings | None
    origins: Mapping[Place, str]
    mistakes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def load_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a daemon about to start.

    Raises:
        ConfigurationError: something is wrong; its text is one line that names the setting and the fix.
    """
    reading = read_settings(path, environ)
    if reading.settings is None:
        more = (
            f" ({len(reading.mistakes) - 1} more: nexo-bridge check-config)"
            if len(reading.mistakes) > 1
            else ""
        )
        raise ConfigurationError(f"{path}: {reading.mistakes[0]}{more}")
    folder = reading.settings.journal.path.parent
    if not folder.is_dir():  # asked at the start alone: systemd makes it only then
        raise ConfigurationError(
            f"{path}: journal.path: the folder {folder} does not exist; create it for the daemon's user"
        )
    return reading.settings


def door_of(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[Path, str | None]:
    """Where a bridge that was started on this file is asked how it is, and what is wrong with the file since then.

    Raises:
        ConfigurationError: nothing that can be read there says where.
    """
    try:
        return load_settings(path, environ).control_path, None
    except ConfigurationError as mistake:
        file, environment = read_file(path), read_environment(environ)
        for place, suffix in ((("control", "path"), None), (("journal", "path"), ".control")):
            for tree in (environment, file):
                table = tree.get(place[0])
                named = table.get(place[1]) if isinstance(table, dict) else None
                if isinstance(named, str) and named:
                    whole = path.absolute().parent / named
                    return (whole if suffix is None else whole.with_suffix(suffix)), str(mistake)
        raise


def read_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Reading:
    """The settings with their origins and every mistake.

    Raises:
        ConfigurationError: the file or a variable cannot be read at all.
    """
    file, environment = read_file(path), read_environment(environ)
    preset, notes = _preset(file, environment)
    origins: dict[Place, str] = {}
    for origin, tree in (("preset", preset), ("file", file), ("environment", environment)):
        origins |= dict.fromkeys(leaves(tree), origin)

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_: PydanticBaseSettingsSource,
            **__: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Source(settings_cls, tree) for tree in (environment, file, preset))

    try:
        settings: Settings = Sourced()
    except ValidationError as error:
        return Reading(None, origins, mistakes(error, Settings, origins))
    settings, wrong = _with_files(settings, path.absolute().parent, environ.get("CREDENTIALS_DIRECTORY"))
    from_preset = {f"{setting_name(place)}:" for place, origin in origins.items() if origin == "preset"}
    notes = tuple(note for note in notes if note.split(" ")[0] in from_preset)
    return Reading(None if wrong else settings, origins, wrong, notes)


def _preset(file: Tree, environment: Tree) -> tuple[Tree, tuple[str, ...]]:
    """The bases of the environment that was chosen; nothing when the choice is missing or wrong."""
    chosen = None
    for tree in (environment, file):
        table = tree.get("platform")
        if chosen is None and isinstance(table, dict):
            chosen = table.get("environment")
    if chosen not in environments.NAMES:
        return {}, ()
    found = environments.parse(read_data(f"ppaas/{chosen}.toml"))
    return {"platform": dict(found.bases)}, found.notes


def _with_files(
    settings: Settings, folder: Path, credentials: str | None
) -> tuple[Settings, tuple[str, ...]]:
    """``settings`` with absolute paths, and what is wrong with the files they name."""
    wrong: list[str] = []
    taken: dict[Path, Path] = {}

    def place(written: Path, mark: Placed, where: Place) -> Path:
        if mark.credential and credentials is not None:
            credential = Path(credentials, written.name)
            if credential.exists():
                if taken.setdefault(credential, written) != written:
                    wrong.append(
                        f"{setting_name(where)}: {written} and {taken[credential]} are one file among the credentials; "
                        "give them different names"
                    )
                return credential
        return folder / written

    def look(path: Path, mark: Placed, where: Place) -> Path:
        problem = _problem(path, mark)
        if problem:
            wrong.append(f"{setting_name(where)}: {problem}")
        return path

    placed = _each_path(settings, place)
    return _each_path(placed, look), tuple(wrong)


def _problem(path: Path, mark: Placed) -> str | None:
    """What is wrong with the file at ``path``, and the fix."""
    try:
        if mark.made_by_us and (path.is_socket() or not path.exists()):
            return None
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            file.read(1)
    except FileNotFoundError:
        return f"{path} does not exist; put the file there or correct the path"
    except OSError as error:
        return f"{path} cannot be read ({reason(error)}); let the daemon's user read it"
    if mark.private and stat.S_IMODE(mode) & 0o007:
        return f"{path} is open to every user of this machine; run chmod 600 on it"
    return None


def _each_path(model: Tables, change: Callable[[Path, Placed, Place], Path], above: Place = ()) -> Tables:
    """``model`` with every path that is marked ``Placed`` replaced by what ``change`` makes of it."""
    changed: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value, where = getattr(model, name), (*above, name)
        mark = next((item for item in field.metadata if isinstance(item, Placed)), None)
        if isinstance(value, Path) and mark is not None:
            changed[name] = change(value, mark, where)
        elif isinstance(value, BaseModel):
            changed[name] = _each_path(value, change, where)
        elif isinstance(value, dict):
            changed[name] = {
                key: _each_path(item, change, (*where, key)) if isinstance(item, BaseModel) else item
                for key, item in value.items()
            }
        elif isinstance(value, tuple):
            changed[name] = tuple(
                _each_path(item, change, (*where, n)) if isinstance(item, BaseModel) else item
                for n, item in enumerate(value)
            )
    return model.model_copy(update=changed)
