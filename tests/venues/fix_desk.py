"""A FIX session that is logged on, and says orders, quotes, lists and blocks in a line each."""

import os
import time
from pathlib import Path

from ringmain.exchange.messages import HOURLY, DefineProduct, ScheduleProduct
from ringmain.exchange.multileg_messages import AllowQuoting
from ringmain.gateway.credentials import Credentials
from ringmain.gateway.fix.codec import Message, timestamp
from venues.fix_dictionary import Dictionary
from venues.fix_raw import Raw

LOGONS = {b"FIX.4.4": [], b"FIXT.1.1": [(1137, b"9")]}
HOUR_NS = 3_600_000_000_000
DICTIONARIES = os.environ.get("QUICKFIX_DICTIONARIES")  # a folder with FIX44.xml and FIX50SP2.xml


class FixDesk(Raw):
    """One session, whatever it hears checked against QuickFIX's dictionary where there is one."""

    def __init__(self, venue, name: str, begin_string=b"FIX.4.4", account_id=1, **values) -> None:
        super().__init__(venue.port, name.encode(), begin_string=begin_string)
        self.token = venue.token(f"{name} {begin_string.decode()} {time.time_ns()}", account_id, **values)
        file = {b"FIX.4.4": "FIX44.xml", b"FIXT.1.1": "FIX50SP2.xml"}[begin_string]
        self.dictionary = Dictionary(Path(DICTIONARIES) / file) if DICTIONARIES else None
        credential = Credentials(venue.data).find("exchange", self.token.encode())
        assert credential is not None
        self.session_id = credential.session_id
        assert self.log_on(self.token, LOGONS[begin_string]).type == b"A"

    def log_on_again(self, venue, *fields) -> "FixDesk":
        """Return the same session over another connection."""
        self.close()
        again = FixDesk.__new__(FixDesk)
        Raw.__init__(again, venue.port, self.sender, self.number, self.begin_string)
        again.token, again.dictionary, again.session_id = self.token, self.dictionary, self.session_id
        assert again.log_on(again.token, [*LOGONS[self.begin_string], *fields]).type == b"A"
        return again

    @property
    def is_sp2(self) -> bool:
        return self.begin_string == b"FIXT.1.1"

    def hear(self) -> Message | None:
        message = super().hear()
        if message is not None and self.dictionary is not None:
            self.dictionary.check(message)
        return message

    def report(self, name: bytes, letter: bytes, **wanted) -> Message:
        """Return the next report of that ClOrdID and ExecType."""
        return self.hear_until(b"8", _11=name, _150=letter, **wanted)

    def place(self, name: bytes, side: bytes, price: bytes, quantity=b"1.0", symbol=b"1") -> None:
        self.socket.sendall(self.order(name, side, price, quantity, symbol))
        self.report(name, b"0")

    def quotes(self, name: bytes, sets, level=b"2", fields=()) -> None:
        """Send a MassQuote; sets are lists of entries, which are lists of fields."""
        body = [(117, name), (301, level), *fields, (296, b"%d" % len(sets))]
        for number, entries in enumerate(sets, 1):
            count = b"%d" % len(entries)
            body += [(302, b"S%d" % number), (304, count), (295, count)]
            body += [pair for entry in entries for pair in entry]
        self.say(b"i", body)

    def list(self, name: bytes, orders, count=None, bid_type=b"3", **head) -> None:
        count = b"%d" % len(orders) if count is None else count
        body = [(66, name), (394, bid_type), (68, count), (73, b"%d" % len(orders))]
        self.say(b"E", body + [pair for each in orders for pair in each], **head)

    def block(self, name: bytes, side: bytes, price: bytes, symbols, quantity=b"1.0", **changes) -> None:
        fields = {11: name, 54: side, 55: b"[N/A]", 60: timestamp(time.time_ns()), 38: quantity, 40: b"2",
                  44: price, 59: b"0"}  # fmt: skip
        fields |= {int(key[1:]): value for key, value in changes.items()}
        legs = [(555, b"%d" % len(symbols))] + [pair for symbol in symbols for pair in leg(symbol)]
        self.say(b"AB", [pair for pair in fields.items() if pair[1] is not None] + legs)

    def clear(self) -> None:
        self.say(b"q", [(11, b"clear%d" % self.number), (530, b"7"), (60, timestamp(time.time_ns()))])
        self.hear_until(b"r")


def leg(symbol):
    return [(600, symbol)] if isinstance(symbol, bytes) else symbol


def quote(name: bytes, symbol: bytes, bid=None, bid_size=b"1.0", offer=None, offer_size=b"1.0"):
    """Return an entry of a MassQuote."""
    entry = [(299, name), (55, symbol)]
    entry += [(132, bid)] if bid else []
    entry += [(133, offer)] if offer else []
    entry += [(134, bid_size)] if bid and bid_size else []
    return entry + ([(135, offer_size)] if offer and offer_size else [])


def list_order(
    name: bytes, number: int, symbol: bytes, side: bytes, price: bytes, quantity=b"1.0", **changes
):
    """Return an order of a NewOrderList; a field that is None is left out."""
    fields = {11: name, 67: b"%d" % number, 55: symbol, 54: side, 38: quantity, 40: b"2", 44: price,
              59: b"4"}  # fmt: skip
    fields |= {int(key[1:]): value for key, value in changes.items()}
    return [pair for pair in fields.items() if pair[1] is not None]


def allow_quoting(venue, desk: FixDesk) -> None:
    with venue.operator() as operator:
        operator.send(AllowQuoting(quoter_id=desk.session_id, is_allowed=1))
        operator.settle()


def open_hours(venue, first: int, count: int) -> None:
    """Open products of as many hours on end, from a week on."""
    start_ns = (time.time_ns() // HOUR_NS + 168) * HOUR_NS
    with venue.operator() as operator:
        for place in range(count):
            product = {"delivery_start_ns": start_ns + place * HOUR_NS, "product_id": first + place}
            operator.send(
                DefineProduct(
                    value_minor=1_000, reference_price_ticks=5_000, market_range_ticks=1_000,
                    product_kind=HOURLY, **product,
                )
            )  # fmt: skip
            operator.send(ScheduleProduct(auction_ns=0, gate_closure_ns=start_ns, product_id=first + place))
        operator.settle()


def get(message: Message, *tags: int) -> tuple:
    return tuple(message.get(tag) for tag in tags)


def every(message: Message, tag: int) -> list[bytes]:
    """Return all values of a field, in order."""
    return [value for each, value in message.fields if each == tag]
