"""When what happens: delivery days, their products, auctions and gate closures. All in UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from ringmain.exchange.messages import HOURLY, QUARTER_HOURLY, RESERVE_DOWN, RESERVE_UP

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
QUARTER_NS = 15 * MINUTE_NS

# Of a delivery day, from its midnight.
OPENING_NS = -13 * HOUR_NS  # the day before, 11:00: products are defined, the day-ahead auction takes orders
AUCTION_NS = -12 * HOUR_NS  # the day before, 12:00: its gate
RESULT_NS = AUCTION_NS + 10 * MINUTE_NS  # without a proposal until then, the curves alone are cleared
RESERVE_NS = OPENING_NS + 15 * MINUTE_NS  # the one call in which reserve is traded ends
RESERVE_CLOSURE_NS = RESERVE_NS + MINUTE_NS
SESSION_NS = -9 * HOUR_NS  # the day before, 15:00: the opening call ends, continuous trading begins
END_NS = DAY_NS + 30 * MINUTE_NS  # the last quarter-hour has been settled
GATE_BEFORE_DELIVERY_NS = 5 * MINUTE_NS

HOURS, QUARTERS, BLOCKS = 24, 96, 6
BLOCK_HOURS = HOURS // BLOCKS  # reserve is held over so many
IDS_PER_DAY = 256  # a day's hours, then free ones, then its quarter-hours, then its blocks of reserve
FIRST_QUARTER_ID = 32
FIRST_RESERVE_UP_ID = FIRST_QUARTER_ID + QUARTERS
FIRST_RESERVE_DOWN_ID = FIRST_RESERVE_UP_ID + BLOCKS
HOURLY_VALUE_MINOR = 1_000  # one lot, 0.1 MW for an hour, at one tick, 0.01 EUR/MWh
QUARTERLY_VALUE_MINOR = HOURLY_VALUE_MINOR // 4
RESERVE_VALUE_MINOR = HOURLY_VALUE_MINOR * BLOCK_HOURS  # one lot, 0.1 MW held, at 0.01 EUR per MW and hour
HOURLY_LOT_KWH, QUARTERLY_LOT_KWH = 100, 25
LOT_KW = 100


class Kind(NamedTuple):
    """What all products of a kind have alike."""

    first_place: int  # in a day's ids
    duration_ns: int
    value_minor: int
    product_kind: int
    name: str


KINDS = (
    Kind(0, HOUR_NS, HOURLY_VALUE_MINOR, HOURLY, "hour"),
    Kind(FIRST_QUARTER_ID, QUARTER_NS, QUARTERLY_VALUE_MINOR, QUARTER_HOURLY, "quarter-hour"),
    Kind(FIRST_RESERVE_UP_ID, BLOCK_HOURS * HOUR_NS, RESERVE_VALUE_MINOR, RESERVE_UP, "reserve up"),
    Kind(FIRST_RESERVE_DOWN_ID, BLOCK_HOURS * HOUR_NS, RESERVE_VALUE_MINOR, RESERVE_DOWN, "reserve down"),
)


@dataclass(frozen=True)
class Product:
    """A delivery period as the exchange trades it.

    An id is 256 times the day's number since 1970, and in it 0 to 23 for an hour, 32 to 127 for a
    quarter-hour, 128 to 133 for a block of four hours of reserve upwards, 134 to 139 for one downwards:
    so each kind ascends by one within a day.
    """

    product_id: int

    @property
    def kind(self) -> Kind:
        """What is the same for all of its kind."""
        place = self.product_id % IDS_PER_DAY
        return next(kind for kind in reversed(KINDS) if place >= kind.first_place)

    @property
    def is_hour(self) -> bool:
        """Whether it delivers over an hour."""
        return self.product_id % IDS_PER_DAY < FIRST_QUARTER_ID

    @property
    def is_reserve(self) -> bool:
        """Whether it is power that is held ready, and not energy."""
        return self.product_id % IDS_PER_DAY >= FIRST_RESERVE_UP_ID

    @property
    def is_upward(self) -> bool:
        """Whether it is reserve that gives more power when it is called."""
        return FIRST_RESERVE_UP_ID <= self.product_id % IDS_PER_DAY < FIRST_RESERVE_DOWN_ID

    @property
    def day_begin_ns(self) -> int:
        """When its day of delivery begins."""
        return self.product_id // IDS_PER_DAY * DAY_NS

    @property
    def delivery_start_ns(self) -> int:
        """When delivery begins."""
        kind = self.kind
        return self.day_begin_ns + (self.product_id % IDS_PER_DAY - kind.first_place) * kind.duration_ns

    @property
    def duration_ns(self) -> int:
        """How long it delivers."""
        return self.kind.duration_ns

    @property
    def delivery_end_ns(self) -> int:
        """When delivery ends."""
        return self.delivery_start_ns + self.duration_ns

    @property
    def call_end_ns(self) -> int:
        """When its opening call ends."""
        return self.day_begin_ns + (RESERVE_NS if self.is_reserve else SESSION_NS)

    @property
    def gate_closure_ns(self) -> int:
        """When trading ends."""
        if self.is_reserve:
            return self.day_begin_ns + RESERVE_CLOSURE_NS
        return self.delivery_start_ns - GATE_BEFORE_DELIVERY_NS

    @property
    def value_minor(self) -> int:
        """Money for a lot at a tick."""
        return self.kind.value_minor

    @property
    def lot_kwh(self) -> int:
        """Energy of a lot; reserve is none until it is called."""
        if self.is_reserve:
            return 0
        return HOURLY_LOT_KWH if self.is_hour else QUARTERLY_LOT_KWH

    @property
    def hour_id(self) -> int:
        """The hour that it is, or lies in."""
        return hour_id(self.delivery_start_ns)

    @property
    def label(self) -> str:
        """The begin of delivery, for people."""
        return f"{datetime.fromtimestamp(self.delivery_start_ns / SECOND_NS, UTC):%H:%M}"


def hour_id(time_ns: int) -> int:
    """Return the product of the hour that a time is in."""
    day, in_day_ns = divmod(time_ns, DAY_NS)
    return day * IDS_PER_DAY + in_day_ns // HOUR_NS


def quarter_ids(hour: int) -> range:
    """Return the products of an hour's four quarters."""
    day, place = divmod(hour, IDS_PER_DAY)
    first = day * IDS_PER_DAY + FIRST_QUARTER_ID + 4 * place
    return range(first, first + 4)


