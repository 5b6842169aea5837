"""The history beside the engine: every event once, whatever is killed; reports, statements, state."""

import csv
import io
import json
import os
import random
import signal
from pathlib import Path

import duckdb
import numpy as np
import pytest
from venue_rig import HOUR_NS, MINUTE_NS, MORNING, SECOND_NS, CloseSession, Venue, trade_at_random

from ringmain import cli
from ringmain.core.errors import RingmainError
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as m
from ringmain.exchange import venue as seen
from ringmain.exchange.history import export as export_module
from ringmain.exchange.history import statements
from ringmain.exchange.history import store as store_module
from ringmain.exchange.history.columns import snake
from ringmain.exchange.history.export import Export, export
from ringmain.exchange.history.periods import DAY_NS, Span, day_span, length_ns, span, time_ns
from ringmain.exchange.history.query import History
from ringmain.exchange.history.quotes import Quotes
from ringmain.exchange.public import DelayedFeed

DAYS = ("2026-03-02", "2026-03-03")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Two days: an auction, continuous trading, a gate closure between, every kind of event."""
    data = tmp_path_factory.mktemp("venue") / "data"
    venue = Venue(data, product=False)
    venue.product(1, auction=MORNING + HOUR_NS)
    venue.product(2, kind=m.QUARTER_HOURLY)
    venue.product(3, closure=MORNING + 30 * HOUR_NS)
    dice = random.Random(7)
    for n in range(40):
        venue.place(1 + n % 5, dice.choice([m.BUY, m.SELL]), 5_000 + dice.randint(-9, 9), dice.randint(1, 9))
    venue.step_to(MORNING + HOUR_NS)
    trade_at_random(venue, dice, 700, products=(1, 2, 3))
    venue.send(m.Withdraw, 1, account_id=2, amount_minor=123_456_789)
    venue.send(m.HaltProduct, 1, product_id=3)
    venue.send(m.ResumeProduct, 1, product_id=3)
    venue.send(m.Deposit, 1, account_id=77, amount_minor=1)
    venue.buy(1, 4_000, 5, product=3)
    venue.send(m.MassCancel, 11, product_id=0)
    venue.open(20, 3, cancel_on_disconnect=1)
    venue.send(m.PlaceOrder, 20, price_ticks=4_000, quantity_lots=1, product_id=3, side=m.BUY,
               order_type=m.LIMIT, time_in_force=m.GOOD_FOR_SESSION)  # fmt: skip
    venue.send(CloseSession, 20)
    midday = {n: int(venue.state.participants["cash"]["balance_minor"][n]) for n in range(6)}
    venue.step_to(MORNING + 20 * HOUR_NS)
    trade_at_random(venue, dice, 300, products=(3,))
    assert venue.now_ns < MORNING + 30 * HOUR_NS
    export(venue.folder, data / "history")
    yield venue, data, midday
    venue.close()


@pytest.fixture(scope="module")
def history(lived):
    history = History(lived[1] / "history")
    yield history
    history.close()


def tape_of(folder):
    tape = TapeReader(folder, m.schema)
    events = []
    while (rows := tape.read()).size:
        events += [m.schema.unpack_event(rows[i : i + 1]) for i in range(rows.size)]
    tape.close()
    return events


def contents(folder):
    """Return every table's rows, in order."""
    history = History(folder)
    names = [table.name for table in export_module.EVENT_TABLES.values()] + ["trades", "quotes"]
    found = {name: history.ask(f"SELECT * FROM {name} ORDER BY ALL").rows for name in names}
    history.close()
    return found


