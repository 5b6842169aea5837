"""Acting on a venue: one command at a time, over the gateway, as a session of the operator's own."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ringmain.client import Client
from ringmain.core.errors import RingmainError
from ringmain.core.records import Field, Record, Schema
from ringmain.core.terminal import plain, say, show, table
from ringmain.core.times import time_ns
from ringmain.exchange.messages import schema as exchange_schema
from ringmain.gateway.app import read_ports
from ringmain.operate import command as parsing
from ringmain.operate.log import operators_commands
from ringmain.operate.warning import consequence, is_dangerous
from ringmain.vpp.messages import SCHEMA as VPP_SCHEMA
from ringmain.vpp.messages import ReportTelemetry

ANSWER_S = 30.0
TOKEN_VARIABLE = "RINGMAIN_TOKEN"
OPERATORS_KINDS = frozenset([*range(16, 28), 35, *range(48, 53), *range(64, 98)])
CORE_KINDS = 0xFF00  # of the core's own commands, and above
SCHEMAS: dict[str, Schema] = {"exchange": exchange_schema, "vpp": VPP_SCHEMA}
RECORDS: dict[str, dict[str, Record]] = {
    "exchange": {r.name: r for kind, r in exchange_schema.commands.items() if kind in OPERATORS_KINDS},
    "vpp": {
        r.name: r for kind, r in VPP_SCHEMA.commands.items() if kind < CORE_KINDS and r is not ReportTelemetry
    },
}


def act(options: argparse.Namespace) -> int:
    """Carry out one of the actions that have a name of their own."""
    return _carry_out(options, RECORDS[options.market][options.record], options.values(options))


def send(options: argparse.Namespace) -> int:
    """Carry out any command, its fields given by their names; or list them."""
    if options.record is None:
        known = RECORDS[options.market]
        rows = [{"command": kebab(name), "what it does": known[name].doc} for name in known]
        title = f"ringmain {options.market} send COMMAND --field VALUE …"
        table(title, ["command", "what it does"], rows)
        return 0
    record = _record_called(options.market, options.record)
    given = _parser_of(record, options).parse_args(options.rest)
    values = {field.name: getattr(given, field.name) for field in record.fields}
    return _carry_out(given, record, values)


def show_actions(options: argparse.Namespace) -> None:
    """List what the operator's sessions have sent, the newest last."""
    found = operators_commands(options.data, SCHEMAS[options.market], frozenset(RECORDS[options.market]))
    rows = found[-max(0, options.last) :]
    show(options, "What the operator has done", ["time", "sequence", "session", "command", "values"], rows)


def kebab(name: str) -> str:
    """Return a record's or a field's name as it is typed."""
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-").replace("_", "-")


def _record_called(market: str, name: str) -> Record:
    for record in RECORDS[market].values():
        if name in (record.name, kebab(record.name)):
            return record
    raise RingmainError(
        "RM680", market, f"the operator has no command {name}", f'See "ringmain {market} send"'
    )


def _parser_of(record: Record, options: argparse.Namespace) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        f"ringmain {options.market} send {kebab(record.name)}", description=record.doc
    )
    parsing.add_common(parser, options)
    parser.set_defaults(market=options.market)
    for field in record.fields:
        known = f" ({', '.join(field.choices)})" if field.choices else ""
        default = "" if field.default is None else f" (default: {field.default})"
        text = f"{field.doc}{known}{default}".replace("%", "%%")
        parser.add_argument(
            f"--{kebab(field.name)}", dest=field.name, type=_value_of(field), default=field.default,
            required=field.default is None, metavar="VALUE", help=text,
        )  # fmt: skip
    return parser


def _value_of(field: Field) -> Callable[[str], int]:
    def value(text: str) -> int:
        choices: Mapping[str, int] = field.choices or {}
        if text.upper() in choices:
            return choices[text.upper()]
        try:
            return int(text.replace("_", ""))
        except ValueError:
            pass
        if not field.name.endswith("_ns"):
            known = f"one of {', '.join(choices)}" if choices else "a whole number"
            raise argparse.ArgumentTypeError(f"{text} is not {known}")
        try:
            return time_ns(text)
        except RingmainError as error:
            raise argparse.ArgumentTypeError(error.what) from None

    return value


