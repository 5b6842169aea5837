"""The FIX door of a running venue: bad input, deaths and a day's resend; nobody else is harmed."""

import contextlib
import time
from pathlib import Path

import pytest

from ringmain.exchange.messages import BUY, GOOD_FOR_SESSION, LIMIT, CancelOrder, PlaceOrder
from ringmain.gateway.fix.codec import timestamp
from venues.fix_raw import Raw
from venues.fix_venue import Venue

DAY_ORDERS = 30_000


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.close()


@pytest.fixture
def raw(venue, request):
    """Return a function that makes a connection; and see that others are served afterwards."""
    raws: list[Raw] = []

    def make(sender=b"RAW", number=1, **options) -> Raw:
        raws.append(Raw(venue.port, sender, number, **options))
        return raws[-1]

    yield make
    other = make(b"OTHER")
    assert other.log_on(venue.token(f"other {request.node.name}", 3)).type == b"A"
    other.socket.sendall(other.order(b"other", price=b"1.00"))
    assert other.hear_until(b"8").get(150) == b"0"
    for each in raws:
        each.close()


@pytest.fixture
def token(venue, request):
    return venue.token(request.node.name)


# Logging on.


def test_who_may_not_log_on_is_told_why(venue, raw, token):
    stranger = raw()
    answer = stranger.log_on("x" * 24)
    assert (answer.type, answer.get(58)) == (b"5", b"UNKNOWN_TOKEN")
    assert stranger.is_ended()
    assert raw().log_on(token, [(553, b"somebody else")]).get(58) == b"UNKNOWN_TOKEN"
    assert raw().log_on(token, _56=b"ELSEWHERE").get(58) == b"CompID problem"
    assert raw().log_on(venue.token("vpp's"), _52=timestamp(0)).get(58) == b"SendingTime accuracy problem"
    first = raw()
    first.say(b"0")
    assert first.is_ended()
    other = raw(begin_string=b"FIX.4.2")
    other.say(b"A", [(98, b"0"), (108, b"30"), (554, token.encode())])
    assert other.is_ended()


def test_a_slow_logon_is_not_waited_for(raw, token):
    slow = raw()
    slow.socket.sendall(b"8=FIX.4.4\x019=100\x0135=A\x01")
    assert slow.is_ended()


def test_a_credential_is_one_connections_at_a_time(raw, token):
    first, second = raw(), raw()
    assert first.log_on(token).type == b"A"
    assert b"Logged on already" in second.log_on(token).get(58)
    assert second.is_ended()
    first.socket.sendall(first.order(b"still here", price=b"2.00"))
    assert first.hear_until(b"8").get(11) == b"still here"


def test_numbers_of_one_are_not_anothers(raw, token):
    first = raw(b"FIRST")
    first.log_on(token)
    first.say(b"5")
    first.is_ended()
    assert b"ResetSeqNumFlag" in raw(b"SECOND").log_on(token).get(58)
    assert raw(b"SECOND").log_on(token, [(141, b"Y")]).get(34) == b"1"


def test_sessions_are_closed_outside_of_their_hours(tmp_path):
    now = time.time()
    begin, end = (time.strftime("%H:%M", time.gmtime(now + seconds)) for seconds in (7_200, 10_800))
    venue = Venue(tmp_path, "--hours", f"{begin}-{end}")
    try:
        client = Raw(venue.port)
        assert b"closed at this hour" in client.log_on(venue.token("early")).get(58)
        assert client.is_ended()
        client.close()
    finally:
        venue.close()


def test_a_second_door_is_refused(venue, capfd):
    from ringmain import cli

    assert cli.main(["fix", "--data", str(venue.data)]) == 1
    assert "RM106" in capfd.readouterr().err


def test_two_resends_at_once_are_both_made(raw, token):
    client = raw()
    client.log_on(token)
    client.socket.sendall(b"".join(client.order(b"T%d" % n, price=b"1.00") for n in range(5)))
    for _ in range(5):
        client.hear_until(b"8")
    client.socket.sendall(
        client.message(b"2", [(7, b"2"), (16, b"3")]) + client.message(b"2", [(7, b"5"), (16, b"0")])
    )
    again = [client.hear_until(b"8", _43=b"Y").number(34) for _ in range(4)]
    assert again == [2, 3, 5, 6]


