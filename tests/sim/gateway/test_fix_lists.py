"""Lists and blocks over the FIX door of a running venue, in both versions."""

import time

import pytest

from ringmain.gateway.fix.codec import timestamp
from venues.fix_desk import LOGONS, FixDesk, every, get, list_order, open_hours
from venues.fix_venue import Venue

HOURS = [b"%d" % symbol for symbol in range(101, 127)]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"), products=(1, 2, 3))
    open_hours(venue, 101, 26)
    yield venue
    venue.close()


@pytest.fixture(params=list(LOGONS))
def pair(venue, request):
    """Return two traders of two accounts, whose orders are gone afterwards."""
    both = [FixDesk(venue, name, request.param, place + 1) for place, name in enumerate(("ONE", "TWO"))]
    yield both
    for each in both:
        each.clear()
        each.close()


def basket(prefix: bytes = b"", price: bytes = b"50.00"):
    return [
        list_order(prefix + b"a", 1, b"1", b"1", price),
        list_order(prefix + b"b", 2, b"2", b"2", b"40.00", b"2.0"),
    ]


def test_a_list_trades_whole_and_each_order_is_told(pair):
    one, two = pair
    two.place(b"o1", b"2", b"49.00", b"0.4")
    two.place(b"o2", b"2", b"50.00", b"3.0")
    two.place(b"b1", b"1", b"41.00", b"2.0", b"2")
    one.list(b"L1", basket())
    told = one.hear_until(b"N")
    assert get(told, 66, 429, 431, 68, 444) == (b"L1", b"1", b"3", b"2", None)
    assert (every(told, 11), every(told, 39), every(told, 151)) == (
        [b"a", b"b"], [b"0", b"0"], [b"1.0", b"2.0"],
    )  # fmt: skip
    first, second, third = (one.hear_until(b"8") for _ in range(3))
    assert get(first, 11, 66, 39, 38, 32, 31, 151, 14, 59) == (
        b"a", b"L1", b"1", b"1.0", b"0.4", b"49.00", b"0.6", b"0.4", b"4",
    )  # fmt: skip
    assert get(second, 11, 39, 32, 31, 151, 14, 6) == (
        b"a", b"2", b"0.6", b"50.00", b"0.0", b"1.0", b"49.600000",
    )  # fmt: skip
    assert get(third, 11, 39, 54, 55, 31) == (b"b", b"2", b"2", b"2", b"41.00")
    one.say(b"M", [(66, b"L1")])
    told = one.hear_until(b"N")
    assert (told.get(431), every(told, 39), every(told, 6)) == (
        b"6", [b"2", b"2"], [b"49.600000", b"41.000000"],
    )  # fmt: skip
    one.say(b"H", [(11, b"a"), (55, b"1"), (54, b"1")])
    assert get(one.hear_until(b"8", _150=b"I"), 39, 14, 6) == (b"2", b"1.0", b"49.600000")


def test_a_list_that_cannot_trade_whole_trades_nothing(pair):
    one, two = pair
    two.place(b"o1", b"2", b"50.00", b"3.0")
    two.place(b"b1", b"1", b"41.00", b"1.0", b"2")
    one.list(b"L1", basket())
    told = one.hear_until(b"N")
    assert get(told, 431, 444) == (b"7", b"BASKET_LEG_UNFILLED")
    assert every(told, 39) == [b"8", b"8"]
    assert every(told, 58) == [b"BASKET_LEG_UNFILLED, with the list", b"BASKET_LEG_UNFILLED"]
    one.list(b"L2", basket(b"2", price=b"99999.00"))  # the first order ends it, before the last has come
    assert get(one.hear_until(b"N"), 66, 431, 444) == (b"L2", b"7", b"PRICE_OUT_OF_RANGE")
    orders = [list_order(b"r%d" % each, each, b"1", b"1", b"50.00") for each in (1, 2)]
    one.list(b"L3", orders)
    told = one.hear_until(b"N")
    assert (told.get(444), every(told, 58)[1]) == (b"BASKET_LEG_REPEATED", b"BASKET_LEG_REPEATED")
    one.list(b"L4", [list_order(b"u1", 1, b"99", b"1", b"50.00")])
    assert get(one.hear_until(b"N"), 444, 103) == (b"UNKNOWN_PRODUCT", b"1")
    one.say(b"F", [(11, b"c"), (41, b"a"), (55, b"1"), (54, b"1"), (60, timestamp(time.time_ns()))])
    assert get(one.hear_until(b"9"), 39, 102) == (b"8", b"1")
    assert not [each for each in one.heard if each.type == b"8"]


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"_40": b"1"}, b"OrdType of a list's orders is 2"),
        ({"_40": None}, b"OrdType of a list's orders is 2"),
        ({"_59": None}, b"TimeInForce of a list's orders is 4"),
        ({"_59": b"0"}, b"TimeInForce of a list's orders is 4"),
        ({"_44": None}, b"Price is missing"),
        ({"_44": b"1.001"}, b"Price is no multiple of the tick 0.01"),
        ({"_38": b"1.05"}, b"OrderQty is no multiple of the lot 0.1"),
        ({"_38": b"999999999999"}, b"QUANTITY_OUT_OF_RANGE"),
        ({"_55": b"POWER"}, b"Symbol is a product's number"),
        ({"_67": b"3"}, b"ListSeqNo does not count up from 1"),
        ({"_11": b"x"}, b"the ClOrdID has been used"),
        ({"_11": b"n" * 49}, b"ClOrdID is longer than 48 characters"),
    ],
)
def test_an_order_of_a_list_that_cannot_be_is_named(pair, changes, text):
    one, _ = pair
    values = {"name": b"y", "number": 2, "symbol": b"2", "side": b"1", "price": b"50.00"}
    one.list(b"L", [list_order(b"x", 1, b"1", b"1", b"50.00"), list_order(**values, **changes)])
    told = one.hear_until(b"N")
    assert get(told, 431, 444) == (b"7", b"order 2: " + text)
    assert every(told, 58)[1] == text


