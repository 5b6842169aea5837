"""One credential at two doors of a running venue: the newer connection has the session."""

import itertools
import threading

import pytest

from ringmain.core.errors import RingmainError
from ringmain.exchange.messages import BUY, GOOD_FOR_SESSION, LIMIT, CancelOrder, PlaceOrder
from ringmain.gateway.fix.codec import timestamp
from venues.fix_raw import Raw
from venues.fix_venue import Venue

ROUNDS = 8


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.close()


@pytest.fixture
def raw(venue):
    """Return a function that logs a FIX client on."""
    raws: list[Raw] = []

    def make(token: str, number: int = 1, sender: bytes = b"RAW") -> Raw:
        raws.append(Raw(venue.port, sender, number))
        answer = raws[-1].log_on(token)
        assert answer.type == b"A", answer.get(58)
        return raws[-1]

    yield make
    for each in raws:
        each.close()


def bid(price_ticks: int) -> object:
    terms = {"side": BUY, "order_type": LIMIT, "time_in_force": GOOD_FOR_SESSION, "product_id": 1}
    return PlaceOrder(price_ticks=price_ticks, quantity_lots=3, **terms)


def answer(client, number: int) -> dict:
    return client.unpack(client.wait_answer(number)[0])


def hear_end(binary) -> None:
    """The binary client is told that another connection has the session now."""
    with pytest.raises(RingmainError, match="TAKEN_OVER"):
        while True:
            binary.poll(5)


def place(client: Raw, name: bytes, price: bytes) -> None:
    """Place an order over FIX: the report is of this order, and no other."""
    client.socket.sendall(client.order(name, price=price, quantity=b"0.7"))
    report = client.hear_until(b"8", _11=name)
    assert (report.get(150), report.get(44), report.get(38)) == (b"0", price, b"0.7")


def test_a_fix_session_takes_over_from_a_binary_one(venue, raw):
    token = venue.token("to fix")
    with venue.client(token) as binary:
        placed = binary.send(bid(100))
        assert answer(binary, placed)["record"] == "OrderAccepted"
        client = raw(token)
        hear_end(binary)
        place(client, b"mine", b"1.01")
        client.socket.sendall(client.message(b"q", [(11, b"all"), (530, b"7"), (60, timestamp(0))]))
        assert client.hear_until(b"r").get(533) == b"2", (
            "what the other door placed rests, and is the session's"
        )


def test_a_binary_session_takes_over_from_a_fix_one(venue, raw):
    token = venue.token("to binary")
    client = raw(token)
    place(client, b"mine", b"1.01")
    with venue.client(token) as binary:
        assert b"TAKEN_OVER" in client.hear_until(b"5").get(58)
        assert client.is_ended()
        assert binary.protocol.next_number == 2
        assert answer(binary, binary.send(CancelOrder(order_number=1)))["record"] == "OrderCancelled"


def test_it_goes_to_and_fro(venue, raw):
    token, number, placed = venue.token("to and fro"), 1, []
    binary = venue.client(token)
    for turn in range(ROUNDS):
        client = raw(token, number)
        hear_end(binary)
        binary.close()
        place(client, b"T%d" % turn, b"1.%02d" % turn)
        number = client.number
        binary = venue.client(token)
        assert b"TAKEN_OVER" in client.hear_until(b"5").get(58)
        placed.append(binary.send(bid(200 + turn)))
        assert answer(binary, placed[-1])["price_ticks"] == 200 + turn
    assert placed == list(range(2, 2 * ROUNDS + 1, 2)), "the doors share one row of numbers"
    binary.close()


def test_fix_takes_over_in_the_middle_of_a_stream_of_commands(venue, raw):
    """Each order over FIX is answered as itself: none has the number of one that was on its way."""
    token = venue.token("stream")
    client, number = None, 1
    for turn in range(ROUNDS):
        binary = venue.client(token)
        if client is not None:
            client.hear_until(b"5")
            number = client.number
        sender = threading.Thread(target=send_on, args=(binary,))
        sender.start()
        client = raw(token, number)
        place(client, b"S%d" % turn, b"1.%02d" % (turn + 11))
        sender.join(30)
        assert not sender.is_alive(), "the binary client is told"
        binary.close()


def send_on(binary) -> None:
    try:
        for price in itertools.cycle(range(300, 400)):
            number = binary.send(bid(price))
            if number % 50 == 0:
                binary.poll(0)
    except RingmainError as error:
        assert "TAKEN_OVER" in str(error)


def test_a_binary_session_takes_over_in_the_middle_of_a_stream_of_orders(venue, raw):
    """And so is each command of the binary session."""
    token, number = venue.token("orders"), 1
    for turn in range(ROUNDS):
        client = raw(token, number)
        client.socket.settimeout(30)
        orders = b"".join(client.order(b"O%d-%d" % (turn, place), price=b"2.00") for place in range(2_000))
        sender = threading.Thread(target=client.socket.sendall, args=(orders,))
        sender.start()
        with venue.client(token) as binary:
            for price in (500, 501):
                said = answer(binary, binary.send(bid(price)))
                assert (said["record"], said["price_ticks"], said["quantity_lots"]) == (
                    "OrderAccepted",
                    price,
                    3,
                )
            told = hear_all(client)
            sender.join(30)
        assert b"TAKEN_OVER" in told[-1].get(58)
        new = [each.get(11) for each in told if each.get(150) == b"0"]
        assert new == [b"O%d-%d" % (turn, place) for place in range(len(new))], "in order, each once"
        number = expected_number(venue, token)


def hear_all(client: Raw) -> list:
    told = []
    while (message := client.hear()) is not None:
        told.append(message)
    return told


def expected_number(venue, token) -> int:
    """Return the number that the venue expects: it says so to one that is too low."""
    client = Raw(venue.port, b"RAW", 1)
    text = client.log_on(token).get(58)
    client.close()
    assert b"too low, expecting " in text
    return int(text.split()[4])


@pytest.mark.parametrize("role", ["observer", "participant"])
def test_whoever_only_looks_is_one_too(venue, raw, role):
    token = venue.token(f"looks {role}", role=role)
    binary = venue.client(token)
    client = raw(token)
    hear_end(binary)
    binary.close()
    with venue.client(token) as again:
        assert b"TAKEN_OVER" in client.hear_until(b"5").get(58)
        again.settle()


def test_a_door_that_died_is_not_waited_for(venue, raw):
    token = venue.token("widow", cancel_on_disconnect=False)
    binary = venue.client(token)
    assert answer(binary, binary.send(bid(100)))["record"] == "OrderAccepted"
    venue.kill("gateway")
    client = raw(token)
    place(client, b"after", b"1.50")
    venue.start("gateway")
    with venue.operator() as operator:
        operator.settle()
    place(client, b"still", b"1.51")
    binary.close()


def test_a_client_that_does_not_read_is_taken_over_from_too(venue, raw):
    token = venue.token("deaf")
    with venue.client(token) as binary:
        for _ in range(40):  # far more than the gateway keeps for a client that does not read
            for price in range(300, 800):
                binary.send(bid(price))
            binary.flush()
        client = raw(token)
        place(client, b"heard", b"9.00")


def test_the_same_client_comes_back_at_once(venue, raw):
    token = venue.token("back")
    number = 1
    for turn in range(ROUNDS):
        client = raw(token, number)
        with venue.client(token) as binary:
            assert answer(binary, binary.send(bid(100 + turn)))["record"] == "OrderAccepted"
        client.is_ended()
        number = client.number