# Sending.


def _carry_out(options: argparse.Namespace, record: Record, values: dict[str, int]) -> int:
    """Warn, ask, send, and say what came of it."""
    packed = record(**values)
    if options.dry_run or is_dangerous(record.name):
        say(consequence(options.data, options.market, record, values), to=sys.stderr)
    if options.dry_run:
        say(json.dumps({"record": record.name, **_named(record, values)}, indent=2))
        return 0
    if is_dangerous(record.name) and not options.yes and not _is_agreed(options.market):
        say("Nothing was sent.", to=sys.stderr)
        return 1
    answer = _send(options, record, packed)
    if options.json:
        say(json.dumps([plain(event) for event in answer], indent=2))
    for event in () if options.json else answer:
        say(_line(SCHEMAS[options.market], event))
    return 0


def _is_agreed(market: str) -> bool:
    """Ask for a typed yes; without a terminal nobody can be asked."""
    if not sys.stdin.isatty():
        raise RingmainError(
            "RM681", market, "nobody is at a terminal to say yes", "Give --yes if it is to be done"
        )
    try:
        return input('Type "yes" to do it: ').strip() == "yes"
    except EOFError:
        return False


def _send(options: argparse.Namespace, record: Record, packed: Any) -> list[dict[str, Any]]:
    """Send one command; return the events that answer it, or raise what it was rejected for."""
    with connect(options) as session:
        number = session.send(packed)
        try:
            events = [session.unpack(event) for event in session.wait_answer(number, ANSWER_S)]
        except RingmainError as error:
            what = f"it is not known whether {record.name} was carried out: {error.what}"
            where = f'Look at "ringmain {options.market} actions"'
            raise RingmainError("RM682", options.market, what, where) from None
    for event in events:
        if "reason" in event and event["record"].endswith(("Rejected", "Refused")):
            raise RingmainError(
                "RM683", options.market, f"{record.name} changed nothing: {event['reason']}",
                "The rulebook and the reference of records say when that is",
            )  # fmt: skip
    return events


def connect(options: argparse.Namespace) -> Client:
    """Open a session of the operator's with the market, as the options say."""
    schema = SCHEMAS[options.market]
    return Client.connect(options.host, _port(options), _token(options), schema, reconnect_s=5)


def _port(options: argparse.Namespace) -> int:
    port = options.port or read_ports(options.data).get(options.market, 0)
    if not 0 < port < 65_536:
        what = f"no gateway has listened for {options.data}"
        raise RingmainError("RM684", options.market, what, "Start it, or give --port and --host")
    return int(port)


def _token(options: argparse.Namespace) -> str:
    if options.token is None:
        if token := os.environ.get(TOKEN_VARIABLE, ""):
            return token.strip()
        what = f"neither --token nor {TOKEN_VARIABLE} is given"
        make = f'Make one: "ringmain token {options.market} NAME --account 0"'
        raise RingmainError("RM685", options.market, what, make)
    try:
        return str(options.token.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        what = f"{options.token} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        raise RingmainError("RM685", options.market, what, "Give the file that holds the token") from None


def _named(record: Record, values: Mapping[str, int]) -> dict[str, Any]:
    """Return the values with the names of their codes."""
    named: dict[str, Any] = dict(values)
    for field in record.fields:
        for name, code in (field.choices or {}).items():
            if named.get(field.name) == code:
                named[field.name] = name
    return named


def _line(schema: Schema, event: dict[str, Any]) -> str:
    kinds = {record.name: record for record in schema.events.values()}
    header = {"record", "sequence", "time_ns", "session_id", "session_number", "kind", "slots", "version"}
    said = {name: value for name, value in event.items() if name not in header}
    if event["record"] in kinds:
        said = _named(kinds[event["record"]], said)
    told = ", ".join(f"{name} {value}" for name, value in said.items())
    return f"{event['record']} at sequence {event['sequence']}: {told}"
