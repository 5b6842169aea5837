"""The command. It imports nothing heavy: each subcommand loads what it needs when it runs."""

import argparse
import importlib
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmain.core.errors import RingmainError
from ringmain.exchange import command as exchange
from ringmain.gateway import command as doors
from ringmain.operate import command as operate
from ringmain.operate import devices
from ringmain.vpp import command as vpp

if TYPE_CHECKING:
    from ringmain.core.engine import Market
    from ringmain.core.records import Schema

MARKETS = {"exchange": "ringmain.exchange.engine", "vpp": "ringmain.vpp.engine"}
DATA = Path("data")


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; return 0, or 1 with one line on stderr, or 2 for a wrong call."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        return int(options.command(options) or 0)
    except RingmainError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of every subcommand; the reference page is made from it."""
    root = argparse.ArgumentParser(
        "ringmain", description="Real-time markets on one sequenced, journaled ring."
    )
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_node(commands)
    _add_gateway(commands)
    _add_fix(commands)
    _add_token(commands)
    doors.add(commands, DATA, _say)
    _add_status(commands)
    _add_journal(commands)
    _add_replay(commands)
    venue = exchange.add(commands)
    _add_dayahead(venue)
    operate.add(venue)
    operate.add_to_fleet(vpp.add(commands))
    _add_devices(commands)
    _add_strategy(commands)
    _add_bench(commands)
    _add_docs(commands)
    return root


def market_called(name: str) -> "Market":
    """Return the market: ``exchange``, ``vpp``, or your own as ``package.module:NAME``."""
    module, _, attribute = MARKETS.get(name, name).partition(":")
    try:
        market: Market = getattr(importlib.import_module(module), attribute or "MARKET")
    except (ImportError, AttributeError) as error:
        known = ", ".join(MARKETS)
        raise RingmainError(
            "RM401", "cli", f"there is no market {name} ({error})", f"Give {known}, or package.module:NAME"
        ) from None
    return market


def _say(function: doors.Said) -> Any:
    """Have a function's text printed."""
    return lambda options: print(function(options))


def _command(commands: Any, name: str, help: str, function: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    added.set_defaults(command=function)
    return added


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="data folder (default: data)")


def _add_market(command: argparse.ArgumentParser) -> None:
    command.add_argument("market", help="exchange, vpp, or package.module:NAME")
    _add_data(command)


def _add_run(commands: Any) -> None:
    run = _command(commands, "run", "Live trading days: nodes, gateway and a world around them.", _run)
    _add_data(run)
    run.add_argument("--days", type=int, default=None, help="end after so many days (default: go on)")
    run.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="CSV: times, prices, forecasts of inputs (default: generated)",
    )
    run.add_argument(
        "--day", metavar="YYYY-MM-DD", help="first day of delivery (default: the first there is)"
    )
    run.add_argument("--seed", type=int, default=1, help="same seed, same day (default: 1)")
    run.add_argument("--speed", default="720", help="logical seconds a second, or max (default: 720)")
    fleet = run.add_mutually_exclusive_group()
    homes = "homes with batteries, roofs, cars, heat stores (default: the folder's, or 400); 0: no fleet"
    fleet.add_argument("--homes", type=int, metavar="N", help=homes)
    fleet.add_argument("--batteries", type=int, metavar="N", help="batteries alone; 0: no fleet")
    fleet.add_argument("--fleet", type=Path, metavar="FILE", help="CSV or JSON, a row for each asset or node")
    run.add_argument("--report", type=Path, metavar="DIR", help="write a report with pictures at the end")
    run.add_argument("--exchange-port", type=int, default=0, help="port of the exchange (default: any)")
    run.add_argument("--vpp-port", type=int, default=0, help="port of the fleet (default: any)")
    run.add_argument("--fix-port", type=int, default=0, help="FIX port of the exchange (default: any)")


def _run(options: argparse.Namespace) -> int:
    from ringmain.world.run import main as live

    return live(options)


