"""A strategy at a live venue: over the gateway, with the binary client."""

from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.client.strategy.driver import Driver, Strategy
from ringmain.client.strategy.market import Changes
from ringmain.client.strategy.result import Result, result_of
from ringmain.client.sync import Client
from ringmain.core.errors import RingmainError
from ringmain.exchange import messages as m
from ringmain.gateway.messages import REASON_DOCS, REFUSED, gateway_schema

HEARTBEAT_MS = 400  # the gateway speaks at least every 200 ms, so that the venue's time goes on here
POLL_S = 0.1
SETTLE_S = 10.0


class LiveRun:
    """A strategy's session with a venue.

    The venue's time is the latest that it has told, in events, market data and heartbeats: timers are
    called once it has come so far. After a broken connection the client numbers on, sends again what
    the venue does not know and hears what it has missed; the strategy is told what became of its orders.

    Parameters
    ----------
    client : Client
        Logged in with `heartbeat_ms` of HEARTBEAT_MS or so; the run closes it.
    """

    def __init__(self, client: Client, strategy: Strategy) -> None:
        self.client = client
        self.driver = Driver(strategy, self)
        self.begin_ns = 0
        self._is_stopping = False
        for feed, product_id in self.driver.subjects:
            client.subscribe(feed, product_id)
        client.send(m.MassCancel(product_id=m.ALL_PRODUCTS))  # nothing stands from an earlier run
        self._first_own = client.protocol.next_number

    @property
    def now_ns(self) -> int:
        """The latest logical time that the venue has told."""
        return self.client.protocol.time_ns

    def send(self, command: Any) -> int:
        """Queue a command; it is written when the callbacks have returned."""
        return self.client.protocol.send(command)

    def request_stop(self) -> None:
        """Have :meth:`run` end after its current pass; for a signal's handler."""
        self._is_stopping = True

    def run(self, until_ns: int | None = None) -> None:
        """Trade until a logical time, or until the strategy or :meth:`request_stop` ends it."""
        while not self.driver.desk.is_stopped and not self._is_stopping:
            if until_ns is not None and self.now_ns >= until_ns:
                return
            self.turn(POLL_S)

    def turn(self, timeout_s: float) -> bool:
        """Take in what has come, waiting for it up to `timeout_s`; True if something had."""
        events, data = self.client.poll_all(timeout_s)
        self.begin_ns = self.begin_ns or self.now_ns
        self._check_refused(events)
        self._check_ended(self.driver.hear(self._later(events), data))
        if not events.size and not data.size:
            self.driver.tick()
        self.client.flush()
        return bool(events.size or data.size)

    def stop(self, keep_orders: bool = False) -> Result:
        """End the strategy, cancel what rests unless it is to be kept, log out; return the result."""
        self.driver.desk.is_stopped = True
        self._let_arrive()
        self.driver.stop(keep_orders)
        self._let_arrive()
        self.client.close()
        return result_of(self.driver, "live", self.begin_ns)

    def _let_arrive(self) -> None:
        """Take in the answers to all that was sent."""
        self.client.settle(SETTLE_S)
        while self.turn(0.0):
            pass

    def _later(self, events: Any) -> Any:
        """Return the events that are not about an earlier run's orders."""
        if not events.size:
            return events
        return pick(events, np.abs(events["session_number"]) >= self._first_own)

    def _check_refused(self, events: Any) -> None:
        """Stop at a product that may not be seen: a strategy that does not see cannot trade."""
        for row in np.flatnonzero(events["kind"] == REFUSED).tolist():
            said = gateway_schema(m.schema.slots).unpack_event(events[row : row + 1])
            if said["session_number"] == 0:
                raise _blind(said["reason"])

    def _check_ended(self, changes: Changes) -> None:
        for said in changes.refused:
            raise _blind(said["reason"])


def _blind(reason: Any) -> RingmainError:
    what = f"a feed is not sent, {reason}: {REASON_DOCS.get(str(reason), '')}"
    return RingmainError("RM370", "strategy", what, "Ask the operator for the right to see prices by level")
