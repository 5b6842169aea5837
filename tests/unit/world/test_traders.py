"""Traders: the same seed and view give the same commands, and they are such that the exchange takes."""

import dataclasses

import numpy as np
import pytest

from ringmain.client.protocol import pick
from ringmain.exchange.dayahead_messages import SubmitBlock, SubmitCurveSegment
from ringmain.exchange.messages import BUY, GOOD_TILL_DATE, SELL, MassCancel, PlaceOrder
from ringmain.exchange.multileg_messages import AddBasketLeg, BeginBasket, PlaceBlock, PlaceQuote
from ringmain.world.auction_traders import (
    AuctionBlocks,
    AuctionCurve,
    base_blocks,
    pumped_blocks,
    shift_blocks,
    thermal_blocks,
)
from ringmain.world.book_traders import (
    BlockTrader,
    CallLadder,
    IcebergTrader,
    PostOnlyMaker,
    Quoter,
    Shaper,
    TrendFollower,
)
from ringmain.world.calendar import IDS_PER_DAY, quarter_ids
from ringmain.world.participants import PARTICIPANTS
from ringmain.world.traders import Auction, View, fair_ticks, without_books

FIRST = 20_000 * IDS_PER_DAY
HOURS = list(range(FIRST, FIRST + 24))
QUARTERS = [n for hour in HOURS[:8] for n in quarter_ids(hour)]
FAIR = {n: 4_000 + 100 * (n % 24) for n in (*HOURS, *QUARTERS)}
DAY = tuple(FAIR[n] for n in HOURS)
OPEN = View(
    24, 1_000, None, (), HOURS, QUARTERS, FAIR, {n: FAIR[n] for n in HOURS},
    {n: fair + 400 for n, fair in FAIR.items()}, {n: (fair - 30, fair + 30) for n, fair in FAIR.items()},
)  # fmt: skip
CALL = View(7, call_ids=[*HOURS, *QUARTERS], fair_ticks=FAIR)
AUCTION = View(7, auction=Auction(20_000, DAY), fair_ticks=FAIR)


def rows(commands, record):
    return pick(commands, commands["kind"] == record.kind).view(record.dtype)


@pytest.mark.parametrize("one", PARTICIPANTS, ids=lambda one: one.name)
@pytest.mark.parametrize("view", [OPEN, CALL, AUCTION], ids=["open", "call", "auction"])
def test_the_same_seed_does_the_same(one, view):
    first, again = one.act(3, view), one.act(3, view)
    assert first.tobytes() == again.tobytes()
    if first.size:
        for record in (PlaceOrder, PlaceQuote, AddBasketLeg):
            assert set(rows(first, record)["product_id"].tolist()) <= set(FAIR)
        assert (rows(first, PlaceOrder)["quantity_lots"] > 0).all()
        assert one.act(4, view).tobytes() != first.tobytes()
    assert one.act(3, View(7)).size == 0


@pytest.mark.parametrize("one", PARTICIPANTS, ids=lambda one: one.name)
def test_nobody_trades_in_books_that_are_not_seen(one):
    assert one.act(3, without_books(OPEN)).size == 0
    call = without_books(dataclasses.replace(OPEN, call_ids=HOURS))
    assert (
        one.act(3, call).tobytes() == one.act(3, dataclasses.replace(CALL, step=24, call_ids=HOURS)).tobytes()
    )


# The day-ahead auction.


def curves_of(side, price_ticks, period):
    """Return how much all curves of a side offer or bid at a price."""
    lots = 0
    for one in PARTICIPANTS:
        segments = rows(one.act(1, AUCTION), SubmitCurveSegment)
        own = segments[(segments["side"] == side) & (segments["period"] == period)]
        begin, end = own["begin_ticks"].astype(float), own["end_ticks"].astype(float)
        way = np.where(begin == end, 1.0, np.abs(end - begin))
        gone = (price_ticks - begin) * (1 if side == SELL else -1)
        share = np.where(begin == end, gone >= 0, np.clip(gone / way, 0, 1))
        lots += float((own["quantity_lots"] * share).sum())
    return lots


@pytest.mark.parametrize("period", [0, 13])
def test_curves_meet_near_the_fair_price(period):
    prices = np.arange(DAY[period] - 1_500, DAY[period] + 1_500, 10)
    surplus = np.array([curves_of(BUY, p, period) - curves_of(SELL, p, period) for p in prices])
    assert (np.diff(surplus) <= 0).all()
    assert abs(int(prices[np.abs(surplus).argmin()]) - DAY[period]) < 700
    assert curves_of(SELL, DAY[period], period) > 1_000


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("slopes", [False, True])
def test_segments_run_to_worse_prices_in_order(side, slopes):
    curve = AuctionCurve("c", side, 100, slopes=slopes)
    segments = curve.act(1, AUCTION).view(SubmitCurveSegment.dtype)
    assert segments.size == 24 * curve.segments
    sign = 1 if side == SELL else -1
    begin, end = (sign * segments[name].reshape(24, -1) for name in ("begin_ticks", "end_ticks"))
    assert (begin <= end).all() and (np.diff(begin, axis=1) >= 0).all()
    assert (begin == end).all() or slopes
    assert (segments["segment_index"].reshape(24, -1) == np.arange(curve.segments)).all()


def test_what_is_in_is_not_sent_again():
    own = Auction(20_000, DAY, curve_count=24, block_ids=(9, 10, 11, 12, 13, 14))
    for one in PARTICIPANTS:
        assert one.act(1, dataclasses.replace(AUCTION, auction=own)).size == 0
    half = dataclasses.replace(own, curve_count=11)
    assert AuctionCurve("c", BUY, 9).act(1, dataclasses.replace(AUCTION, auction=half)).size == 24 * 12


