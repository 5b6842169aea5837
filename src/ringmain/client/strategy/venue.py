"""A venue in this process: the real engine and the real public book, in logical time, without a node."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.client.strategy.driver import Driver
from ringmain.client.strategy.market import snapshot_records
from ringmain.core.engine import NO_DEADLINE, Machine, Publish
from ringmain.core.errors import RingmainError
from ringmain.core.messages import record_of
from ringmain.core.node import stamp
from ringmain.exchange.engine import MARKET
from ringmain.exchange.messages import schema
from ringmain.gateway.book import Book, Subject
from ringmain.gateway.depth import BATCH_EVENTS

TURNS_PER_INSTANT = 10_000  # of a strategy that answers itself without latency
Timer = record_of(schema, "Timer")
Batch = tuple[int, Any]  # when it reaches the venue; commands of shape (n,)


class Seat:
    """A strategy's place at the venue: its session, and how far away it is."""

    def __init__(self, driver_of: Callable[["Seat"], Driver], session_id: int, latency: "Latency") -> None:
        self.session_id, self.latency = session_id, latency
        self.now_ns, self._number = 0, 0
        self.outbox: list[Any] = []
        self.driver = driver_of(self)
        self.subjects = set(self.driver.subjects)

    def send(self, command: Any) -> int:
        """Number a command and leave it for the venue; return the number."""
        self._number += 1
        command["session_id"], command["session_number"] = self.session_id, self._number
        self.outbox.append(command)
        return self._number


class Latency:
    """How long a command is on its way to the venue, and an event or market data on its way back."""

    def __init__(self, order_ns: int = 1_000_000, data_ns: int = 1_000_000) -> None:
        if order_ns < 0 or data_ns < 0:
            raise RingmainError(
                "RM365", "strategy", f"a latency of {min(order_ns, data_ns)} ns is none", "Give 0 or more"
            )
        self.order_ns, self.data_ns = order_ns, data_ns


class EngineVenue:
    """Engine and public book: commands in, events and market data out."""

    def __init__(self, publish: Publish | None = None) -> None:
        self.machine, self.book = Machine(MARKET), Book(schema)
        self.sequence, self.time_ns = 0, 0
        self._publish = publish
        self._events: list[Any] = []

    def apply(self, commands: Any, time_ns: int) -> Any:
        """Give commands their place and time, as a node does, and carry them out; return the events."""
        self.time_ns = max(self.time_ns, time_ns)
        stamp(commands, self.sequence + 1, self.time_ns)
        self.sequence += commands.size
        self._events.clear()
        self.machine.step(commands, self._collect)
        return schema.batch(self._events) if self._events else schema.empty(0)

    def tell(self, events: Any, followed: set[Subject]) -> dict[Subject, bytes]:
        """Return the market data that events cause, for the subjects that somebody follows."""
        told: dict[Subject, bytes] = {}
        for begin in range(0, events.size, BATCH_EVENTS):
            for subject, data in self.book.fold(events[begin : begin + BATCH_EVENTS], followed).items():
                told[subject] = told.get(subject, b"") + data
        return told

    def _collect(self, events: Any) -> None:
        if self._publish is not None:
            self._publish(events)
        self._events.append(events.copy())


