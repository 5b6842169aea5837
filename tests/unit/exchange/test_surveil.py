"""Each pattern is planted in a real exchange's stream and found, alone; what only looks like it is not."""

import json
import random
from dataclasses import replace

import pytest
from venue_rig import HOUR_NS, MINUTE_NS, Venue, trade_at_random

from ringmain import cli
from ringmain.core.times import Span
from ringmain.exchange import messages as m
from ringmain.exchange.history.call_price import call_price
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History
from ringmain.exchange.history.surveillance import Parameters, surveil

MARKET_MAKER, OTHER, THIRD, FOURTH, FIFTH = 1, 2, 3, 4, 5


@pytest.fixture
def venue(tmp_path):
    """An orderly venue: a maker's quotes, others who take them and rest, steps of seconds."""
    venue = Venue(tmp_path)
    yield venue
    venue.close()


def live(venue, minutes, dice):
    """Let four accounts trade in good order: the maker quotes one price a side, and moves both at leisure."""
    quotes = []
    for _ in range(minutes):
        for number in quotes:
            venue.cancel(MARKET_MAKER, number)
        middle = 5_000 + dice.randint(-5, 5)
        quotes = [venue.buy(MARKET_MAKER, middle - 3, 50), venue.sell(MARKET_MAKER, middle + 3, 50)]
        for _ in range(3):
            venue.step(dice.randint(10, 20))
            account = dice.choice([OTHER, THIRD, FOURTH])
            side, price = dice.choice([(m.BUY, middle + 3), (m.SELL, middle - 3)])
            venue.place(account, side, price, dice.randint(1, 8), tif=m.IOC)
    for number in quotes:
        venue.cancel(MARKET_MAKER, number)


def found(venue, parameters=None, **changed):
    export(venue.folder, venue.data / "history")
    history = History(venue.data / "history")
    alerts = surveil(history, Span(), parameters or replace(Parameters(), **changed))
    history.close()
    return alerts


def surroundings(function):
    """Plant a pattern in the midst of an orderly stream."""

    def run(venue, *arguments):
        dice = random.Random(11)
        live(venue, 8, dice)
        venue.step(600)
        planted = function(venue, *arguments)
        venue.step(600)
        live(venue, 8, dice)
        return planted

    return run


def test_an_orderly_stream_gives_nothing(venue):
    live(venue, 40, random.Random(3))
    assert found(venue) == []


@surroundings
def wash_own(venue):
    resting = venue.sell(FIFTH, 5_001, 7)
    return resting, venue.buy(FIFTH, 5_001, 7)


def test_a_trade_with_oneself(venue):
    resting, aggressor = wash_own(venue)
    (alert,) = found(venue)
    assert (alert.rule, alert.severity, alert.account_ids, alert.product_id) == (
        "WASH_TRADE_OWN", "HIGH", (FIFTH,), 1,
    )  # fmt: skip
    (row,) = alert.evidence
    assert (row["seller_order"], row["buyer_order"]) == (f"15/{resting}", f"15/{aggressor}")
    assert (row["quantity_lots"], row["price_ticks"]) == (7, 5_001)
    assert alert.first_ns == alert.last_ns == row["time_ns"]


@surroundings
def wash_pair(venue, net=0):
    for n in range(4):
        seller, buyer = (FOURTH, FIFTH) if n % 2 == 0 else (FIFTH, FOURTH)
        venue.sell(seller, 5_002, 20 + (net if n == 3 else 0))
        venue.buy(buyer, 5_002, 20 + (net if n == 3 else 0))
        venue.step(30)


def test_a_pair_that_trades_back_and_forth(venue):
    wash_pair(venue)
    (alert,) = found(venue)
    assert (alert.rule, alert.severity, alert.account_ids) == ("WASH_TRADE_PAIR", "HIGH", (FOURTH, FIFTH))
    assert [row["quantity_lots"] for row in alert.evidence] == [20] * 4
    assert alert.finding == "4 trades with each other, 80 lots, 0 net"
    assert found(venue, wash_trades=5) == []
    assert found(venue, wash_gap_s=20) == []


def test_a_pair_that_is_left_with_a_change_is_no_wash(venue):
    wash_pair(venue, 30)
    assert found(venue) == []
    (alert,) = found(venue, wash_net_share=0.3)
    assert alert.rule == "WASH_TRADE_PAIR"


