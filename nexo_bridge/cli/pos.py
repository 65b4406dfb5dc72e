"""``nexo-bridge pos``: a scripted POS. One JSON line on standard output, everything for people on standard error."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import get_args

import segno

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.money import Amount, to_minor
from nexo_bridge.nexo.codec import InvalidOutput
from nexo_bridge.nexo.elements import VERSIONS
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.devices import Picture
from nexo_bridge.pos.ending import Ending, unknown
from nexo_bridge.pos.links import address
from nexo_bridge.pos.links.address import Access, Address
from nexo_bridge.pos.links.link import Login, tls_context
from nexo_bridge.pos.marker import Marker
from nexo_bridge.pos.requests import Requests, ServiceIds
from nexo_bridge.pos.till import Patience, Till
from nexo_bridge.redaction import printable
from nexo_bridge.runtime.data import read_data

_USAGE = 2

_EPILOG = """exit codes: 0 approved or done; 1 declined, or failed before anything was sent; 2 usage;
3 unknown: lost after sending, or still in progress. After 3 never pay again: ask with "status"."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_options(parser, defaults=True)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_options(shared, defaults=False)

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=summary, description=f"{summary}.", parents=[shared])

    action("login", "open the session")
    pay = action("pay", "pay, and find out how it ended")
    pay.add_argument("amount", type=_amount, help="in major units, e.g. 12.50")
    pay.add_argument("currency", help="ISO 4217 code, e.g. EUR")
    how = pay.add_mutually_exclusive_group()
    how.add_argument("--qr", action="store_true", help="by a code that the customer scans")
    how.add_argument("--scan", metavar="CODE", help="by a code of the customer that the till has scanned")
    status = action("status", "ask how a payment ended")
    status.add_argument("reference", nargs="?", metavar="REF", help="its ServiceID (default: the last one)")
    abort = action("abort", "ask to stop a payment")
    abort.add_argument("reference", metavar="REF", help="its ServiceID")
    action("logout", "close the session")
    send = action("send", "send a file as one message, right or wrong")
    send.add_argument("file", type=Path, metavar="FILE", help="what to send, without a length")