# Bytes.


def test_a_message_may_come_byte_by_byte(raw, token):
    client = raw()
    client.log_on(token)
    for byte in client.order(b"slowly", price=b"3.00"):
        client.socket.sendall(bytes([byte]))
    assert client.hear_until(b"8").get(11) == b"slowly"


def test_a_garbled_message_is_asked_for_again_and_counts_once(raw, token):
    client = raw()
    client.log_on(token)
    good = client.order(b"one", price=b"4.00")
    client.socket.sendall(good[:-4] + b"999\x01" + client.order(b"two", price=b"4.00"))
    ask = client.hear_until(b"2")
    assert (ask.get(7), ask.get(16)) == (b"2", b"0")
    marks = {"_43": b"Y", "_122": timestamp(time.time_ns() - 10**9)}
    client.socket.sendall(client.order(b"one", price=b"4.00", number=2, **marks))
    client.socket.sendall(client.order(b"two", price=b"4.00", number=3, **marks))
    client.socket.sendall(client.order(b"two", price=b"4.00", number=3, **marks))
    client.socket.sendall(client.order(b"three", price=b"4.00"))
    assert [client.hear_until(b"8").get(11) for _ in range(3)] == [b"one", b"two", b"three"]


def test_noise_is_passed_over(raw, token):
    client = raw()
    client.log_on(token)
    client.socket.sendall(
        b"\x00\xff" * 5_000 + b"8=FIX.4.4\x019=999999\x01" + client.order(b"n", price=b"5.00")
    )
    assert client.hear_until(b"8").get(11) == b"n"


# Numbers over lives.


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_numbers_survive_the_door(venue, raw, token, how):
    client = raw()
    client.log_on(token)
    client.socket.sendall(client.order(b"a", price=b"6.00") + client.order(b"b", price=b"6.00"))
    last = [client.hear_until(b"8") for _ in range(2)][-1].number(34)
    getattr(venue, how)("fix")
    venue.start("fix")
    assert b"MsgSeqNum too low, expecting 4" in raw(number=2).log_on(token).get(58)
    again = raw(number=4)
    answer = again.log_on(token)
    assert answer.type == b"A"
    assert answer.number(34) > last
    again.socket.sendall(again.order(b"a", price=b"6.00"))
    assert again.hear_until(b"8", _150=b"8").get(103) == b"6"  # the name is still taken


def test_a_gateway_that_comes_up_leaves_the_orders_of_fix_sessions_alone(venue, raw, token):
    client = raw()
    client.log_on(token)
    client.socket.sendall(client.order(b"stays", price=b"5.00"))
    client.hear_until(b"8", _150=b"0")
    venue.kill("gateway")
    venue.start("gateway")
    with venue.operator() as operator:  # behind all that the gateway had to say
        operator.settle()
    client.socket.sendall(client.order(b"next", price=b"5.00"))
    report = client.hear_until(b"8")
    assert (report.get(11), report.get(150)) == (b"next", b"0")


def test_a_binary_client_takes_a_session_over_and_keeps_it(venue, raw, token):
    client, other = raw(), raw(b"BEHIND")
    client.log_on(token)
    other.log_on(venue.token("behind", 2))
    client.socket.sendall(client.order(b"by fix", price=b"3.00"))
    client.hear_until(b"8", _11=b"by fix", _150=b"0")
    with venue.client(token) as binary:
        assert b"TAKEN_OVER" in client.hear_until(b"5").get(58)
        assert client.is_ended()
        for name in (b"one", b"two"):  # behind all that the FIX door had to say of the session
            other.socket.sendall(other.order(name, price=b"1.00"))
            other.hear_until(b"8", _11=name, _150=b"0")
            placed = binary.send(bid(price_ticks=301))
            assert names(binary, binary.wait_answer(placed)) == ["OrderAccepted"]
            cancelled = binary.send(CancelOrder(order_number=placed))
            assert names(binary, binary.wait_answer(cancelled)) == ["OrderCancelled"]
        last = binary.send(CancelOrder(order_number=1))
        assert names(binary, binary.wait_answer(last)) == ["OrderCancelled"], "what FIX placed rests"
        venue.stop("fix")  # nor does its end close what it gave up
        venue.start("fix")
        placed = binary.send(bid(price_ticks=302))
        assert names(binary, binary.wait_answer(placed)) == ["OrderAccepted"]
    again = raw(number=client.number)
    assert again.log_on(token).type == b"A"
    again.socket.sendall(again.order(b"by fix again", price=b"3.00"))
    assert again.hear_until(b"8", _11=b"by fix again").get(150) == b"0"