def test_a_pair_among_others_is_no_wash(venue):
    """Back and forth too, but each trades more with others meanwhile."""
    for n in range(4):
        seller, buyer = (FOURTH, FIFTH) if n % 2 == 0 else (FIFTH, FOURTH)
        venue.sell(seller, 5_002, 20)
        venue.buy(buyer, 5_002, 20)
        for account in (FOURTH, FIFTH):
            venue.sell(MARKET_MAKER, 5_002, 25)
            venue.buy(account, 5_002, 25)
        venue.step(30)
    assert found(venue) == []
    assert [a.rule for a in found(venue, wash_mutual_share=0.3)] == ["WASH_TRADE_PAIR"]


def test_a_maker_and_its_only_taker_are_no_wash(venue):
    """Back and forth between two alone, but the maker earns its spread at each."""
    for _ in range(6):
        quotes = venue.buy(FOURTH, 4_990, 10), venue.sell(FOURTH, 5_010, 10)
        venue.buy(FIFTH, 5_010, 10)
        venue.sell(FIFTH, 4_990, 10)
        venue.step(30)
        assert all(quotes)
    assert found(venue) == []
    (alert,) = found(venue, wash_price_ticks=20)
    assert (alert.rule, alert.account_ids) == ("WASH_TRADE_PAIR", (FOURTH, FIFTH))


@surroundings
def layer(venue, levels=4, cancel_after_s=3, place_before_s=2, filled=0):
    """Offers above the market, a buyer who is drawn down to the account's own bid, offers gone."""
    layers = [venue.sell(FIFTH, 5_010 + n, 40) for n in range(levels)]
    venue.step(place_before_s)
    venue.buy(FIFTH, 4_998, 10)
    venue.sell(OTHER, 4_998, 10)
    if filled:
        venue.buy(THIRD, 5_010, filled)
    venue.step(cancel_after_s)
    for number in layers:
        venue.cancel(FIFTH, number)
    return layers


def test_layers_that_go_after_the_trade_on_the_other_side(venue):
    layers = layer(venue)
    (alert,) = found(venue)
    assert (alert.rule, alert.severity, alert.account_ids, alert.product_id) == (
        "LAYERING",
        "HIGH",
        (FIFTH,),
        1,
    )
    assert [row["order"] for row in alert.evidence] == [f"15/{number}" for number in layers]
    assert all(row["side"] == "SELL" and row["filled_lots"] == 0 for row in alert.evidence)
    assert all(row["time_ns"] < alert.last_ns for row in alert.evidence)
    assert "160 lots on the SELL side" in alert.finding and "trade of 10 lots" in alert.finding
    assert found(venue, layering_levels=5) == []
    assert found(venue, layering_size_ratio=17.0) == []


def test_layers_of_which_a_little_was_filled_are_less_grave(venue):
    layer(venue, 4, 3, 2, 5)
    (alert,) = found(venue)
    assert (alert.rule, alert.severity) == ("LAYERING", "MEDIUM")
    assert found(venue, layering_filled_share=0.01) == []


@pytest.mark.parametrize("times", [(2, 3, 2), (4, 60, 2), (4, 3, 60)])
def test_few_late_or_old_layers_are_none(venue, times):
    layer(venue, *times)
    assert found(venue) == []


def test_layers_that_mostly_stay_are_none(venue):
    stay = [venue.sell(FIFTH, 5_020 + n, 100) for n in range(2)]
    layer(venue)
    assert found(venue) == [] and len(stay) == 2
    assert [a.rule for a in found(venue, layering_cancelled_share=0.4)] == ["LAYERING"]


def test_many_orders_for_each_trade(venue):
    for n in range(300):
        number = venue.buy(FIFTH, 4_900 + n % 20, 1)
        venue.replace(FIFTH, number, 4_890 + n % 20, 1)
        venue.cancel(FIFTH, number)
    live(venue, 5, random.Random(2))
    assert found(venue) == []
    (alert,) = found(venue, order_to_trade_messages=900)
    assert (alert.rule, alert.severity, alert.account_ids) == ("ORDER_TO_TRADE", "MEDIUM", (FIFTH,))
    (session,) = alert.evidence
    assert (session["session_id"], session["messages"], session["trades"]) == (15, 900, 0)
    assert found(venue, order_to_trade_messages=901) == []


