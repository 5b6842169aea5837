"""The history beside the engine: every event once, whatever is killed, filled or harmed."""

import os
import random
import signal
from pathlib import Path

import duckdb
import numpy as np
import pytest
from venue_rig import Venue, contents, tape_of, trade_at_random

from ringmain.core.errors import RingmainError
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as m
from ringmain.exchange import venue as seen
from ringmain.exchange.history import export as export_module
from ringmain.exchange.history import store as store_module
from ringmain.exchange.history.columns import snake
from ringmain.exchange.history.export import Export, export
from ringmain.exchange.history.query import History
from ringmain.exchange.history.quotes import Quotes

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