def told(capsys, *arguments):
    assert cli.main(["exchange", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert cli.main(["exchange", *map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


# Every event, once.


def test_each_event_is_a_row_of_its_kinds_table_field_by_field(lived, history):
    venue, _, _ = lived
    events = tape_of(venue.folder)
    assert {event["record"] for event in events} >= {
        "OrderAccepted", "OrderFilled", "OrderCancelled", "OrderReplaced", "MassCancelled", "PhaseChanged",
        "AuctionUncrossed", "PositionDelivered", "AccountChanged", "SetupRejected", "SessionClosed",
    }  # fmt: skip
    names = {code: {v: k for k, v in f.choices.items()} for r in m.schema.events.values()
             for f in r.fields if f.choices and (code := (r.name, f.name))}  # fmt: skip
    for record in m.schema.events.values():
        rows = history.ask(f"SELECT * FROM {snake(record.name)} ORDER BY position").records()
        expected = [(n, event) for n, event in enumerate(events) if event["record"] == record.name]
        assert [row["position"] for row in rows] == [n for n, _ in expected]
        for row, (_, event) in zip(rows, expected, strict=True):
            for name, value in event.items():
                if name in ("record", "kind", "slots", "version"):
                    continue
                table = names.get((record.name, name), {})
                assert row[name] == table.get(value, value), (record.name, name)


def test_units_stand_beside_the_integers(history):
    rows = history.ask("SELECT * FROM trades").records()
    assert rows
    for row in rows:
        assert row["price_eur_mwh"] == pytest.approx(row["price_ticks"] / 100)
        assert row["quantity_mw"] == pytest.approx(row["quantity_lots"] / 10)
    assert history.ask("SELECT count(*) FROM trades WHERE epoch_ns(time_at) <> time_ns").rows == [(0,)]
    assert history.ask("SELECT count(*) FROM product_scheduled WHERE auction_at IS NULL").rows == [(2,)]


def test_trades_are_the_pairs_of_fills(lived, history):
    events = [e for e in tape_of(lived[0].folder) if e["record"] == "OrderFilled"]
    rows = history.ask("SELECT * FROM trades ORDER BY position").records()
    assert len(rows) * 2 == len(events)
    for row, one, other in zip(rows, events[0::2], events[1::2], strict=True):
        buy, sell = (one, other) if one["side"] == m.BUY else (other, one)
        assert (row["buyer_account_id"], row["seller_account_id"]) == (buy["account_id"], sell["account_id"])
        assert (row["buyer_limit_ticks"], row["seller_remaining_lots"]) == (
            buy["limit_ticks"], sell["remaining_lots"],
        )  # fmt: skip
        expected = "NOBODY" if one["role"] == m.AUCTION else "BUY" if buy["role"] == m.TAKER else "SELL"
        assert row["aggressor"] == expected


def slow_tops(events):
    """Fold the tape into tops of book, with dicts alone: (sequence, product, bid, ask) where one changed."""
    levels, tops, quotes = {}, {}, []

    def add(event, price, lots):
        key = (event["product_id"], event["side"], price)
        levels[key] = levels.get(key, 0) + lots

    def top(product, side):
        prices = [p for (at, s, p), lots in levels.items() if (at, s) == (product, side) and lots]
        price = (max if side == m.BUY else min)(prices, default=None)
        return (price, levels[product, side, price]) if prices else None

    for n, event in enumerate(events):
        record = event["record"]
        if record == "OrderAccepted":
            add(event, event["price_ticks"], event["quantity_lots"])
        elif record == "OrderFilled":
            add(event, event["limit_ticks"], -event["quantity_lots"])
        elif record == "OrderCancelled":
            add(event, event["price_ticks"], -event["quantity_lots"])
        elif record == "OrderReplaced":
            add(event, event["old_price_ticks"], -event["old_quantity_lots"])
            add(event, event["price_ticks"], event["quantity_lots"])
        if n + 1 == len(events) or events[n + 1]["sequence"] != event["sequence"]:
            products = {e["product_id"] for e in events[: n + 1][-600:]
                        if e["sequence"] == event["sequence"] and "product_id" in e}  # fmt: skip
            for product in sorted(products):
                now = top(product, m.BUY), top(product, m.SELL)
                if now != tops.get(product, (None, None)):
                    tops[product] = now
                    quotes.append((event["sequence"], product, *now))
    return quotes


def test_quotes_are_what_a_slow_fold_of_the_tape_says(lived, history):
    expected = slow_tops(tape_of(lived[0].folder))
    rows = history.ask(
        "SELECT sequence, product_id, bid_ticks, bid_lots, ask_ticks, ask_lots FROM quotes ORDER BY ALL"
    ).rows
    found = [(s, p, (bid, b) if b else None, (ask, a) if a else None) for s, p, bid, b, ask, a in rows]
    assert len(found) > 100
    assert found == sorted(expected, key=lambda quote: quote[:2])


def test_the_last_quotes_are_the_engines_books(lived, history):
    venue, _, _ = lived
    found = {}
    for row in history.ask("SELECT * FROM quotes ORDER BY position").records():
        found[row["product_id"]] = row
    for product in (1, 2):  # closed
        assert (found[product]["bid_lots"], found[product]["ask_lots"]) == (0, 0)
    rows = seen.book_by_price(seen.Venue(venue.state, None, 0, 0), 3)
    for side, name in (("BUY", "bid"), ("SELL", "ask")):
        best = next(row for row in rows if row["side"] == side)
        assert found[3][f"{name}_ticks"] == best["price_ticks"]
        assert found[3][f"{name}_lots"] == best["quantity_lots"]


@pytest.mark.parametrize("piece", [1, 7, 64, 1_000])
def test_pieces_of_any_size_give_the_same_rows(lived, tmp_path, piece):
    venue, data, _ = lived
    work = Export(tmp_path, piece)
    tape = TapeReader(venue.folder, m.schema)
    dice = random.Random(piece)
    limit = 400 if piece < 64 else tape.readable()  # small pieces are slow: the tape's begin is enough
    while tape.position < limit:
        work.add(tape.read(dice.randint(1, 300)))
    tape.close()
    if limit == tape.readable():
        work.finish()
    else:
        work.abandon()  # in the midst of a command, perhaps
    position = work.manifest.position
    assert position > limit - 300
    assert contents(tmp_path) == {
        name: [row for row in rows if row[0] < position] for name, rows in contents(data / "history").items()
    }


def test_an_export_goes_on_where_it_ended_and_puts_small_files_together(tmp_path):
    venue = Venue(tmp_path / "data")
    dice = random.Random(3)
    for _ in range(12):
        trade_at_random(venue, dice, 25)
        done = export(venue.folder, tmp_path / "history")
        assert done.events > 25
    assert export(venue.folder, tmp_path / "history").events == 0
    export(venue.folder, tmp_path / "whole")
    assert contents(tmp_path / "history") == contents(tmp_path / "whole")
    files = list((tmp_path / "history").glob("trades/day=*/*"))
    assert len(files) < 6
    venue.close()
    (glob,) = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/history/trades/*/*.parquet'").fetchall()
    assert glob == (len(contents(tmp_path / "whole")["trades"]),)


def test_a_kill_anywhere_while_writing_loses_and_doubles_nothing(lived, tmp_path):
    """Each child dies by SIGKILL before its n-th fsync or rename; what is committed then is exact."""
    venue, data, _ = lived
    whole = contents(data / "history")
    target, step, deaths = tmp_path / "history", 1, 0
    while True:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _die_at(step)
                export_module.PIECE_EVENTS = 500
                _export_in_pieces(venue.folder, target)
                code = 0
            finally:
                os._exit(code)
        status = os.waitpid(pid, 0)[1]
        if (target / "manifest.json").exists():
            position = History(target).manifest.position
            expected = {name: [r for r in rows if r[0] < position] for name, rows in whole.items()}
            assert contents(target) == expected
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        deaths += 1
        step += 7
    assert deaths > 3
    assert contents(target) == whole
    files = {f.relative_to(target).as_posix() for f in target.glob("*/*/*")}
    assert files == {part.path for part in History(target).manifest.parts}


def _die_at(step):
    """Kill this process at its n-th fsync or rename."""
    count = 0

    def counted(function):
        def run(*arguments):
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return run

    os.fsync = counted(os.fsync)
    Path.rename = counted(Path.rename)


def _export_in_pieces(market_folder, target):
    work = Export(target, 500)
    tape = TapeReader(market_folder, m.schema, work.position)
    while (rows := tape.read(100)).size:
        work.add(rows)
    work.finish()


def test_what_the_tape_has_no_longer_comes_from_the_journal(lived, tmp_path, monkeypatch):
    venue, data, _ = lived
    readable = TapeReader(venue.folder, m.schema).readable()
    monkeypatch.setattr(TapeReader, "first", lambda self: readable - 100)
    export(venue.folder, tmp_path / "history")
    assert contents(tmp_path / "history") == contents(data / "history")


# Money and positions.


def test_statements_equal_the_ledger_to_the_last_unit(lived, history):
    venue, _, midday = lived
    cash = venue.state.participants["cash"]["balance_minor"]
    for account in range(6):
        first, second = (statements.statement(history, account, day, day_span(day)) for day in DAYS)
        assert first.opening_minor == 0 and second.opening_minor == first.closing_minor
        assert second.closing_minor == int(cash[account])
        assert first.is_final and not second.is_final
        assert first.closing_minor == midday[account]
        kinds = {"DEPOSIT", "WITHDRAWAL"} if account in (0, 2) else {"DEPOSIT"}
        assert {line.kind for line in first.lines} == kinds | ({"TRADE"} if account else set())
    assert history.ask("SELECT sum(amount_minor) FROM movements").rows == [(0,)]


def test_positions_equal_the_engines_and_what_was_delivered(lived, history):
    venue, _, _ = lived
    state = venue.state
    for account in range(1, 6):
        index = int(state.position_at[3, account])
        net = int(state.positions["lots"]["balance_minor"][index]) if index else 0
        assert history.ask(
            "SELECT coalesce(sum(position_lots), 0) FROM positions WHERE product_id = 3 AND account_id = ?",
            [account],
        ).rows == [(net,)]
        found = statements.statement(history, account, DAYS[1], day_span(DAYS[1]))
        assert sum(p.closing_lots for p in found.positions) == net
        before = statements.statement(history, account, DAYS[0], day_span(DAYS[0]))
        for line in before.positions:
            assert line.closing_lots == (
                line.opening_lots + line.bought_lots + line.sold_lots + line.delivered_lots
            )
            assert line.product_id == 3 or line.closing_lots == 0
    assert history.ask("SELECT count(*) FROM positions WHERE product_id <> 3").rows == [(0,)]


def test_nominations_are_the_delivered_positions(lived, history):
    rows = statements.nominations(history, DAYS[0], day_span(DAYS[0])).records()
    delivered = [e for e in tape_of(lived[0].folder) if e["record"] == "PositionDelivered"]
    assert {(r["product_id"], r["account_id"]): r["position_lots"] for r in rows} == {
        (e["product_id"], e["account_id"]): e["position_lots"] for e in delivered
    }
    assert {row["status"] for row in rows} == {"FINAL"}
    for row in rows:
        hours = {1: 1.0, 2: 0.25}[row["product_id"]]
        assert row["energy_mwh"] == pytest.approx(row["position_lots"] * 0.1 * hours)
    for product in (1, 2):
        assert sum(r["position_lots"] for r in rows if r["product_id"] == product) == 0
    later = statements.nominations(history, DAYS[1], day_span(DAYS[1])).records()
    assert {row["status"] for row in later} == {"PROVISIONAL"}


def test_candles_and_statistics_are_the_trades(capsys, lived, history):
    _, data, _ = lived
    trades = history.ask("SELECT * FROM trades WHERE product_id = 3 ORDER BY position").records()
    rows = json.loads(told(capsys, "history", "candles", "--product", 3, "--period", "1h", "--data", data,
                           "--json"))  # fmt: skip
    assert sum(row["volume_lots"] for row in rows) == sum(t["quantity_lots"] for t in trades)
    assert rows[0]["open_eur_mwh"] == trades[0]["price_eur_mwh"]
    assert rows[-1]["close_eur_mwh"] == trades[-1]["price_eur_mwh"]
    assert all(r["low_eur_mwh"] <= r["vwap_eur_mwh"] <= r["high_eur_mwh"] for r in rows)
    (row,) = [r for r in json.loads(told(capsys, "history", "stats", "--data", data, "--json"))
              if r["product_id"] == 3]  # fmt: skip
    assert row["trade_count"] == len(trades)
    held = history.ask("SELECT position_lots FROM positions WHERE product_id = 3").rows
    assert row["open_interest_lots"] == sum(max(lots, 0) for (lots,) in held) > 0
    early = json.loads(told(capsys, "history", "trades", "--product", 3, "--to", "2026-03-03", "--data", data,
                            "--json"))  # fmt: skip
    assert 0 < len(early) < len(trades)


# The command.


def test_state_is_told_while_the_node_runs(capsys, lived):
    venue, data, _ = lived
    epoch = venue.node.page.get("epoch")
    rows = json.loads(told(capsys, "products", "--data", data, "--json"))
    assert [row["product_id"] for row in rows] == [3]
    assert rows[0]["order_count"] == np.count_nonzero(venue.state.matching.orders["lots"])
    assert json.loads(told(capsys, "phases", "--data", data, "--json"))[0]["phase"] == "CONTINUOUS"
    cash = {row["account_id"]: row for row in json.loads(told(capsys, "accounts", "--data", data, "--json"))}
    ledger = venue.state.participants["cash"]
    for account in range(6):
        assert cash[account]["balance_minor"] == int(ledger["balance_minor"][account])
        assert cash[account]["reserved_minor"] == int(ledger["reserved_minor"][account])
    sessions = json.loads(told(capsys, "sessions", "--data", data, "--json"))
    assert {row["session_id"]: row["open"] for row in sessions} == {
        1: True, 11: True, 12: True, 13: True, 14: True, 15: True, 20: False,
    }  # fmt: skip
    limits = list(csv.DictReader(io.StringIO(told(capsys, "limits", "--data", data, "--csv"))))
    assert [row["long_limit_lots"] for row in limits] == ["1000000"] * 5
    by_order = json.loads(told(capsys, "book", 3, "--orders", "--data", data, "--json"))
    by_price = json.loads(told(capsys, "book", 3, "--data", data, "--json"))
    assert sum(r["quantity_lots"] for r in by_order) == sum(r["quantity_lots"] for r in by_price) > 0
    prices = [row["price_ticks"] for row in by_order if row["side"] == "BUY"]
    assert prices == sorted(prices, reverse=True)
    assert len(json.loads(told(capsys, "book", 3, "--depth", 1, "--data", data, "--json"))) == 2
    for action in ("products", "phases", "sessions", "accounts", "limits"):
        assert "│" in told(capsys, action, "--data", data)
    assert venue.node.page.get("epoch") == epoch


def test_state_is_told_of_a_stopped_venue(capsys, tmp_path):
    venue = Venue(tmp_path)
    venue.buy(1, 4_900, 5)
    venue.close()
    (row,) = json.loads(told(capsys, "book", 1, "--orders", "--data", tmp_path, "--json"))
    assert (row["account_id"], row["session_number"], row["price_eur_mwh"]) == (1, 1, 49.0)


@pytest.mark.parametrize("times", [1, 3])
def test_a_batch_that_is_seen_half_written_is_looked_at_again(lived, monkeypatch, times):
    """On a damaged journal the scan's answer stays, and is told."""
    venue, _, _ = lived
    whole, faults = seen.replay, []

    def torn(*arguments, **options):
        if len(faults) < times:
            faults.append(RingmainError("RM104", "journal", "half written", "Look again"))
            raise faults[-1]
        return whole(*arguments, **options)

    monkeypatch.setattr(seen, "replay", torn)
    assert seen.look(venue.folder).sequence == venue.node.position.sequence
    assert len(faults) == times
    monkeypatch.setattr(seen, "is_alive", lambda word: False)
    faults.clear()
    with pytest.raises(RingmainError, match="RM104"):
        seen.look(venue.folder)


def test_statements_and_nominations_are_written(capsys, lived, tmp_path):
    _, data, _ = lived
    text = told(capsys, "statement", "--account", 2, "--day", DAYS[0], "--data", data, "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["what"] == "OPENING" and rows[-1]["what"] == "CLOSING"
    assert sum(int(r["amount_minor"]) for r in rows[:-1]) == int(rows[-1]["amount_minor"])
    for name, arguments in (("statement", ("--account", 2)), ("nominations", ())):
        file = tmp_path / f"{name}.parquet"
        told(capsys, name, *arguments, "--day", DAYS[0], "--data", data, "--parquet", file)
        shown = json.loads(told(capsys, name, *arguments, "--day", DAYS[0], "--data", data, "--json"))
        count = duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall()[0][0]
        assert count == (len(rows) if name == "statement" else len(shown))


def test_sql_is_asked(capsys, lived):
    _, data, _ = lived
    sql = "SELECT count(*) AS n FROM orders"
    (row,) = json.loads(told(capsys, "history", "query", sql, "--data", data, "--json"))
    accepted = [e for e in tape_of(lived[0].folder) if e["record"] == "OrderAccepted"]
    assert row["n"] == len(accepted)
    assert told(capsys, "history", "query", sql, "--data", data, "--csv") == f"n\n{len(accepted)}\n"
    assert "trades" in told(capsys, "history", "tables", "--data", data)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("history", "query", "SELECT nonsense"), "RM646"),
        (("history", "query", "SELEC"), "RM646"),
        (("history", "query", " ; "), "RM646"),
        (("history", "query", "SELECT * FROM read_parquet('nowhere.parquet')"), "RM646"),
        (("history", "trades", "--product", "99"), "RM649"),
        (("history", "trades", "--product", "3", "--from", "yesterday"), "RM647"),
        (("history", "trades", "--product", "3", "--from", "2026-03-03", "--to", "2026-03-02"), "RM647"),
        (("history", "candles", "--product", "3", "--period", "0m"), "RM648"),
        (("history", "candles", "--product", "3", "--period", "soon"), "RM648"),
        (("statement", "--account", "99", "--day", "2026-03-02"), "RM650"),
        (("statement", "--account", "1", "--day", "2026-02-30"), "RM647"),
        (("statement", "--account", "1", "--day", "2036-03-02"), "RM651"),
        (("nominations", "--day", "2036-03-02"), "RM652"),
        (("nominations", "--day", "2026-03-02", "--account", "99", "--parquet", "x.parquet"), "RM654"),
        (("nominations", "--day", "2026-03-02", "--parquet", "nowhere/x.parquet"), "RM655"),
        (("book", "99"), "RM649"), (("book", "0"), "RM649"), (("book", "-1"), "RM649"),
        (("book", str(2**40)), "RM649"), (("book", "3", "--depth", "0"), "RM656"),
        (("public", "--delay", "-5m"), "RM648"), (("surveil", "--wash-trades=-1"), "RM653"),
        (("surveil", "--from", "x"), "RM647"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_in_a_line(capsys, lived, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    arguments = [*arguments[:2], *arguments[2:], "--data", str(lived[1])]
    if arguments[:2] == ["public", "--delay"]:
        arguments[1:3] = ["--delay=-5m"]
    assert refused(capsys, *arguments).startswith(code)


@pytest.mark.parametrize(
    "arguments",
    [("products",), ("book", "1"), ("history",), ("public",), ("surveil",), ("history", "stats"),
     ("statement", "--account", "1", "--day", "2026-03-02")],
)  # fmt: skip
def test_a_folder_without_an_exchange_is_named_and_left_alone(capsys, tmp_path, arguments):
    missing = tmp_path / "none"
    said = refused(capsys, *arguments, "--data", missing)
    assert said.startswith(("RM642", "RM645")) and str(missing) in said
    assert not missing.exists()


def test_a_history_of_another_venue_or_layout_is_refused(lived, tmp_path):
    venue, _, _ = lived
    other = Venue(tmp_path / "other")
    trade_at_random(other, random.Random(8), 20)
    export(other.folder, tmp_path / "h")
    with pytest.raises(RingmainError, match="RM643"):
        export(venue.folder, tmp_path / "h")
    other.close()
    manifest = tmp_path / "h" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace(m.schema.digest(), "0123456789abcdef"))
    with pytest.raises(RingmainError, match="RM641"):
        History(tmp_path / "h")
    manifest.write_text(text[:-20])
    with pytest.raises(RingmainError, match="RM640"):
        History(tmp_path / "h")


def test_a_folder_that_cannot_be_written_is_told(lived, tmp_path):
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file", tmp_path / "file" / "history"):
        with pytest.raises(RingmainError, match=r"RM657 history: .* cannot be written"):
            export(lived[0].folder, target)


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    venue = Venue(tmp_path / "data")
    target = tmp_path / "it's full"
    trade_at_random(venue, random.Random(1), 30)
    export(venue.folder, target)
    before = contents(target)
    trade_at_random(venue, random.Random(2), 30)

    def no_room(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module, "_sync_file", no_room)
    with pytest.raises(RingmainError, match=r"RM657.*No space left"):
        export(venue.folder, target)
    assert contents(target) == before
    monkeypatch.undo()
    export(venue.folder, target)
    export(venue.folder, tmp_path / "whole")
    assert contents(target) == contents(tmp_path / "whole") != before
    venue.close()


@pytest.mark.parametrize("harm", ["gone", "torn"])
def test_a_file_that_was_harmed_is_told(lived, tmp_path, harm):
    export(lived[0].folder, tmp_path)
    file = next((tmp_path / "trades").glob("*/*"))
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RingmainError, match=f"RM640.*{file.name}"):
        History(tmp_path)


def test_two_exports_at_once_are_told(lived, tmp_path):
    venue, _, _ = lived
    first = Export(tmp_path)
    with pytest.raises(RingmainError, match="RM106"):
        export(venue.folder, tmp_path)
    first.abandon()
    export(venue.folder, tmp_path)


def test_an_empty_history_has_every_table(capsys, tmp_path):
    venue = Venue(tmp_path, accounts=0, product=False)
    assert json.loads(told(capsys, "history", "query", "FROM trades", "--data", tmp_path, "--json")) == []
    assert json.loads(told(capsys, "history", "stats", "--data", tmp_path, "--json")) == []
    assert told(capsys, "surveil", "--data", tmp_path) == "nothing was found\n"
    venue.close()


# The delayed feed.


def test_the_public_learns_nothing_before_the_delay_and_everything_after(tmp_path):
    venue = Venue(tmp_path)
    feed = DelayedFeed(venue.folder, 15 * MINUTE_NS)
    dice, seen_trades, seen_quotes = random.Random(5), [], []
    for _ in range(8):
        trade_at_random(venue, dice, 40)
        venue.step(dice.choice([1, 240, 500]))
        trades, quotes = feed.advance(venue.now_ns)
        if trades["time_ns"].size:
            assert trades["time_ns"].max() <= venue.now_ns - 15 * MINUTE_NS
        seen_trades += trades["sequence"].tolist()
        seen_quotes += quotes["sequence"].tolist()
    venue.step(900)
    trades, quotes = feed.advance(venue.now_ns)
    seen_trades += trades["sequence"].tolist()
    seen_quotes += quotes["sequence"].tolist()
    export(venue.folder, tmp_path / "history")
    history = History(tmp_path / "history")
    assert seen_trades == [s for (s,) in history.ask("SELECT sequence FROM trades ORDER BY position").rows]
    assert seen_quotes == [s for (s,) in history.ask("SELECT sequence FROM quotes ORDER BY position").rows]
    (top,) = feed.tops()
    best = seen.book_by_price(seen.Venue(venue.state, None, 0, 0), 1)
    assert int(top["bid_ticks"]) == next(row["price_ticks"] for row in best if row["side"] == "BUY")
    assert set(trades) == {
        "sequence", "trade_index", "time_ns", "product_id", "price_ticks", "quantity_lots", "aggressor",
    }  # fmt: skip
    feed.close()
    venue.close()


def test_the_public_is_told_on_the_command_line(capsys, lived):
    _, data, _ = lived
    (all_of_it,) = json.loads(told(capsys, "public", "--delay", "1s", "--data", data, "--json"))
    (early,) = json.loads(told(capsys, "public", "--delay", "1h", "--data", data, "--json"))
    assert 0 < len(early["trades"]) < len(all_of_it["trades"])
    assert all("account" not in name for row in early["trades"] for name in row)
    (one,) = json.loads(told(capsys, "public", "--delay", "1s", "--product", 3, "--data", data, "--json"))
    assert {row["product_id"] for row in one["trades"]} == {3}


def test_the_fold_of_quotes_goes_on_from_its_levels(lived):
    venue, _, _ = lived
    tape = TapeReader(venue.folder, m.schema)
    events = tape.read(10_000).copy()
    edges = np.flatnonzero(np.diff(events["sequence"])) + 1
    whole = Quotes().fold(events, 0)
    for cut in edges[:: edges.size // 7].tolist():
        first, second = Quotes(), Quotes()
        before = first.fold(events[:cut], 0)
        second.put_back(first.levels())
        after = second.fold(events[cut:], cut)
        assert before.tolist() + after.tolist() == whole.tolist()
    tape.close()


def test_times_are_read():
    assert time_ns("2026-03-02T08:00") == MORNING == time_ns("2026-03-02T09:00+01:00")
    assert day_span("2026-03-02").end_ns - day_span("2026-03-02").begin_ns == DAY_NS
    assert span(None, None) == Span()
    assert length_ns("15m") == 15 * MINUTE_NS and length_ns("30s") == 30 * SECOND_NS
