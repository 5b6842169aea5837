"""What an operator asks: statements, reports, state, the delayed feed; and wrong questions."""

import csv
import io
import json
import random

import duckdb
import numpy as np
import pytest
from venue_rig import (
    MINUTE_NS,
    MORNING,
    SECOND_NS,
    Venue,
    tape_of,
    trade_at_random,
)

from ringmain import cli
from ringmain.core.errors import RingmainError
from ringmain.core.times import DAY_NS, Span, day_span, length_ns, span, time_ns
from ringmain.exchange import venue as seen
from ringmain.exchange.history import statements
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History
from ringmain.exchange.public import DelayedFeed

DAYS = ("2026-03-02", "2026-03-03")


def told(capsys, *arguments):
    assert cli.main(["exchange", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert cli.main(["exchange", *map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


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
        assert {line.kind for line in first.lines} == kinds | ({"TRADE", "FEE"} if account else {"FEE"})
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
        (("history", "query", "SELECT * FROM read_parquet('nowhere.parquet')"), "RM658"),
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


def test_times_are_read():
    assert time_ns("2026-03-02T08:00") == MORNING == time_ns("2026-03-02T09:00+01:00")
    assert day_span("2026-03-02").end_ns - day_span("2026-03-02").begin_ns == DAY_NS
    assert span(None, None) == Span()
    assert length_ns("15m") == 15 * MINUTE_NS and length_ns("30s") == 30 * SECOND_NS
