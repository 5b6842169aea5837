"""Every kind of single order over the FIX door of a running venue, in both versions."""

import time

import pytest

from ringmain.exchange.messages import OpenAccount, StartBalancing
from ringmain.exchange.safeguards_messages import VENUE_SCOPE, EngageKillSwitch, ReleaseKillSwitch
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import NANOSECONDS, timestamp
from venues.fix_raw import Raw
from venues.fix_venue import BIG, Venue

LOGONS = {b"FIX.4.4": [], b"FIXT.1.1": [(1137, b"9")]}
SHOWN = {b"FIX.4.4": 111, b"FIXT.1.1": 1138}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"), products=(1, 2, 3))
    yield venue
    venue.close()


class Trader(Raw):
    """A session that is logged on; its orders are told apart by their names."""

    def __init__(self, venue, name: str, begin_string=b"FIX.4.4", account_id=1, **values) -> None:
        super().__init__(venue.port, name.encode(), begin_string=begin_string)
        token = venue.token(f"{name} {begin_string.decode()} {time.time_ns()}", account_id, **values)
        assert self.log_on(token, LOGONS[begin_string]).type == b"A"

    def send(self, kind: bytes, name: bytes, **changes) -> None:
        """Send an order, or a change of one; a field that is None is left out."""
        fields = {
            11: name,
            55: b"1",
            54: b"1",
            60: timestamp(time.time_ns()),
            38: b"1.0",
            40: b"2",
            44: b"50.00",
        }
        if kind == b"F":
            del fields[40], fields[44]
        fields |= {int(key[1:]): value for key, value in changes.items()}
        self.say(kind, [(tag, value) for tag, value in fields.items() if value is not None])

    def place(self, name: bytes, **changes):
        self.send(b"D", name, **changes)
        return self.report(name, b"0")

    def report(self, name: bytes, letter: bytes):
        """Return the order's next report of that ExecType."""
        return self.hear_until(b"8", _11=name, _150=letter)

    def triggered(self, name: bytes):
        """Return the report that a stop order works from now on, which FIX 4.4 calls a restatement."""
        is_sp2 = self.begin_string == b"FIXT.1.1"
        report = self.report(name, b"L" if is_sp2 else b"D")
        assert get(report, 636, 378) == (b"Y", None if is_sp2 else b"8")
        return report

    def refused(self, name: bytes, **changes) -> tuple:
        self.send(b"D", name, **changes)
        answer = self.hear_until(b"8", _11=name)
        assert (answer.get(150), answer.get(39)) == (b"8", b"8")
        return int(answer.get(103)), answer.get(58).decode()

    def clear(self) -> None:
        self.say(b"q", [(11, b"clear%d" % self.number), (530, b"7"), (60, timestamp(time.time_ns()))])
        self.hear_until(b"r")


@pytest.fixture(params=list(LOGONS))
def pair(venue, request):
    """Return a trader and one of another account, whose orders are gone afterwards."""
    both = [Trader(venue, name, request.param, place + 1) for place, name in enumerate(("ONE", "TWO"))]
    yield both
    for each in both:
        each.clear()
        each.close()


def get(message, *tags):
    return tuple(message.get(tag) for tag in tags)


def trade_at(maker, taker, price: bytes, name: bytes) -> None:
    """Have a lot change hands at a price."""
    maker.place(b"m" + name, _44=price, _38=b"0.1", _54=b"2")
    taker.place(b"t" + name, _44=price, _38=b"0.1")
    taker.report(b"t" + name, b"F")


def test_a_stop_order_waits_is_triggered_and_trades(pair):
    one, two = pair
    trade_at(two, one, b"50.00", b"first")
    new = one.place(b"stop", _40=b"3", _44=None, _99=b"52.00")
    assert get(new, 39, 40, 99, 44, 151) == (b"0", b"3", b"52.00", None, b"1.0")
    trigger = (b"4", b"1", b"52.00", b"2", b"U") if one.begin_string == b"FIXT.1.1" else (None,) * 5
    assert get(new, 1100, 1101, 1102, 1107, 1109) == trigger  # the last trade, from below
    two.place(b"offer", _54=b"2", _44=b"52.00", _38=b"2.0")
    two.place(b"other", _44=b"52.00", _38=b"0.1")  # the trade that reaches it
    triggered = one.triggered(b"stop")
    assert get(triggered, 39, 99, 151, 14) == (b"0", b"52.00", b"1.0", b"0.0")
    filled = one.report(b"stop", b"F")
    assert get(filled, 39, 31, 32) == (b"2", b"52.00", b"1.0")


