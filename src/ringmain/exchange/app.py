"""``ringmain exchange ...``: the read-only tools of an exchange's operator."""

import contextlib
import dataclasses
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ringmain.core import times as periods
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import say, show, table
from ringmain.exchange import public as public_feed
from ringmain.exchange import venue as seen
from ringmain.exchange.command import THRESHOLDS
from ringmain.exchange.history import reports, statements, surveillance
from ringmain.exchange.history.export import Exported, export
from ringmain.exchange.history.query import VIEWS, Answer, History
from ringmain.exchange.history.store import said_by
from ringmain.exchange.messages import SIDES

AGGRESSORS = {code: name for name, code in SIDES.items()}
RECENT_TRADES = 20
THRESHOLD_MAX = 1_000_000_000  # in seconds, it fits into nanoseconds


# What the engine's state says.


def products(options: Namespace) -> None:
    """Print the products."""
    _show_state(options, "Products", seen.products(_look(options)))


def phases(options: Namespace) -> None:
    """Print each product's phase."""
    _show_state(options, "Phases", seen.phases(_look(options)))


def reserves(options: Namespace) -> None:
    """Print the reserve products."""
    _show_state(options, "Reserve", seen.reserves(_look(options)))


def sessions(options: Namespace) -> None:
    """Print the sessions."""
    _show_state(options, "Sessions", seen.sessions(_look(options)))


def accounts(options: Namespace) -> None:
    """Print the accounts' cash."""
    _show_state(options, "Accounts", seen.accounts(_look(options)))


def limits(options: Namespace) -> None:
    """Print the accounts' limits; as a table, how full the engine is too."""
    venue = _look(options)
    _show_state(options, "Limits", seen.limits(venue))
    if not options.json and not options.csv:
        _show_state(options, "The engine's tables", seen.capacity(venue))


def book(options: Namespace) -> None:
    """Print what rests in a book."""
    if options.depth is not None and options.depth < 1:
        raise RingmainError("RM656", "exchange", f"--depth {options.depth} is no depth", "Give 1 or more")
    rows_of = seen.book_by_order if options.orders else seen.book_by_price
    rows = rows_of(_look(options), options.product)
    if options.depth is not None:
        rows = [
            row for side in ("SELL", "BUY") for row in [r for r in rows if r["side"] == side][: options.depth]
        ]
    if not options.json:  # as a screen has it: the best prices meet in the middle
        rows = [r for r in rows if r["side"] == "SELL"][::-1] + [r for r in rows if r["side"] == "BUY"]
    _show_state(options, f"Book of product {options.product}", rows)


# History.


def history(options: Namespace) -> None:
    """Bring the history up to date."""
    done = export(options.data / "exchange", _folder(options))
    say(
        f"{done.events:,} events exported, {done.position:,} in {done.folder}, "
        f"up to sequence {done.sequence:,} at {periods.time_text(done.time_ns)}"
    )


def query(options: Namespace) -> None:
    """Run SQL."""
    _show_answer(options, "", _opened(options).ask(options.sql))


def tables(options: Namespace) -> None:
    """List tables and columns."""
    found = _opened(options).ask(
        """SELECT table_name AS "table", string_agg(column_name, ', ' ORDER BY column_index) AS columns
        FROM duckdb_columns() WHERE NOT internal GROUP BY table_name ORDER BY table_name"""
    )
    _show_answer(options, f"Tables; {', '.join(VIEWS)} are made of the others", found)


def trades(options: Namespace) -> None:
    """Print a product's trades."""
    span = periods.span(options.begin, options.end)
    _show_answer(options, f"Trades of product {options.product}",
                 reports.trades(_opened(options), options.product, span))  # fmt: skip


def candles(options: Namespace) -> None:
    """Print a product's candles."""
    span, period_ns = periods.span(options.begin, options.end), periods.length_ns(options.period)
    found = reports.candles(_opened(options), options.product, period_ns, span)
    _show_answer(options, f"Product {options.product}, each {options.period}", found)


