"""The auction's engine beside the slow rules, on random orders and random proposals."""

import itertools
import random

import numpy as np
import pytest
import slow_auction as slow
from dayahead_rig import Floor, check_ledger, of
from test_dayahead_solve import book_of, proposal, random_book, slow_of

from ringmain.core.engine import Machine
from ringmain.exchange import dayahead_messages as d
from ringmain.exchange import messages as m
from ringmain.exchange.advice.dayahead.app import Auctioneer
from ringmain.exchange.advice.dayahead.proposal import AuctionView
from ringmain.exchange.advice.dayahead.solve import solve
from ringmain.exchange.engine import MARKET as EXCHANGE

ONE = d.RATIO_ONE


def floor_of(book):
    """Open an auction with a slow book's orders: curves by accounts 1 to 4."""
    floor = Floor(book.zones, book.periods, lines=book.lines, low=book.low, high=book.high)
    floor.draft()
    for (zone, period), curves in book.curves.items():
        for n, curve in enumerate(curves):
            segments = [(m.BUY if lots > 0 else m.SELL, begin, end, abs(lots)) for begin, end, lots in curve]
            assert floor.curve(11 + n, segments, zone, period)[-1]["record"] == "CurveSegmentAccepted"
    for block in book.blocks.values():
        side = m.BUY if block.lots[0] > 0 else m.SELL
        floor.block(
            11, side, block.price, abs(block.lots[0]), block.first, len(block.lots), block.zone,
            block.minimum, block.parent, block.group or 0, run=1,
        )  # fmt: skip
        for lots in block.lots[1:]:
            floor.operate(d.ExtendBlock, 11, quantity_lots=abs(lots), run_periods=1)
    floor.freeze()
    return floor


