"""The real QuickFIX against the running venue: both versions, every message, and deaths in between.

QuickFIX checks what it is sent against its own data dictionaries: it answers a Reject to what is not
as FIX says, and no test here passes with one.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install quickfix==1.16.0")

from quickfix_client import QuickFix, now

from ringmain.core.replay import replay
from ringmain.exchange.engine import MARKET
from ringmain.exchange.messages import BUY, GOOD_FOR_SESSION, LIMIT, PlaceOrder
from venues.fix_venue import Venue

VERSIONS = ["FIX.4.4", "FIXT.1.1"]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.close()


@pytest.fixture
def connect(venue, tmp_path, request):
    """Return a function that logs a new trader on; everyone is stopped afterwards, unrejected."""
    clients: list[QuickFix] = []

    def log_on(begin_string="FIX.4.4", name="TRADER", account_id=1, token=None, **options) -> QuickFix:
        values = {"role": options.pop("role", "participant")}
        values["cancel_on_disconnect"] = options.pop("cancel_on_disconnect", True)
        token = token or venue.token(f"{request.node.name} {name}", account_id, **values)
        folder = tmp_path / name / str(len(clients)) if options.pop("is_new", True) else tmp_path / name / "0"
        client = QuickFix(folder, venue.port, token, begin_string, name, **options)
        client.token = token
        clients.append(client)
        client.wait_logon()
        return client

    yield log_on
    for client in clients:
        client.stop()
        sent = (folder_log(client)).read_text(errors="replace") if folder_log(client) else ""
        assert "\x0135=3\x01" not in sent.replace("|", "\x01"), "QuickFIX rejected something, or was"


def folder_log(client):
    files = sorted(client.folder.glob("log/*messages*"))
    return files[0] if files else None


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_it_trades_replaces_and_cancels(connect, begin_string):
    trader = connect(begin_string)
    trader.order("bid", quantity="1.0", price="50.00")
    new = trader.next(_11="bid", _150="0")
    assert (new[39], new[151], new[14], new[38], new[44]) == ("0", "1.0", "0.0", "1.0", "50.00")
    trader.order("offer", side="2", quantity="0.4", price="49.00")
    taker, maker = trader.next(_11="offer", _150="F"), trader.next(_11="bid", _150="F")
    assert (maker[31], maker[32], maker[39], maker[151], maker[14], maker[6]) == (
        "50.00", "0.4", "1", "0.6", "0.4", "50.000000",
    )  # fmt: skip
    assert (taker[39], taker[151], taker[527]) == ("2", "0.0", maker[527])
    trader.replace("higher", "bid", quantity="2.0", price="51.00")
    replaced = trader.next(_150="5")
    assert (replaced[11], replaced[41], replaced[39], replaced[151], replaced[38], replaced[37]) == (
        "higher", "bid", "1", "1.6", "2.0", new[37],
    )  # fmt: skip
    trader.cancel("gone", "higher")
    gone = trader.next(_150="4")
    assert (gone[11], gone[41], gone[39], gone[151], gone[14]) == ("gone", "higher", "4", "0.0", "0.4")


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_what_the_venue_refuses_it_names(connect, venue, begin_string):
    trader = connect(begin_string)
    refused = {
        "unknown symbol": ({"symbol": "77"}, "1", "UNKNOWN_PRODUCT"),
        "no product": ({"symbol": "POWER"}, "1", "Symbol is a product's number"),
        "off the tick": ({"price": "50.005"}, "99", "Price is no multiple of the tick 0.01"),
        "off the lot": ({"quantity": "1.05"}, "13", "OrderQty is no multiple of the lot 0.1"),
        "too much": ({"quantity": "100000000"}, "13", "QUANTITY_ABOVE_MAXIMUM"),
        "far too much": ({"quantity": "999999999999"}, "13", "QUANTITY_OUT_OF_RANGE"),
        "too little": ({"quantity": "0"}, "13", "QUANTITY_OUT_OF_RANGE"),
        "too dear": ({"price": "99999.00"}, "99", "PRICE_OUT_OF_RANGE"),
        "a market order that waits": ({"kind": "1"}, "11", "WRONG_TIME_IN_FORCE"),
        "n" * 49: ({}, "99", "ClOrdID is longer than 48 characters"),
    }
    for name, (changes, reason, text) in refused.items():
        trader.order(name, **changes)
        answer = trader.next(_11=name)
        assert (answer[150], answer[39], answer[103], answer[58]) == ("8", "8", reason, text), name
    trader.order("one")
    trader.next(_11="one", _150="0")
    trader.order("one")
    assert trader.next(_11="one", _150="8")[103] == "6"
    venue.halt(2)
    trader.order("halted", symbol="2")
    assert trader.next(_11="halted", _150="8")[103] == "2"
    venue.resume(2)
    trader.cancel("c1", "one")
    trader.next(_11="c1", _150="4")


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_changes_that_cannot_be_are_refused(connect, begin_string):
    trader = connect(begin_string)
    trader.cancel("c0", "nothing")
    unknown = trader.next(_35="9", _11="c0")
    assert (unknown[37], unknown[39], unknown[102], unknown[434]) == ("NONE", "8", "1", "1")
    trader.order("a", price="40.00")
    trader.next(_11="a")
    trader.cancel("c1", "a", side="2")
    assert trader.next(_35="9", _11="c1")[58] == "Side is not the order's"
    trader.replace("r1", "a", symbol="2", price="40.00")
    assert trader.next(_35="9", _11="r1")[434] == "2"
    trader.replace("r2", "a", quantity="0", price="40.00")
    assert trader.next(_35="9", _11="r2")[58] == "QUANTITY_OUT_OF_RANGE"
    trader.cancel("c2", "a")
    trader.next(_11="c2", _150="4")
    trader.cancel("c3", "a")
    late = trader.next(_35="9", _11="c3")
    assert (late[102], late[39]) == ("0", "4")
    trader.replace("r3", "a", price="41.00")
    assert trader.next(_35="9", _11="r3")[102] == "0"
    trader.cancel("c3", "a")
    assert trader.next(_35="9", _11="c3")[102] == "6"


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_ioc_fok_and_market_orders_end_at_once(connect, begin_string):
    trader = connect(begin_string)
    trader.order("maker", quantity="1.0", price="30.00")
    trader.next(_11="maker", _150="0")
    trader.order("fok", side="2", quantity="2.0", price="30.00", lasting="4")
    fok = trader.next(_11="fok", _150="4")
    assert (fok[39], fok[14], fok[58]) == ("4", "0.0", "FOK_UNFILLED")
    trader.order("ioc", side="2", quantity="0.3", price="30.00", lasting="3")
    assert trader.next(_11="ioc", _150="F")[39] == "2"
    trader.order("market", side="2", quantity="2.0", kind="1", lasting="3")
    assert trader.next(_11="market", _150="F")[32] == "0.7"
    assert trader.next(_11="market", _150="4")[58] == "IOC_REMAINDER"


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_mass_cancel_and_status(connect, begin_string):
    trader = connect(begin_string)
    for place in range(5):
        trader.order(f"m{place}", price=f"{20 + place}.00")
        trader.next(_11=f"m{place}", _150="0")
    trader.send("H", [(11, "m0"), (55, "1"), (54, "1"), (790, "ask")])
    status = trader.next(_150="I")
    assert (status[11], status[39], status[151], status[790]) == ("m0", "0", "1.0", "ask")
    trader.send("q", [(11, "all"), (530, "7"), (60, now())])
    report = trader.next(_35="r")
    assert (report[11], report[531], report[533]) == ("all", "7", "5")
    for place in range(5):
        assert trader.next(_11=f"m{place}", _150="4")[58] == "MASS_CANCEL"
    trader.send("H", [(11, "m0"), (55, "1"), (54, "1")])
    assert trader.next(_150="I")[39] == "4"
    trader.send("H", [(11, "never"), (55, "1"), (54, "1")])
    assert trader.next(_150="I")[58] == "UNKNOWN_ORDER"
    trader.send("q", [(11, "one"), (530, "1"), (55, "999"), (60, now())])
    refused = trader.next(_35="r")
    assert (refused[531], refused[532], refused[58]) == ("0", "1", "UNKNOWN_PRODUCT")


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_market_data_products_and_phases(connect, venue, begin_string):
    trader, watcher = connect(begin_string), connect(begin_string, "WATCHER", role="observer", account_id=3)
    watcher.send("x", [(320, "list"), (559, "4")])
    products = watcher.next(_35="y")
    assert (products[560], products[393], products[893]) == ("0", "2", "Y")
    watcher.send("e", [(324, "phase"), (55, "1"), (263, "1")])
    assert watcher.next(_35="f")[326] == "17"
    trader.order("bid", price="10.00", quantity="3.0")
    trader.next(_11="bid", _150="0")
    entries = [[(269, kind)] for kind in ("0", "1", "2")]
    groups = [(267, 269, entries), (146, 55, [[(55, "1")]])]
    watcher.send("V", [(262, "book"), (263, "1"), (264, "0"), (265, "1")], groups)
    snapshot = watcher.next(_35="W")
    assert (snapshot[262], snapshot[268], snapshot[269], snapshot[270], snapshot[271]) == (
        "book", "1", "0", "10.00", "3.0",
    )  # fmt: skip
    trader.order("hit", side="2", price="10.00", quantity="1.0", lasting="3")
    change = watcher.next(_35="X", _279="1")
    assert (change[269], change[270], change[271]) == ("0", "10.00", "2.0")
    trader.cancel("gone", "bid")
    assert watcher.next(_35="X", _279="2")[270] == "10.00"
    watcher.send("V", [(262, "book"), (263, "1"), (264, "0")], groups)
    assert watcher.next(_35="Y")[281] == "1"
    watcher.send("V", [(262, "none"), (263, "1"), (264, "0")], [groups[0], (146, 55, [[(55, "99")]])])
    assert watcher.next(_35="Y")[281] == "0"
    watcher.send("V", [(262, "deep"), (263, "1"), (264, "7")], groups)
    assert watcher.next(_35="Y")[281] == "5"
    venue.halt(1)
    assert watcher.next(_35="f")[326] == "2"
    venue.resume(1)
    assert watcher.next(_35="f")[326] == "17"
    watcher.order("no")
    assert watcher.next(_35="j")[380] == "6"


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_a_drop_copy_sees_its_account_from_every_door(connect, venue, begin_string):
    copy = connect(begin_string, "COPY", account_id=2, role="observer")
    first, other = connect(begin_string, "FIRST", account_id=2), connect("FIX.4.4", "OTHER", account_id=1)
    first.order("mine", price="15.00")
    first.next(_11="mine", _150="0")
    other.order("theirs", price="14.00")
    other.next(_11="theirs", _150="0")
    with venue.client(venue.token("binary", 2)) as binary:
        number = binary.send(
            PlaceOrder(
                price_ticks=1_450, quantity_lots=7, product_id=1, side=BUY, order_type=LIMIT,
                time_in_force=GOOD_FOR_SESSION,
            )
        )  # fmt: skip
        binary.wait_answer(number)
    seen = copy.next(_11="mine", _150="0")
    assert (seen[1], seen[55], seen[44]) == ("2", "1", "15.00")
    by_binary = copy.next(_44="14.50", _150="0")
    assert (by_binary[11], by_binary[38]) == (str(number), "0.7")
    assert copy.next(_44="14.50", _150="4")[58] == "SESSION_CLOSED"
    assert not [message for message in copy.heard if message.get(11) == "theirs"]


# Deaths.


@pytest.mark.parametrize("part", ["fix", "node"])
@pytest.mark.parametrize("begin_string", VERSIONS)
def test_kill_9_loses_nothing_and_doubles_nothing(connect, venue, begin_string, part):
    trader = connect(begin_string, cancel_on_disconnect=False)
    names = [f"k{place}" for place in range(400)]
    for place, name in enumerate(names):
        trader.order(name, side="1" if place % 2 else "2", price="50.00" if place % 2 else "60.00")
        if place == 200:
            venue.kill(part)
            venue.start(part)
    if part == "fix":
        trader.wait_logon(2)
    for name in names:
        report = trader.next(_11=name, _35="8")
        assert (report[150], report[39]) == ("0", "0"), report
    assert not [message for message in trader.heard if message.get(35) == "8" and message.get(43) != "Y"]
    trader.send("q", [(11, "end"), (530, "7"), (60, now())])
    assert trader.next(_35="r")[533] == "400"
    for name in names:
        trader.next(_11=name, _150="4")


def test_what_happens_meanwhile_is_told_at_the_next_logon(connect, venue):
    sleeper, taker = connect(name="SLEEPER", cancel_on_disconnect=False), connect(name="TAKER", account_id=2)
    sleeper.order("rest", price="33.00")
    sleeper.next(_11="rest", _150="0")
    sleeper.stop()
    taker.order("take", side="2", price="33.00")
    taker.next(_11="take", _150="F")
    again = connect(name="SLEEPER", token=sleeper.token, is_new=False)
    fill = again.next(_11="rest", _150="F")
    assert (fill[39], fill[43]) == ("2", "Y")
    assert "122" in {str(tag) for tag in fill}


def test_numbers_can_begin_again_and_a_closed_order_gives_its_name_back(connect):
    trader = connect(name="RESET")
    trader.order("name", price="12.00")
    trader.next(_11="name", _150="0")
    trader.stop()
    again = connect(name="RESET", token=trader.token, reset="Y")
    again.order("name", price="12.00")
    assert again.next(_11="name", _150="0")[34] == "2"


def test_the_journal_replays_as_it_was(venue, connect):
    connect().stop()
    venue.stop("fix")
    venue.stop("gateway")
    assert venue.stop("node") == 0
    _, report = replay(venue.data / "exchange", MARKET, verify=True)
    assert report.events_compared > 0
    for part in ("node", "gateway", "fix"):
        venue.start(part)


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_the_example_trades(venue, begin_string):
    example = Path(__file__).parents[2] / "examples" / "fix_client" / "client.py"
    token = venue.token(f"example {begin_string}")
    command = [sys.executable, str(example), "--port", str(venue.port), "--token", token]
    done = subprocess.run(
        [*command, "--version", begin_string], capture_output=True, text=True, timeout=120, check=False
    )
    assert "placed, replaced and cancelled" in done.stdout, done.stdout + done.stderr