def test_a_stop_limit_orders_stop_price_moves_until_it_is_reached(pair):
    one, two = pair
    trade_at(two, one, b"50.00", b"first")
    assert get(one.place(b"a", _40=b"4", _44=b"53.00", _99=b"55.00"), 44, 99) == (b"53.00", b"55.00")
    one.send(b"G", b"b", _41=b"a", _40=b"4", _44=b"52.50", _99=b"52.00")
    assert get(one.report(b"b", b"5"), 41, 44, 99) == (b"a", b"52.50", b"52.00")
    one.say(b"H", [(11, b"b"), (55, b"1"), (54, b"1")])
    assert get(one.report(b"b", b"I"), 39, 40, 44, 99) == (b"0", b"4", b"52.50", b"52.00")
    trade_at(two, two, b"52.00", b"second")
    assert get(one.triggered(b"b"), 39, 44, 99) == (b"0", b"52.50", b"52.00")
    one.send(b"G", b"c", _41=b"b", _40=b"4", _44=b"52.40", _99=b"51.00")
    assert one.hear_until(b"9", _11=b"c").get(58) == b"StopPx of an order that was triggered does not change"
    one.send(b"G", b"c2", _41=b"b", _40=b"4", _44=b"52.40", _99=b"52.00")
    assert one.report(b"c2", b"5").get(44) == b"52.40"
    one.send(b"F", b"d", _41=b"c2")
    assert get(one.report(b"d", b"4"), 39, 58) == (b"4", b"BY_OWNER")


def test_a_stop_orders_range_moves_with_its_stop_price(pair):
    one, two = pair
    trade_at(two, one, b"50.00", b"first")
    one.place(b"a", _40=b"3", _44=None, _99=b"60.00")
    one.send(b"G", b"b", _41=b"a", _40=b"3", _44=None, _99=b"51.00")
    assert one.report(b"b", b"5").get(99) == b"51.00"
    two.place(b"far", _54=b"2", _44=b"61.01", _38=b"1.0")  # beyond the market range of 10.00
    trade_at(two, two, b"51.00", b"second")
    assert one.triggered(b"b").get(99) == b"51.00"
    assert get(one.report(b"b", b"4"), 39, 14) == (b"4", b"0.0")


def test_market_to_limit_rests_at_the_price_that_it_met(pair):
    one, two = pair
    two.place(b"offer", _54=b"2", _44=b"51.00", _38=b"0.4")
    new = one.place(b"k", _40=b"K", _44=None)
    assert get(new, 40, 44) == (b"K", b"51.00")
    assert get(one.report(b"k", b"F"), 39, 32, 151) == (b"1", b"0.4", b"0.6")
    assert one.refused(b"k2", _40=b"K", _44=None, _54=b"1", _55=b"3") == (99, "NOTHING_TO_TRADE_WITH")


def test_an_iceberg_shows_its_clips_and_no_more(venue, pair, request):
    one, two = pair
    watcher = Trader(venue, "EYE", two.begin_string, 3)
    head = [(262, b"all"), (263, b"1"), (264, b"0"), (265, b"1"), (267, b"3"), (269, b"0"), (269, b"1")]
    watcher.say(b"V", [*head, (269, b"2"), (146, b"1"), (55, b"2")])
    watcher.hear_until(b"W")
    shown = SHOWN[one.begin_string]
    step = {f"_{shown}": b"1.0", f"_{d.CLIP_PRICE_STEP}": b"-0.02"}
    new = one.place(b"berg", _55=b"2", _38=b"5.0", **step)
    assert get(new, 38, 151, shown) == (b"5.0", b"5.0", b"1.0")
    two.place(b"hit", _55=b"2", _54=b"2", _38=b"1.5", _59=b"3")
    first = one.report(b"berg", b"F")
    assert get(first, 32, 151, 39, shown) == (b"1.0", b"4.0", b"1", b"1.0")
    restated = one.report(b"berg", b"D")
    assert get(restated, 378, 44, 151, 39) == (b"3", b"49.98", b"4.0", b"1")
    one.send(b"F", b"melt", _41=b"berg", _55=b"2")
    gone = one.report(b"melt", b"4")
    assert get(gone, 41, 14, 151) == (b"berg", b"1.0", b"0.0")
    one.place(b"last", _55=b"2", _44=b"1.00", _38=b"0.7")  # by then the watcher has heard it all
    sizes = set()
    while b"0.7" not in sizes:
        sizes |= {value for tag, value in watcher.hear().fields if tag == 271}
    assert sizes == {b"1.0", b"0.7"}, "the trade and the clips are 1.0 each; nobody else hears of 5.0 or 4.0"
    watcher.close()


