"""What the slow twin knows: orders, products, accounts, sessions."""

from dataclasses import dataclass, field

from ringmain.exchange import messages as m
from ringmain.exchange import state as s

LOW, HIGH = s.PRICE_TICKS_MIN, s.PRICE_TICKS_MAX
WHY = m.REJECTIONS | m.CANCELLATIONS


@dataclass
class Order:
    name: tuple[int, int]  # session, number
    account: int
    side: int
    price: int
    lots: int
    product: "Product"
    arrival: int = 0
    terms: dict = field(default_factory=dict)  # of the PlaceOrder
    shown: int = 0
    waits_at: int | None = None  # the stop price that it waits for
    expires: int = 0

    def term(self, name):
        return self.terms.get(name, 0)

    @property
    def display(self):
        return self.term("display_lots")

    @property
    def hidden(self):
        return self.lots - self.shown

    def rank(self):
        return (-self.price if self.side == m.BUY else self.price, self.arrival)

    def stop_rank(self):
        return (self.waits_at if self.side == m.BUY else -self.waits_at, self.arrival)

    def owed(self):
        value = self.price * self.lots * self.product.value
        return max(0, value if self.side == m.BUY else -value)


@dataclass
class Product:
    id: int
    kind: int
    start: int
    value: int
    reference: int
    range: int
    phase: int = m.FREE
    auction: int = 0
    closure: int = 0
    due: int = 0
    auction_price: int = 0
    auction_left: int = 0
    price_step: int = 1
    lot_step: int = 1
    min_lots: int = 1
    max_lots: int = s.LOTS_MAX
    allocation: int = m.PRICE_TIME
    last: int | None = None
    stops_due: bool = False
    orders: list[Order] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)  # in the order in which they were opened

    def queue(self, side):
        return sorted((o for o in self.orders if o.side == side and o.waits_at is None), key=Order.rank)

    def waiting(self, side):
        found = (o for o in self.orders if o.side == side and o.waits_at is not None)
        return sorted(found, key=Order.stop_rank)


@dataclass
class Account:
    credit: int
    long: int
    short: int
    cash: int = 0


@dataclass
class Seat:
    account: int = 0
    cancel_on_disconnect: int = 0
    last_order: int = 0
    sweep: dict | None = None
