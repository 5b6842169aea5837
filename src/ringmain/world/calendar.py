"""When what happens: delivery days, their hourly products, auctions and gate closures. All in UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

OPENING_NS = -13 * HOUR_NS  # the day before, 11:00: products are defined, auction bids may come
AUCTION_NS = -12 * HOUR_NS  # the day before, 12:00
END_NS = DAY_NS + 30 * MINUTE_NS  # the last quarter-hour has been settled
GATE_BEFORE_DELIVERY_NS = 5 * MINUTE_NS
HOURLY_VALUE_MINOR = 1_000  # one lot, 0.1 MW for an hour, at one tick, 0.01 EUR/MWh


@dataclass(frozen=True)
class Product:
    """An hour's delivery as the exchange trades it."""

    product_id: int
    delivery_start_ns: int
    auction_ns: int
    gate_closure_ns: int

    @property
    def label(self) -> str:
        """The hour of delivery, for people."""
        return f"{datetime.fromtimestamp(self.delivery_start_ns / SECOND_NS, UTC):%H:%M}"


def midnight_ns(day: date) -> int:
    """Return when a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND_NS


def day_of(time_ns: int) -> date:
    """Return the day that a time is in."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).date()


def products_of(day: date) -> tuple[Product, ...]:
    """Return the hourly products that deliver on a day; an id is the hour's number since 1970."""
    begin_ns = midnight_ns(day)
    starts = (begin_ns + hour * HOUR_NS for hour in range(24))
    return tuple(
        Product(start // HOUR_NS, start, begin_ns + AUCTION_NS, start - GATE_BEFORE_DELIVERY_NS)
        for start in starts
    )


def next_delivery_day(now_ns: int) -> date:
    """Return the first day whose products have not been opened yet."""
    return day_of(now_ns - OPENING_NS - 1) + timedelta(1)


def clock_text(time_ns: int) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(time_ns / SECOND_NS, UTC):%a %Y-%m-%d %H:%M}"