def call(venue, spike_lots, seconds_before, price=5_400):
    """A call whose price is 5,000 until somebody bids high for much of it."""
    auction_ns = venue.now_ns + HOUR_NS
    venue.product(2, auction=auction_ns)
    for n in range(10):
        venue.buy(OTHER, 5_000 - 10 * n, 20, product=2)
        venue.sell(THIRD, 5_000 + 40 * n, 20, product=2)
    venue.buy(MARKET_MAKER, 5_000, 5, product=2)
    venue.step_to(auction_ns - seconds_before * 10**9)
    number = venue.buy(FIFTH, price, spike_lots, product=2)
    venue.step_to(auction_ns + MINUTE_NS)
    return number


def test_a_spike_in_the_last_seconds_of_a_call(venue):
    number = call(venue, 150, 5)
    (alert,) = found(venue)
    assert (alert.rule, alert.severity, alert.account_ids, alert.product_id) == (
        "CLOSING_SPIKE", "HIGH", (FIFTH,), 2,
    )  # fmt: skip
    assert {row["order"] for row in alert.evidence} == {f"15/{number}"}
    assert sum(row["filled_lots"] for row in alert.evidence) == 150
    assert "150 of 150 lots" in alert.finding and "from 5000 to" in alert.finding
    assert found(venue, closing_move_ticks=10_000) == []
    assert found(venue, closing_window_s=3) == []


@pytest.mark.parametrize("spike", [(150, 600), (3, 5)])
def test_early_or_small_orders_of_a_call_are_no_spike(venue, spike):
    call(venue, *spike)
    assert found(venue) == []


def test_the_slow_call_price_is_the_engines(tmp_path):
    """Over random books, what would be the price is what the engine then says."""
    dice = random.Random(4)
    venue = Venue(tmp_path, product=False)
    expected = {}
    for product in range(1, 60):
        reference = dice.choice([4_990, 5_000, 5_010, 6_000, 0])
        venue.product(product, auction=venue.now_ns + MINUTE_NS, reference=reference)
        book = []
        for _ in range(dice.randint(0, 12)):
            account, side = dice.randint(1, 5), dice.choice([m.BUY, m.SELL])
            price, lots = 5_000 + dice.randint(-9, 9), dice.randint(1, 6)
            venue.place(account, side, price, lots, product=product)
            book.append(("BUY" if side == m.BUY else "SELL", price, lots))
        expected[product] = call_price(book, reference)
    venue.step(90)
    export(venue.folder, tmp_path / "history")
    history = History(tmp_path / "history")
    rows = history.ask("SELECT product_id, price_ticks, volume_lots FROM auction_uncrossed").rows
    assert len(rows) == 59 and sum(volume > 0 for _, _, volume in rows) > 20
    for product, price, volume in rows:
        assert expected[product] == (price if volume else None)
    venue.close()


def test_the_command_tells_what_was_found(venue, capsys):
    wash_own(venue)
    layer(venue)
    assert cli.main(["exchange", "surveil", "--data", str(venue.data), "--json"]) == 0
    alerts = json.loads(capsys.readouterr().out)
    assert [alert["rule"] for alert in alerts] == ["WASH_TRADE_OWN", "LAYERING"]
    assert alerts[0]["evidence"][0]["buyer_account_id"] == FIFTH
    assert cli.main(["exchange", "surveil", "--data", str(venue.data), "--layering-levels", "9"]) == 0
    said = capsys.readouterr().out
    assert "One finding" in said and "WASH_TRADE_OWN" in said and "LAYERING" not in said
    until = ["--to", "2026-03-01"]
    assert cli.main(["exchange", "surveil", "--data", str(venue.data), *until]) == 0
    assert capsys.readouterr().out == "nothing was found\n"


def test_a_random_stream_has_its_own_trades_found_and_no_more_than_there_are(tmp_path):
    venue = Venue(tmp_path)
    trade_at_random(venue, random.Random(1), 600)
    alerts = [a for a in found(venue) if a.rule == "WASH_TRADE_OWN"]
    history = History(tmp_path / "history")
    own = history.ask("SELECT position FROM trades WHERE buyer_account_id = seller_account_id").rows
    assert sum(len(alert.evidence) for alert in alerts) == len(own) > 0
    venue.close()