def test_what_is_wrong_with_a_list_as_a_whole_is_named(pair):
    one, _ = pair
    one.list(b"L", basket(), bid_type=b"1")
    assert one.hear_until(b"N").get(444) == b"BidType is 3: there is no bidding"
    one.list(b"L", basket(), count=b"3")
    assert b"TotNoOrders" in one.hear_until(b"N").get(444)
    one.list(b"L", [list_order(b"%d" % each, each, b"1", b"1", b"1.00") for each in range(1, 102)])
    assert one.hear_until(b"N").get(444) == b"BASKET_LEGS_OUT_OF_RANGE"
    swapped = basket()
    swapped[1][1], swapped[1][2] = swapped[1][2], swapped[1][1]
    one.list(b"L", swapped)
    assert get(one.hear_until(b"3"), 371, 373) == (b"67", b"15")
    one.list(b"L", basket())
    assert one.hear_until(b"N").get(444) == b"BASKET_LEG_UNFILLED"
    one.list(b"L", basket(b"2"))
    assert one.hear_until(b"N").get(444) == b"the ListID has been used"
    one.list(b"L", basket(b"2"), _97=b"Y")
    assert get(one.hear_until(b"N"), 429, 444) == (b"2", b"BASKET_LEG_UNFILLED")
    now = timestamp(time.time_ns())
    one.say(b"K", [(66, b"L"), (60, now)])
    assert get(one.hear_until(b"j"), 372, 379, 380, 58) == (
        b"K", b"L", b"0", b"TOO_LATE: a list trades at once, whole, or not at all",
    )  # fmt: skip
    one.say(b"K", [(66, b"none"), (60, now)])
    assert get(one.hear_until(b"j"), 380, 58) == (b"1", b"UNKNOWN_LIST")
    one.say(b"M", [(66, b"none")])
    assert get(one.hear_until(b"j"), 372, 58) == (b"M", b"UNKNOWN_LIST")


def test_a_block_rests_is_cancelled_and_trades_in_all_of_its_hours(pair, venue):
    one, two = pair
    copy = FixDesk(venue, "COPY", one.begin_string, role="observer")
    one.block(b"B1", b"1", b"50.00", HOURS[:3])
    new = one.report(b"B1", b"0")
    assert get(new, 55, 54, 38, 44, 39, 151, 442, 555) == (
        b"[N/A]", b"1", b"1.0", b"50.00", b"0", b"1.0", b"3", b"3",
    )  # fmt: skip
    assert every(new, 600) == HOURS[:3]
    assert get(copy.report(b"B1", b"0"), 442, 1) == (b"3", b"1")
    one.say(b"H", [(11, b"B1"), (55, b"[N/A]"), (54, b"1")])
    assert get(one.report(b"B1", b"I"), 39, 55, 151, 442) == (b"0", b"[N/A]", b"1.0", b"3")
    change = [(11, b"r"), (41, b"B1"), (55, b"[N/A]"), (54, b"1"), (60, timestamp(time.time_ns()))]
    one.say(b"G", [*change, (38, b"1.0"), (40, b"2"), (44, b"51.00")])
    assert one.hear_until(b"9").get(58) == b"a block does not change: cancel it, and send another"
    one.say(b"F", [(11, b"X1"), *change[1:]])
    assert get(one.report(b"X1", b"4"), 41, 39, 58, 442) == (b"B1", b"4", b"BY_OWNER", b"3")
    for symbol, price in zip(HOURS[:3], (b"40.00", b"50.00", b"60.01"), strict=True):
        two.place(b"o" + symbol, b"2", price, b"0.6", symbol)
        two.place(b"p" + symbol, b"2", price, b"5.0", symbol)
    one.block(b"B2", b"1", b"50.00", HOURS[:3], _59=b"4")
    one.report(b"B2", b"0")
    assert one.report(b"B2", b"4").get(58) == b"FOK_UNFILLED"
    one.block(b"B3", b"1", b"51.00", HOURS[:3], _59=b"3")
    whole = one.report(b"B3", b"F")
    assert get(whole, 442, 55, 39, 32, 31, 6, 14, 151, 527) == (
        b"3", b"[N/A]", b"2", b"1.0", b"50.003333", b"50.003333", b"1.0", b"0.0", None,
    )  # fmt: skip
    parts = [one.report(b"B3", b"F") for _ in range(6)]
    assert [get(part, 442, 55, 32, 39) for part in parts] == [
        (b"2", symbol, *filled) for symbol in HOURS[:3] for filled in ((b"0.6", b"1"), (b"0.4", b"2"))
    ]
    assert get(parts[-1], 31, 14, 151, 6) == (b"60.01", b"1.0", b"0.0", b"60.010000")
    assert parts[0].get(527) == two.hear_until(b"8", _150=b"F").get(527)
    one.say(b"H", [(11, b"B3"), (55, b"[N/A]"), (54, b"1")])
    assert get(one.report(b"B3", b"I"), 39, 14, 6) == (b"2", b"1.0", b"50.003333")
    copy.close()


