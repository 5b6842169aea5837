"""The engine beside its slow twin, event by event, on random streams."""

import random

import pytest
from exchange_rig import CloseSession, Desk, check_books
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s

HOUR_NS = 3_600_000_000_000


def wild(dice, usual):
    """Now and then a value that nobody should send."""
    return dice.choice([0, -1, 2**31 - 1, -(2**31), 2**23, 10**6 + 1]) if dice.random() < 0.01 else usual


def trade(desk, dice, spread=30):
    """Send one random participant's command."""
    session = dice.choice([11, 11, 12, 12, 13, 14, 15])
    product = (
        dice.choice([1, 2, 3, 6, 6, 7, 8, 8, 5 + s.PRODUCTS])
        if dice.random() < 0.98
        else dice.choice([4, 2**32 - 1])
    )
    what = dice.random()
    resting = [number for owner, number in desk.twin.orders if owner == session]
    number = dice.choice(resting) if resting and dice.random() < 0.95 else dice.randint(-1, 400)
    price = wild(dice, dice.randint(-spread, spread))
    lots = wild(dice, dice.randint(1, 40))
    if what < 0.6:
        kind = dice.choices([m.LIMIT, m.MARKET, m.MARKET_TO_LIMIT, 6], [90, 10, 5, 0.3])[0]
        force = dice.choices([m.GOOD_FOR_SESSION, m.IOC, m.FOK, 0], [75, 12, 12, 0.3])[0]
        side = dice.choices([m.BUY, m.SELL, 0, 3], [50, 50, 0.1, 0.1])[0]
        terms = {"self_trade": dice.choices([0, 1, 2, 3, 4, 5], [50, 10, 10, 10, 10, 0.2])[0]}
        if dice.random() < 0.4:
            kind, force, more = special_terms(desk, dice, side, price, spread)
            terms |= more
        desk.place(session, side, price, lots, product, kind, force, **terms)
    elif what < 0.75:
        desk.send(m.CancelOrder, session, order_number=number)
    elif what < 0.96:
        expected = dice.choice([0, 0, 0, lots])
        order = desk.twin.orders.get((session, number))
        if order and dice.random() < 0.3:
            price = order.price
        desk.send(
            m.ReplaceOrder, session, order_number=number, price_ticks=price, quantity_lots=lots,
            expected_lots=expected, stop_ticks=dice.choice([price, price // 2]),
        )  # fmt: skip
    elif what < 0.965:
        desk.send(m.MassCancel, session, product_id=dice.choice([0, 0, product]))
    else:
        operate(desk, dice, product)


def special_terms(desk, dice, side, price, spread):
    """Return order type, time in force and further terms of an order that is no plain one."""
    forces = [m.GOOD_FOR_SESSION, m.GOOD_TILL_CANCELLED, m.GOOD_TILL_DATE, m.IOC]
    force = dice.choices(forces, [40, 20, 35, 1])[0]
    terms = {"expires_s": max(0, desk.now_ns // 10**9 + dice.randint(0, 90))}
    what = dice.random()
    if what < 0.3:
        return dice.choice([m.STOP, m.STOP_LIMIT]), force, terms | {"stop_ticks": wild(dice, price // 2)}
    if what < 0.7:
        step = dice.choice([0, 0, 0, 1, 3]) * (-1 if side == m.BUY else 1)
        step = -step if dice.random() < 0.02 else step
        return m.LIMIT, force, terms | {"display_lots": dice.choice([1, 2, 3, 8]), "clip_step_ticks": step}
    return m.LIMIT, force, terms | {"post_only": int(what < 0.85), "balancing": int(what > 0.95)}


def join(desk, dice, spread):
    """Send a random basket, now and then not all of it, or none that anybody announced."""
    session = dice.choice([11, 11, 12, 13, 14, 15])
    products = dice.sample([1, 2, 3, 6, 7, 5 + s.PRODUCTS], 4)
    count = dice.choice([1, 2, 2, 3, 4])
    if dice.random() < 0.97:
        announced = dice.choice([0, 101, 2**32 - 1]) if dice.random() < 0.03 else count
        desk.send(mm.BeginBasket, session, leg_count=announced)
    for product in products[: count if dice.random() < 0.95 else count - 1]:
        side = dice.choice([m.BUY, m.SELL]) if dice.random() < 0.99 else 3
        price = wild(dice, dice.randint(0, 2 * spread) * (1 if side == m.BUY else -1))
        desk.send(
            mm.AddBasketLeg, session, price_ticks=price, quantity_lots=wild(dice, dice.randint(1, 12)),
            product_id=wild(dice, product) % 2**32 if dice.random() < 0.99 else products[0], side=side,
        )  # fmt: skip


def span(desk, dice, spread):
    """Send a random block, or orders of its size into the books that blocks span."""
    session = dice.choice([11, 11, 12, 12, 13, 14, 15])
    first, count = dice.choice([10, 10, 11, 12, 9, 14]), dice.choice([1, 2, 2, 3, 4])
    side = dice.choice([m.BUY, m.SELL]) if dice.random() < 0.99 else 3
    if dice.random() < 0.6:
        price = dice.randint(-spread // 2, spread) * (1 if side == m.BUY else -1)
        desk.place(session, side, price, dice.randint(1, 9), dice.randint(10, 13))
        return
    force = dice.choices([m.GOOD_FOR_SESSION, m.IOC, m.FOK, m.GOOD_TILL_DATE], [80, 8, 8, 1])[0]
    desk.send(
        mm.PlaceBlock, session, price_ticks=wild(dice, dice.randint(-spread, spread)),
        quantity_lots=wild(dice, dice.choice([1, 2, 2, 3, 5])), first_product_id=first,
        product_count=count if dice.random() < 0.99 else dice.choice([0, 25]), side=side, time_in_force=force,
    )  # fmt: skip
    if dice.random() < 0.2:
        number = dice.choice([desk.numbers[session], *[b.name[1] for b in desk.twin.blocks]])
        desk.send(m.CancelOrder, session, order_number=number)
    if dice.random() < 0.03:
        desk.send(dice.choice([m.HaltProduct, m.ResumeProduct]), 1, product_id=dice.randint(10, 13))


def quote(desk, dice, spread):
    """Send a random quote, now and then by a session that may not, or about one that may."""
    session = dice.choice([11, 11, 13, 14, 15, 12])
    product = dice.choice([1, 2, 3, 6, 7, 8, 10, 11]) if dice.random() < 0.98 else 4
    middle, width = dice.randint(-spread, spread), dice.choice([1, 2, 5, 5, 0])
    lots = [dice.choice([0, 1, 5, 20, 20]), dice.choice([0, 1, 5, 20, 20])]
    desk.send(
        mm.PlaceQuote, session, product_id=product, bid_price_ticks=wild(dice, middle),
        offer_price_ticks=wild(dice, middle + width), bid_lots=wild(dice, lots[0]),
        offer_lots=wild(dice, lots[1]),
    )  # fmt: skip
    if dice.random() < 0.1:
        number = desk.numbers[session] * dice.choice([1, -1])
        desk.send(m.CancelOrder, session, order_number=number)
    if dice.random() < 0.05:
        quoter = dice.choice([11, 12, 13, 0, s.SESSIONS])
        desk.send(mm.AllowQuoting, dice.choice([1, 1, 11]), quoter_id=quoter, is_allowed=dice.randrange(2))
    if dice.random() < 0.1:
        protect(desk, dice)


def protect(desk, dice):
    """Set or reset a random protection of a market maker."""
    session, group = dice.choice([11, 11, 13, 14, 15, 12, 1]), dice.choice([0, 0, 0, 1, 16])
    quoter = dice.choice([0, 0, 0, 11, s.SESSIONS])
    if dice.random() < 0.6:
        desk.send(mm.ResetQuoteProtection, session, quoter_id=quoter, product_group=group)
        return
    desk.send(
        mm.SetQuoteProtection, session, quoter_id=quoter, product_group=group,
        window_ms=dice.choice([0, 1, 5_000, 60_000, 3_600_001]), fills_max=dice.choice([0, 0, 3]),
        volume_max_lots=wild(dice, dice.choice([0, 10, 40])),
        net_max_lots=wild(dice, dice.choice([0, 5, 30])),
    )  # fmt: skip


def operate(desk, dice, product):
    """Send one random operator's command, now and then by somebody who may not."""
    session = 1 if dice.random() < 0.9 else 11
    account = dice.choice([1, 2, 3, 4, 5, 0, 2**32 - 1])
    limits = {"long_limit_lots": wild(dice, 300), "short_limit_lots": wild(dice, 300)}
    if dice.random() < 0.4:
        return guard(desk, dice, session, product)
    ask = dice.randrange(13)
    if ask == 0:
        desk.send(
            m.OpenAccount, session, account_id=account, credit_minor=wild(dice, 10**5),
            may_balance=dice.randrange(2), **limits,
        )  # fmt: skip
    elif ask == 1:
        desk.send(m.Deposit, session, account_id=account, amount_minor=wild(dice, 10**5))
    elif ask == 2:
        desk.send(m.Withdraw, session, account_id=account, amount_minor=wild(dice, 10**5))
    elif ask == 3:
        desk.send(m.HaltProduct, session, product_id=product)
    elif ask < 6:
        desk.send(m.ResumeProduct, session, product_id=product)
    elif ask == 6:
        desk.send(
            m.DefineProduct, session, product_id=product, product_kind=dice.randrange(7),
            delivery_start_ns=0, value_minor=dice.choice([1, 250, 0, 10**6 + 1]),
            reference_price_ticks=wild(dice, 5), market_range_ticks=wild(dice, 5),
        )  # fmt: skip
    elif ask == 7:
        now_ns, second_ns = desk.now_ns, 10**9
        times = {"auction_ns": dice.choice([0, now_ns, now_ns + 50 * second_ns]), "gate_closure_ns": 0}
        times["gate_closure_ns"] = dice.choice([0, now_ns + 20 * second_ns, now_ns + 400 * second_ns])
        desk.send(m.ScheduleProduct, session, product_id=product, **times)
    elif ask == 8:
        desk.send(m.StartBalancing, session, product_id=product)
    elif ask == 9:
        desk.send(m.EndBalancing, session, product_id=product)
    elif ask == 10:
        desk.send(m.ExpireProduct, session, product_id=product)
    elif ask == 11:
        schedule_session(desk, dice, session, dice.choice([6, 8]))
    else:
        desk.send(CloseSession, 15)
        desk.open(15, dice.choice([3, 3, 9, 1]), dice.choice([1, 1, 0]))


def change_trade(desk, dice, session):
    """Propose to bust or correct a trade, and mostly approve it."""
    kept = desk.twin.trades
    trade = dice.choice(kept[-20:]) if kept else None
    found = {"trade_sequence": trade.sequence, "trade_index": trade.index} if trade else {}
    wrong = {
        "trade_sequence": dice.choice([-1, 0, desk.sequence]),
        "trade_index": dice.choice([0, 2**32 - 1]),
    }
    events = desk.send(
        sm.ProposeTradeChange, session, **(wrong | (found if dice.random() < 0.95 else {})),
        price_ticks=wild(dice, dice.randint(-30, 30)), action=dice.choice([1, 1, 2, 2, wild(dice, 1) % 256]),
    )  # fmt: skip
    if dice.random() < 0.9:
        proposal = dice.choice([events[-1]["sequence"]] * 9 + [0, -1])
        desk.send(sm.ApproveTradeChange, dice.choice([2, 2, 2, 2, 1, 12]), proposal_sequence=proposal)


def guard(desk, dice, session, product):
    """Send one random command about safeguards; what is stopped soon goes on."""
    account = dice.choice([0, 1, 2, 3, 4, wild(dice, 5) % 2**32])
    group, span = dice.choice([0, 0, 1, wild(dice, 2) % 256]), dice.choice([0, 4, 8, 20, wild(dice, 50)])
    ask = dice.randrange(9)
    if ask > 6:
        change_trade(desk, dice, session)
    elif ask < 2:
        scope = dice.choice([1, 2, 3, 4, wild(dice, 1) % 256])
        target = {1: dice.choice([11, 12, 15]), 2: account, 3: product}.get(scope, dice.choice([0, 0, 0, 1]))
        kill = {"scope": scope, "target_id": target, "cause": dice.randrange(9)}
        desk.send(sm.EngageKillSwitch, session, **kill)
        for _ in range(dice.choice([0, 0, 4])):
            trade(desk, dice)
        desk.send(sm.ReleaseKillSwitch, 1, **kill)
    elif ask == 2:
        desk.send(
            sm.SetOrderLimits, session, account_id=account, product_group=group,
            value_max_minor=dice.choice([0, 10**6, -1]), quantity_max_lots=wild(dice, dice.choice([0, 30])),
            static_collar_ticks=dice.choice([0, 25, span]), dynamic_collar_ticks=dice.choice([0, 0, span]),
        )  # fmt: skip
    elif ask == 3:
        desk.send(sm.AssignProductGroup, session, product_id=product, product_group=group)
    elif ask == 4:
        desk.send(
            sm.SetVolatilityRange, session, product_group=group, dynamic_range_ticks=span,
            extension_range_ticks=dice.choice([0, 2, span]), call_s=dice.choice([5, 20, 20, 0, 86_401]),
        )  # fmt: skip
    elif ask == 5:
        desk.send(
            sm.SetOrderRate, session, target_session_id=dice.choice([11, 12, 13, 0, 2**32 - 1]),
            orders_per_s=dice.choice([0, 1, 2, 10**6 + 1]), burst_orders=dice.choice([1, 3, 0]),
        )  # fmt: skip
    else:
        desk.send(
            sm.SetOrderToTrade, session, account_id=account, orders_per_trade=dice.choice([0, 2, 10**6 + 1]),
            free_orders=dice.choice([0, 50, 100, 10**9 + 1]),
        )  # fmt: skip


def schedule_session(desk, dice, session, product):
    """Describe the next session of an instrument, and open it, mostly soundly."""
    second_ns, now_ns = 10**9, desk.now_ns
    start = dice.choice([0, now_ns + 5 * second_ns])
    closing = dice.choice([0, now_ns + 60 * second_ns])
    desk.send(
        m.ScheduleCalls, session, product_id=product, call_start_ns=start, closing_call_ns=closing,
        random_end_ms=dice.choice([0, 5_000, s.RANDOM_END_MS_MAX + 1]), seed=dice.randrange(2**32),
        indicative_ms=dice.choice([0, 99, 100, 2_000]),
    )  # fmt: skip
    auction = dice.choice([0, now_ns + 20 * second_ns])
    desk.send(
        m.ScheduleProduct, session, product_id=product, auction_ns=auction,
        gate_closure_ns=dice.choice([0, now_ns + 90 * second_ns]),
    )  # fmt: skip


def opened(dice):
    """Return a desk with accounts of all means, and products in all phases."""
    desk = Desk()
    desk.open(1, 0)
    desk.open(2, 0)
    for account, cash, limit in ((1, 10**8, 10**6), (2, 10**8, 10**6), (3, 10**6, 100), (4, 10**5, 50)):
        desk.account(account, cash=cash, long=limit, short=limit)
        desk.open(10 + account, account)
    desk.open(15, 3, 1)
    desk.product(1)
    desk.product(2, auction=300 * 10**9, closure=900 * 10**9, kind=m.HOURLY, reference=dice.randint(-9, 9))
    desk.product(3, auction=500 * 10**9, closure=700 * 10**9, kind=m.QUARTER_HOURLY, value=250, reference=3)
    desk.product(5 + s.PRODUCTS, closure=600 * 10**9, kind=m.HOURLY, reach=3)
    desk.product(8, auction=20 * 10**9, closure=90 * 10**9, calls={"closing_call_ns": 60 * 10**9})
    desk.product(6, rules={"allocation": m.PRO_RATA})
    for session in (11, 13, 14, 15):
        desk.send(mm.AllowQuoting, 1, quoter_id=session, is_allowed=1)
    for hour in range(5):
        rules = {"allocation": m.PRO_RATA} if hour == 1 else None
        kind, closure = m.HOURLY if hour < 4 else m.QUARTER_HOURLY, 1_000 + 30 * (hour // 3)
        desk.product(
            10 + hour, closure=closure * 10**9, kind=kind, rules=rules, start=hour * HOUR_NS, reach=5
        )
    steps = {"price_step_ticks": 2, "lot_step_lots": 5, "quantity_min_lots": 10, "quantity_max_lots": 30}
    desk.product(7, auction=800 * 10**9, closure=900 * 10**9, kind=m.HOURLY, rules=steps)
    return desk


@pytest.mark.parametrize("seed", range(6))
def test_the_same_events_on_a_random_day(seed):
    dice = random.Random(seed)
    desk = opened(dice)
    for step in range(1_200):
        spread = dice.choice([5, 30, 200_000])
        trade(desk, dice, spread)
        if dice.random() < 0.15:
            join(desk, dice, spread)
        if dice.random() < 0.5:
            span(desk, dice, min(spread, 30))
        if dice.random() < 0.25:
            quote(desk, dice, spread)
        desk.tick(desk.now_ns + 10**9)
        if step % 100 == 0:
            check_books(desk.state())
    desk.tick(10_000 * 10**9)
    check_books(desk.state())


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_the_same_events_on_any_stream(dice, length):
    desk = opened(dice)
    for _ in range(length):
        trade(desk, dice, spread=6)
        if dice.random() < 0.3:
            join(desk, dice, spread=6)
        if dice.random() < 0.5:
            span(desk, dice, spread=6)
        if dice.random() < 0.5:
            quote(desk, dice, spread=6)
        desk.tick(desk.now_ns + dice.randrange(40) * 10**9)
    check_books(desk.state())


ORDERS = st.lists(
    st.tuples(st.sampled_from([m.BUY, m.SELL]), st.integers(-6, 6), st.integers(1, 9)), max_size=14
)


@settings(max_examples=150, deadline=None)
@given(ORDERS, st.integers(-9, 9))
@example([(m.BUY, 4, 1), (m.BUY, 5, 1), (m.SELL, 0, 1), (m.SELL, 5, 1)], 0)
def test_an_auction_has_the_price_of_the_exhaustive_search(orders, reference):
    desk = Desk()
    desk.open(1, 0)
    desk.account(1)
    desk.open(11, 1)
    desk.product(1, auction=100, reference=reference)
    for side, price, lots in orders:
        desk.place(11, side, price, lots)
    desk.tick(100)
    check_books(desk.state())


def test_an_auction_of_many_orders_takes_several_timers():
    desk = Desk()
    desk.open(1, 0)
    desk.account(1)
    desk.open(11, 1)
    desk.product(1, auction=100, closure=200, kind=m.HOURLY)
    for step in range(6 * s.FILLS_PER_COMMAND):
        desk.place(11, m.BUY, 10 + step % 3, 2)
        desk.place(11, m.SELL, step % 5, 2)
    events = desk.tick(100)
    assert len({event["sequence"] for event in events}) > 1
    desk.tick(200)
    check_books(desk.state())
    assert desk.state().matching.order_pool.count == 0