def _add_node(commands: Any) -> None:
    node = _command(commands, "node", "Run the node of one market.", _node)
    _add_market(node)
    survives = "disk: survives power loss; process: survives kill -9 (default: disk)"
    node.add_argument("--durability", choices=("disk", "process"), default="disk", help=survives)
    node.add_argument("--speed", type=float, default=1.0, help="logical seconds a second, for a new clock")
    node.add_argument("--journal-bytes-max", type=int, default=0, help="limit for the journal; 0: the disk's")
    node.add_argument("--drop-journal", action="store_true", help="delete what every kept snapshot covers")
    node.add_argument("--spare", action="store_true", help="load all, then wait for a line on standard input")
    node.add_argument("--tape-segments", type=int, default=0, help="segments of 64 MiB to keep; 0: all")


def _node(options: argparse.Namespace) -> None:
    from ringmain.core.clock import Clock
    from ringmain.core.engine import Machine
    from ringmain.core.journal.writer import JournalOptions
    from ringmain.core.node import NodeOptions, serve

    market = market_called(options.market)
    if options.spare:
        Machine(market).compile()
        if not sys.stdin.readline():
            return  # whom it stood by for has ended in order
    options.data.mkdir(parents=True, exist_ok=True)
    clock = Clock.running(options.data / "clock", speed=options.speed)
    journal = JournalOptions(options.durability, bytes_max=options.journal_bytes_max)
    node_options = NodeOptions(
        journal, keep_journal=not options.drop_journal, tape_segments=options.tape_segments
    )
    serve(options.data / market.schema.name, market, clock, node_options)


def _add_gateway(commands: Any) -> None:
    gateway = _command(commands, "gateway", "Serve the binary protocol of running nodes over TCP.", _gateway)
    _add_data(gateway)
    gateway.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    port = "port of a market, 0 for any free one; once for each market (default: exchange=0)"
    gateway.add_argument("--port", action="append", default=[], metavar="MARKET=PORT", help=port)
    gateway.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="PEM certificate: opens doors with TLS"
    )
    gateway.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM key of the certificate")
    client_ca = "PEM certificates that sign clients'; a client has to show one"
    gateway.add_argument("--tls-client-ca", type=Path, metavar="FILE", help=client_ca)
    tls_port = "port with TLS of a market (default: any free one)"
    gateway.add_argument("--tls-port", action="append", default=[], metavar="MARKET=PORT", help=tls_port)
    gateway.add_argument("--tls-only", action="store_true", help="no doors without TLS")
    gateway.add_argument("--delay-s", type=float, default=900.0, help="of delayed feeds (default: 900)")


def _gateway(options: argparse.Namespace) -> None:
    from ringmain.gateway.app import run
    from ringmain.gateway.limits import Limits
    from ringmain.gateway.tls import Tls

    tls_ports = dict(_port_of(text) for text in options.tls_port)
    ports = dict(_port_of(text) for text in options.port or ["exchange=0"]) | dict.fromkeys(tls_ports, 0)
    ports |= dict(_port_of(text) for text in options.port)
    tls = None
    if options.tls_cert is not None and options.tls_key is not None:
        tls = Tls(options.tls_cert, options.tls_key, options.tls_client_ca, tls_ports, options.tls_only)
    elif options.tls_cert or options.tls_key or options.tls_client_ca or tls_ports or options.tls_only:
        what = "TLS needs a certificate and its key"
        raise RingmainError("RM358", "cli", what, "Give --tls-cert and --tls-key")
    schemas = {name: market_called(name).schema for name in ports}
    if not 0 <= options.delay_s < 1e9:
        what = f"--delay-s {options.delay_s} is no delay"
        raise RingmainError("RM362", "cli", what, "Give seconds, 0 or more")
    _check_data(options.data, *schemas)
    run(options.data, schemas, options.host, ports, Limits(delay_s=options.delay_s), tls)


