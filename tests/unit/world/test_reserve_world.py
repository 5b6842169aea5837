"""Reserve in the world: who bids what, when it is called, and what the world sees of it."""

import dataclasses
from datetime import date

import numpy as np
import pytest

from ringmain.client.protocol import pick
from ringmain.exchange.messages import BUY, SELL, OrderFilled, PlaceOrder, PositionDelivered
from ringmain.exchange.reserve_messages import ActivateReserve, ReserveActivated, ReserveLevelSet
from ringmain.world.calendar import BLOCKS, SECOND_NS, reserve_of
from ringmain.world.participants import PARTICIPANTS, SYSTEM_OPERATOR
from ringmain.world.reserve_traders import (
    ACTIVATION_MAX_S,
    CALLS,
    DEMAND,
    STEPS_NS,
    calls_of,
    fair_reserve_ticks,
)
from ringmain.world.reserve_view import ReserveView
from ringmain.world.seats import FLEET_ACCOUNT, SYSTEM_OPERATOR_ACCOUNT
from ringmain.world.status import reserve_now
from ringmain.world.traders import View

DAYS = [date(2024, 5, n) for n in range(1, 21)]
BLOCKS_OF_DAYS = [product for day in DAYS for product in reserve_of(day)]
IDS = [product.product_id for product in reserve_of(DAYS[0])]
CALL = View(7, reserve_ids=IDS)


def rows(commands, record):
    return pick(commands, commands["kind"] == record.kind).view(record.dtype)


@pytest.fixture(scope="module")
def orders():
    return np.concatenate([rows(one.act(1, CALL), PlaceOrder) for one in PARTICIPANTS])