def stats(options: Namespace) -> None:
    """Print the products' statistics."""
    span = periods.span(options.begin, options.end)
    _show_answer(options, "Statistics", reports.statistics(_opened(options), span))


# Clearing.


def statement(options: Namespace) -> None:
    """Print or write an account's statement of a day."""
    span = periods.day_span(options.day)
    found = statements.statement(_opened(options), options.account, options.day, span)
    if options.json:
        show(options, "", (), [found.as_dict()])
        return
    rows = _statement_rows(found)
    if options.parquet is not None:
        _write_parquet(options.parquet, rows)
        return
    until = "final" if found.is_final else f"provisional, up to {periods.time_text(found.up_to_ns)}"
    show(options, f"Account {found.account_id}, {found.day} ({until})", list(rows[0]), rows)
    if not options.csv and found.positions:
        lines = [dataclasses.asdict(line) for line in found.positions]
        table("Positions", list(lines[0]), lines)


def nominations(options: Namespace) -> None:
    """Print or write what is delivered in a day."""
    found = statements.nominations(_opened(options), options.day, periods.day_span(options.day))
    rows = [row for row in found.records() if options.account is None or row["account_id"] == options.account]
    if options.parquet is not None:
        _write_parquet(options.parquet, rows)
        return
    show(options, f"Nominations for {options.day}; below zero: delivers", found.names, rows)


# Surveillance.


def surveil(options: Namespace) -> None:
    """Print what the surveillance finds."""
    given = {name: getattr(options, name) for name in THRESHOLDS if getattr(options, name) is not None}
    for name, value in given.items():
        if not 0 <= value <= THRESHOLD_MAX:
            raise RingmainError(
                "RM653", "exchange", f"--{name.replace('_', '-')} {value} is no threshold",
                f"Give a number from 0 to {THRESHOLD_MAX}",
            )  # fmt: skip
    span = periods.span(options.begin, options.end)
    alerts = surveillance.surveil(_opened(options), span, surveillance.Parameters(**given))
    if options.json:
        show(options, "", (), [alert.as_dict() for alert in alerts])
        return
    rows = [
        {
            "rule": alert.rule, "severity": alert.severity,
            "accounts": ", ".join(map(str, alert.account_ids)), "product": alert.product_id,
            "from": periods.time_text(alert.first_ns), "until": periods.time_text(alert.last_ns),
            "finding": alert.finding, "evidence": f"{len(alert.evidence)} rows, with --json",
        }
        for alert in alerts
    ]  # fmt: skip
    if not rows:
        say("nothing was found")
        return
    table("One finding" if len(rows) == 1 else f"{len(rows)} findings", list(rows[0]), rows)


# The public.


def public(options: Namespace) -> None:
    """Print what the delayed feed tells."""
    feed = public_feed.DelayedFeed(options.data / "exchange", periods.length_ns(options.delay))
    told, _ = feed.advance()
    tops = feed.tops()
    trade_rows = [
        {
            "time": periods.time_text(int(told["time_ns"][n])), "time_ns": int(told["time_ns"][n]),
            "product_id": int(told["product_id"][n]), "price_eur_mwh": int(told["price_ticks"][n]) / 100,
            "quantity_mw": int(told["quantity_lots"][n]) / 10,
            "aggressor": AGGRESSORS.get(int(told["aggressor"][n])),
        }
        for n in range(told["time_ns"].size)
        if options.product is None or int(told["product_id"][n]) == options.product
    ]  # fmt: skip
    top_rows = [
        _top_row(top) for top in tops if options.product is None or top["product_id"] == options.product
    ]
    until_ns = feed.now_ns() - feed.delay_ns
    feed.close()
    if options.json:
        show(options, "", (), [{"until_ns": until_ns, "trades": trade_rows, "tops": top_rows}])
        return
    told_until = f"up to {periods.time_text(max(until_ns, 0))}"
    trade_names = ("time", "product_id", "price_eur_mwh", "quantity_mw", "aggressor")
    table(f"The last trades {told_until}", trade_names, trade_rows[-RECENT_TRADES:])
    table(f"Top of book {told_until}", list(_TOP_NAMES), top_rows)


