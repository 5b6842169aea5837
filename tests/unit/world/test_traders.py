"""Traders: the same seed and view give the same commands, and they are such that the exchange takes."""

import numpy as np
import pytest

from ringmain.client.protocol import pick
from ringmain.exchange.messages import BUY, SELL, MassCancel, PlaceOrder
from ringmain.world.traders import TRADERS, AuctionLadder, MarketMaker, TrendFollower, View, fair_ticks

IDS = list(range(400_000, 400_024))
FAIR = {n: 4_000 + 100 * (n % 24) for n in IDS}
OPEN = View(7, (), IDS, FAIR, FAIR, {n: f + 400 for n, f in FAIR.items()})
CALL = View(7, IDS, (), FAIR, is_last_call=True)


@pytest.mark.parametrize("trader", TRADERS, ids=lambda trader: trader.name)
@pytest.mark.parametrize("view", [OPEN, CALL], ids=["open", "call"])
def test_the_same_seed_does_the_same(trader, view):
    first, again = trader.act(3, view), trader.act(3, view)
    assert first.tobytes() == again.tobytes()
    if first.size:
        orders = pick(first, first["kind"] == PlaceOrder.kind).view(PlaceOrder.dtype)
        assert (orders["quantity_lots"] > 0).all()
        assert set(orders["product_id"].tolist()) <= set(IDS)
        assert trader.act(4, view).tobytes() != first.tobytes()
    assert trader.act(3, View(7)).size == 0


def test_ladders_cross_near_the_fair_price():
    supply = [t.act(1, CALL) for t in TRADERS if isinstance(t, AuctionLadder) and t.side == SELL]
    demand = [t.act(1, CALL) for t in TRADERS if isinstance(t, AuctionLadder) and t.side == BUY]
    for product_id, fair in FAIR.items():
        asks = np.concatenate([o[o["product_id"] == product_id] for o in supply])
        bids = np.concatenate([o[o["product_id"] == product_id] for o in demand])
        prices = np.arange(fair - 1500, fair + 1500, 10)
        offered = np.array([asks["quantity_lots"][asks["price_ticks"] <= p].sum() for p in prices])
        wanted = np.array([bids["quantity_lots"][bids["price_ticks"] >= p].sum() for p in prices])
        volume = np.minimum(offered, wanted)
        assert abs(int(prices[volume.argmax()]) - fair) < 700
        assert volume.max() > 500


def test_makers_quote_both_sides_and_do_not_cross_themselves():
    commands = MarketMaker("m", 45, 30, turns=1).act(1, OPEN)
    assert (commands["kind"][: len(IDS)] == MassCancel.kind).all()
    orders = commands[len(IDS) :].view(PlaceOrder.dtype)
    for product_id in IDS:
        own = orders[orders["product_id"] == product_id]
        bids, asks = own[own["side"] == BUY], own[own["side"] == SELL]
        assert bids.size == asks.size == 3
        assert bids["price_ticks"].max() < asks["price_ticks"].min()


def test_trend_followers_buy_what_rises():
    orders = TrendFollower("t", 150, 15, turns=1).act(1, OPEN)
    assert orders.size == len(IDS) and (orders["side"] == BUY).all()


def test_fair_prices_wander_around_the_real_one():
    path = np.array([fair_ticks(1, IDS[0], 5_000, step) for step in range(400)])
    assert path[0] == 5_000
    assert 10 < path.std() < 1_500
    assert np.abs(np.diff(path)).max() < 400