class Timeline:
    """Lives a venue's logical time: timers, commands on their way, what comes back, strategies' timers.

    At one instant the venue's own timers come first, then what the source sends, then the strategies'
    commands in the order in which they were sent, as through a node.

    Parameters
    ----------
    venue : EngineVenue
    source : iterable of (int, array)
        What others send, and when it reaches the venue, ascending.
    fires_timers : callable, optional
        Whether the engine's deadlines become commands here; always if not given.
    """

    def __init__(
        self, venue: EngineVenue, seats: list[Seat], source: Iterable[Batch],
        fires_timers: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self.venue, self.seats = venue, seats
        self._source = _Ahead(source)
        self._fires_timers = fires_timers
        self._arrivals: list[tuple[int, int, Any]] = []
        self._deliveries: list[tuple[int, int, Seat, Any, Any]] = []
        self._count = 0
        self._followed: set[Subject] = set().union(*(seat.subjects for seat in seats))
        self.on_arrival: Callable[[Any, int], None] = self._carry_out
        self.on_source: Callable[[Any, int], None] = self._carry_out

    def begin(self) -> None:
        """Send every seat the snapshots that it would get on subscribing."""
        for seat in self.seats:
            told = [
                snapshot_records(*subject, self.venue.book.snapshot(subject))
                for subject in seat.driver.subjects
            ]
            self._deliver(seat, schema.empty(0), schema.batch(told) if told else schema.empty(0))

    def run(self, until_ns: int | None = None) -> None:
        """Live until a time, or until nothing is left to happen, or every strategy has stopped."""
        instant, turns = -1, 0
        while (time_ns := self._next_ns(until_ns is not None)) is not None:
            if until_ns is not None and time_ns > until_ns:
                return
            if self.seats and all(seat.driver.desk.is_stopped for seat in self.seats):
                return
            turns = turns + 1 if time_ns == instant else 0
            instant = time_ns
            if turns > TURNS_PER_INSTANT:
                what = f"a strategy sends for ever at {time_ns}"
                raise RingmainError(
                    "RM366", "strategy", what, "Give it a latency, or have it wait for answers"
                )
            self._live(time_ns)

    def finish(self, keep_orders: bool) -> None:
        """Stop the strategies and let what is on its way arrive; the source is heard no more."""
        self._source = _Ahead(())
        now_ns = max([self.venue.time_ns, *(seat.now_ns for seat in self.seats)])
        for seat in self.seats:
            seat.driver.desk.is_stopped = True
        self._let_arrive()
        for seat in self.seats:
            seat.now_ns = max(seat.now_ns, now_ns)
            seat.driver.stop(keep_orders)
            self._post(seat)
        self._let_arrive()

    def _let_arrive(self) -> None:
        """Live until nothing is on its way."""
        while self._arrivals or self._deliveries:
            self._live(min(queue[0][0] for queue in (self._arrivals, self._deliveries) if queue))

    def _next_ns(self, is_bounded: bool) -> int | None:
        times = [queue[0][0] for queue in (self._arrivals, self._deliveries) if queue]
        times += [time_ns for seat in self.seats if (time_ns := seat.driver.next_timer_ns) is not None]
        if self._source.next_ns is not None:
            times.append(self._source.next_ns)
        deadline_ns = self.venue.machine.next_deadline_ns
        if (times or is_bounded) and self._fires_timers() and deadline_ns != NO_DEADLINE:
            times.append(max(deadline_ns, self.venue.time_ns))
        return min(times) if times else None

    def _live(self, time_ns: int) -> None:
        """Do what is due at one instant."""
        self._fire_timers(time_ns)
        while self._source.next_ns is not None and self._source.next_ns <= time_ns:
            self.on_source(self._source.take(), time_ns)
        while self._arrivals and self._arrivals[0][0] <= time_ns:
            self.on_arrival(heapq.heappop(self._arrivals)[2], time_ns)
        self._hand_over(time_ns)
        for seat in self.seats:
            due_ns = seat.driver.next_timer_ns
            if due_ns is not None and due_ns <= time_ns:
                seat.now_ns = max(seat.now_ns, time_ns)
                seat.driver.tick()
                self._post(seat)

    def _hand_over(self, time_ns: int) -> None:
        """Have each seat hear at once all that reaches it at one instant."""
        due: dict[Seat, tuple[list[Any], list[Any]]] = {}
        while self._deliveries and self._deliveries[0][0] <= time_ns:
            _, _, seat, events, data = heapq.heappop(self._deliveries)
            heard = due.setdefault(seat, ([], []))
            heard[0].append(events)
            heard[1].append(data)
        for seat, (events, data) in due.items():
            seat.now_ns = max(seat.now_ns, time_ns)
            seat.driver.hear(schema.batch(events), schema.batch(data))
            self._post(seat)

    def _fire_timers(self, time_ns: int) -> None:
        machine = self.venue.machine
        while self._fires_timers() and machine.next_deadline_ns != NO_DEADLINE:
            if machine.next_deadline_ns > time_ns:
                return
            self._carry_out(schema.batch([Timer()]), machine.next_deadline_ns)

    def _carry_out(self, commands: Any, time_ns: int) -> None:
        self.spread(self.venue.apply(commands, time_ns))

    def spread(self, events: Any) -> None:
        """Send each seat its own events, and the market data that it follows."""
        if not events.size:
            return
        told = self.venue.tell(events, self._followed)
        for seat in self.seats:
            own = pick(events, events["session_id"] == seat.session_id)
            data = b"".join(told[subject] for subject in sorted(told) if subject in seat.subjects)
            if own.size or data:
                self._deliver(seat, own, np.frombuffer(data, schema.header))

    def _deliver(self, seat: Seat, events: Any, data: Any) -> None:
        self._count += 1
        due_ns = max(self.venue.time_ns, seat.now_ns) + seat.latency.data_ns
        heapq.heappush(self._deliveries, (due_ns, self._count, seat, events, data))

    def _post(self, seat: Seat) -> None:
        """Put what a strategy has sent on its way."""
        if not seat.outbox:
            return
        self._count += 1
        due_ns = seat.now_ns + seat.latency.order_ns
        heapq.heappush(self._arrivals, (due_ns, self._count, schema.batch(seat.outbox)))
        seat.outbox.clear()


class _Ahead:
    """An iterator of batches that tells when its next one is due."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches: Iterator[Batch] = iter(batches)
        self._next: Batch | None = next(self._batches, None)

    @property
    def next_ns(self) -> int | None:
        return self._next[0] if self._next is not None else None

    def take(self) -> Any:
        assert self._next is not None, "there is one"
        commands = self._next[1]
        self._next = next(self._batches, None)
        return commands
