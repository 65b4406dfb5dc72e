"""``nexo-bridge check-config``: what is wrong with a configuration, or what is in force and why."""

from __future__ import annotations

import argparse
import ipaddress
import json
import sys
import time
from pathlib import Path
from typing import Any

from nexo_bridge.adapters import certificates
from nexo_bridge.adapters.dial import dial_tls
from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.cli.output import show
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.redaction import printable
from nexo_bridge.runtime.bindings import bindings_of
from nexo_bridge.runtime.settings import Reading, read_settings
from nexo_bridge.runtime.settings_mistakes import setting_name
from nexo_bridge.runtime.settings_sources import leaves
from nexo_bridge.runtime.settings_terminals import CertifiedTerminal

WRONG = 78
"""EX_CONFIG of sysexits.h; systemd does not restart after it (RestartPreventExitStatus)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def main(arguments: argparse.Namespace) -> int:
    """Exit code 0: the configuration is good; 78: it is not, and each mistake is a line on standard error."""
    path: Path = arguments.config
    try:
        reading = _with_credentials(read_settings(path))
    except ConfigurationError as error:
        reading = Reading(None, {}, (str(error).removeprefix(f"{path}: "),))
    (_print_json if arguments.json else _print_lines)(path, reading)
    return WRONG if reading.settings is None else 0


def _with_credentials(reading: Reading) -> Reading:
    """``reading`` with what is wrong inside the files it names, and for how long the certificates are valid."""
    if reading.settings is None:
        return reading
    mistakes: list[str] = []
    notes: list[str] = []
    for poiid, terminal in reading.settings.terminals.items():
        name = setting_name(("terminals", poiid))
        if not isinstance(terminal, CertifiedTerminal):
            continue
        files = certificates.Files(
            name, terminal.certificate, terminal.key, terminal.key_password, reading.settings.platform.ca
        )
        try:
            identity = certificates.load(files)
        except ConfigurationError as error:
            mistakes.append(str(error))
            continue
        now = time.time()
        problem = identity.problem(now)
        if problem is not None:
            notes.append(f"{name}.certificate: {problem}; the terminal is out of order until that changes")
        notes += [f"{name}.certificate: {warning}" for warning in identity.warnings(now, terminal.serial)]
    for place, listen in enumerate(reading.settings.listen):
        name = setting_name(("listen", place))
        server = listen.files(name) if isinstance(listen, TlsListen | HttpListen) else None
        if server is not None and isinstance(listen, TlsListen | HttpListen):
            try:
                identity = certificates.load_server(server, listen.client_certificate)
            except ConfigurationError as error:
                mistakes.append(str(error))
                continue
        elif isinstance(listen, DialListen):
            try:
                tls = dial_tls(listen, name)
            except ConfigurationError as error:
                mistakes.append(str(error))
                continue
            if tls is None or tls.identity is None:
                continue
            identity = tls.identity
        else:
            continue
        now = time.time()
        found = (identity.problem(now), *identity.warnings(now))
        notes += [f"{name}.certificate: {sentence}" for sentence in found if sentence]
    try:
        bindings_of(reading.settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    for sale_id, pos in reading.settings.pos.items():
        if pos.http is not None and pos.http_ca is not None:
            from nexo_bridge.adapters.http_outgoing import PosAddress, pos_tls

            try:
                pos_tls(sale_id, PosAddress(pos.http, pos.http_ca))
            except ConfigurationError as error:
                mistakes.append(str(error))
    if reading.settings.journal.key_file.exists():
        try:
            Keys.load(reading.settings.journal.key_file)
        except ConfigurationError as error:
            mistakes.append(str(error))
    settings = None if mistakes else reading.settings
    return Reading(settings, reading.origins, tuple(mistakes), (*reading.notes, *notes))


def _print_lines(path: Path, reading: Reading) -> None:
    for mistake in reading.mistakes:
        print(f"{path}: {mistake}", file=sys.stderr)
    if reading.settings is None:
        return
    in_force = _in_force(reading)
    width = max(len(name) for name, _, _ in in_force)
    lines = []
    for name, value, origin in in_force:
        shown = "not set" if value is None else printable(json.dumps(value, ensure_ascii=False))
        lines.append(f"{name:{width}}  {shown:40}  {origin}")
    lines += [f"note: {note}" for note in _notes(reading)]
    show("\n".join([*lines, f"{path} is good"]))


def _print_json(path: Path, reading: Reading) -> None:
    settings = [
        {"name": name, "value": value, "origin": origin} for name, value, origin in _in_force(reading)
    ]
    told = {
        "file": str(path),
        "valid": reading.settings is not None,
        "mistakes": reading.mistakes,
        "notes": _notes(reading),
        "settings": settings,
    }
    show(json.dumps(told, indent=2))


def _in_force(reading: Reading) -> list[tuple[str, Any, str]]:
    """(name, value, origin) of every setting; none while there are mistakes."""
    if reading.settings is None:
        return []
    values = leaves(reading.settings.projection())
    return [
        (setting_name(place), value, reading.origins.get(place, "default")) for place, value in values.items()
    ]


def _notes(reading: Reading) -> list[str]:
    """What is allowed and worth knowing."""
    notes = list(reading.notes)
    settings = reading.settings
    if settings is None:
        return notes
    for index, listener in enumerate(settings.listen):
        if isinstance(listener, TlsListen | HttpListen) and listener.client_certificate == "required":
            continue
        if isinstance(listener, DialListen):
            if not listener.tls and not _stays_here(listener.host):
                notes.append(
                    f"listen[{index}].tls: nothing proves that {listener.host} is the POS, and who listens in between "
                    "reads everything; keep it in the shop's own network"
                )
            continue
        if not _stays_here(listener.host):
            notes.append(
                f"listen[{index}].host: everybody who reaches {listener.host} can pay here, {listener.kind.upper()} "
                "asks for no name; keep it in the shop's own network"
            )
    if not settings.login_required:
        notes.append("login_required: false serves a POS that never logged in")
    if not settings.platform.fence:
        notes.append(
            "platform.fence: without it a payment that was perhaps never created stays open until nexo-bridge resolve"
        )
    folder = settings.journal.path.parent
    if not folder.is_dir():
        notes.append(f"journal.path: the folder {folder} does not exist yet; the daemon does not make it")
    return notes


def _stays_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