def mutated(dice, book, prices, ratios, flows):
    """Change a proposal in one place, or leave it."""
    prices, ratios, flows = [row[:] for row in prices], dict(ratios), [row[:] for row in flows]
    what = dice.randrange(4)
    if what == 0:
        row = prices[dice.randrange(book.zones)]
        period = dice.randrange(book.periods)
        row[period] = max(book.low, min(book.high, row[period] + dice.choice([-2, -1, 1, 2])))
    elif what == 1 and book.blocks:
        id = dice.choice(sorted(book.blocks))
        ratios[id] = dice.choice([0, 1, ONE // 2, ONE - 1, ONE, dice.randrange(ONE)])
    elif what == 2 and flows:
        row = flows[dice.randrange(len(flows))]
        row[dice.randrange(book.periods)] += dice.choice([-1, 1, 5])
    return prices, ratios, flows


def sent(floor, prices, ratios, flows):
    lots = [(n, period, x) for n, row in enumerate(flows) for period, x in enumerate(row)]
    return floor.propose(prices, ratios.items(), lots)[-1]


def check_awards(book, events, prices, ratios, flows):
    """Every order has what the slow rules give it."""
    found = {(e["zone"], e["period"], e["account_id"]): e for e in of(events, "CurveAwarded")}
    for (zone, period), curves in book.curves.items():
        price = prices[zone][period]
        bought, sold = slow.balance(book, prices, ratios, flows, zone, period)
        sums = [slow.at_price(curve, price) for curve in curves]
        more, less = slow.shares([s[1] for s in sums], bought), slow.shares([s[3] for s in sums], sold)
        for n, own in enumerate(sums):
            award = found.pop((zone, period, n + 1))
            assert (award["bought_lots"], award["sold_lots"]) == (own[0] + more[n], own[2] + less[n])
            net = award["sold_lots"] - award["bought_lots"]
            assert award["amount_minor"] == net * price * 1_000
    assert not found
    for award in of(events, "BlockAwarded"):
        block = book.blocks[award["block_id"]]
        ratio = ratios.get(block.id, 0)
        cash = -sum(
            slow.part(lots, ratio) * prices[block.zone][block.first + n] for n, lots in enumerate(block.lots)
        )
        assert (award["ratio_billionths"], award["amount_minor"]) == (ratio, cash * 1_000)


@pytest.mark.parametrize("seed", range(30))
def test_the_engine_finds_the_fault_that_the_slow_rules_find(seed):
    dice = random.Random(seed)
    book = random_book(dice, dice.choice([1, 2, 3]), minimum=(1, 400, 1_000))
    good = proposal(book_of(book), solve(book_of(book), 10))
    floor = floor_of(book)
    for _ in range(12):
        bad = mutated(dice, book, *good)
        for _ in range(dice.randrange(3)):
            bad = mutated(dice, book, *bad)
        expected = slow.fault_of(book, *bad)
        if expected is not None:
            assert sent(floor, *bad)["reason"] == expected
    assert sent(floor, *good)["record"] == "AuctionPhaseChanged"
    events = floor.book()
    check_awards(book, events, *good)
    check_ledger(floor)
    rent = of(events, "AuctionEnded")[0]["congestion_minor"]
    assert rent == sum(flow["congestion_minor"] for flow in of(events, "FlowSet")) >= 0


@pytest.mark.parametrize("seed", range(30))
def test_curves_alone_have_the_price_of_the_search_through_all(seed):
    dice = random.Random(seed)
    book = random_book(dice, 2, periods=3, blocks=3)
    floor = floor_of(book)
    events = floor.tick(floor.now_ns + 2_000)
    prices = [[slow.price_alone(book, zone, period) for period in range(3)] for zone in range(2)]
    assert [[e["price_ticks"] for e in of(events, "PriceSet") if e["zone"] == z] for z in range(2)] == prices
    alone = slow.SlowBook(**{**vars(book), "lines": []})
    check_awards(alone, events, prices, {}, [])
    check_ledger(floor)


@pytest.mark.parametrize("seed", range(10))
def test_the_view_of_the_tape_is_the_book_that_was_sent(seed):
    book = random_book(random.Random(seed), 2, minimum=(1, 1_000))
    floor = floor_of(book)
    view = AuctionView()
    for events in events_of(floor.journal, 7)[0]:
        view.fold(events)
    seen = slow_of(view.book())
    merged = {key: [list(itertools.chain(*curves))] for key, curves in book.curves.items() if curves}
    assert {k: [sorted(c) for c in v] for k, v in seen.curves.items()} == {
        k: [sorted(c) for c in v] for k, v in merged.items()
    }
    assert [(b.lots, b.price, b.minimum, b.parent) for b in seen.blocks.values()] == [
        (b.lots, b.price, b.minimum, b.parent) for b in book.blocks.values()
    ]
    assert [line[2:] for line in seen.lines] == [line[2:] for line in book.lines]


def events_of(journal, size):
    """Apply a journal in batches of a size; return the batches of events, and the machine."""
    machine, found = Machine(EXCHANGE), []
    for begin in range(0, len(journal), size):
        batch = np.frombuffer(bytearray(b"".join(journal[begin : begin + size])), m.schema.header)
        machine.step(batch.view(np.recarray), lambda rows: found.append(m.schema.batch([rows])))
    return found, machine


WILD = (0, -1, 1, 2**31 - 1, -(2**31), 2**16 - 1, 2**32 - 1, 10**9)


def wild_command(dice, floor):
    """Return a record with mostly sensible fields and some that nobody should send."""
    record = dice.choice([
        d.SubmitCurveSegment, d.SubmitCurveSegment, d.SubmitBlock, d.SubmitBlock, d.ExtendBlock,
        d.CancelAuctionOrder, d.ProposePrice, d.ProposeBlock, d.ProposeFlow, d.CommitProposal,
        d.DefineTransfer, d.VoidAuction if dice.random() < 0.02 else d.ProposePrice,
    ])  # fmt: skip
    usual = {
        "auction_id": floor.auction_id, "begin_ticks": dice.randint(-20, 90),
        "end_ticks": dice.randint(-20, 90),
        "quantity_lots": dice.randint(0, 60), "zone": dice.randrange(2), "period": dice.randrange(3),
        "segment_index": dice.choice([0, 0, 1]), "segment_count": dice.choice([1, 2]),
        "side": dice.randint(1, 2),
        "price_ticks": dice.randint(-20, 90), "parent_block_id": dice.choice([0, 0, dice.randint(1, 30)]),
        "exclusive_group": dice.choice([0, 1, 2]), "first_period": dice.randrange(3),
        "period_count": dice.randint(1, 3), "run_periods": dice.randint(1, 3),
        "minimum_ratio_permille": dice.choice([1, 500, 1_000]), "block_id": dice.randint(0, 30),
        "ratio_billionths": dice.choice([0, ONE]), "flow_lots": dice.randint(-9, 9), "line": 0,
        "forward_lots": 5, "backward_lots": 5, "from_zone": 0, "to_zone": 1,
        "welfare_tick_lots": 0, "gap_millionths": 0,
    }  # fmt: skip
    values = {}
    for declared in record.fields:
        limits = np.iinfo(declared.format)
        value = dice.choice(WILD) if dice.random() < 0.02 else usual[declared.name]
        values[declared.name] = max(limits.min, min(limits.max, value))
    return record, values


@pytest.mark.parametrize("seed", range(8))
def test_any_stream_keeps_the_ledger_and_comes_out_alike_in_any_batching(seed):
    dice = random.Random(seed)
    floor = Floor(zones=2, periods=3, cash=10**9, limit=500, lines=[(0, 1, 5, 5)], low=-20, high=90)
    for day in range(3):
        floor.draft(first_product=1 + 10 * day)
        for _ in range(250):
            record, values = wild_command(dice, floor)
            floor.send(record, dice.choice([11, 11, 12, 13, 1]), **values)
            floor.tick(floor.now_ns + dice.choice([0, 0, 3]))
        check_ledger(floor)
        check_reserves(floor)
        floor.tick(floor.now_ns + 1_000)
        floor.tick(floor.now_ns + 1_000)
        check_ledger(floor)
        assert floor.auction().phase == d.ABSENT
    events, machine = events_of(floor.journal, 1)
    for size in (13, 10_000):
        others, other = events_of(floor.journal, size)
        assert b"".join(e.tobytes() for e in others) == b"".join(e.tobytes() for e in events)
        assert other.digest() == machine.digest() == floor.machine.digest()


def check_reserves(floor):
    """What is set aside is what the orders that count would cost, no more and no less."""
    view = AuctionView()
    for events in events_of(floor.journal, 100)[0]:
        view.fold(events)
    if view.phase != d.OPEN:
        return
    book = view.book()
    owed = sum(max(lots * begin, 0) for _, _, begin, _, lots in book.segments.tolist()) * 1_000
    owed += sum(max(int(block.lots.sum()) * block.price_ticks, 0) for block in book.blocks) * 1_000
    state = floor.state()
    assert owed == state.participants["cash"]["reserved_minor"].sum()
    lots = state.positions["lots"][np.unique(state.position_at[state.position_at > 0])]
    sizes = [*book.segments["lots"].tolist(), *(x for block in book.blocks for x in block.lots.tolist())]
    assert lots["expected_minor"].sum() == sum(x for x in sizes if x > 0)
    assert lots["reserved_minor"].sum() == -sum(x for x in sizes if x < 0)


def test_the_auctioneer_proposes_what_the_engine_books():
    book = random_book(random.Random(5), 3, minimum=(300, 1_000))
    floor = floor_of(book)
    auctioneer = Auctioneer(10.0)
    for events in events_of(floor.journal, 50)[0]:
        auctioneer.fold(events)
    commands = auctioneer.advise(5.0)
    for row in range(commands.size):
        command = m.schema.unpack_command(commands[row : row + 1])
        values = {f.name: command[f.name] for f in m.schema.commands[command["kind"]].fields}
        answer = floor.send(m.schema.commands[command["kind"]], 1, **values)
    assert answer[-1]["phase"] == d.BOOKING
    (end,) = of(floor.book(), "AuctionEnded")
    assert (end["outcome"], end["welfare_tick_lots"]) == (d.PROPOSAL, auctioneer.last.welfare)
    assert auctioneer.advise(5.0).size == 0
