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

    def lasts_for_session(self):
        late = (m.GOOD_TILL_CANCELLED, m.GOOD_TILL_DATE)
        return self.terms["time_in_force"] not in late

    def stop_rank(self):
        return (self.waits_at if self.side == m.BUY else -self.waits_at, self.arrival)

    def owed(self):
        value = self.price * self.lots * self.product.value
        fees = self.lots * max(0, *self.product.fees.values())
        return max(0, fees + (value if self.side == m.BUY else -value))


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
    call_start: int = 0
    closing_call: int = 0
    call_end: int = 0
    random_end_ms: int = 0
    seed: int = 0
    indicative_ms: int = 0
    indicative_due: int = 0
    indicative: tuple[int, int] | None = None  # price and volume last told
    following: int = 0  # the phase after uncrossing
    expiring: bool = False
    swept: int = 0
    last: int | None = None
    stops_due: bool = False
    fees: dict[int, int] = field(default_factory=lambda: {m.MAKER: 0, m.TAKER: 0, m.AUCTION: 0})  # of a lot
    blocks_due: bool = False
    orders: list[Order] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)  # in the order in which they were opened

    def draw_call_end(self):
        word = (self.seed * 4 + self.id * 0x9E3779B1 + self.phase) % 2**32
        word = (word ^ (word >> 15)) * 0x2C1B3C6D % 2**32
        word = (word ^ (word >> 12)) * 0x297A2D39 % 2**32
        drawn = (word ^ (word >> 15)) % (self.random_end_ms + 1) * 10**6
        self.call_end = self.closure - drawn if self.phase == m.CLOSING_CALL else self.auction + drawn

    def trades_now(self, balancing):
        return self.phase == m.CONTINUOUS or bool(self.phase == m.BALANCING and balancing)

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
    balances: bool = False
    cash: int = 0


@dataclass
class Seat:
    account: int = 0
    cancel_on_disconnect: int = 0
    last_order: int = 0
    sweep: dict | None = None