def _port_of(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    if not port.isdecimal() or int(port) > 65535:
        raise RingmainError("RM402", "cli", f"--port {text} names no port", "Write it as exchange=7001")
    return name, int(port)


def _check_port(port: int, least: int = 0) -> None:
    if not least <= port <= 65535:
        raise RingmainError("RM402", "cli", f"--port {port} names no port", f"Give {least} to 65535")


def _check_data(data: Path, *markets: str) -> None:
    """Refuse a data folder that isn't there; say so if its nodes have yet to begin."""
    if not data.is_dir():
        raise RingmainError("RM403", "cli", f"{data} is no folder", "Give the folder with --data")
    for name in markets:
        if not (data / name / "page").exists():
            logging.getLogger("ringmain").info("waiting for a node in %s", data / name)


def _add_fix(commands: Any) -> None:
    fix = _command(commands, "fix", "Serve FIX 4.4 and 5.0 SP2 of the running exchange over TCP.", _fix)
    _add_data(fix)
    fix.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    fix.add_argument("--port", type=int, default=0, help="port (default: the former one, or any free one)")
    fix.add_argument("--comp-id", default="RINGMAIN", help="the venue's CompID (default: RINGMAIN)")
    hours = "when sessions may be logged on, in UTC; numbers begin anew each day (default: always)"
    fix.add_argument("--hours", metavar="HH:MM-HH:MM", help=hours)


def _fix(options: argparse.Namespace) -> None:
    from ringmain.gateway.fix.app import Options, run, schedule_of
    from ringmain.gateway.fix.limits import Limits

    limits = Limits(schedule=schedule_of(options.hours)) if options.hours else Limits()
    _check_port(options.port)
    _check_data(options.data, "exchange")
    run(Options(options.data, options.host, options.port, options.comp_id, limits))


def _add_token(commands: Any) -> None:
    token = _command(commands, "token", "Make a credential; the token is shown once.", _token)
    _add_data(token)
    token.add_argument("market", choices=tuple(MARKETS), help="market that the session speaks to")
    token.add_argument("name", help="what the session is called")
    token.add_argument("--account", type=int, required=True, help="account id; 0 is the operator's")
    token.add_argument("--keep-on-disconnect", action="store_true", help="its orders rest when it leaves")
    reads = token.add_mutually_exclusive_group()
    reads.add_argument("--observer", action="store_true", help="it sends no orders")
    drop_copy = "it sends no orders, and is sent the events of all of its account's sessions"
    reads.add_argument("--drop-copy", action="store_true", help=drop_copy)
    token.add_argument(
        "--expires-in", metavar="TIME", help="time to live, such as 12h or 30d (default: no end)"
    )
    bound = "the one client certificate it may be used with: SHA-256 of its DER form"
    token.add_argument("--certificate", metavar="HEX", default=None, help=bound)


def _token(options: argparse.Namespace) -> None:
    import time

    from ringmain.gateway.credentials import add_token

    if not 0 <= options.account < 1 << 32:
        raise RingmainError(
            "RM407", "cli", f"--account {options.account} is no account", "Give 0 to 2^32 - 1"
        )
    certificate = (options.certificate or "").lower().replace(":", "")
    if options.certificate is not None and not certificate:
        what = "--certificate is empty, and would bind the token to nothing"
        raise RingmainError("RM359", "cli", what, "Give the digest, or leave the option out")
    options.data.mkdir(parents=True, exist_ok=True)
    token = add_token(
        options.data, options.market, options.account, options.name,
        role=(
            "observer" if options.observer else "drop_copy" if options.drop_copy
            else "operator" if options.account == 0 else "participant"
        ),
        cancel_on_disconnect=not options.keep_on_disconnect,
        expires_s=int(time.time()) + doors.lifetime_s(options.expires_in) if options.expires_in else 0,
        certificate_sha256=certificate,
    )  # fmt: skip
    print(token)


def _add_status(commands: Any) -> None:
    status = _command(commands, "status", "Show every node of a data folder.", _status)
    _add_data(status)
    status.add_argument("--json", action="store_true", help="as JSON")


def _status(options: argparse.Namespace) -> int:
    from ringmain.core.messages import REASONS_BY_CODE
    from ringmain.core.page import NodePage
    from ringmain.core.shared import is_alive

    pages = sorted(options.data.glob("*/page"))
    if not pages:
        raise RingmainError("RM403", "status", f"{options.data} holds no node", "Give the folder with --data")
    rows = {}
    for path in pages:
        page = NodePage(path)
        words = page.as_dict()
        running = is_alive(words["node"])
        rows[path.parent.name] = {"running": running, "commit_p50_ns": page.latency_ns(0.5),
                                  "commit_p99_ns": page.latency_ns(0.99), **words}  # fmt: skip
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for name, row in rows.items():
        state = "running" if row["running"] else "stopped" if row["node"] == 0 else "dead"
        reason = REASONS_BY_CODE.get(row["refusal"], hex(row["refusal"]))
        refusal = f", refuses commands: {reason}" if row["refusal"] and row["running"] else ""
        print(
            f"{name}: {state}{refusal}, sequence {row['sequence']:,}, durable {row['durable_sequence']:,}, "
            f"events {row['tape_readable']:,}, snapshot {row['snapshot_sequence']:,}, "
            f"commit p50 < {row['commit_p50_ns'] / 1e6:.2f} ms, p99 < {row['commit_p99_ns'] / 1e6:.2f} ms"
        )
    return 0


def _add_journal(commands: Any) -> None:
    journal = commands.add_parser("journal", help="Look at a journal, verify, repair or export it.")
    actions = journal.add_subparsers(title="actions", required=True, metavar="ACTION")
    inspect = _command(actions, "inspect", "Print commands, one JSON line each.", _journal_inspect)
    verify = _command(
        actions, "verify", "Check every batch, and say what the journal holds.", _journal_verify
    )
    repair = _command(actions, "repair", "Give up what follows a sequence; a copy is kept.", _journal_repair)
    export = _command(actions, "export", "Write commands as JSON lines or Parquet.", _journal_export)
    for action in (inspect, verify, repair, export):
        _add_market(action)
    for action in (inspect, export):
        action.add_argument("--from", dest="first", type=int, default=1, metavar="SEQ", help="first sequence")
        action.add_argument("--to", type=int, default=1 << 62, metavar="SEQ", help="last sequence")
    repair.add_argument("--to", type=int, required=True, metavar="SEQ", help="last sequence to keep")
    export.add_argument("file", type=Path, help="target; .parquet gives Parquet, anything else JSON lines")


def _journal_folder(options: argparse.Namespace) -> tuple[Path, Any]:
    schema = market_called(options.market).schema
    folder: Path = options.data / schema.name / "journal"
    if not folder.exists():
        raise RingmainError(
            "RM404", "journal", f"{folder} does not exist", "Give the data folder with --data"
        )
    return folder, schema


def _journal_inspect(options: argparse.Namespace) -> None:
    from ringmain.core.journal.tools import commands_between

    folder, schema = _journal_folder(options)
    for rows in commands_between(folder, schema, options.first, options.to):
        for row in rows:
            print(json.dumps(schema.unpack_command(row)))


def _journal_verify(options: argparse.Namespace) -> None:
    from ringmain.core.journal.tools import summarise

    folder, schema = _journal_folder(options)
    found = summarise(folder, schema)
    print(
        f"good: commands {found.first_sequence:,} to {found.last_sequence:,} in {found.batches:,} batches, "
        f"{found.segments} segments, {found.digests} digests"
    )
    if found.torn_bytes:
        print(f"a torn end of {found.torn_bytes} bytes, never acknowledged; the next start cuts it")
    for name, count in found.kinds.items():
        print(f"{count:>14,}  {name}")


def _journal_repair(options: argparse.Namespace) -> None:
    from ringmain.core.journal.tools import repair

    folder, schema = _journal_folder(options)
    last = repair(folder.parent, schema, options.to)
    print(f"the journal ends at {last:,} now; the copy from before lies beside it")


def _journal_export(options: argparse.Namespace) -> None:
    from ringmain.core.journal.tools import export

    folder, schema = _journal_folder(options)
    count = export(folder, schema, options.file, options.first, options.to)
    print(f"{count:,} commands in {options.file}")


def _add_replay(commands: Any) -> None:
    replay = _command(commands, "replay", "Replay a journal and say where the state stands.", _replay)
    _add_market(replay)
    replay.add_argument("--to", type=int, default=None, metavar="SEQ", help="stop after this sequence")
    replay.add_argument("--verify", action="store_true", help="compare every event with the tape")
    replay.add_argument("--json", action="store_true", help="as JSON")


def _replay(options: argparse.Namespace) -> None:
    import dataclasses
    import time

    from ringmain.core.replay import replay

    folder, _ = _journal_folder(options)
    began = time.perf_counter()
    _, report = replay(folder.parent, market_called(options.market), options.to, options.verify)
    seconds = time.perf_counter() - began
    if options.json:
        print(json.dumps(dataclasses.asdict(report)))
        return
    compared = f", {report.events_compared:,} events as on the tape" if options.verify else ""
    print(
        f"{report.market}: {report.sequence:,} commands gave {report.events:,} events in {seconds:.2f} s; "
        f"{report.digests_checked} digests agree{compared}; digest {report.digest:016x}"
    )


def _add_dayahead(parts: Any) -> None:
    dayahead = parts.add_parser("dayahead", help="The day-ahead auction.")
    actions = dayahead.add_subparsers(title="actions", required=True, metavar="ACTION")
    solve = _command(actions, "solve", "Clear the orders in a file, and print prices and gap.", _solve)
    solve.add_argument("file", type=Path, help="orders as CSV or JSON")
    solve.add_argument("--json", action="store_true", help="as JSON")
    solve.add_argument("--svg", type=Path, metavar="DIR", help="draw each market's curves into DIR")
    run = _command(actions, "run", "Propose results for auctions that freeze, beside the node.", _auctioneer)
    _add_data(run)
    run.add_argument("--host", default="127.0.0.1", help="of the exchange's gateway (default: 127.0.0.1)")
    run.add_argument("--port", type=int, required=True, help="of the exchange's gateway")
    run.add_argument(
        "--token", type=Path, required=True, metavar="FILE", help="file with an operator's token"
    )
    run.add_argument("--auctions", type=int, default=0, help="end after so many; 0: never (default: 0)")
    for action in (solve, run):
        action.add_argument("--seconds", type=float, default=60.0, help="longest search (default: 60)")
        action.add_argument("--gap", type=float, default=1e-5, help="good enough (default: 1e-05)")


def _check_search(options: argparse.Namespace) -> None:
    for name, value, most in (("seconds", options.seconds, 86_400), ("gap", options.gap, 1)):
        if not 0 <= value <= most:  # nor is anything that is not a number
            raise RingmainError("RM629", "cli", f"--{name} {value} is out of range", f"Give 0 to {most}")


def _solve(options: argparse.Namespace) -> None:
    from ringmain.exchange.advice.dayahead import picture, report
    from ringmain.exchange.advice.dayahead.files import read_book
    from ringmain.exchange.advice.dayahead.solve import solve

    _check_search(options)
    named = read_book(options.file)
    solution = solve(named.book, options.seconds, options.gap)
    print(json.dumps(report.as_dict(named, solution)) if options.json else report.as_text(named, solution))
    if options.svg is not None:
        try:
            picture.draw_all(options.svg, named, solution)
        except OSError as error:
            what = f"{options.svg}: {error.strerror}"
            raise RingmainError("RM628", "cli", what, "Give a folder that can be written to") from None


def _auctioneer(options: argparse.Namespace) -> None:
    from ringmain.client import Client
    from ringmain.exchange.advice.dayahead.app import Auctioneer, run
    from ringmain.exchange.messages import schema

    _check_search(options)
    _check_port(options.port, 1)
    _check_data(options.data)
    try:
        token = options.token.read_text("utf-8").strip()
    except OSError as error:
        what = f"{options.token}: {error.strerror}"
        raise RingmainError("RM626", "cli", what, "Give the file that holds the token") from None
    with Client.connect(options.host, options.port, token, schema) as session:
        run(options.data, session, Auctioneer(options.seconds, options.gap), options.auctions)


def _add_devices(commands: Any) -> None:
    about = "Serve the fleet's devices in their own protocols, and let them in."
    parts = commands.add_parser("devices", help=about, description=about)
    devices.add(parts.add_subparsers(title="actions", required=True, metavar="ACTION"), DATA, _say)


def _add_strategy(commands: Any) -> None:
    strategy = commands.add_parser("strategy", help="Run a trading strategy: simulated, replayed or live.")
    actions = strategy.add_subparsers(title="actions", required=True, metavar="ACTION")
    about = "Run a strategy from a file, and print what it has come to."
    run = _command(actions, "run", about, _strategy)
    run.add_argument("strategy", metavar="FILE.py:CLASS", help="the strategy's class, and the file it is in")
    where = run.add_mutually_exclusive_group(required=True)
    where.add_argument("--simulate", type=int, metavar="SEED", help="at a simulated venue")
    where.add_argument("--replay", type=Path, metavar="DATA", help="in the day that a data folder holds")
    where.add_argument("--live", metavar="HOST:PORT", help="at a live venue, through its gateway")
    run.add_argument("--token", type=Path, metavar="FILE", help="live: file with the token")
    run.add_argument(
        "--tls-ca", type=Path, metavar="FILE", help="live: certificate to trust, of a door with TLS"
    )
    setting = "a parameter of the strategy's class; once for each"
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=setting)
    minutes = "simulated: how long products trade (default: 30); live: end after so long, in logical time"
    run.add_argument("--minutes", type=float, default=None, metavar="N", help=minutes)
    latency = "simulated, replayed: from strategy to venue, and back (default: 1000)"
    run.add_argument("--latency-us", type=int, default=1_000, metavar="N", help=latency)
    run.add_argument("--keep-orders", action="store_true", help="leave what rests at the end")
    run.add_argument("--json", action="store_true", help="as JSON, with every order and fill")