def test_possibly_resent_orders_count_once(raw, token):
    client = raw()
    client.log_on(token)
    client.socket.sendall(client.order(b"p", price=b"7.00"))
    client.hear_until(b"8", _150=b"0")
    client.socket.sendall(client.order(b"p", price=b"7.00", _97=b"Y"))
    assert client.hear_until(b"8").get(150) == b"I"
    client.socket.sendall(client.order(b"q", price=b"7.00", _97=b"Y"))
    assert client.hear_until(b"8", _11=b"q").get(150) == b"0"


def test_a_day_of_messages_is_resent_without_being_held_in_memory(venue, raw):
    token = venue.token("a day", cancel_on_disconnect=False)
    client = raw(b"DAY")
    client.log_on(token)
    data = b"".join(client.order(b"D%06d" % n, side=b"12"[n % 2 : n % 2 + 1]) for n in range(DAY_ORDERS))
    sent = heard = 0
    client.socket.settimeout(60)
    while heard < DAY_ORDERS:
        if sent < len(data):
            client.socket.sendall(data[sent : sent + 200_000])
            sent += 200_000
        while heard < DAY_ORDERS and (sent >= len(data) or sent * DAY_ORDERS > (heard + 3_000) * len(data)):
            heard += client.hear().get(150) == b"0"
    client.say(b"1", [(112, b"all told")])
    last = client.hear_until(b"0", _112=b"all told").number(34)
    before = _resident_bytes(venue.processes["fix"].pid)
    client.say(b"2", [(7, b"1"), (16, b"0")])
    number, reports = 1, 0
    while number <= last:
        message = client.hear()
        assert (message.number(34), message.get(43)) == (number, b"Y")
        assert message.get(122) is not None
        if message.type == b"4":
            assert message.get(123) == b"Y"
            number = message.number(36)
        else:
            assert message.type == b"8"
            number, reports = number + 1, reports + 1
    assert reports >= 2 * DAY_ORDERS - 2  # each was accepted, and all but the first trade
    assert _resident_bytes(venue.processes["fix"].pid) - before < 64 << 20
    client.socket.sendall(client.order(b"afterwards", price=b"1.00"))
    assert client.hear_until(b"8", _11=b"afterwards").number(34) == last + 1


def test_a_client_that_does_not_read_is_told_all_when_it_does(venue, raw):
    lazy = raw(b"LAZY")
    lazy.log_on(venue.token("lazy", cancel_on_disconnect=False))
    count = 12_000
    data = b"".join(lazy.order(b"L%06d" % n, side=b"12"[n % 2 : n % 2 + 1]) for n in range(count))
    lazy.socket.settimeout(5)
    sent = 0
    try:
        while sent < len(data):
            sent += lazy.socket.send(data[sent : sent + 65_536])
    except TimeoutError:
        pass  # it is pushed back until it reads
    lazy.socket.settimeout(60)
    numbers, accepted = [], 0
    lazy.socket.setblocking(True)
    while accepted < count:
        if sent < len(data):
            lazy.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sent += lazy.socket.send(data[sent : sent + 65_536])
            lazy.socket.setblocking(True)
        message = lazy.hear()
        numbers.append(message.number(34))
        accepted += message.get(150) == b"0"
    assert numbers == list(range(2, 2 + len(numbers)))


def bid(price_ticks: int):
    terms = {"side": BUY, "order_type": LIMIT, "time_in_force": GOOD_FOR_SESSION}
    return PlaceOrder(price_ticks=price_ticks, quantity_lots=5, product_id=1, **terms)


def names(client, records) -> list[str]:
    return [client.unpack(each)["record"] for each in records]


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096