def test_two_blocks_trade_with_each_other(pair):
    one, two = pair
    one.block(b"bid", b"1", b"45.00", HOURS[4:6])
    one.report(b"bid", b"0")
    two.block(b"offer", b"2", b"44.00", HOURS[4:6])
    assert get(one.report(b"bid", b"F", _442=b"3"), 31, 851) == (b"45.000000", b"1")
    assert get(two.report(b"offer", b"F", _442=b"3"), 31, 851) == (b"45.000000", b"2")
    parts = [[each.report(name, b"F", _442=b"2") for _ in range(2)] for each, name in (
        (one, b"bid"), (two, b"offer"))]  # fmt: skip
    assert [[get(part, 55, 31, 39) for part in side] for side in parts] == [
        [(symbol, b"45.00", b"2") for symbol in HOURS[4:6]]
    ] * 2


@pytest.mark.parametrize(
    "symbols, changes, reason, text",
    [
        (HOURS[:1], {"_55": b"101"}, b"1", b"Symbol of a block is [N/A]: its legs name the products"),
        (HOURS[:25], {}, b"99", b"BLOCK_SPAN_OUT_OF_RANGE"),
        ([b"101", b"103"], {}, b"99", b"BLOCK_NOT_CONSECUTIVE"),
        ([b"1", b"2"], {}, b"99", b"WRONG_PRODUCT_KIND"),
        ([b"126", b"127"], {}, b"99", b"BLOCK_PRODUCT_MISSING"),
        ([b"x"], {}, b"1", b"LegSymbol is a product's number"),
        (HOURS[:2], {"_40": b"1", "_44": None}, b"11", b"WRONG_ORDER_TYPE"),
        (HOURS[:2], {"_59": b"1"}, b"11", b"WRONG_TIME_IN_FORCE"),
        (HOURS[:2], {"_59": b"6"}, b"11", b"WRONG_TIME_IN_FORCE"),
        (HOURS[:2], {"_44": None}, b"99", b"Price is missing"),
        (HOURS[:2], {"_44": b"1.001"}, b"99", b"Price is no multiple of the tick 0.01"),
        (HOURS[:2], {"_38": b"0"}, b"13", b"QUANTITY_OUT_OF_RANGE"),
        ([[(600, b"101"), (624, b"2")]], {}, b"99", b"LegSide is the block's Side in every leg"),
        ([[(600, b"101"), (623, b"2")]], {}, b"13", b"LegRatioQty of a block is 1"),
        ([[(600, b"101"), (687, b"2.0")]], {}, b"13", b"LegQty is the block's OrderQty"),
    ],
)
def test_a_block_that_cannot_be_is_named(pair, symbols, changes, reason, text):
    one, _ = pair
    one.block(b"B", b"1", b"50.00", symbols, **changes)
    answer = one.hear_until(b"8", _11=b"B")
    assert get(answer, 150, 39, 103, 58) == (b"8", b"8", reason, text)


def test_after_deaths_every_list_is_answered_once_and_its_name_is_free_when_the_numbers_begin_again(venue):
    one, two = FixDesk(venue, "DYING", cancel_on_disconnect=False), FixDesk(venue, "MAKER", account_id=2)
    two.place(b"ask", b"2", b"50.00", b"2.0")  # enough for two of them
    two.place(b"bid", b"1", b"40.00", b"50.0", b"2")
    names = [b"L%d" % place for place in range(40)]
    for name in names:
        one.list(name, basket(name))
    one.hear_until(b"N", _66=b"L1")
    venue.kill("fix")
    venue.start("fix")
    two.close()
    again = one.log_on_again(venue)
    again.say(b"2", [(7, b"1"), (16, b"0")])
    again.say(b"K", [(66, b"L39"), (60, timestamp(time.time_ns()))])
    told, fills = [], 0
    while (message := again.hear()).type != b"j":
        told += [get(message, 66, 431)] if message.type == b"N" else []
        fills += message.type == b"8"
    assert told == [(name, b"3" if name in names[:2] else b"7") for name in names]
    assert fills == 4
    again.number = 1
    fresh = again.log_on_again(venue, (141, b"Y"))
    fresh.list(b"L0", basket(b"L0"))
    assert get(fresh.hear_until(b"N"), 431, 444) == (b"7", b"BASKET_LEG_UNFILLED")
    fresh.close()
