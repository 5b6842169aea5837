"""What the world sees of the exchange: the tape, folded into phases, books, trades and prices of auctions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.checkpoint import Checkpoint
from ringmain.core.tape import TapeReader
from ringmain.exchange.messages import (
    AUCTION,
    BUY,
    SELL,
    TAKER,
    AuctionUncrossed,
    ClipShown,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    schema,
)
from ringmain.world.calendar import Product
from ringmain.world.dayahead_view import DayAheadView
from ringmain.world.reserve_view import ReserveView

NO_PRICE = None


@dataclass
class Book:
    """Lots by price on both sides and by session, and the last trade."""

    resting: dict[int, int] = field(default_factory=dict)
    levels: dict[int, dict[int, int]] = field(default_factory=lambda: {BUY: {}, SELL: {}})
    phase: int = 0
    last_ticks: int | None = None
    call_ticks: int | None = None
    traded_kwh: int = 0

    def add(self, session_id: int, side: int, price_ticks: int, lots: int) -> None:
        """Add a session's lots at a price; take away with a negative number."""
        for lots_by, key in ((self.levels[side], price_ticks), (self.resting, session_id)):
            left = lots_by.get(key, 0) + lots
            if left > 0:
                lots_by[key] = left
            else:
                lots_by.pop(key, None)

    def top(self, side: int) -> int | None:
        """Return the best price of a side, if there is one."""
        levels = self.levels[side]
        if not levels:
            return NO_PRICE
        return max(levels) if side == BUY else min(levels)


class MarketView:
    """Follows the exchange's tape; :meth:`update` takes in all that is readable.

    Parameters
    ----------
    data : Path
        The data folder.
    memory : Path, optional
        File of a checkpoint.
    """

    def __init__(self, data: Path, memory: Path | None = None) -> None:
        self._tape = TapeReader(data / "exchange", schema)
        self._memory = Checkpoint(memory, (self._tape,)) if memory else None
        self.books: dict[int, Book] = defaultdict(Book)
        self.day_ahead, self.reserve = DayAheadView(), ReserveView()
        self.trades = self.traded_kwh = 0
        self._folds = {
            **self.day_ahead.folds,
            **self.reserve.folds,
            OrderAccepted.kind: (OrderAccepted, self._accepted),
            OrderFilled.kind: (OrderFilled, self._filled),
            OrderCancelled.kind: (OrderCancelled, self._cancelled),
            OrderReplaced.kind: (OrderReplaced, self._replaced),
            OrderTriggered.kind: (OrderTriggered, self._accepted),
            ClipShown.kind: (ClipShown, self._clip_shown),
            PhaseChanged.kind: (PhaseChanged, self._phase_changed),
            AuctionUncrossed.kind: (AuctionUncrossed, self._uncrossed),
        }
        if self._memory is not None and (state := self._memory.load()):
            vars(self.day_ahead).update(state.pop("day_ahead"))
            vars(self.reserve).update(state.pop("reserve"))
            vars(self).update(state)

    def update(self) -> None:
        """Read on to the tape's end."""
        while (events := self._tape.read()).size:
            kinds = events["kind"]
            known = np.flatnonzero(np.isin(kinds, list(self._folds)))
            views = {kind: events.view(record.dtype) for kind, (record, _) in self._folds.items()}
            for place in known.tolist():
                kind = int(kinds[place])
                self._folds[kind][1](views[kind][place])
        if self._memory is not None and self._memory.is_due:
            self._memory.save({
                "books": self.books, "trades": self.trades, "traded_kwh": self.traded_kwh,
                "day_ahead": _kept(self.day_ahead), "reserve": _kept(self.reserve),
            })  # fmt: skip

    def ids_in(self, phase: int) -> list[int]:
        """Return the products in a phase, in order."""
        return sorted(n for n, book in self.books.items() if book.phase == phase)

    def tops(self, product_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Return best bid and best offer of those products that have both."""
        tops = {}
        for product_id in product_ids:
            book = self.books[product_id]
            bid, ask = book.top(BUY), book.top(SELL)
            if bid is not None and ask is not None:
                tops[product_id] = (bid, ask)
        return tops

    def forget(self, before_id: int) -> None:
        """Drop the books of products that were delivered long ago."""
        for product_id in [n for n in self.books if n < before_id]:
            del self.books[product_id]
        self.reserve.forget(before_id)

    def _accepted(self, event: Any) -> None:
        book = self.books[int(event["product_id"])]
        session_id, side = int(event["session_id"]), int(event["side"])
        book.add(session_id, side, int(event["price_ticks"]), int(event["shown_lots"]))

    def _filled(self, event: Any) -> None:
        product_id = int(event["product_id"])
        book = self.books[product_id]
        lots, side, role = int(event["quantity_lots"]), int(event["side"]), int(event["role"])
        book.add(int(event["session_id"]), side, int(event["limit_ticks"]), -int(event["shown_lots"]))
        if Product(product_id).is_reserve:
            self.reserve.fill(event)
        elif role == TAKER or (role == AUCTION and side == BUY):
            book.last_ticks = int(event["price_ticks"])
            energy_kwh = lots * Product(product_id).lot_kwh
            book.traded_kwh += energy_kwh
            self.trades += 1
            self.traded_kwh += energy_kwh

    def _cancelled(self, event: Any) -> None:
        book = self.books[int(event["product_id"])]
        session_id, side = int(event["session_id"]), int(event["side"])
        book.add(session_id, side, int(event["price_ticks"]), -int(event["shown_lots"]))

    def _replaced(self, event: Any) -> None:
        if not event["is_shown"]:
            return  # ClipShown tells of it
        book = self.books[int(event["product_id"])]
        session_id, side = int(event["session_id"]), int(event["side"])
        book.add(session_id, side, int(event["old_price_ticks"]), -int(event["old_quantity_lots"]))
        book.add(session_id, side, int(event["price_ticks"]), int(event["quantity_lots"]))

    def _clip_shown(self, event: Any) -> None:
        book = self.books[int(event["product_id"])]
        session_id, side = int(event["session_id"]), int(event["side"])
        book.add(session_id, side, int(event["old_price_ticks"]), -int(event["old_shown_lots"]))
        book.add(session_id, side, int(event["price_ticks"]), int(event["shown_lots"]))

    def _phase_changed(self, event: Any) -> None:
        self.books[int(event["product_id"])].phase = int(event["phase"])

    def _uncrossed(self, event: Any) -> None:
        if event["volume_lots"]:
            self.books[int(event["product_id"])].call_ticks = int(event["price_ticks"])


def _kept(view: DayAheadView | ReserveView) -> dict[str, Any]:
    """Return what a view has made of its events."""
    return {name: value for name, value in vars(view).items() if name != "folds"}