def test_what_an_iceberg_cannot_be_is_named(pair):
    one, _ = pair
    shown = f"_{SHOWN[one.begin_string]}"
    assert one.refused(b"a", **{shown: b"1.1"}) == (13, "DISPLAY_OUT_OF_RANGE")
    assert one.refused(b"b", **{shown: b"0"}) == (13, "DISPLAY_OUT_OF_RANGE")
    better = {shown: b"0.5", f"_{d.CLIP_PRICE_STEP}": b"0.01"}
    assert one.refused(b"c", **better) == (99, "CLIP_STEP_OUT_OF_RANGE")
    assert one.refused(b"e", _59=b"3", **{shown: b"0.5"}) == (11, "WRONG_TIME_IN_FORCE")
    one.place(b"f", **{shown: b"0.5"})
    one.send(b"G", b"g", _41=b"f")
    assert one.hear_until(b"9", _11=b"g").get(58) == b"MaxFloor or DisplayQty of an order does not change"
    one.send(b"G", b"h", _41=b"f", _38=b"0.8", **{shown: b"0.5"})
    assert get(one.report(b"h", b"5"), 38, SHOWN[one.begin_string]) == (b"0.8", b"0.5")


def test_orders_last_as_long_as_they_are_to(pair):
    one, _ = pair
    assert get(one.place(b"gtc", _59=b"1"), 59, 126) == (b"1", None)
    soon = timestamp((time.time_ns() // NANOSECONDS + 2) * NANOSECONDS)
    assert get(one.place(b"gtd", _59=b"6", _126=soon, _44=b"49.00"), 59, 126) == (b"6", soon)
    ended = one.report(b"gtd", b"C")
    assert get(ended, 39, 58, 151) == (b"C", b"EXPIRED", b"0.0")
    assert one.refused(b"past", _59=b"6", _126=b"20200101-00:00:00") == (99, "EXPIRY_OUT_OF_RANGE")
    assert one.refused(b"day", _59=b"6", _432=b"20200101") == (99, "EXPIRY_OUT_OF_RANGE")
    assert one.refused(b"never", _59=b"6") == (99, "ExpireTime is missing")
    assert one.place(b"dated", _59=b"6", _432=b"20990101", _44=b"48.00").get(126) == b"20990102-00:00:00.000"
    one.send(b"D", b"odd", _59=b"6", _126=b"tomorrow")
    assert get(one.hear_until(b"3"), 371, 373) == (b"126", b"6")


def test_post_only_never_takes(pair):
    one, two = pair
    two.place(b"offer", _54=b"2", _44=b"51.00")
    assert one.place(b"rests", _18=b"6", _44=b"50.99").get(18) == b"6"
    assert one.refused(b"takes", _18=b"6", _44=b"51.00") == (99, "WOULD_TRADE")
    one.send(b"G", b"up", _41=b"rests", _44=b"51.00", _18=b"6")
    refused = one.hear_until(b"9", _11=b"up")
    assert get(refused, 58, 102, 39) == (b"WOULD_TRADE", b"2", b"0")
    one.send(b"D", b"else", _18=b"G")
    assert get(one.hear_until(b"3"), 371, 373) == (b"18", b"5")


@pytest.mark.parametrize(
    "mode, resting, incoming",
    [
        (b"1", None, (b"4", b"SELF_TRADE")),
        (b"2", (b"4", b"SELF_TRADE", b"0.0", b"1.0"), None),
        (b"3", (b"4", b"SELF_TRADE", b"0.0", b"1.0"), (b"4", b"SELF_TRADE")),
        (b"100", (b"D", None, b"0.6", b"0.6"), (b"4", b"SELF_TRADE")),
    ],
    ids=["newest", "oldest", "both", "decrement"],
)
def test_an_account_does_not_trade_with_itself(venue, pair, mode, resting, incoming):
    one, _ = pair
    other = Trader(venue, "THREE", one.begin_string, 1)
    one.place(b"own")
    other.place(b"meets", _54=b"2", _38=b"0.4", _2964=mode)
    if incoming:
        assert get(other.hear_until(b"8", _11=b"meets"), 150, 58) == incoming
    if resting:
        told = one.hear_until(b"8", _11=b"own")
        assert get(told, 150, 58, 151, 38) == resting
        assert told.get(378) == (b"5" if mode == b"100" else None)
        assert told.get(41) is None
    other.clear()
    other.close()


def test_balancing_orders_are_for_those_who_may(venue, pair):
    one, two = pair
    balancing = {f"_{d.BALANCING}": b"Y", "_55": b"3"}
    with venue.operator() as operator:
        limits = {"long_limit_lots": BIG, "short_limit_lots": BIG, "credit_minor": 10**13}
        operator.send(OpenAccount(account_id=1, may_balance=1, **limits))
        operator.send(StartBalancing(product_id=3))
        operator.settle()
    assert two.refused(b"no", **balancing) == (99, "NOT_BALANCING")
    two.place(b"rests", _55=b"3", _54=b"2", _44=b"40.00")
    one.place(b"plain", _55=b"3", _44=b"40.00")
    one.place(b"balances", _44=b"41.00", **balancing)
    assert get(one.report(b"balances", b"F"), 31, 32, 39) == (b"40.00", b"1.0", b"2")


def test_a_killed_venue_says_why(venue, pair):
    one, _ = pair
    one.place(b"rests")
    with venue.operator() as operator:
        operator.send(EngageKillSwitch(target_id=0, cause=1, scope=VENUE_SCOPE))
        operator.settle()
        assert get(one.report(b"rests", b"4"), 39, 58) == (b"4", b"KILL_SWITCH")
        assert one.refused(b"late") == (99, "KILL_SWITCH_ENGAGED")
        operator.send(ReleaseKillSwitch(target_id=0, cause=1, scope=VENUE_SCOPE))
        operator.settle()


@pytest.mark.parametrize("kind", [b"s", b"t", b"AC", b"R"])
def test_what_the_venue_does_not_do_it_says(pair, kind):
    one, _ = pair
    one.say(kind, [(66, b"list")])
    assert get(one.hear_until(b"j"), 372, 380) == (kind, b"3")
    one.place(b"goes on")


def test_a_drop_copy_is_told_of_stops_and_icebergs_too(venue, pair):
    one, two = pair
    copy = Trader(venue, "COPY", one.begin_string, 1, role="observer")
    one.place(b"berg", _38=b"5.0", _44=b"30.00", **{f"_{SHOWN[one.begin_string]}": b"1.0"})
    told = copy.hear_until(b"8", _11=b"berg")
    assert get(told, 1, 38, SHOWN[one.begin_string]) == (b"1", b"5.0", b"1.0")
    is_sp2 = one.begin_string == b"FIXT.1.1"
    stop = b"95.00" if is_sp2 else b"90.00"  # no trade has reached it
    one.place(b"stop", _40=b"4", _99=stop, _44=b"96.00")
    assert get(copy.hear_until(b"8", _11=b"stop"), 40, 99) == (b"4", stop)
    trade_at(two, two, stop, b"up")
    told = copy.hear_until(b"8", _11=b"stop", _150=b"L" if is_sp2 else b"D")
    assert get(told, 99, 1102, 636) == (stop, stop if is_sp2 else None, b"Y")
    two.place(b"theirs")
    copy.say(b"1", [(112, b"behind")])
    while (message := copy.hear()).type != b"0":
        assert message.get(11) != b"theirs"
    copy.close()
