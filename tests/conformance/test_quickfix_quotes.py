"""The real QuickFIX quotes, sends lists and blocks, and finds what it is answered as its dictionaries say."""

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install quickfix==1.16.0")

import quickfix as fix
import quickfix44
import quickfix50sp2
from quickfix_client import QuickFix, now

from ringmain.exchange.multileg_messages import AllowQuoting
from ringmain.gateway.credentials import Credentials
from venues.fix_desk import open_hours
from venues.fix_venue import Venue

MESSAGES = {"FIX.4.4": quickfix44, "FIXT.1.1": quickfix50sp2}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    open_hours(venue, 101, 3)
    yield venue
    venue.close()


@pytest.fixture(params=list(MESSAGES))
def pair(venue, tmp_path, request):
    """Return a quoter and a taker of two accounts; no message of theirs or of the venue's is rejected."""
    clients = []
    for place, name in enumerate(("QUOTER", "TAKER")):
        token = venue.token(f"{request.node.name} {name}", place + 1)
        clients.append(QuickFix(tmp_path / name, venue.port, token, request.param, name))
        clients[-1].wait_logon()
        credential = Credentials(venue.data).find("exchange", token.encode())
        with venue.operator() as operator:
            operator.send(AllowQuoting(quoter_id=credential.session_id, is_allowed=1))
            operator.settle()
    yield clients
    for client in clients:
        client.stop()
    for client in clients:
        log = sorted(client.folder.glob("log/*messages*"))[0].read_text(errors="replace")
        assert "\x0135=3\x01" not in log, "QuickFIX rejected something, or was"


def group(kind, fields, *inner):
    made = kind()
    for tag, value in fields:
        made.setField(tag, value)
    for each in inner:
        made.addGroup(each)
    return made


def send(client, kind: str, fields, *groups) -> None:
    message = group(fix.Message, fields, *groups)
    message.getHeader().setField(fix.MsgType(kind))
    assert fix.Session.sendToTarget(message, client.session_id)


def test_a_mass_quote_trades_and_is_cancelled(pair):
    quoter, taker = pair
    sets = MESSAGES[quoter.begin_string].MassQuote.NoQuoteSets
    entries = [
        group(sets.NoQuoteEntries, [(299, name), (55, symbol), (132, "49.00"), (133, "51.00"), (134, "1.0"),
                                    (135, "1.0")])
        for name, symbol in (("a", "1"), ("b", "2"), ("c", "999"))
    ]  # fmt: skip
    send(quoter, "i", [(117, "Q"), (301, "2")], group(sets, [(302, "S"), (304, "3")], *entries))
    told = quoter.next(_35="b")
    assert (told[297], told[302], told[295], told[368], told[58]) == (
        "0", "S", "3", "1", "c: UNKNOWN_PRODUCT"
    )  # fmt: skip
    taker.order("hit", side="2", price="49.00", symbol="2")
    fill = quoter.next(_11="b", _150="F")
    assert (fill[31], fill[39], fill[54]) == ("49.00", "2", "1")
    send(quoter, "Z", [(117, "X"), (298, "4")])
    assert quoter.next(_35="AI")[297] == "4"
    send(quoter, "S", [(117, "one"), (55, "1"), (301, "2"), (132, "10.00"), (134, "1.0")])
    assert quoter.next(_35="AI", _117="one")[297] == "0"


def test_a_list_and_a_block_trade(pair):
    one, two = pair
    messages = MESSAGES[one.begin_string]
    two.order("o1", side="2", price="50.00", symbol="1")
    two.order("o2", side="2", price="50.00", symbol="2")
    two.next(_11="o2", _150="0")
    terms = [(54, "1"), (38, "1.0"), (40, "2"), (44, "50.00"), (59, "4")]
    for name, status in (("L1", "3"), ("L2", "7")):
        orders = [
            group(messages.NewOrderList.NoOrders, [(11, name + symbol), (67, symbol), (55, symbol), *terms])
            for symbol in ("1", "2")
        ]
        send(one, "E", [(66, name), (394, "3"), (68, "2")], *orders)
        assert one.next(_35="N", _66=name)[431] == status
    assert one.next(_11="L12", _150="F")[66] == "L1"
    for client, side in ((one, "1"), (two, "2")):
        legs = [group(messages.NewOrderMultileg.NoLegs, [(600, symbol)]) for symbol in ("101", "102", "103")]
        send(client, "AB", [(11, "B"), (54, side), (55, "[N/A]"), (60, now()), *terms[1:4], (59, "0")], *legs)
        assert client.next(_11="B", _150="0")[555] == "3"
    assert one.next(_11="B", _150="F", _442="3")[31] == "50.000000"
    assert [one.next(_11="B", _150="F", _442="2")[55] for _ in range(3)] == ["101", "102", "103"]