def midnight_ns(day: date) -> int:
    """Return when a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND_NS


def day_of(time_ns: int) -> date:
    """Return the day that a time is in."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).date()


def products_of(day: date) -> tuple[Product, ...]:
    """Return the hourly products that deliver on a day."""
    first = hour_id(midnight_ns(day))
    return tuple(Product(n) for n in range(first, first + HOURS))


def quarters_of(day: date) -> tuple[Product, ...]:
    """Return the quarter-hourly products that deliver on a day."""
    first = quarter_ids(hour_id(midnight_ns(day)))[0]
    return tuple(Product(n) for n in range(first, first + QUARTERS))


def reserve_of(day: date) -> tuple[Product, ...]:
    """Return the blocks of reserve of a day: upwards, then downwards."""
    first = hour_id(midnight_ns(day)) + FIRST_RESERVE_UP_ID
    return tuple(Product(n) for n in range(first, first + 2 * BLOCKS))


def auction_id_of(day: date) -> int:
    """Return the id of the day-ahead auction for a day: its number since 1970."""
    return midnight_ns(day) // DAY_NS


def next_delivery_day(now_ns: int) -> date:
    """Return the first day whose products have not been opened yet."""
    return day_of(now_ns - OPENING_NS - 1) + timedelta(1)


def clock_text(time_ns: int) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(time_ns / SECOND_NS, UTC):%a %Y-%m-%d %H:%M}"
