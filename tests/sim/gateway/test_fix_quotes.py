"""Quotes over the FIX door of a running venue, in both versions."""

import time

import pytest

from ringmain.gateway.fix.codec import timestamp
from venues.fix_desk import LOGONS, FixDesk, allow_quoting, every, get, quote
from venues.fix_venue import Venue


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"), products=(1, 2, 3))
    yield venue
    venue.close()


@pytest.fixture(params=list(LOGONS))
def pair(venue, request):
    """Return a quoter, and a trader of another account, whose orders are gone afterwards."""
    both = [FixDesk(venue, name, request.param, place + 1) for place, name in enumerate(("QUOTER", "TAKER"))]
    allow_quoting(venue, both[0])
    yield both
    for each in both:
        each.clear()
        each.close()


def cancelled(quoter, kind: bytes, name: bytes = b"X", symbols=()):
    """Cancel quotes; return the answer's QuoteStatus."""
    entries = [(295, b"%d" % len(symbols)), *((55, each) for each in symbols)] if symbols else []
    quoter.say(b"Z", [(117, name), (298, kind), *entries])
    answer = quoter.hear_until(b"AI", _117=name)
    return int(answer.get(297)), answer.get(55)


def test_a_mass_quote_is_acknowledged_traded_with_and_replaced(pair):
    quoter, taker = pair
    quoter.quotes(b"Q1", [
        [quote(b"a", b"1", b"49.00", offer=b"51.00"), quote(b"b", b"2", b"39.00", offer=b"41.00")],
        [quote(b"c", b"3", b"29.00", b"2.0")],
    ])  # fmt: skip
    told = quoter.hear_until(b"b")
    assert get(told, 117, 297, 300, 58) == (b"Q1", b"0", None, None)
    assert (every(told, 302), every(told, 295), every(told, 299)) == ([b"S1", b"S2"], [b"2", b"1"], [
        b"a", b"b", b"c"])  # fmt: skip
    taker.socket.sendall(taker.order(b"hit", b"2", b"29.00", b"0.5", b"3"))
    fill = quoter.report(b"c", b"F")
    assert get(fill, 39, 54, 55, 31, 32, 151, 14, 851) == (
        b"1", b"1", b"3", b"29.00", b"0.5", b"1.5", b"0.5", b"1"
    )  # fmt: skip
    assert fill.get(527) == taker.report(b"hit", b"F").get(527)
    quoter.quotes(b"Q2", [[quote(b"c2", b"3", b"28.00", offer=b"32.00")]])
    assert quoter.hear().get(117) == b"Q2"  # and no word of the sides that came and went
    taker.socket.sendall(taker.order(b"lift", b"1", b"33.00", b"0.4", b"3"))
    assert get(quoter.report(b"c2", b"F"), 54, 31, 39) == (b"2", b"32.00", b"1")


def test_quotes_that_the_market_refuses_are_named_and_the_others_stand(pair):
    quoter, taker = pair
    entries = [
        quote(b"unknown", b"99", b"1.00"),
        quote(b"good", b"1", b"45.00"),
        quote(b"far", b"2", b"99999.00"),
        quote(b"much", b"2", b"40.00", b"100000000"),
    ]
    quoter.quotes(b"Q1", [entries], level=b"0")
    told = quoter.hear_until(b"b")
    assert get(told, 297, 300) == (b"0", None)
    assert (every(told, 299), every(told, 368)) == ([b"unknown", b"far", b"much"], [b"1", b"8", b"99"])
    assert told.get(58) == (
        b"unknown: UNKNOWN_PRODUCT; far: PRICE_OUT_OF_RANGE; much: QUANTITY_ABOVE_MAXIMUM"
    )
    taker.socket.sendall(taker.order(b"hit", b"2", b"45.00"))
    assert quoter.report(b"good", b"F").get(39) == b"2"


