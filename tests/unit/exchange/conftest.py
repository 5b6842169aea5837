"""A venue that has lived two days, and its history."""

import random

import pytest
from venue_rig import HOUR_NS, MORNING, CloseSession, Venue, trade_at_random

from ringmain.exchange import messages as m
from ringmain.exchange.fees_messages import SetFees
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Two days: an auction, continuous trading, a gate closure between, every kind of event."""
    data = tmp_path_factory.mktemp("venue") / "data"
    venue = Venue(data, product=False)
    venue.send(
        SetFees, 1, maker_milliticks=-100, taker_milliticks=4_000, auction_milliticks=1_500, product_group=0
    )
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
