"""What the world shows of itself while it lives: a small file that the screen reads."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ringmain.exchange.dayahead_messages import AUCTION_PHASES, OUTCOMES
from ringmain.exchange.messages import BUY, CALL, CONTINUOUS, FREE, PHASES, SELL
from ringmain.world.calendar import DAY_NS, HOURS, Product, day_of, hour_id
from ringmain.world.dayahead_view import DayAheadView
from ringmain.world.fair import FairPrices
from ringmain.world.market_view import MarketView
from ringmain.world.reserve_view import ReserveView
from ringmain.world.seats import FLEET_ACCOUNT

if TYPE_CHECKING:
    from ringmain.world.live import Plan

EVERY_S = 0.2
PHASE_NAMES = {code: name.lower() for name, code in PHASES.items()}
AUCTION_PHASE_NAMES = {code: name.lower() for name, code in AUCTION_PHASES.items()}
OUTCOME_NAMES = {code: name.lower() for name, code in OUTCOMES.items()}


class BookNow(msgspec.Struct):
    """A product's line on the screen."""

    product_id: int
    phase: str
    real_ticks: int | None
    auction_ticks: int | None
    bid_ticks: int | None
    ask_ticks: int | None
    last_ticks: int | None
    traded_kwh: int


class AuctionNow(msgspec.Struct):
    """The day-ahead auction that runs, or the last one; without an outcome while it runs."""

    day: str
    phase: str
    curves: int
    blocks: int
    accepted: int = 0
    paradoxes: int = 0
    mean_ticks: int = 0
    bought_lots: int = 0
    welfare_tick_lots: int = 0
    gap_millionths: int = 0
    outcome: str = ""


class ReserveNow(msgspec.Struct):
    """The block of reserve that is held now, or next; in lots, what is called with its direction's sign."""

    begin_ns: int
    up_lots: int = 0
    down_lots: int = 0
    called_lots: int = 0
    fleet_up_lots: int = 0
    fleet_down_lots: int = 0
    fleet_called_lots: int = 0


class FleetNow(msgspec.Struct):
    """What the devices do, how many of them the fleet has heard of lately, and what it has earned so far."""

    power_w: float
    homes_w: float
    target_w: float
    energy_wh: float
    fresh: int
    late: int
    silent: int
    income_minor: int
    rejected: int


class Status(msgspec.Struct):
    """Everything that the screen needs from the world."""

    time_ns: int
    start_ns: int
    end_ns: int
    source: str
    trades: int
    traded_kwh: int
    rejections: dict[str, int]
    books: list[BookNow]
    fleet: FleetNow | None
    auction: AuctionNow | None = None
    reserve: ReserveNow | None = None

    @property
    def phase(self) -> str:
        """What the exchange is about."""
        if self.auction is not None and not self.auction.outcome:
            return f"day-ahead auction: {self.auction.phase}"
        phases = {book.phase for book in self.books}
        if PHASE_NAMES[CONTINUOUS] in phases:
            return "continuous trading"
        return "before the opening call" if PHASE_NAMES[CALL] in phases else "no product is open"

    @classmethod
    def of(
        cls, now_ns: int, plan: "Plan", view: MarketView, fair: FairPrices, rejections: dict[str, int],
        fleet: FleetNow | None,
    ) -> "Status":  # fmt: skip
        """Return the world's status."""
        books = []
        for product_id, book in sorted(view.books.items()):
            product = Product(product_id)
            if product.is_reserve or product.delivery_end_ns <= now_ns or book.phase == FREE:
                continue
            books.append(BookNow(
                product_id, PHASE_NAMES.get(book.phase, "?"), fair.given(product_id),
                view.day_ahead.prices.get(product_id, book.call_ticks), book.top(BUY), book.top(SELL),
                book.last_ticks, book.traded_kwh,
            ))  # fmt: skip
        return cls(
            now_ns, plan.start_ns, plan.end_ns, plan.source, view.trades, view.traded_kwh, rejections,
            books, fleet, auction_now(view.day_ahead), reserve_now(view.reserve, now_ns),
        )  # fmt: skip


def auction_now(seen: DayAheadView) -> AuctionNow | None:
    """Return the line about an auction, if there has been one."""
    if seen.auction_id == 0:
        return None
    day_begin_ns = seen.auction_id * DAY_NS
    line = AuctionNow(
        day_of(day_begin_ns).isoformat(), AUCTION_PHASE_NAMES[seen.phase],
        sum(map(len, seen.curves.values())), seen.block_count,
    )  # fmt: skip
    if seen.ended is None:
        return line
    first = hour_id(day_begin_ns)
    prices = [seen.prices[n] for n in range(first, first + HOURS) if n in seen.prices]
    return msgspec.structs.replace(
        line, accepted=seen.accepted_count, paradoxes=seen.ended["paradox_count"],
        mean_ticks=round(sum(prices) / max(1, len(prices))), bought_lots=seen.bought_lots,
        welfare_tick_lots=seen.ended["welfare_tick_lots"], gap_millionths=seen.ended["gap_millionths"],
        outcome=OUTCOME_NAMES[seen.ended["outcome"]],
    )  # fmt: skip


def reserve_now(seen: ReserveView, now_ns: int) -> ReserveNow | None:
    """Return the line about the block of reserve that is held now, or next, if any was sold."""
    blocks = [Product(n) for n, lots in seen.lots.items() if lots and Product(n).delivery_end_ns > now_ns]
    if not blocks:
        return None
    line = ReserveNow(min(product.delivery_start_ns for product in blocks))
    for product in blocks:
        if product.delivery_start_ns != line.begin_ns:
            continue
        lots, product_id = seen.lots[product.product_id], product.product_id
        sold, own = sum(n for n in lots.values() if n > 0), -lots.get(FLEET_ACCOUNT, 0)
        called, own_called = seen.called_lots.get(product_id, 0), seen.share_of(product_id, FLEET_ACCOUNT)
        if product.is_upward:
            line.up_lots, line.fleet_up_lots = sold, own
        else:
            line.down_lots, line.fleet_down_lots, called, own_called = sold, own, -called, -own_called
        line.called_lots += called
        line.fleet_called_lots += own_called
    return line


class StatusFile:
    """Writes or reads the world's status."""

    def __init__(self, data: Path) -> None:
        self.path = data / "world" / "status.json"
        self._due_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the last one has become old."""
        return time.monotonic() >= self._due_s

    def write(self, status: Status) -> None:
        """Replace the file as one step."""
        self._due_s = time.monotonic() + EVERY_S
        temporary = self.path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(status))
        temporary.replace(self.path)

    def read(self) -> Status | None:
        """Return the newest status, if there is one."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Status)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
