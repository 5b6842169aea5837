"""Market data over the FIX door: what subscribers make of it is what rests and trades."""

import pytest

from ringmain.client import Client
from ringmain.exchange.messages import (
    BUY,
    GOOD_FOR_SESSION,
    IOC,
    LIMIT,
    SELL,
    CancelOrder,
    PlaceOrder,
    ReplaceOrder,
)
from venues.fix_raw import Raw
from venues.fix_venue import Venue

LOGONS = {b"FIX.4.4": [], b"FIXT.1.1": [(1137, b"9")]}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.close()


def place(client: Client, side, price_ticks, quantity_lots, **values) -> int:
    terms = {"order_type": LIMIT, "time_in_force": GOOD_FOR_SESSION, "product_id": 1} | values
    number = client.send(PlaceOrder(price_ticks=price_ticks, quantity_lots=quantity_lots, side=side, **terms))
    client.wait_answer(number)
    return number


def trade(client: Client) -> None:
    """Let orders come, hide, change, trade and go."""
    resting = [place(client, BUY, 4_000 + step, 10) for step in range(4)]
    resting += [place(client, SELL, 5_000 + step, 10, display_lots=4) for step in range(2)]
    place(client, SELL, 4_002, 13, time_in_force=IOC)  # 4,003 and a part of 4,002
    place(client, BUY, 5_000, 5)  # one clip and a part of the next
    changes = {"order_number": resting[0], "expected_lots": 0}
    client.send(ReplaceOrder(price_ticks=3_990, quantity_lots=7, **changes))
    client.send(CancelOrder(order_number=resting[1]))
    client.settle()


class Watcher:
    """A subscriber of one product's whole book, and of its trades."""

    def __init__(self, venue: Venue, name: str, begin_string: bytes, update: bytes = b"1") -> None:
        self.raw = Raw(venue.port, name.encode(), begin_string=begin_string)
        token = venue.token(f"{name} {begin_string.decode()}", 3)
        assert self.raw.log_on(token, LOGONS[begin_string]).type == b"A"
        self.book: dict[tuple[bytes, bytes], bytes] = {}
        self.trades: list[tuple[bytes, bytes, bytes]] = []
        kinds = [(269, kind) for kind in (b"0", b"1", b"2")]
        head = [(262, b"all"), (263, b"1"), (264, b"0"), (265, update), (267, b"3")]
        self.raw.say(b"V", [*head, *kinds, (146, b"1"), (55, b"1")])
        self.snapshot = self.raw.hear_until(b"W")
        self.take(self.snapshot)

    def take(self, message) -> None:
        if message.type == b"W":
            self.book.clear()
        if message.type not in (b"W", b"X"):
            return
        entries, entry = [], {}
        for tag, value in message.fields:
            if tag == (269 if message.type == b"W" else 279):
                entries.append(entry := {})
            entry[tag] = value
        for each in entries:
            if each[269] == b"2":
                self.trades.append((each[278], each[270], each[271]))
            elif each.get(279) == b"2":
                del self.book[each[269], each[270]]
            else:
                self.book[each[269], each[270]] = each[271]

    def catch_up(self, name: bytes) -> None:
        """Hear all that is told by now."""
        self.raw.say(b"1", [(112, name)])
        while (message := self.raw.hear()).get(112) != name:
            self.take(message)


@pytest.mark.parametrize("begin_string", LOGONS)
def test_what_is_told_is_what_rests_and_trades(venue, begin_string):
    first = Watcher(venue, "EARLY", begin_string)
    assert (first.snapshot.get(779) is not None) == (begin_string == b"FIXT.1.1")
    was = dict(first.book)
    whole = Watcher(venue, "WHOLE", begin_string, update=b"0")
    with venue.client(venue.token(f"trader {begin_string}")) as client:
        trade(client)
        first.catch_up(b"behind")
        while len(first.trades) < 4:
            first.take(first.raw.hear())
        rests = {
            (b"0", b"40.02"): b"0.7", (b"0", b"39.90"): b"0.7", (b"1", b"50.00"): b"0.3",
            (b"1", b"50.01"): b"0.4",
        } | was  # fmt: skip
        while first.book != rests:  # hearing nothing more is an error
            first.take(first.raw.hear())
        late = Watcher(venue, "LATE", begin_string)
        assert late.book == first.book
        assert [(price, lots) for _, price, lots in first.trades] == [
            (b"40.03", b"1.0"), (b"40.02", b"0.3"), (b"50.00", b"0.4"), (b"50.00", b"0.1"),
        ]  # fmt: skip
        assert len({name for name, _, _ in first.trades}) == 4
    while first.book != was:  # the trader has gone, and his orders with him
        first.take(first.raw.hear())
    while whole.book != was or not whole.trades:
        whole.take(whole.raw.hear())
    for each in (first, whole, late):
        each.raw.close()
