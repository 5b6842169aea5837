"""A strategy, and what calls it: the same in every runner."""

import heapq
from collections.abc import Callable
from typing import Any

from ringmain.client.strategy.desk import Desk, Wire
from ringmain.client.strategy.market import Changes, Trade
from ringmain.client.strategy.orders import OrderUpdate


class Strategy:
    """What a strategy may answer; override what matters.

    A strategy decides from what its callbacks and its desk tell. It reads no clock and no dice but
    seeded ones, or its replays are not the same each time.

    Attributes
    ----------
    product_ids : tuple of int
        The products that it follows; known before the run begins.
    """

    product_ids: tuple[int, ...] = ()

    def on_start(self, desk: Desk) -> None:
        """Begin: book, phase and terms of every product are known."""

    def on_order(self, desk: Desk, update: OrderUpdate) -> None:
        """Note what has become of an order."""

    def on_phase(self, desk: Desk, product_id: int) -> None:
        """React to another trading phase."""

    def on_trade(self, desk: Desk, trade: Trade) -> None:
        """React to a trade of the market."""

    def on_book(self, desk: Desk, product_id: int) -> None:
        """React to a book, first behind ``on_start``; changes that come together come as one."""

    def on_timer(self, desk: Desk, tag: str) -> None:
        """React to a time that was asked for."""

    def on_stop(self, desk: Desk) -> None:
        """End: what is sent here still goes out, before the runner cancels what rests."""

    def report(self, desk: Desk) -> dict[str, Any]:
        """Return figures of one's own for the result, by name."""
        return {}


class Driver:
    """Feeds a strategy: all of a batch is taken in first, then the callbacks are called.

    The order is: orders, phases, trades, books, timers. So a callback never sees a desk that is older
    than what it is told.
    """

    def __init__(self, strategy: Strategy, wire: Wire) -> None:
        self.strategy = strategy
        self.desk = Desk(wire, tuple(strategy.product_ids))
        self.is_started = False

    @property
    def subjects(self) -> list[tuple[int, int]]:
        """The feeds and products that it has to be told of."""
        return self.desk._market.subjects

    @property
    def next_timer_ns(self) -> int | None:
        """When the next timer is due."""
        is_calling = self.is_started and not self.desk.is_stopped
        return self.desk._timers[0][0] if is_calling and self.desk._timers else None

    def hear(self, events: Any, data: Any) -> Changes:
        """Take in private events and market data; call what they concern; return what the data changed."""
        updates = self.desk._own.fold(events)
        changes = self.desk._market.fold(data)
        if not self.is_started and not self.desk.is_stopped:
            self._start()
            return changes
        self._call(updates, changes)
        self.tick()
        return changes

    def _call(self, updates: list[OrderUpdate], changes: Changes) -> None:
        """Call what is concerned, until the strategy has had enough."""
        strategy, desk = self.strategy, self.desk
        calls: list[tuple[Callable[..., None], Any]] = [(strategy.on_order, update) for update in updates]
        calls += [(strategy.on_phase, product_id) for product_id in changes.phases]
        calls += [(strategy.on_trade, trade) for trade in changes.trades]
        calls += [(strategy.on_book, product_id) for product_id in changes.books]
        for callback, value in calls:
            if desk.is_stopped:
                return
            callback(desk, value)

    def tick(self) -> None:
        """Call the timers that are due now; those that they ask for come with the next call."""
        desk = self.desk
        due = []
        while self.is_started and desk._timers and desk._timers[0][0] <= desk.now_ns:
            due.append(heapq.heappop(desk._timers))
        for _, _, tag in due:
            if not desk.is_stopped:
                self.strategy.on_timer(desk, tag)

    def stop(self, keep_orders: bool) -> None:
        """End the strategy, and cancel what rests of it unless it is to be kept."""
        self.desk.is_stopped = True
        if self.is_started:
            self.strategy.on_stop(self.desk)
        if not keep_orders and self.desk._own.live:
            self.desk.mass_cancel()

    def _start(self) -> None:
        if self.desk._market.is_ready:
            self.is_started = True
            self.strategy.on_start(self.desk)
            self._call([], Changes(books=dict.fromkeys(self.desk.product_ids)))
            self.tick()
