from __future__ import annotations

import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.tolerance import NAMES, STRICT, TOLERANT, Tolerance
from nexo_bridge.runtime.settings import Listen, Settings, door_of, load_settings, read_settings
from nexo_bridge.runtime.settings_sections import Deadlines
from nexo_bridge.runtime.settings_terminals import MtlsTerminal

DOCUMENTED = Path(__file__).parents[2] / "config" / "nexo-bridge.toml"

ENOUGH = """
[[listen]]
kind = "tcp"
port = 0

[journal]
path = "journal.sqlite"

[platform]
environment = "demo"

[terminals."POI00001"]
serial = "1850123456"
certificate = "client.pem"
key = "client.key"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that ``ENOUGH`` names."""
    for name in ("client.pem", "client.key"):
        (tmp_path / name).write_text("made up", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def written(folder: Path, text: str = ENOUGH) -> Path:
    path = folder / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """The one line a daemon would end with, without the file's name."""
    path = written(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, environ or {})
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_a_listener_a_journal_an_environment_and_a_terminal_are_enough(folder: Path) -> None:
    settings = load_settings(written(folder), {})

    assert settings.listen[0].kind == "tcp"
    assert settings.journal.path == folder / "journal.sqlite"
    assert settings.journal.key_file == folder / "journal.key"
    assert settings.platform.api.startswith("https://")
    assert settings.terminals["POI00001"].grant == "mtls"
    terminal = settings.terminals["POI00001"]
    assert isinstance(terminal, MtlsTerminal)
    assert terminal.certificate == folder / "client.pem"
    assert settings.login_required is True


def test_the_tree_is_frozen(folder: Path) -> None:
    settings = load_settings(written(folder), {})

    with pytest.raises(ValidationError, match="frozen"):
        settings.platform.fence = False  # type: ignore[misc]  # what is being tested


def test_environment_wins_over_file_over_preset_over_default(folder: Path) -> None:
    path = written(folder, ENOUGH + '[log]\nlevel = "error"\nformat = "json"\n')
    reading = read_settings(path, {"NEXO_BRIDGE_LOG__LEVEL": "debug", "NEXO_BRIDGE_PLATFORM__FENCE": "false"})

    assert reading.settings is not None
    assert (reading.settings.log.level, reading.settings.log.format) == ("debug", "json")
    assert reading.settings.platform.fence is False
    assert reading.origins["log", "level"] == "environment"
    assert reading.origins["log", "format"] == "file"
    assert reading.origins["platform", "api"] == "preset"
    assert ("platform", "never_created_reads") not in reading.origins


def test_a_base_in_the_file_wins_over_the_preset(folder: Path) -> None:
    text = ENOUGH.replace('environment = "demo"', 'environment = "demo"\napi = "https://127.0.0.1:8443/"')

    assert load_settings(written(folder, text), {}).platform.api == "https://127.0.0.1:8443"


def test_a_preset_that_follows_a_slip_of_the_platform_is_noted_while_it_is_in_force(folder: Path) -> None:
    text = ENOUGH.replace('"demo"', '"eur"')
    noted = read_settings(written(folder, text), {}).notes
    corrected = read_settings(
        written(folder, text), {"NEXO_BRIDGE_PLATFORM__AUTH": "https://auth.example"}
    ).notes

    assert [note.partition(":")[0] for note in noted] == ["platform.auth"]
    assert corrected == ()


def test_the_environment_alone_may_choose_the_platform(folder: Path) -> None:
    text = ENOUGH.replace('[platform]\nenvironment = "demo"', "")
    settings = load_settings(written(folder, text), {"NEXO_BRIDGE_PLATFORM__ENVIRONMENT": "eur"})

    assert settings.platform.environment == "eur"


MISTAKES = {
    "unknown setting": (
        ENOUGH.replace("serial", "seriall"),
        (
            'terminals."POI00001".seriall: unknown setting; did you mean terminals."POI00001".serial? '
            "(1 more: nexo-bridge check-config)"
        ),
    ),
    "a listener of a kind there is not": (
        ENOUGH.replace('"tcp"', '"tpc"'),
        'listen[0].kind: "tpc" is not one of the values; write {kinds}',
    ),
    "missing setting": (
        ENOUGH.replace('serial = "1850123456"', ""),
        'terminals."POI00001".serial: missing; add serial = "1850123456"',
    ),
    "unknown setting with a near one": (
        ENOUGH + "[deadlines]\nanswer_bye = 5\n",
        "deadlines.answer_bye: unknown setting; did you mean deadlines.answer_by?",
    ),
    "unknown setting with none near": (
        ENOUGH + "[log]\ncolour = true\n",
        "log.colour: unknown setting; remove it; known here are format, level",
    ),
    "unknown table": (ENOUGH + "[plattform]\n", "plattform: unknown setting; did you mean platform?"),
    "wrong type": (
        ENOUGH.replace("port = 0", 'port = "seven"'),
        'listen[0].port: should be a valid integer; "seven" was found, correct it',
    ),
    "port out of range": (
        ENOUGH.replace("port = 0", "port = 65536"),
        "listen[0].port: should be less than or equal to 65535; 65536 was found, correct it",
    ),
    "a value that is none of the words": (
        ENOUGH.replace('"demo"', '"prod"'),
        "platform.environment: \"prod\" is not one of the values; write 'demo', 'nar', 'ind' or 'eur'",
    ),
    "no environment": (
        ENOUGH.replace('environment = "demo"', ""),
        'platform.environment: missing; add environment = "demo"',
    ),
    "strict, and yet something forgiven": (
        ENOUGH + '[pos."A"]\nrelax = ["missing-zone"]\n',
        'pos."A": relax belongs to mode = "tolerant"; set that, or remove relax',
    ),
    "strict, and yet a zone": (
        ENOUGH + '[pos."A"]\nzone = "Z"\n',
        'pos."A": zone belongs to mode = "tolerant"; set that, or remove zone',
    ),
    "no such transformation": (
        ENOUGH + '[pos."A"]\nmode = "tolerant"\nrelax = ["missing-zones"]\n',
        f'pos."A".relax[0]: must be one of {", ".join(NAMES)} (docs/tolerance.md)',
    ),
    "a zone by name": (
        ENOUGH + '[pos."A"]\nmode = "tolerant"\nzone = "Europe/Berlin"\n',
        'pos."A".zone: must be "Z" or an offset from UTC such as "+01:00"',
    ),
    "no terminals": (
        ENOUGH[: ENOUGH.index("[terminals")],
        'terminals: missing; add [terminals."POI00001"] with serial, certificate and key',
    ),
    "empty terminals": (
        ENOUGH[: ENOUGH.index("[terminals")] + "[terminals]\n",
        'terminals: empty; add [terminals."POI00001"] with serial, certificate and key',
    ),
    "no listener": (
        ENOUGH.replace('[[listen]]\nkind = "tcp"\nport = 0', "listen = []"),
        'listen: empty; add [[listen]] with kind = "tcp", host and port',
    ),
    "a table where a list of tables belongs": (
        ENOUGH.replace("[[listen]]", "[listen]"),
        "listen: must be a list of tables; write [[listen]]",
    ),
    "a value where a table belongs": (
        'log = "loud"\n' + ENOUGH,
        "log: must be a table; write [log]",
    ),
    "a value where named tables belong": (
        'pos = "KASSE1"\n' + ENOUGH,
        "pos: must be a table; write [pos]",
    ),
    "a name that cannot be shown": (
        ENOUGH + '[pos."a\\u001b[31m"]\n',
        'pos."a\N{REPLACEMENT CHARACTER}[31m": must be 1 to 100 printable characters without blanks at its ends',
    ),
    "duplicate serial": (
        ENOUGH + ENOUGH[ENOUGH.index("[terminals") :].replace("POI00001", "POI/2"),
        'terminals."POI/2".serial: the same serial as terminals."POI00001"; give each terminal its own',
    ),
    "deadlines out of order": (
        ENOUGH + "[deadlines]\ncustomer_time = 100\n",
        (
            "deadlines.customer_time (100) must be less than deadlines.answer_by (100); "
            "lower the first or raise the second"
        ),
    ),
    "deadlines of one POS out of order": (
        ENOUGH + '[pos."KASSE 1".deadlines]\npos_timeout = 90\n',
        (
            'pos."KASSE 1".deadlines.answer_by (100) must be less than pos."KASSE 1".deadlines.pos_timeout (90); '
            "lower the first or raise the second"
        ),
    ),
    "a listener less patient than its POS": (
        ENOUGH + "[deadlines]\npos_timeout = 150\n",
        (
            "listen[0].half_closed_timeout (150) must be more than deadlines.pos_timeout (150); "
            "raise the first or lower the second"
        ),
    ),
    "a listener less patient than one POS": (
        ENOUGH + '[pos."KASSE 1"]\n[pos."K 2".deadlines]\npos_timeout = 200\n',
        (
            'listen[0].half_closed_timeout (150) must be more than pos."K 2".deadlines.pos_timeout (200); '
            "raise the first or lower the second"
        ),
    ),
    "a listener that waits for ever": (
        ENOUGH.replace("port = 0", "port = 0\nidle_timeout = inf"),
        "listen[0].idle_timeout: should be a finite number; inf was found, correct it",
    ),
    "an HTTP listener less patient than its POS": (
        ENOUGH.replace('kind = "tcp"', 'kind = "http"\nresponse_timeout = 120'),
        (
            "listen[0].response_timeout (120) must be more than deadlines.pos_timeout (120); "
            "raise the first or lower the second"
        ),
    ),
    "an unknown kind of listener": (
        ENOUGH.replace('kind = "tcp"', 'kind = "smoke"'),
        'listen[0].kind: "smoke" is not one of the values; write {kinds}',
    ),
    "a listener without a kind": (
        ENOUGH.replace('kind = "tcp"', ""),
        "listen[0].kind: missing; add it",
    ),
    "a file of a listener that is missing": (
        ENOUGH.replace('kind = "tcp"', 'kind = "http"\ncertificate = "client.pem"\nkey = "absent.key"'),
        "listen[0].key: {folder}/absent.key does not exist; put the file there or correct the path",
    ),
    "an address of a POS that is none": (
        ENOUGH + '[pos."KASSE1"]\nhttp = "ftp://10.0.0.5/nexo"\n',
        'pos."KASSE1".http: write http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]',
    ),
    "an authority for a POS that has no TLS": (
        ENOUGH + '[pos."KASSE1"]\nhttp = "http://10.0.0.5/nexo"\nhttp_ca = "client.pem"\n',
        'pos."KASSE1": http_ca belongs to an https:// address; change http, or remove http_ca',
    ),
    "a path that names another host": (
        ENOUGH + '[platform.paths]\ncreate_card = "//evil.example/sales"\n',
        "platform.paths.create_card: write a path that starts with one / and has no query",
    ),
    "retention out of order": (
        ENOUGH.replace("[platform]", "keep_answers = 40\n[platform]"),
        "journal.keep_answers (40) must be at most journal.keep_bodies (30); lower the first or raise the second",
    ),
    "nan": (
        ENOUGH + "[deadlines]\nplatform_limit = nan\n",
        "deadlines.platform_limit: should be a finite number; nan was found, correct it",
    ),
    "plain http": (
        ENOUGH.replace('"demo"', '"demo"\napi = "http://api.demo.ppaas.tech"'),
        "platform.api: not an https URL with a host; write https://HOST[:PORT][/PREFIX]",
    ),
    "a port that is none": (
        ENOUGH.replace('"demo"', '"demo"\napi = "https://api:99999"'),
        "platform.api: not a URL; write https://HOST[:PORT][/PREFIX]",
    ),
    "a password in an address": (
        ENOUGH.replace('"demo"', '"demo"\napi = "https://me:secret@api"'),
        "platform.api: more than host, port and prefix; write https://HOST[:PORT][/PREFIX]",
    ),
    "a path without what it must carry": (
        ENOUGH + '[platform.paths]\nread_card = "/payments/last"\n',
        "platform.paths.read_card: the placeholders must be exactly: {transactionId}",
    ),
    "a card brand with a QR method": (
        ENOUGH + '[brands."Visa"]\nmethod = "card"\npayment_type = "KB"\n',
        'brands."Visa": payment_type belongs to method = "qr"; remove it',
    ),
    "a missing file": (
        ENOUGH.replace("client.pem", "absent.pem"),
        (
            'terminals."POI00001".certificate: {folder}/absent.pem does not exist; '
            "put the file there or correct the path"
        ),
    ),
    "a folder instead of a file": (
        ENOUGH.replace("client.pem", "."),
        (
            'terminals."POI00001".certificate: {folder} cannot be read (is a directory); '
            "let the daemon's user read it"
        ),
    ),
    "a journal without a folder": (
        ENOUGH.replace('"journal.sqlite"', '"absent/journal.sqlite"'),
        "journal.path: the folder {folder}/absent does not exist; create it for the daemon's user",
    ),
}


KINDS = "'tcp', 'tls', 'dial', 'http' or 'mqtt'"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_names_setting_and_fix(folder: Path, name: str) -> None:
    text, expected = MISTAKES[name]

    assert refusal(folder, text) == expected.replace("{folder}", str(folder)).replace("{kinds}", KINDS)


def test_a_mistake_in_a_variable_names_the_variable(folder: Path) -> None:
    assert refusal(folder, ENOUGH, {"NEXO_BRIDGE_DEADLINES__ANSWER_BY": "soon"}) == (
        'NEXO_BRIDGE_DEADLINES__ANSWER_BY: should be a valid number; "soon" was found, correct it'
    )


def test_the_daemon_says_how_many_more_mistakes_there_are(folder: Path) -> None:
    line = refusal(folder, ENOUGH + '[log]\nlevel = "loud"\nformat = "xml"\n')

    assert line.endswith("(1 more: nexo-bridge check-config)")


def test_a_private_key_open_to_everyone_is_refused(folder: Path) -> None:
    (folder / "client.key").chmod(0o644)

    assert refusal(folder, ENOUGH) == (
        f'terminals."POI00001".key: {folder}/client.key is open to every user of this machine; run chmod 600 on it'
    )


def test_a_journal_key_that_exists_is_held_to_the_same(folder: Path) -> None:
    text = ENOUGH.replace("[platform]", 'key = "seal"\n[platform]')
    assert load_settings(written(folder, text), {}).journal.key_file == folder / "seal"

    (folder / "seal").write_bytes(bytes(32))
    (folder / "seal").chmod(0o604)
    assert refusal(folder, text).startswith("journal.key: ")


def test_a_socket_of_a_running_daemon_is_no_unreadable_file(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door"))
        settings = load_settings(written(folder, ENOUGH + '[control]\npath = "door"\n'), {})

    assert settings.control.path == folder / "door"


@pytest.fixture
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("credentials")
    (directory / "client.key").write_text("from systemd", encoding="utf-8")
    (directory / "client.key").chmod(0o400)
    return directory


def test_credentials_of_systemd_come_first(folder: Path, credentials: Path) -> None:
    (folder / "client.key").unlink()
    terminal = load_settings(written(folder), {"CREDENTIALS_DIRECTORY": str(credentials)}).terminals[
        "POI00001"
    ]

    assert isinstance(terminal, MtlsTerminal)
    assert terminal.key == credentials / "client.key"
    assert terminal.certificate == folder / "client.pem"


def test_two_files_of_one_name_cannot_both_be_that_credential(folder: Path, credentials: Path) -> None:
    second = ENOUGH[ENOUGH.index("[terminals") :].replace("POI00001", "POI00002").replace("1850", "1851")
    text = ENOUGH + second.replace("client.key", "second/client.key")

    assert refusal(folder, text, {"CREDENTIALS_DIRECTORY": str(credentials)}) == (
        'terminals."POI00002".key: second/client.key and client.key are one file among the credentials; '
        "give them different names"
    )


def test_each_pos_has_its_own_deadlines_and_habits(folder: Path) -> None:
    text = ENOUGH + '[pos."KASSE1"]\non_unknown = "answer"\n[pos."KASSE1".deadlines]\npos_timeout = 140\n'
    settings = load_settings(written(folder, text), {})

    assert settings.deadlines_for("KASSE1") == Deadlines(pos_timeout=140)
    assert settings.deadlines_for("KASSE2") == Deadlines()
    assert settings.pos_for("KASSE1").on_unknown == "answer"
    assert settings.pos_for("KASSE2").on_unknown == "park"


def test_results_by_webhook_need_somewhere_to_come_to(folder: Path) -> None:
    assert refusal(folder, ENOUGH + 'results = "webhook"\n').startswith(
        'terminals."POI00001".results: there is no'
    )


def test_the_projection_holds_names_of_files_and_nothing_out_of_them(folder: Path) -> None:
    shown = str(load_settings(written(folder), {}).projection())

    assert "client.key" in shown
    assert "made up" not in shown


def classes(annotation: Any) -> Iterator[type]:
    """The classes that ``annotation`` allows."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, UnionType):
        for member in get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]:
            yield from classes(member)


def names(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """(table, setting) of everything that can be written, "*" for a name that the reader chooses."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        inner, below = annotation, f"{table}.{name}".lstrip(".")
        if getattr(annotation, "__origin__", None) is dict:
            inner, below = get_args(annotation)[1], f"{below}.*"
        elif getattr(annotation, "__origin__", None) is tuple:
            inner = get_args(annotation)[0]
        members = [member for member in classes(inner) if issubclass(member, BaseModel)]
        if members:
            for member in members:
                yield from names(member, below)
        elif below.endswith("*"):
            yield below.removesuffix(".*"), "*"
        else:
            yield table, field.alias or name


def uncommented(text: str) -> str:
    """The documented file with every example switched on."""
    lines = (line.removeprefix("# ") for line in text.splitlines())
    return "\n".join(line for line in lines if line.startswith("[") or " = " in line.partition('"')[0])


def test_the_file_that_documents_settings_knows_every_one() -> None:
    told: dict[str, set[str]] = {}

    def collect(tree: dict[str, Any], table: str) -> None:
        for name, item in tree.items():
            tables = [each for each in (item if isinstance(item, list) else [item]) if isinstance(each, dict)]
            if tables:
                chosen = table in ("terminals", "brands", "pos")
                for each in tables:
                    collect(each, f"{table}.{'*' if chosen else name}".lstrip("."))
            else:
                told.setdefault(table, set()).add("*" if table == "platform.paths" else name)

    collect(tomllib.loads(uncommented(DOCUMENTED.read_text(encoding="utf-8"))), "")
    known: dict[str, set[str]] = {}
    for table, name in names(Settings):
        known.setdefault(table, set()).add(name)

    assert told == known


@pytest.mark.parametrize("everything", [False, True])
def test_the_file_that_documents_settings_loads(folder: Path, *, everything: bool) -> None:
    made_up = ("bundle.pem", "client.password", "journal.key", "webhook.pem", "webhook.key", "webhook.secret")
    secrets = ("proxy.credentials", "user.password", "merchant.token", "application.secret")
    listeners = ("bridge.pem", "bridge.key", "pos-ca.pem", "till-ca.pem", "bridge.password", "kasse1.pem")
    broker = ("mqtt.password", "mqtt-ca.pem", "mqtt.pem", "mqtt.key")
    for name in (*made_up, *secrets, *listeners, *broker, "webhook-ca.pem"):
        (folder / name).write_text("made up", encoding="utf-8")
        (folder / name).chmod(0o600)
    text = DOCUMENTED.read_text(encoding="utf-8")
    settings = load_settings(written(folder, uncommented(text) if everything else text), {})

    assert settings.platform.environment == "demo"


EXAMPLES: dict[str, dict[str, Any]] = {
    "tcp": {"port": 7000},
    "tls": {
        "port": 7443,
        "certificate": "bridge.pem",
        "key": "bridge.key",
        "key_password": "bridge.password",
        "client_ca": "pos-ca.pem",
        "client_certificate": "required",
    },
    "dial": {
        "host": "10.0.0.21",
        "port": 7001,
        "tls": True,
        "ca": "till-ca.pem",
        "server_name": "kasse1.shop.example",
        "certificate": "bridge.pem",
        "key": "bridge.key",
        "key_password": "bridge.password",
    },
    "http": {
        "port": 7080,
        "names": ["bridge.shop.example"],
        "certificate": "bridge.pem",
        "key": "bridge.key",
        "key_password": "bridge.password",
        "client_ca": "pos-ca.pem",
        "client_certificate": "required",
    },
    "mqtt": {
        "port": 1883,
        "client_id": "nexo-bridge-shop-1",
        "username": "bridge",
        "password": "mqtt.password",
        "tls": True,
        "ca": "mqtt-ca.pem",
        "certificate": "mqtt.pem",
        "key": "mqtt.key",
    },
}
"""What the documented file shows of a listener because there is no default, or none worth showing."""


def test_what_the_documentation_calls_a_default_is_one(folder: Path) -> None:
    """Examples that stand at their default in the documented file are at the one in the code."""
    settings = load_settings(written(folder), {})
    told = tomllib.loads(uncommented(DOCUMENTED.read_text(encoding="utf-8")))

    for table in ("deadlines", "log"):
        assert told[table] == getattr(settings, table).model_dump()
    for listen in told["listen"]:
        needed = {"tls": {"certificate": "bridge.pem"}, "dial": {"host": "till"}}.get(listen["kind"], {})
        made = TypeAdapter(Listen).validate_python({"kind": listen["kind"], "port": 1} | needed)
        shown = made.model_dump(mode="json", by_alias=True)
        shown |= EXAMPLES[listen["kind"]]
        assert {name: value for name, value in listen.items() if shown[name] != value} == {}
    for name in ("reserve", "keep_answers", "keep_bodies", "keep_transactions"):
        assert told["journal"][name] == getattr(settings.journal, name)
    for name in (
        "auth",
        "device_auth",
        "api",
        "device_api",
        "fence",
        "never_created_after",
        "never_created_pause",
    ):
        assert told["platform"][name] == getattr(settings.platform, name)
    assert told["platform"]["never_created_reads"] == settings.platform.never_created_reads


def test_a_tolerant_pos(folder: Path) -> None:
    text = ENOUGH + (
        '[pos."A"]\nmode = "tolerant"\n[pos."B"]\nmode = "tolerant"\nrelax = ["missing-zone"]\nzone = "-05:00"\n'
        '[pos."C"]\nmode = "tolerant"\nrelax = []\n[pos."D"]\n'
    )
    settings = load_settings(written(folder, text), {})

    assert settings.pos_for("A").tolerance == TOLERANT
    assert settings.pos_for("B").tolerance == Tolerance(frozenset({"missing-zone"}), "-05:00")
    assert [settings.pos_for(sale_id).tolerance for sale_id in "CDE"] == [STRICT, STRICT, STRICT]


@pytest.mark.parametrize(
    ("text", "environ", "door", "wrong"),
    [
        (ENOUGH, {}, "journal.control", False),
        (f"{ENOUGH}surprise = 1\n", {}, "journal.control", True),
        (f'{ENOUGH}surprise = 1\n[control]\npath = "door"\n', {}, "door", True),
        (f"{ENOUGH}surprise = 1\n", {"NEXO_BRIDGE_JOURNAL__PATH": "other.sqlite"}, "other.control", True),
    ],
)
def test_a_bridge_is_asked_though_its_file_has_become_wrong(
    folder: Path, text: str, environ: dict[str, str], door: str, wrong: bool
) -> None:
    found, mistake = door_of(written(folder, text), environ)
    assert found == folder / door
    assert (mistake is not None and "surprise" in mistake) == wrong


@pytest.mark.parametrize("text", ["[[", "journal = 7\n", "[journal]\npath = 7\n"])
def test_where_nothing_says_where_it_cannot_be_asked(folder: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        door_of(written(folder, text), {})
