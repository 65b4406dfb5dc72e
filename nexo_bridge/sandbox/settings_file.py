"""The ``bridge.toml`` a bridge needs to talk to this sandbox, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nexo_bridge.sandbox.realms import USERNAME

PASSWORD_FILE = "user.password"  # noqa: S105 - the name of a file
MERCHANT_TOKEN_FILE = "merchant.token"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True)
class TerminalEntry:
    """One ``[terminals."…"]`` table; paths as they shall stand in the file."""

    poiid: str
    serial: str
    certificate: str
    key: str
    grant: str = "mtls"

    def lines(self) -> list[str]:
        """How its session is opened."""
        files = [f"certificate = {_string(self.certificate)}", f"key = {_string(self.key)}"]
        match self.grant:
            case "password":
                user = [f"username = {_string(USERNAME)}", f"password = {_string(PASSWORD_FILE)}"]
                return ['grant = "password"', *files, *user]
            case "custom_token":
                token = f"merchant_token = {_string(MERCHANT_TOKEN_FILE)}"
                return ['grant = "custom_token"', 'device_model = "DX8000"', token]
            case _:
                return ['grant = "mtls"', *files]


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """The ``[webhook]`` table."""

    port: int
    certificate: str
    key: str
    secret: str


def render(
    bases: Mapping[str, str],
    ca: str,
    terminals: Sequence[TerminalEntry],
    results: str = "poll",
    webhook: WebhookEntry | None = None,
    *,
    mqtt: tuple[str, int] | None = None,
) -> str:
    """The file's text. ``bases`` has ``auth``, ``device_auth``, ``api`` and ``device_api``; ``mqtt`` is a broker."""
    lines = [
        "# Written by `nexo-bridge sandbox` at every start; relative paths are relative to this file's folder.",
        "",
        "[[listen]]",
        'kind = "tcp"',
        'host = "127.0.0.1"',
        "port = 0",
        "",
        *(
            ["[[listen]]", 'kind = "mqtt"', f"host = {_string(mqtt[0])}", f"port = {mqtt[1]}", ""]
            if mqtt is not None
            else []
        ),
        "[journal]",
        'path = "journal.sqlite"',
        "",
        "[platform]",
        'environment = "demo"',
        *(f"{name} = {_string(url)}" for name, url in bases.items()),
        f"ca = {_string(ca)}",
    ]
    if webhook is not None:
        lines += [
            "",
            "[webhook]",
            f"port = {webhook.port}",
            f"certificate = {_string(webhook.certificate)}",
            f"key = {_string(webhook.key)}",
            f"secret = {_string(webhook.secret)}",
        ]
    for terminal in terminals:
        lines += [
            "",
            f"[terminals.{_string(terminal.poiid)}]",
            f"serial = {_string(terminal.serial)}",
            *terminal.lines(),
        ]
        if results != "poll":
            lines.append(f"results = {_string(results)}")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Replace ``path`` in one step: a bridge that starts meanwhile reads the old file or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