def test_a_linked_block_waits_for_its_parent_and_names_it():
    trader, sent, known = AuctionBlocks("t", pumped_blocks), [], ()
    for _ in range(4):
        seen = dataclasses.replace(AUCTION, auction=Auction(20_000, DAY, 24, known))
        blocks = rows(trader.act(1, seen), SubmitBlock)
        sent += blocks["parent_block_id"].tolist()
        known += tuple(500 + len(known) + n for n in range(blocks.size))
    assert sent == [0, 500, 0, 502]


@pytest.mark.parametrize("make", [thermal_blocks, base_blocks, shift_blocks, pumped_blocks])
@pytest.mark.parametrize("seed", range(20))
def test_blocks_lie_in_the_day_and_come_after_their_parents(make, seed):
    dice = np.random.default_rng(seed)
    blocks = make(dice, dice.integers(-9_000, 30_000, 24))
    for place, block in enumerate(blocks):
        assert block.first + sum(periods for periods, _ in block.runs) <= 24
        assert all(lots > 0 for _, lots in block.runs)
        assert block.parent < place and 1 <= block.minimum_permille <= 1_000


def test_a_storage_generates_after_it_has_pumped_and_gives_back_less():
    for pump, generate in zip(
        *[iter(pumped_blocks(np.random.default_rng(1), np.array(DAY)))] * 2, strict=True
    ):
        assert (pump.side, generate.side) == (BUY, SELL)
        assert generate.first >= pump.first + pump.runs[0][0]
        assert generate.runs[0][1] < pump.runs[0][1] and generate.price_ticks > pump.price_ticks


# The books.


def test_ladders_of_the_call_cross():
    asks = CallLadder("a", SELL, 30).act(1, CALL).view(PlaceOrder.dtype)
    bids = CallLadder("b", BUY, 30).act(1, CALL).view(PlaceOrder.dtype)
    for product_id in CALL.call_ids:
        best_ask = asks["price_ticks"][asks["product_id"] == product_id].min()
        assert best_ask < bids["price_ticks"][bids["product_id"] == product_id].max()


def test_a_quoter_quotes_both_sides_and_does_not_cross_itself():
    quotes = Quoter("q", 45, 30, turns=1).act(1, OPEN).view(PlaceQuote.dtype)
    assert quotes["product_id"].tolist() == OPEN.open_ids
    assert (quotes["bid_price_ticks"] < quotes["offer_price_ticks"]).all()
    assert (quotes["bid_lots"] > 0).all() and (quotes["offer_lots"] > 0).all()


def test_a_post_only_maker_stays_behind_what_is_quoted():
    commands = PostOnlyMaker("m", 10, 30, turns=1).act(1, OPEN)
    assert (commands["kind"][: len(HOURS)] == MassCancel.kind).all()
    orders = rows(commands, PlaceOrder)
    assert (orders["post_only"] == 1).all()
    for product_id in HOURS:
        bid, ask = OPEN.tops[product_id]
        own = orders[orders["product_id"] == product_id]
        assert own["price_ticks"][own["side"] == BUY].max() < ask
        assert own["price_ticks"][own["side"] == SELL].min() > bid


def test_trend_followers_buy_what_rises_and_leave_a_stop_below():
    orders = rows(TrendFollower("t", 150, 15, turns=1).act(1, OPEN), PlaceOrder)
    follow, stop = orders[: len(HOURS)], orders[len(HOURS) :]
    last = np.array([OPEN.last_ticks[n] for n in HOURS])
    assert (follow["side"] == BUY).all() and (stop["side"] == SELL).all()
    assert (stop["stop_ticks"] < last).all() and (stop["price_ticks"] < stop["stop_ticks"]).all()


@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_iceberg_shows_a_clip_ends_in_time_and_gets_no_better(side):
    orders = IcebergTrader("i", side, 100, 10, turns=1).act(1, OPEN).view(PlaceOrder.dtype)
    assert (orders["display_lots"] == 10).all() and (orders["quantity_lots"] >= 50).all()
    assert (orders["time_in_force"] == GOOD_TILL_DATE).all() and (orders["expires_s"] > OPEN.now_s).all()
    assert (orders["clip_step_ticks"] * (1 if side == SELL else -1) > 0).all()


def test_blocks_cover_hours_that_are_all_open():
    blocks = rows(BlockTrader("b", BUY, 8).act(1, OPEN), PlaceBlock)
    assert blocks["product_count"].tolist() == [6, 12, 4, 4, 4]
    later = dataclasses.replace(OPEN, hour_ids=HOURS[10:])
    assert rows(BlockTrader("b", BUY, 8).act(1, later), PlaceBlock)["product_count"].tolist() == [4, 4, 4]


def test_a_basket_has_four_legs_that_balance():
    basket = Shaper("s", 6, share=1.0).act(1, OPEN)
    legs = rows(basket, AddBasketLeg)
    assert int(rows(basket, BeginBasket)["leg_count"][0]) == legs.size == 4
    assert legs["side"].tolist().count(BUY) == 2 and len(set(legs["quantity_lots"].tolist())) == 1
    assert legs["product_id"].tolist() in [list(quarter_ids(hour)) for hour in HOURS]


def test_fair_prices_wander_around_the_real_one():
    path = np.array([fair_ticks(1, HOURS[0], 5_000, step) for step in range(400)])
    assert path[0] == 5_000
    assert 10 < path.std() < 1_500
    assert np.abs(np.diff(path)).max() < 400