def _strategy(options: argparse.Namespace) -> None:
    from ringmain.client.strategy.app import run

    run(options)


def _add_bench(commands: Any) -> None:
    bench = _command(commands, "bench", "Measure the published figures beside their peers.", _bench)
    bench.add_argument(
        "name", nargs="?", default="core", help="core, exchange, vpp, or one family (default: core)"
    )
    bench.add_argument("--scale", type=float, default=1.0, help="how much work; 0.1 for a quick look")
    bench.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the rows as JSON too")


def _bench(options: argparse.Namespace) -> None:
    checkout = Path(__file__).parents[2]
    if not (checkout / "bench" / "__init__.py").exists():
        raise RingmainError("RM405", "bench", "the benches are not installed", "Run it in a checkout")
    sys.path.insert(0, str(checkout))
    bench = importlib.import_module("bench")
    if options.name not in bench.GROUPS:
        known = ", ".join(bench.GROUPS)
        raise RingmainError("RM406", "bench", f"there is no bench {options.name}", f"Give one of {known}")
    bench.main(options.name, options.scale, options.json)


def _add_docs(commands: Any) -> None:
    docs = _command(
        commands, "docs", "Generate the reference pages from records, errors and commands.", _docs
    )
    docs.add_argument("page", choices=("reference",), help="what to generate")
    docs.add_argument(
        "--into", type=Path, default=Path("docs/reference"), metavar="DIR", help="target folder"
    )


def documented() -> "list[Schema]":
    """Return the schemas that have a page of records: the markets', and the gateway's own."""
    from ringmain.gateway.messages import gateway_schema

    return [*(market_called(name).schema for name in MARKETS), gateway_schema(1)]


def message_schemas() -> dict[str, str]:
    """Return the XML schemas of SBE messages, by file name."""
    from ringmain.gateway.sbe import Layout
    from ringmain.gateway.sbe_schema import schema_xml

    return {f"{name}.sbe.xml": schema_xml(Layout(market_called(name).schema)) for name in MARKETS}


def _docs(options: argparse.Namespace) -> None:
    from ringmain.core.reference import write
    from ringmain.gateway.fix.reference import page as fix_page

    for page in write(options.into, documented(), parser()):
        print(page)
    pages = message_schemas() | {"fix.md": fix_page()}
    for name, text in pages.items():
        (options.into / name).write_text(text, "utf-8")
        print(options.into / name)


if __name__ == "__main__":
    sys.exit(main())
