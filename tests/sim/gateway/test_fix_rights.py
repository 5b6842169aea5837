"""Who may do what over the FIX door of a running venue: credentials that end, and rights that change."""

import time

import pytest

from ringmain.gateway import credentials, entitlements
from ringmain.gateway.entitlements import Entitlement
from ringmain.gateway.fix.codec import timestamp
from venues.fix_desk import list_order, quote
from venues.fix_raw import Raw
from venues.fix_venue import Venue

WAIT_S = 30
LIMITED = 2  # the account that has rules


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.close()


@pytest.fixture
def raw(venue):
    """Return a function that makes a connection."""
    raws: list[Raw] = []

    def make(sender=b"RAW", number=1) -> Raw:
        raws.append(Raw(venue.port, sender, number))
        return raws[-1]

    yield make
    for each in raws:
        each.close()


@pytest.fixture
def rules(venue):
    """Replace the rules of the limited account; they are gone behind the test."""

    def write(*values) -> None:
        entitlements.write(venue.data, [Entitlement("exchange", LIMITED, **each) for each in values])

    yield write
    (venue.data / entitlements.FILE_NAME).unlink(missing_ok=True)


def limited(venue, raw, name) -> Raw:
    client = raw()
    assert client.log_on(venue.token(name, LIMITED)).type == b"A"
    return client


def change(client, kind, name, former, price=b"50.00") -> bytes:
    fields = [(11, name), (41, former), (55, b"1"), (54, b"1"), (60, timestamp(time.time_ns())), (38, b"1.0")]
    return client.message(kind, [*fields, (40, b"2"), (44, price), (59, b"0")] if kind == b"G" else fields)


def data(client, request_id, depth=b"0", types=(b"0", b"1"), product=b"1") -> bytes:
    head = [(262, request_id), (263, b"1"), (264, depth), (265, b"1"), (267, b"%d" % len(types))]
    return client.message(b"V", [*head, *((269, each) for each in types), (146, b"1"), (55, product)])


def quote_entries(symbols):
    count = b"%d" % len(symbols)
    entries = [pair for symbol in symbols for pair in quote(symbol, symbol, b"1.00")]
    return [(304, count), (295, count), *entries]


# Credentials.


def test_a_credential_of_a_certificate_is_no_good_without_one(venue, raw):
    token = venue.token("bound", certificate_sha256="ab" * 32)
    answer = raw().log_on(token)
    assert (answer.type, answer.get(58)) == (b"5", b"WRONG_CERTIFICATE")


def test_a_revoked_credential_is_logged_out_and_stays_out(venue, raw):
    token = venue.token("leaver")
    client = raw()
    client.log_on(token)
    client.socket.sendall(client.order(b"mine", price=b"1.00"))
    client.hear_until(b"8", _150=b"0")
    assert credentials.revoke(venue.data, "exchange", "leaver") == 1
    assert client.hear_until(b"5").get(58) == b"TOKEN_REVOKED"
    assert client.is_ended()
    assert raw(number=client.number).log_on(token).get(58) == b"TOKEN_REVOKED"


def test_a_credential_ends_in_its_time(venue, raw):
    token = venue.token("guest", expires_s=int(time.time()) + 4)
    client = raw()
    assert client.log_on(token).type == b"A"
    assert client.hear_until(b"5").get(58) == b"TOKEN_EXPIRED"
    assert raw(number=client.number).log_on(token).get(58) == b"TOKEN_EXPIRED"


def test_a_file_that_cannot_be_read_lets_nobody_in_and_logs_nobody_out(venue, raw, rules):
    client, token = raw(), venue.token("late")
    client.log_on(venue.token("steady"))
    path = venue.data / entitlements.FILE_NAME
    path.write_bytes(b"[{")
    assert raw(b"LATE").log_on(token).get(58) == b"UNKNOWN_TOKEN"
    client.socket.sendall(client.order(b"still here", price=b"1.00"))
    assert client.hear_until(b"8").get(150) == b"0"
    rules()
    assert raw(b"LATE").log_on(token).type == b"A"


# Trading.


def test_an_account_trades_its_own_products_alone(venue, raw, rules):
    rules({"first_product": 1, "last_product": 1})
    client = limited(venue, raw, "narrow")
    wanted = {b"N%d" % place: symbol for place, symbol in enumerate((b"1", b"1", b"2", b"1", b"2", b"1"))}
    orders = [client.order(name, price=b"1.00", symbol=symbol) for name, symbol in wanted.items()]
    client.socket.sendall(b"".join(orders))
    heard = {}
    while len(heard) < len(wanted):
        report = client.hear_until(b"8")
        heard[report.get(11)] = (report.get(150), report.get(58))
    assert heard == {
        name: (b"8", b"NOT_ENTITLED") if symbol == b"2" else (b"0", None) for name, symbol in wanted.items()
    }