@pytest.mark.parametrize(
    "entry, reason, text",
    [
        (quote(b"e", b"1", b"50.00", offer=b"50.00"), b"7", b"QUOTE_CROSSED"),
        (quote(b"e", b"ONE", b"50.00"), b"1", b"Symbol is a product's number"),
        (quote(b"e", b"1", b"50.001"), b"8", b"BidPx is no multiple of the tick 0.01"),
        (quote(b"e", b"1", b"50.00", b"0.15"), b"99", b"BidSize is no multiple of the lot 0.1"),
        (quote(b"e", b"1", b"50.00", b"-1.0"), b"99", b"QUANTITY_OUT_OF_RANGE"),
        (quote(b"e", b"1", b"50.00", b""), b"99", b"BidSize is missing"),
        ([(299, b"e"), (55, b"1"), (135, b"1.0")], b"99", b"OfferPx is missing"),
        (quote(b"e" * 49, b"1", b"50.00"), b"99", b"QuoteEntryID is longer than 48 characters"),
    ],
)
def test_a_mass_quote_with_an_entry_that_cannot_be_is_refused_whole(pair, entry, reason, text):
    quoter, _ = pair
    quoter.quotes(b"Q", [[quote(b"good", b"1", b"10.00"), entry]], level=b"0")
    told = quoter.hear_until(b"b")
    assert get(told, 297, 300, 368) == (b"5", reason, reason)
    assert told.get(58) == b"nothing of it was taken; " + entry[0][1] + b": " + text
    assert cancelled(quoter, b"4") == (9, b"[N/A]")


def test_what_is_wrong_with_the_whole_is_named(pair):
    quoter, taker = pair
    many = [quote(b"%d" % place, b"1", b"10.00") for place in range(257)]
    quoter.quotes(b"Q", [many])
    assert get(quoter.hear_until(b"b"), 297, 300, 58) == (b"5", b"3", b"a mass quote has up to 256 entries")
    quoter.say(b"i", [(117, b"Q"), (296, b"1"), (302, b"S"), (304, b"2"), (295, b"1"), *many[0]])
    assert b"TotNoQuoteEntries" in quoter.hear_until(b"b").get(58)
    quoter.say(b"i", [(117, b"Q"), (296, b"1"), (302, b"S"), (304, b"1"), (295, b"1"), (299, b"e"),
                      (132, b"10.00"), (55, b"1")])  # fmt: skip
    assert get(quoter.hear_until(b"3"), 371, 373) == (b"55", b"15")
    quoter.say(b"i", [(117, b"Q"), (296, b"2"), (302, b"S"), (304, b"1"), (295, b"1"), *many[0]])
    assert get(quoter.hear_until(b"3"), 371, 373) == (b"296", b"16")
    quoter.say(b"i", [(117, b"Q"), (296, b"1"), (302, b"S"), (295, b"1"), *many[0]])
    assert get(quoter.hear_until(b"3"), 371, 373) == (b"304", b"1")
    taker.quotes(b"Q", [[quote(b"e", b"1", b"10.00")]])
    assert get(taker.hear_until(b"b"), 297, 300, 58) == (b"5", b"9", b"e: NOT_A_QUOTER")


def test_a_single_quote_is_answered_as_it_asks(pair):
    quoter, taker = pair
    quoter.say(b"S", [(117, b"one"), (301, b"2"), (55, b"1"), (132, b"49.00"), (134, b"1.0")])
    told = quoter.hear_until(b"AI")
    assert get(told, 117, 55, 132, 134, 297) == (b"one", b"1", b"49.00", b"1.0", b"0")
    quoter.say(b"S", [(117, b"two"), (55, b"1"), (132, b"48.00"), (134, b"1.0")])
    quoter.say(
        b"S", [(117, b"three"), (55, b"1"), (132, b"48.00"), (133, b"47.00"), (134, b"1"), (135, b"1")]
    )
    told = quoter.hear_until(b"AI")
    assert get(told, 117, 297, 300, 58) == (b"three", b"5", b"7" if quoter.is_sp2 else None, b"QUOTE_CROSSED")
    quoter.say(b"S", [(117, b"four"), (55, b"99"), (132, b"48.00"), (134, b"1.0")])
    assert get(quoter.hear_until(b"AI"), 117, 297, 58) == (b"four", b"5", b"UNKNOWN_PRODUCT")
    taker.socket.sendall(taker.order(b"hit", b"2", b"40.00"))
    assert get(quoter.report(b"two", b"F"), 31, 39) == (b"48.00", b"2")