def _add_options(parser: argparse.ArgumentParser, *, defaults: bool) -> None:
    """Options of all actions, before the action or after it; only those before it bring defaults."""

    def default(value: object) -> object:
        return value if defaults else argparse.SUPPRESS

    parser.add_argument(
        "--connect",
        type=_address,
        metavar="URL",
        default=default(None),
        help="where the POI listens: tcp://HOST:PORT, tls://HOST:PORT, mqtt://BROKER, mqtts://BROKER, "
        "http://HOST:PORT or https://HOST:PORT",
    )
    parser.add_argument("--sale-id", metavar="ID", default=default(None), help="SaleID of this till")
    parser.add_argument("--poiid", metavar="ID", default=default(None), help="POIID of the terminal")
    parser.add_argument(
        "--service-id", metavar="ID", default=default(None), help="ServiceID (default: from the clock)"
    )
    parser.add_argument(
        "--transaction-id",
        metavar="ID",
        default=default(None),
        help="SaleTransactionID of the sale (default: made of the ServiceID)",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=default(130.0), help="seconds to wait for an answer (130)"
    )
    parser.add_argument(
        "--recover", type=_seconds, default=default(90.0), help="seconds to ask after a lost answer (90)"
    )
    parser.add_argument(
        "--pause", type=_seconds, default=default(2.0), help="seconds between two such questions (2)"
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        default=default(None),
        help="where a payment in progress is written down",
    )
    parser.add_argument(
        "--protocol", choices=sorted(VERSIONS), default=default("3.1"), help="protocol version (3.1)"
    )
    parser.add_argument(
        "--form",
        choices=get_args(Form),
        default=default("xml"),
        help="how messages are written: xml, json, or json-bare, which has no envelope (xml)",
    )
    for name, what in (
        ("ca", "certificates that may have signed the POI's (default: those this machine trusts)"),
        ("certificate", "certificate of this POS, where the POI wants one"),
        ("key", "its key (default: in the same file)"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="PEM", default=default(None), help=what)
    parser.add_argument(
        "--listen",
        type=_place,
        metavar="HOST:PORT",
        default=default(None),
        help="where this POS listens itself for what the terminal shows, with http:// and https:// (default: nowhere)",
    )
    parser.add_argument(
        "--mqtt-login",
        type=Path,
        metavar="FILE",
        default=default(None),
        help="user name and password for the broker, one line each",
    )
    parser.add_argument(
        "--mqtt-version", choices=["3.1.1", "5"], default=default("5"), help="version of MQTT (5)"
    )
    parser.add_argument(
        "--mqtt-prefix", metavar="TOPIC", default=default("nexo"), help="what topics begin with (nexo)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print the JSON line and return the exit code."""
    numbers = ServiceIds()
    service_id = arguments.service_id or numbers.next()
    try:
        _check(arguments)
        data = arguments.file.read_bytes() if arguments.action == "send" else b""
        schemas = Schemas({version: read_data(f"xsd/nexo-retailer-{version}.xsd") for version in VERSIONS})
        ending = asyncio.run(
            _act(arguments, _access(arguments), schemas, numbers=numbers, service_id=service_id, data=data)
        )
    except (ConfigurationError, InvalidOutput) as error:
        return _usage(str(error))
    except OSError as error:  # of the file to send, or of the state file before anything was sent
        return _usage(f"{error.filename or 'file'}: {error.strerror}")
    except KeyboardInterrupt:
        ending = unknown(service_id, "Interrupted; ask with status")
    print(json.dumps(ending.line()), flush=True)
    return ending.exit_code


def _check(arguments: argparse.Namespace) -> None:
    """What argparse cannot: these may stand before or after the action, and amount and currency go together."""
    for name in ("connect", "sale_id", "poiid"):
        if getattr(arguments, name) is None:
            raise ConfigurationError(f"--{name.replace('_', '-')} is required")
    if not arguments.connect.secure:
        for name in ("ca", "certificate", "key"):
            if getattr(arguments, name) is not None:
                raise ConfigurationError(f"--{name}: {arguments.connect.scheme}:// has no TLS")
    if arguments.key is not None and arguments.certificate is None:
        raise ConfigurationError("--key: goes with --certificate")
    if arguments.listen is not None and not arguments.connect.scheme.startswith("http"):
        raise ConfigurationError(
            f"--listen: over {arguments.connect.scheme}:// everything comes the way we speak"
        )
    if arguments.mqtt_login is not None and not arguments.connect.scheme.startswith("mqtt"):
        raise ConfigurationError(f"--mqtt-login: {arguments.connect.scheme}:// has no broker")
    if arguments.action == "pay":
        try:
            minor = to_minor(arguments.amount, arguments.currency)
        except ValueError as error:
            raise ConfigurationError(f"amount: {error}") from None
        if minor <= 0:
            raise ConfigurationError("amount: must be above 0")


def _access(arguments: argparse.Namespace) -> Access:
    """Reads files."""
    tls = None
    if arguments.connect.secure:
        tls = tls_context(arguments.ca, arguments.certificate, arguments.key)
    login = None
    if arguments.mqtt_login is not None:
        try:
            user, password = arguments.mqtt_login.read_text(encoding="utf-8").splitlines()
        except ValueError:  # of other lines than two, or of other bytes than UTF-8
            raise ConfigurationError(
                f"--mqtt-login {arguments.mqtt_login}: holds a user name and a password, one line each"
            ) from None
        login = Login(user, password)
    return Access(tls, login, arguments.mqtt_version, arguments.mqtt_prefix, arguments.form, arguments.listen)


def _usage(text: str) -> int:
    print(f"nexo-bridge pos: {text}", file=sys.stderr)
    return _USAGE


async def _act(
    arguments: argparse.Namespace,
    access: Access,
    schemas: Schemas,
    *,
    numbers: ServiceIds,
    service_id: str,
    data: bytes,
) -> Ending:
    client = PosClient(
        address.link(arguments.connect, (arguments.sale_id, arguments.poiid), access),
        schemas=schemas,
        version=arguments.protocol,
        form=arguments.form,
        on_picture=_draw,
        on_raw=_print_raw if arguments.action == "send" else _ignore,
    )
    till = Till(
        client,
        Requests(arguments.sale_id, arguments.poiid, version=arguments.protocol),
        numbers=numbers,
        patience=Patience(answer=arguments.timeout, recovery=arguments.recover, pause=arguments.pause),
        marker=Marker(arguments.state, arguments.sale_id, arguments.poiid),
        say=_say,
    )
    try:
        match arguments.action:
            case "login":
                return await till.login(service_id)
            case "logout":
                return await till.logout(service_id)
            case "status":
                return await till.status(service_id, arguments.reference)
            case "abort":
                return await till.abort(service_id, arguments.reference)
            case "send":
                return await till.send(data, service_id)
            case _:
                return await till.pay(
                    service_id,
                    arguments.transaction_id or f"T{service_id}",
                    arguments.amount,
                    arguments.currency,
                    mobile=arguments.qr,
                    scanned=arguments.scan,
                )
    finally:
        await client.close()


def _draw(picture: Picture) -> None:
    """What a device of the till would show, for a person at this one."""
    if picture.form == "qr":
        print(f"{picture.device}: {printable(picture.content)}", file=sys.stderr)
        try:
            code = segno.make(picture.content, error="m", micro=False)
        except segno.DataOverflowError:
            return
        code.terminal(out=sys.stderr, compact=True)
    else:
        for line in picture.content.splitlines():
            print(f"{picture.device}: {printable(line)}", file=sys.stderr)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print_raw(data: bytes) -> None:
    """The answer as it came; what could move a terminal's cursor is not printed."""
    for line in data.decode(errors="replace").splitlines():
        print(printable(line, limit=len(line)), file=sys.stderr)


def _ignore(_: bytes) -> None:
    """Messages are not printed unless a file was sent."""


def _address(text: str) -> Address:
    try:
        return address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _place(text: str) -> tuple[str, int]:
    try:
        return address.place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _amount(text: str) -> Amount:
    try:
        return Amount(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