def test_quotes_lists_and_blocks_stay_within_them_as_a_whole(venue, raw, rules):
    rules({"first_product": 1, "last_product": 1})
    client = limited(venue, raw, "whole")
    client.say(b"i", [(117, b"Q"), (296, b"1"), (302, b"S"), *quote_entries((b"1", b"2"))])
    told = client.hear_until(b"b")
    assert (told.get(297), told.get(300)) == (b"5", b"9")
    assert told.get(58) == b"nothing of it was taken; 2: NOT_ENTITLED"
    client.say(b"S", [(117, b"Q"), (55, b"2"), (132, b"1.00"), (134, b"1.0")])
    assert client.hear_until(b"AI").get(58) == b"NOT_ENTITLED"
    orders = [
        list_order(symbol, place, symbol, b"1", b"1.00") for place, symbol in enumerate((b"1", b"2"), 1)
    ]
    client.say(b"E", [(66, b"L"), (394, b"3"), (68, b"2"), (73, b"2"), *orders[0], *orders[1]])
    assert client.hear_until(b"N").get(444) == b"order 2: NOT_ENTITLED"
    terms = [(60, timestamp(time.time_ns())), (38, b"1.0"), (40, b"2"), (44, b"1.00"), (555, b"2")]
    client.say(b"AB", [(11, b"B"), (55, b"[N/A]"), (54, b"1"), *terms, (600, b"1"), (600, b"2")])
    assert client.hear_until(b"8").get(58) == b"NOT_ENTITLED"


def test_rights_end_while_a_session_runs_but_cancelling_stays(venue, raw, rules):
    client = limited(venue, raw, "changing")
    client.socket.sendall(client.order(b"rests", price=b"2.00"))
    client.hear_until(b"8", _11=b"rests", _150=b"0")
    rules({"trade": False})
    deadline, count, answer = time.monotonic() + WAIT_S, 0, b"0"
    while answer == b"0":
        assert time.monotonic() < deadline, "the rules are not taken"
        count += 1
        client.socket.sendall(client.order(b"C%d" % count, price=b"1.00"))
        report = client.hear_until(b"8", _11=b"C%d" % count)
        answer = report.get(150)
    assert (answer, report.get(58)) == (b"8", b"NOT_ENTITLED")
    client.socket.sendall(change(client, b"G", b"dearer", b"rests", b"3.00"))
    refused = client.hear_until(b"9")
    assert (refused.get(11), refused.get(434), refused.get(58)) == (b"dearer", b"2", b"NOT_ENTITLED")
    client.socket.sendall(change(client, b"F", b"gone", b"rests"))
    assert client.hear_until(b"8", _11=b"gone").get(150) == b"4"


# Seeing.


def test_an_account_sees_no_more_than_it_may(venue, raw, rules):
    rules({"first_product": 1, "last_product": 1, "data": "top"})
    client = limited(venue, raw, "watcher")
    client.socket.sendall(data(client, b"deep"))
    refused = client.hear_until(b"Y")
    assert (refused.get(262), refused.get(281), refused.get(58)) == (b"deep", b"3", b"NOT_ENTITLED")
    client.socket.sendall(data(client, b"other", b"1", product=b"2"))
    assert client.hear_until(b"Y").get(262) == b"other"
    client.socket.sendall(client.message(b"e", [(324, b"other phase"), (55, b"2"), (263, b"1")]))
    refused = client.hear_until(b"j")
    assert (refused.get(379), refused.get(380), refused.get(58)) == (b"other phase", b"6", b"NOT_ENTITLED")
    client.socket.sendall(
        data(client, b"top", b"1", (b"0", b"1", b"2")) + data(client, b"prints", types=[b"2"])
    )
    assert {client.hear_until(b"W").get(262) for _ in range(2)} == {b"top", b"prints"}
    client.socket.sendall(client.message(b"e", [(324, b"phase"), (55, b"1"), (263, b"1")]))
    assert client.hear_until(b"f").get(324) == b"phase"

    rules({"data": "delayed"})
    assert {client.hear_until(b"Y", _58=b"NOT_ENTITLED").get(262) for _ in range(2)} == {b"top", b"prints"}
    assert client.hear_until(b"j").get(379) == b"phase"
    client.socket.sendall(client.order(b"moves", price=b"4.00"))
    client.hear_until(b"8", _11=b"moves")
    client.say(b"1", [(112, b"behind it")])
    told = []
    while not told or told[-1].type != b"0" or told[-1].get(112) != b"behind it":
        told.append(client.hear())
    assert not [message for message in told if message.type in (b"W", b"X")]