def test_quotes_are_cancelled_one_by_product_and_all(pair, venue):
    quoter, taker = pair
    entries = [quote(b"e%d" % each, b"%d" % each, b"20.00", offer=b"60.00") for each in (1, 2, 3)]
    quoter.quotes(b"Q", [entries], level=b"0")
    quoter.say(b"S", [(117, b"own"), (55, b"2"), (132, b"21.00"), (134, b"1.0")])
    assert cancelled(quoter, b"1", b"X1", [b"1"]) == (1, b"1")
    assert cancelled(quoter, b"1", b"X2", [b"1"]) == (9, b"1")
    assert cancelled(quoter, b"5", b"own") == (17 if quoter.is_sp2 else 1, b"[N/A]")
    assert cancelled(quoter, b"5", b"own") == (9, b"[N/A]")
    venue.halt(3)  # orders may leave
    assert cancelled(quoter, b"4", b"X3") == (4, b"[N/A]")
    venue.resume(3)
    assert cancelled(quoter, b"1", b"X4", [b"ONE"]) == (5, b"ONE")
    taker.socket.sendall(taker.order(b"hit", b"2", b"10.00", symbol=b"3"))
    taker.report(b"hit", b"0")
    quoter.quotes(b"Q2", [[quote(b"last", b"1", b"20.00")]], level=b"0")
    quoter.say(b"q", [(11, b"all"), (530, b"7"), (60, timestamp(time.time_ns()))])
    assert quoter.report(b"last", b"4").get(58) == b"MASS_CANCEL"


def test_a_drop_copy_sees_both_sides_and_the_owner_is_told_of_what_others_did_to_them(pair, venue):
    quoter, _ = pair
    copy = FixDesk(venue, "COPY", quoter.begin_string, role="observer")
    quoter.quotes(b"Q", [[quote(b"seen", b"1", b"20.00", offer=b"60.00")]])
    quoter.hear_until(b"b")
    sides = [copy.report(b"seen", b"0") for _ in range(2)]
    assert [get(side, 54, 44, 1) for side in sides] == [(b"1", b"20.00", b"1"), (b"2", b"60.00", b"1")]
    assert sides[0].get(37) != sides[1].get(37)
    assert cancelled(quoter, b"4", b"gone") == (4, b"[N/A]")
    assert [get(copy.report(b"gone", b"4"), 41, 58) for _ in range(2)] == [(b"seen", b"BY_OWNER")] * 2
    copy.quotes(b"Q", [[quote(b"no", b"1", b"20.00")]])
    assert get(copy.hear_until(b"j"), 372, 379, 380) == (b"i", b"Q", b"6")
    copy.close()


def test_after_deaths_every_mass_quote_is_answered_once(venue):
    quoter = FixDesk(venue, "DYING", cancel_on_disconnect=False)
    allow_quoting(venue, quoter)
    names = [b"Q%d" % place for place in range(60)]
    for name in names:
        quoter.quotes(
            name, [[quote(b"x", b"1", b"5.00"), quote(b"y", b"2", b"5.00"), quote(b"z", b"9", b"1")]]
        )
    quoter.hear_until(b"b", _117=b"Q3")
    venue.kill("fix")
    venue.start("fix")
    again = quoter.log_on_again(venue)
    again.say(b"2", [(7, b"1"), (16, b"0")])
    again.quotes(b"end", [[quote(b"x", b"1", b"5.00")]])
    told = []
    while (message := again.hear()).get(117) != b"end":
        if message.type == b"b":
            told.append(message)
            assert get(message, 297, 368) == (b"0", b"1")
    assert [each.get(117) for each in told] == names
    again.say(b"q", [(11, b"clear"), (530, b"7"), (60, timestamp(time.time_ns()))])
    assert again.hear_until(b"r").get(533) == b"2"
    again.close()