@pytest.mark.parametrize("product_id", IDS)
def test_demand_falls_and_meets_what_is_offered_near_the_fair_price(orders, product_id):
    fair = fair_reserve_ticks(1, product_id)
    prices = range(1, 4 * fair, max(1, fair // 50))
    own = orders[orders["product_id"] == product_id]
    bids, offers = own[own["side"] == BUY], own[own["side"] == SELL]
    demand = [int(bids["quantity_lots"][bids["price_ticks"] >= ticks].sum()) for ticks in prices]
    offer = [int(offers["quantity_lots"][offers["price_ticks"] <= ticks].sum()) for ticks in prices]
    assert demand[0] > demand[-1] > 0 and offer[0] < demand[0] and offer[-1] > demand[-1]
    meeting = next(ticks for ticks, d, s in zip(prices, demand, offer, strict=True) if s >= d)
    assert 0.6 * fair < meeting < 2 * fair


def test_the_system_operator_alone_buys():
    for one in PARTICIPANTS:
        orders = rows(one.act(1, CALL), PlaceOrder)
        sides = set(orders["side"].tolist())
        assert sides <= ({BUY} if one.name == SYSTEM_OPERATOR else {SELL})
        assert (orders["quantity_lots"] > 0).all() and (orders["price_ticks"] >= 0).all()
        assert one.act(1, View(7)).size == 0


def test_the_same_seed_bids_and_calls_the_same():
    assert DEMAND.act(1, CALL).tobytes() == DEMAND.act(1, CALL).tobytes() != DEMAND.act(2, CALL).tobytes()
    calls = [[calls_of(seed, p.product_id) for p in BLOCKS_OF_DAYS] for seed in (1, 1, 2)]
    assert calls[0] == calls[1] != calls[2]


def test_calls_lie_in_the_block_one_after_the_other_in_one_direction_at_a_time():
    count = {True: 0, False: 0}
    for day in DAYS:
        blocks = reserve_of(day)
        for up, down in zip(blocks[:BLOCKS], blocks[BLOCKS:], strict=True):
            calls = sorted(
                (*calls_of(3, up.product_id), *calls_of(3, down.product_id)), key=lambda call: call.begin_ns
            )
            ends = [up.delivery_start_ns, *(call.end_ns for call in calls)]
            assert all(call.begin_ns > end_ns for call, end_ns in zip(calls, ends, strict=False))
            assert all(call.begin_ns % STEPS_NS == call.end_ns % STEPS_NS == 0 for call in calls)
            assert ends[-1] <= up.delivery_end_ns
            for product in (up, down):
                own = calls_of(3, product.product_id)
                count[product.is_upward] += len(own)
                assert sum(c.end_ns - c.begin_ns for c in own) <= ACTIVATION_MAX_S * SECOND_NS
    assert min(count.values()) > len(DAYS)


def test_a_call_is_begun_while_nothing_runs_and_ends_by_itself():
    product = next(p for p in BLOCKS_OF_DAYS if calls_of(1, p.product_id))
    call = calls_of(1, product.product_id)[0]
    at = View(7, call.begin_ns // SECOND_NS, idle_reserve={product.product_id: 200})
    said = ActivateReserve.unpack(CALLS.act(1, at))
    assert (said["product_id"], said["until_ns"]) == (product.product_id, call.end_ns)
    assert said["quantity_lots"] == int(200 * call.share) > 0
    few = dataclasses.replace(at, idle_reserve={product.product_id: 1})
    assert ActivateReserve.unpack(CALLS.act(1, few))["quantity_lots"] == 1
    assert CALLS.act(1, dataclasses.replace(at, idle_reserve={})).size == 0  # it runs already
    over = dataclasses.replace(at, now_s=call.end_ns // SECOND_NS)
    assert CALLS.act(1, over).size == 0


def event(record, **values):
    names = {field.name: 0 for field in record.fields}
    return record(**{**names, **values})


def told(view, *events):
    for each in events:
        kind = int(each["kind"][0])
        if kind == OrderFilled.kind:
            view.fill(each[0])
        else:
            view.folds[kind][1](each[0])


def test_what_is_held_and_called_is_seen_until_it_is_delivered():
    up, down = reserve_of(DAYS[0])[0], reserve_of(DAYS[0])[BLOCKS]
    view = ReserveView()
    for product, lots in ((up, 9), (down, 4)):
        for side, account_id in ((BUY, SYSTEM_OPERATOR_ACCOUNT), (SELL, FLEET_ACCOUNT)):
            told(view, event(OrderFilled, product_id=product.product_id, side=side, account_id=account_id,
                             quantity_lots=lots, price_ticks=850))  # fmt: skip
    told(view, event(OrderFilled, product_id=up.product_id, side=SELL, account_id=2, quantity_lots=5))
    told(view, event(OrderFilled, product_id=up.product_id, side=BUY, account_id=SYSTEM_OPERATOR_ACCOUNT,
                     quantity_lots=5, price_ticks=850))  # fmt: skip
    share = event(ReserveActivated, product_id=down.product_id, account_id=FLEET_ACCOUNT, quantity_lots=1)
    told(view, event(ReserveLevelSet, product_id=down.product_id, quantity_lots=2), share)
    line = reserve_now(view, up.delivery_start_ns - 1)
    assert (line.begin_ns, line.up_lots, line.fleet_up_lots) == (up.delivery_start_ns, 14, 9)
    assert (line.down_lots, line.fleet_down_lots) == (4, 4)
    assert (line.called_lots, line.fleet_called_lots) == (-2, -1)
    told(view, event(ReserveLevelSet, product_id=down.product_id),
         event(ReserveActivated, product_id=down.product_id, account_id=FLEET_ACCOUNT))  # fmt: skip
    assert reserve_now(view, up.delivery_start_ns).called_lots == 0
    told(view, *(event(PositionDelivered, product_id=p.product_id) for p in (up, down)))
    assert reserve_now(view, up.delivery_start_ns) is None


def test_prices_are_around_what_is_usual():
    ticks = np.array([fair_reserve_ticks(1, p.product_id) for p in BLOCKS_OF_DAYS])
    assert ticks.min() > 300 and ticks.max() < 3_000 and np.unique(ticks).size > ticks.size // 2
