"""Random markets with reserve beside the slow twin, event by event: trading, calls, settlement, replay."""

import random

import pytest
from exchange_rig import CloseSession, Desk, check_books
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reserve_rig import replayed
from test_exchange_twin import change_trade, wild

from ringmain.exchange import fees_messages as fm
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import reserve_messages as rm
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s

SECOND = 10**9
ENERGY, NEXT = 1, 21 + s.PRODUCTS
RESERVES = (21, 22, 23, NEXT)
SELLERS, BUYERS = (11, 12, 13, 14), (15, 16)


def opened(dice):
    """Return a desk with two buyers, and blocks that are traded, held and called at the same time."""
    desk = Desk()
    desk.open(1, 0)
    desk.open(2, 0)
    means = {1: (10**9, 500), 2: (10**9, 500), 3: (10**6, 20), 4: (0, 30), 6: (10**5, 50)}
    for account, (cash, limit) in (means | {5: (dice.choice([10**6, 10**9]), 900)}).items():
        desk.account(account, cash=cash, credit=10**4, long=limit, short=limit)
        desk.open(10 + account, account, cancel_on_disconnect=account % 2)
    desk.send(sm.SetOrderRate, 1, target_session_id=13, orders_per_s=0, burst_orders=1)  # keeps trades
    desk.send(fm.SetFees, 1, maker_milliticks=10, taker_milliticks=20, auction_milliticks=30, product_group=0)
    desk.product(ENERGY)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    for place, number in enumerate(RESERVES[:3]):
        block(desk, dice, number, desk.now_ns // SECOND + 5 * place)
    return desk


def block(desk, dice, number, second):
    """Define and open a block that is traded for 20 s or so, and delivered for 60 s."""
    auction, closure = (second + 10) * SECOND + dice.randrange(SECOND), (second + 20) * SECOND
    terms = {
        "buyer_account_id": dice.choice([5, 5, 5, 6]),
        "delivery_duration_s": dice.choice([1, 30, 60, 60, 60]),
        "activation_ticks": dice.choice([0, 1, 3_601, 3_601, 10_007, s.PRICE_TICKS_MAX]),
    }  # fmt: skip
    terms["activation_max_s"] = min(dice.choice([0, 20, 60, 60]), terms["delivery_duration_s"])
    desk.product(
        number, kind=dice.choice([m.RESERVE_UP, m.RESERVE_DOWN]), value=dice.choice([1, 4_000]),
        auction=dice.choice([0, auction]), closure=closure,
        start=closure + dice.choice([0, 1, 7 * SECOND + 1]), reach=50, terms=terms,
        rules=dice.choice([None, {"allocation": m.PRO_RATA}]),
    )  # fmt: skip
    for session in dice.sample(SELLERS, 3):
        desk.place(session, m.SELL, dice.randint(0, 20), dice.randint(1, 20), number)
    desk.place(10 + terms["buyer_account_id"], m.BUY, 30, dice.randint(5, 60), number)


def trade(desk, dice):
    """Send one random order, now and then on the wrong side of reserve, or several at once."""
    product = dice.choice([*RESERVES, ENERGY])
    is_buyer = dice.random() < 0.4
    session = dice.choice(BUYERS if is_buyer else SELLERS)
    side = m.BUY if is_buyer != (dice.random() < 0.05) else m.SELL
    price = wild(dice, dice.randint(-5, 60) + (20 if is_buyer else 0))
    lots = wild(dice, dice.randint(1, 25))
    what = dice.random()
    if what < 0.06:
        desk.send(mm.BeginBasket, session, leg_count=2)
        for leg in (product, dice.choice([ENERGY, 22])):
            desk.send(
                mm.AddBasketLeg, session, price_ticks=price, quantity_lots=lots, product_id=leg, side=side
            )
    elif what < 0.09:
        desk.send(
            mm.PlaceQuote, dice.choice([11, session]), product_id=product, bid_price_ticks=price,
            offer_price_ticks=price + 1, bid_lots=dice.choice([0, lots]), offer_lots=lots,
        )  # fmt: skip
    elif what < 0.12:
        desk.send(
            mm.PlaceBlock, session, price_ticks=price, quantity_lots=lots, side=side, product_count=2,
            first_product_id=dice.choice([21, 22]), time_in_force=m.GOOD_FOR_SESSION,
        )  # fmt: skip
    elif what < 0.2:
        own = [number for owner, number in desk.twin.orders if owner == session]
        number = dice.choice(own or [1])
        terms = {"price_ticks": price, "quantity_lots": lots, "expected_lots": 0}
        desk.send(m.ReplaceOrder, session, order_number=number, **terms)
    else:
        force = dice.choice([m.GOOD_FOR_SESSION, m.GOOD_FOR_SESSION, m.GOOD_TILL_CANCELLED, m.IOC])
        desk.place(session, side, price, lots, product, tif=force)


def call(desk, dice):
    """Send one random call, mostly of what its buyer holds and within the block."""
    product = dice.choice(_in_phase(desk, m.HOLDING) * 5 or RESERVES)
    found = desk.twin.products.get(product % s.PRODUCTS)
    held = desk.twin.held.get(product % s.PRODUCTS)
    most = max(1, found.positions.get(held.account, 0)) if held else 1
    session = 10 + held.account if held and dice.random() < 0.97 else dice.choice([1, 11, 15, 16])
    now = desk.now_ns
    until = now + dice.choice([1, 10**6, dice.randrange(1, 4 * SECOND), dice.randrange(1, 20 * SECOND)])
    if dice.random() < 0.9 and held:
        until = min(until, found.start + held.terms["delivery_duration_s"] * SECOND)
    lots = dice.choice([0, 1, most, dice.randint(0, most), dice.randint(0, most), most + 1])
    desk.send(
        rm.ActivateReserve, session, product_id=product, quantity_lots=wild(dice, lots),
        until_ns=wild(dice, until),
    )  # fmt: skip


def operate(desk, dice):
    """Send one random operator's command."""
    account, product = dice.choice([1, 2, 3, 4, 5, 5, 6]), dice.choice([*RESERVES, ENERGY])
    ask = dice.randrange(9)
    if ask == 0:
        desk.send(m.Withdraw, 1, account_id=account, amount_minor=dice.choice([1, 10**5, 10**8]))
    elif ask == 1:
        desk.send(m.Deposit, 1, account_id=account, amount_minor=10**5)
    elif ask == 2:
        limits = {"long_limit_lots": dice.choice([0, 500]), "short_limit_lots": dice.choice([0, 500])}
        desk.send(m.OpenAccount, 1, account_id=account, credit_minor=dice.choice([0, 10**6]), **limits)
    elif ask == 3:
        desk.send(dice.choice([m.HaltProduct, m.ResumeProduct]), 1, product_id=product)
    elif ask == 4:
        desk.send(m.ExpireProduct, 1, product_id=product)
    elif ask == 5:
        change_trade(desk, dice, 1)
    elif ask == 6:
        kill = {"scope": dice.randint(1, 4), "cause": 1}
        kill["target_id"] = {1: dice.choice([15, 16, 11]), 2: account, 3: product, 4: 0}[kill["scope"]]
        desk.send(sm.EngageKillSwitch, 1, **kill)
        for _ in range(3):
            call(desk, dice)
            trade(desk, dice)
        desk.send(sm.ReleaseKillSwitch, 1, **kill)
    elif ask == 7:
        desk.send(CloseSession, 15)
        desk.open(15, 5, cancel_on_disconnect=1)
    else:
        second, terms = desk.now_ns // SECOND, {"activation_ticks": wild(dice, 5)}
        desk.send(
            rm.SetReserveTerms, dice.choice([1, 11]), product_id=product, buyer_account_id=account,
            delivery_duration_s=dice.choice([0, 60]), activation_max_s=60, **terms,
        )  # fmt: skip
        desk.send(
            m.ScheduleProduct, 1, product_id=product, auction_ns=0, gate_closure_ns=(second + 9) * SECOND
        )


def live(desk, dice, steps):
    """Let so many random commands happen, three in a second or so; timers come late now and then."""
    for _ in range(steps):
        is_traded = bool(_in_phase(desk, m.CALL, m.CONTINUOUS))
        weights = [70, 25, 5] if is_traded else [10, 85, 5]
        dice.choices([trade, call, operate], weights)[0](desk, dice)
        desk.now_ns += dice.choice([0, 1, *[dice.randrange(SECOND)] * 2])
        if dice.random() < 0.8:
            desk.tick()
        freed = desk.twin.products[21].phase == m.FREE
        if freed and desk.twin.products[21].id == 21:
            block(desk, dice, NEXT, desk.now_ns // SECOND)


def _in_phase(desk, *phases):
    """Return the reserve products that are in one of some phases."""
    found = (desk.twin.products.get(number % s.PRODUCTS) for number in RESERVES[:3])
    return [product.id for product in found if product and product.phase in phases]


def end(desk):
    """Let all blocks end: nothing is called, set aside or held then."""
    desk.tick(desk.now_ns + 200 * SECOND)
    check_books(desk.state())
    state = desk.state()
    assert not state.reserves["set_aside_minor"].any() and not state.reserves["level_lots"].any()
    assert not state.shares.view("u1").any()
    balances = {n: int(state.participants[n].cash.balance_minor) for n in desk.twin.accounts}
    assert balances == {n: account.cash for n, account in desk.twin.accounts.items()}


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_the_same_events_on_random_days_with_reserve(seed):
    dice = random.Random(seed)
    desk = opened(dice)
    for _ in range(8):
        live(desk, dice, 50)
        check_books(desk.state())
    end(desk)
    settled, billed = 0, 0
    told, machine = replayed(desk, 1_000)
    for event in told:
        settled += event.get("amount_minor", 0) if event["record"] == "ReserveSettled" else 0
        billed += event["amount_minor"] if event["record"] == "ReserveBilled" else 0
    assert settled == billed > 0
    assert machine.state.tobytes() == desk.machine.state.tobytes()
    assert replayed(desk, 7)[0] == told


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_the_same_events_on_any_stream_with_reserve(dice, length):
    desk = opened(dice)
    live(desk, dice, length)
    check_books(desk.state())
    end(desk)


SOLD = st.lists(st.integers(1, 50), min_size=1, max_size=6)
CALLS = st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1), st.integers(1, 5 * 10**9)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(SOLD, CALLS, st.integers(0, 10**5))
@example([1, 1, 1], [(0, 0.34, 5 * 10**9)], 7_201)
def test_shares_add_up_and_no_seller_gives_more_than_it_has_sold(offers, calls, ticks):
    desk = Desk()
    desk.open(1, 0)
    for account in range(1, 9):
        desk.account(account)
        desk.open(10 + account, account)
    terms = {"buyer_account_id": 8, "activation_ticks": ticks}
    desk.product(21, kind=m.RESERVE_UP, auction=0, closure=5, start=5, value=1, terms=terms)
    for account, lots in enumerate(offers, 1):
        desk.place(10 + account, m.SELL, 0, lots, 21)
    desk.place(18, m.BUY, 0, sum(offers), 21)
    desk.tick(5)
    for gap, part, length in calls:
        desk.tick(desk.now_ns + gap)
        level = round(part * sum(offers))
        desk.send(rm.ActivateReserve, 18, product_id=21, quantity_lots=level, until_ns=desk.now_ns + length)
        state = desk.state()
        for account, lots in enumerate(offers, 1):
            share = state.shares[state.position_at[21, account]].lots
            exact = level * lots / sum(offers)
            assert share <= lots and abs(share - exact) < 1
        check_books(state)
    desk.tick(5 + 100 * SECOND)
    check_books(desk.state())
    assert desk.state().participants[8].cash.reserved_minor == 0
