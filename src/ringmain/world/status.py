"""What the world shows of itself while it lives: a small file that the screen reads."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ringmain.exchange.messages import BUY, CALL, CONTINUOUS, FREE, PHASES, SELL
from ringmain.world.market_view import MarketView

if TYPE_CHECKING:
    from ringmain.world.live import Plan

EVERY_S = 0.2
PHASE_NAMES = {code: name.lower() for name, code in PHASES.items()}


class BookNow(msgspec.Struct):
    """A product's line on the screen."""

    product_id: int
    phase: str
    real_ticks: int | None
    auction_ticks: int | None
    bid_ticks: int | None
    ask_ticks: int | None
    last_ticks: int | None
    traded_lots: int


class FleetNow(msgspec.Struct):
    """What the devices do, how many of them the fleet has heard of lately, and what it has earned so far."""

    power_w: float
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
    traded_lots: int
    rejections: dict[str, int]
    books: list[BookNow]
    fleet: FleetNow | None

    @property
    def phase(self) -> str:
        """What most of the next day's products, or what is left of today's, are doing."""
        phases = [book.phase for book in self.books]
        for code in (CALL, CONTINUOUS):
            if PHASE_NAMES[code] in phases:
                return "call before the auction" if code == CALL else "continuous trading"
        return phases[-1] if phases else "no product is open"

    @classmethod
    def of(
        cls, now_ns: int, plan: "Plan", view: MarketView, rejections: dict[str, int], fleet: FleetNow | None
    ) -> "Status":
        """Return the world's status."""
        first_id = now_ns // 3_600_000_000_000
        real = {day.toordinal(): plan.prices[n + 1] for n, day in enumerate(plan.days)}
        books = []
        for product_id, book in sorted(view.books.items()):
            if product_id < first_id or book.phase == FREE:
                continue
            day, hour = divmod(product_id, 24)
            ticks = real.get(day + _EPOCH_ORDINAL)
            books.append(BookNow(
                product_id, PHASE_NAMES.get(book.phase, "?"), ticks[hour] if ticks else None,
                book.auction_ticks, book.top(BUY), book.top(SELL), book.last_ticks, book.traded_lots,
            ))  # fmt: skip
        return cls(
            now_ns, plan.start_ns, plan.end_ns, plan.source, view.trades, view.traded_lots, rejections,
            books, fleet,
        )  # fmt: skip


_EPOCH_ORDINAL = 719_163  # of 1970-01-01


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
