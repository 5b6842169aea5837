"""Fees: fixed when a product opens, set aside with each order, moved with each fill; engine and twin."""

import random

import pytest
from exchange_rig import check_books, venue
from test_exchange_safeguards import basket, block, hours, names, quote, reasons

from ringmain.exchange import fees_messages as fm
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s

MILLION = s.FEE_MILLITICKS_MAX


def tariff(desk, maker=0, taker=0, auction=0, group=3, session=1):
    return desk.send(
        fm.SetFees, session, maker_milliticks=maker, taker_milliticks=taker, auction_milliticks=auction,
        product_group=group,
    )  # fmt: skip


def cash(desk, account):
    return int(desk.state().participants[account].cash.balance_minor)


def test_a_fill_costs_the_maker_and_the_taker_what_was_fixed_when_the_product_opened():
    desk = venue()
    tariff(desk, maker=500, taker=7_000)  # 0.005 and 0.07 EUR/MWh
    hours(desk, group=3)
    tariff(desk, maker=0, taker=0)  # for products that open later
    before = [cash(desk, account) for account in (0, 1, 2)]
    desk.place(11, m.BUY, 10, 4, product=101)
    desk.place(12, m.SELL, 10, 4, product=101)
    paid = [b - cash(desk, account) for b, account in zip(before, (0, 1, 2), strict=True)]
    assert paid == [-4 * 7_500, 4 * 10 * 1_000 + 4 * 500, -4 * 10 * 1_000 + 4 * 7_000]
    check_books(desk.state())


def test_a_lots_fee_is_rounded_up_and_told_once():
    desk = venue()
    tariff(desk, maker=-1, taker=1, auction=1_001)
    desk.send(
        m.DefineProduct, 1, delivery_start_ns=10**15, product_id=101, value_minor=250,
        reference_price_ticks=0, market_range_ticks=50, product_kind=m.QUARTER_HOURLY,
    )  # fmt: skip
    desk.send(sm.AssignProductGroup, 1, product_id=101, product_group=3)
    events = desk.send(m.ScheduleProduct, 1, auction_ns=0, gate_closure_ns=9 * 10**14, product_id=101)
    assert names(events) == ["ProductScheduled", "ProductFeesFixed", "PhaseChanged"]
    fixed = [events[1][f"{who}_fee_minor"] for who in ("maker", "taker", "auction")]
    assert fixed == [0, 1, 251]


def test_an_order_sets_its_largest_fee_aside_and_is_refused_without_it():
    desk = venue()
    tariff(desk, maker=1_000, taker=2_000)
    hours(desk, group=3)
    desk.send(m.OpenAccount, 1, credit_minor=0, long_limit_lots=100, short_limit_lots=100, account_id=9)
    desk.open(19, 9)
    desk.send(m.Deposit, 1, amount_minor=5 * 10_000 + 5 * 2_000 - 1, account_id=9)
    assert reasons(desk.place(19, m.BUY, 10, 5, product=101)) == ["CREDIT_EXCEEDED"]
    desk.send(m.Deposit, 1, amount_minor=1, account_id=9)
    assert names(desk.place(19, m.BUY, 10, 5, product=101)) == ["OrderAccepted"]
    desk.place(12, m.SELL, 10, 5, product=101)
    assert cash(desk, 9) == 5 * 1_000  # the maker's fee is the smaller one
    check_books(desk.state())


def test_a_rebate_is_paid_by_the_venue():
    desk = venue()
    tariff(desk, maker=-1_000, taker=3_000)
    hours(desk, group=3)
    before = cash(desk, 1)
    desk.place(11, m.SELL, 0, 5, product=101)
    desk.place(12, m.BUY, 0, 5, product=101)
    assert cash(desk, 1) - before == 5_000


def test_blocks_and_baskets_pay_for_each_product():
    desk = venue()
    tariff(desk, maker=1_000, taker=2_000)
    hours(desk, group=3)
    before = cash(desk, 0)
    block(desk, 11, m.BUY, 5, 2)
    block(desk, 12, m.SELL, 5, 2)
    assert cash(desk, 0) - before == 3 * 2 * 3_000
    for product in (101, 102):
        desk.place(12, m.SELL, 5, 1, product=product)
    assert names(basket(desk, 11, (101, m.BUY, 5, 1), (102, m.BUY, 5, 1)))[0] == "BasketExecuted"
    assert cash(desk, 0) - before == (6 + 2) * 3_000
    check_books(desk.state())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"maker": MILLION + 1}, "FEE_OUT_OF_RANGE"), ({"taker": -MILLION - 1}, "FEE_OUT_OF_RANGE"),
        ({"maker": -2, "taker": 1}, "FEE_OUT_OF_RANGE"), ({"auction": -1}, "FEE_OUT_OF_RANGE"),
        ({"group": 16}, "GROUP_OUT_OF_RANGE"), ({"session": 11}, "OPERATOR_ONLY"),
    ],
)  # fmt: skip
def test_a_tariff_that_cannot_be_is_refused(wrong, reason):
    assert reasons(tariff(venue(), **wrong)) == [reason]


@pytest.mark.parametrize("seed", range(300, 304))
def test_the_same_events_and_books_on_a_day_with_fees(seed):
    dice = random.Random(seed)
    desk = venue()
    maker = dice.randint(-3_000, 3_000)
    tariff(desk, maker, max(-maker, 0) + dice.randint(0, 4_000), dice.randint(0, 4_000))
    hours(desk, 4, group=3)
    desk.send(mm.AllowQuoting, 1, quoter_id=12, is_allowed=1)
    for step in range(300):
        session, price, lots = dice.choice([11, 12, 13]), dice.randint(-15, 15), dice.randint(1, 6)
        side, product, act = dice.choice([m.BUY, m.SELL]), dice.randint(101, 104), dice.random()
        if act < 0.5:
            more = dice.choice([{}, {"display_lots": 1}, {"type": m.STOP_LIMIT, "stop_ticks": price}])
            desk.place(session, side, price, lots, product=product, **more)
        elif act < 0.65:
            block(desk, session, side, price, lots, dice.randint(1, 4))
        elif act < 0.8:
            basket(desk, session, *[(p, side, price, lots) for p in dice.sample(range(101, 105), 2)])
        else:
            quote(desk, 12, price - dice.randint(1, 9), price, lots, product)
        if step % 50 == 0:
            check_books(desk.state())
    twin = desk.twin.accounts
    assert {n: cash(desk, n) for n in twin if n} == {n: account.cash for n, account in twin.items() if n}
    check_books(desk.state())