_TOP_NAMES = ("product_id", "bid_mw", "bid_eur_mwh", "ask_eur_mwh", "ask_mw")


def _top_row(top: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"product_id": int(top["product_id"])}
    for side in ("bid", "ask"):
        is_there = top[f"{side}_lots"] > 0
        row[f"{side}_eur_mwh"] = int(top[f"{side}_ticks"]) / 100 if is_there else None
        row[f"{side}_mw"] = int(top[f"{side}_lots"]) / 10 if is_there else None
    return row


def _look(options: Namespace) -> seen.Venue:
    return seen.look(options.data / "exchange")


def _folder(options: Namespace) -> Path:
    folder: Path = options.folder or options.data / "history"
    return folder


def _opened(options: Namespace) -> History:
    """Open the history, brought up to date where the venue's own folder is there."""
    folder = _folder(options)
    if (options.data / "exchange" / "page").exists():
        _update(options.data / "exchange", folder)
    return History(folder)


def _update(market_folder: Path, folder: Path) -> Exported | None:
    try:
        return export(market_folder, folder)
    except RingmainError as error:
        if error.code != "RM106":  # another export runs: what it has committed is shown
            raise
        say(str(error), to=sys.stderr)
        return None


def _show_answer(options: Namespace, title: str, answer: Answer) -> None:
    show(options, title, answer.names, answer.records())


def _show_state(options: Namespace, title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of state; a table shows times as people read them."""
    if options.json or options.csv:
        show(options, title, list(rows[0]) if rows else [], rows)
        return
    if not rows:
        say(f"{title[:1].lower()}{title[1:]}: none")
        return
    readable = [
        {
            name.removesuffix("_ns"): periods.time_text(value) if name.endswith("_ns") else value
            for name, value in row.items()
        }
        for row in rows
    ]
    table(title, list(readable[0]), readable)


def _statement_rows(found: statements.Statement) -> list[dict[str, Any]]:
    """Return the statement as a list from the opening balance to the closing one."""

    def row(what: str, amount_minor: int, product_id: int | None = None, count: int | None = None) -> Any:
        return {"account_id": found.account_id, "day": found.day, "what": what, "product_id": product_id,
                "count": count, "amount_minor": amount_minor, "amount_eur": amount_minor / 1e6}  # fmt: skip

    lines = [row(line.kind, line.amount_minor, line.product_id, line.count) for line in found.lines]
    return [row("OPENING", found.opening_minor), *lines, row("CLOSING", found.closing_minor)]


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import duckdb

    if not rows:
        raise RingmainError("RM654", "exchange", "there are no rows to write", "Leave --parquet out to see")
    if not path.parent.is_dir():
        raise RingmainError("RM655", "exchange", f"{path.parent} is no folder", "Make it, or give another")
    names = ", ".join(f'"{name}"' for name in rows[0])
    places = ", ".join("?" for _ in rows[0])
    types = ", ".join(f'"{name}" {_sql_type([r[name] for r in rows])}' for name in rows[0])
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute(f"CREATE TABLE written ({types})")
        connection.executemany(
            f"INSERT INTO written ({names}) VALUES ({places})", [list(r.values()) for r in rows]
        )
        try:
            connection.table("written").write_parquet(str(path))
        except duckdb.IOException as error:
            raise RingmainError(
                "RM659", "exchange", f"{path} cannot be written: {said_by(error)}",
                "Give a file in a folder that you may write to",
            ) from None  # fmt: skip
    say(f"{len(rows):,} rows in {path}")


def _sql_type(values: Sequence[Any]) -> str:
    known = next((value for value in values if value is not None), 0)
    return {int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}.get(type(known), "TIMESTAMP")
