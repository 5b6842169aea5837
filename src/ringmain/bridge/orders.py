"""The bridge: the fleet's bids become orders of the exchange; fills, products and prices come back.

It keeps nothing. Going out, the n-th request on the fleet's tape (a bid, or a wish to cancel one) is
command number n of the bridge's session with the exchange; coming back, what stands at position p of
the exchange's tape is number p + 1 of its session with the fleet, whose numbers only have to rise, and
becomes one command at most. So whatever dies and whenever, the numbers that the two markets have seen
tell where to go on: nothing is lost, and nothing is passed on twice. A bridge that is made anew reads
both tapes from the first event that is kept, for what earlier events mean to later ones.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.bridge.products import NEWS, Products
from ringmain.client import Client
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp

ENDING_OF = {
    exchange.CANCELLATIONS["BY_OWNER"]: vpp.CANCELLED,
    exchange.CANCELLATIONS["MASS_CANCEL"]: vpp.CANCELLED,
    exchange.CANCELLATIONS["SESSION_CLOSED"]: vpp.CANCELLED,
}
TIME_IN_FORCE_OF = {vpp.REST: exchange.GOOD_FOR_SESSION, vpp.IMMEDIATE_OR_CANCEL: exchange.IOC}


class Bridge:
    """Passes on what both tapes hold; call :meth:`forward` and :meth:`back` now and then.

    Parameters
    ----------
    data : Path
        The data folder, whose tapes are read.
    trading : Client
        A session with the exchange, STRICT, that nobody else uses and whose orders outlive it.
    telling : Client
        A session with the fleet as its operator, RISING, that nobody else uses.

    Attributes
    ----------
    rejected : int
        How many of the commands to the fleet were refused.
    """

    def __init__(self, data: Path, trading: Client, telling: Client) -> None:
        self.trading, self.telling = trading, telling
        self.rejected = 0
        self._requests = TapeReader(data / "vpp", vpp.SCHEMA)
        self._market = TapeReader(data / "exchange", exchange.schema)
        self._market.position = self._market.first()
        self._products = Products()
        self._bid_of: dict[int, int] = {}  # order number on the exchange -> bid
        self._order_of: dict[int, int] = {}
        self._requested = 0
        self._waiting: list[
            tuple[int, Any]
        ] = []  # requests that the exchange does not have, and their numbers

    def forward(self) -> int:
        """Send the orders that the fleet asks for; return how many commands, after they are answered."""
        self._read_requests()
        sent, self._waiting = self._waiting, []
        for expected, command in sent:
            number = self.trading.send(command)
            assert number == expected, "the bridge's session is its own"
        if sent:
            self.trading.settle()
        self.trading.poll()
        return len(sent)

    def back(self) -> int:
        """Tell the fleet of fills, ends, products and prices; return how many commands, after their answers.

        Every bid that an event can be about is known by then: its request is on the tape since before
        the order was sent.
        """
        self._read_requests()
        sent, session_id = 0, self.trading.protocol.session_id
        while (begin := self._market.position) < self._market.readable():
            events = self._market.read()
            is_own = (events["session_id"] == session_id) & np.isin(events["kind"], _OUTCOMES)
            for place in np.flatnonzero(is_own | np.isin(events["kind"], NEWS)).tolist():
                sent += self._tell(events[place : place + 1], begin + place)
        if sent:
            self.telling.settle()
        self.rejected += int(np.isin(self.telling.poll()["kind"], _REFUSALS).sum())
        return sent

    def _read_requests(self) -> None:
        while (events := self._requests.read()).size:
            for place in np.flatnonzero(np.isin(events["kind"], _REQUESTS)).tolist():
                self._note_request(events[place : place + 1])

    def _note_request(self, event: Any) -> None:
        """Number a request, and keep it if the exchange does not have it."""
        self._requested += 1
        is_bid = int(event["kind"][0]) == vpp.BidSubmitted.kind
        said = (vpp.BidSubmitted if is_bid else vpp.BidCancelRequested).unpack(event)
        if is_bid:
            self._bid_of[self._requested] = said["bid_id"]
            self._order_of[said["bid_id"]] = self._requested
        if self._requested >= self.trading.protocol.next_number:
            self._waiting.append((self._requested, _order(said) if is_bid else self._cancel(said)))

    def _cancel(self, said: dict[str, Any]) -> Any:
        return exchange.CancelOrder(order_number=self._order_of[said["bid_id"]])

    def _tell(self, event: Any, position: int) -> int:
        """Pass one event on, under the number of its place on the tape, unless the fleet has it."""
        is_news = int(event["kind"][0]) in NEWS
        command = self._products.command(event) if is_news else self._outcome(event)
        if command is None or position + 1 < self.telling.protocol.next_number:
            return 0
        self.telling.protocol.next_number = position + 1
        self.telling.send(command)
        return 1

    def _outcome(self, event: Any) -> Any | None:
        """Return what becomes of a bid by an event about its order."""
        bid_id = self._bid_of.get(int(event["session_number"][0]))
        if bid_id is None:
            return None
        return (
            _award(event, bid_id)
            if int(event["kind"][0]) == exchange.OrderFilled.kind
            else _end(event, bid_id)
        )


_REQUESTS = [vpp.BidSubmitted.kind, vpp.BidCancelRequested.kind]
_OUTCOMES = [exchange.OrderFilled.kind, exchange.OrderCancelled.kind, exchange.OrderRejected.kind]
_REFUSALS = [vpp.AwardRejected.kind, vpp.ProductRejected.kind, vpp.PriceRejected.kind]


def _order(bid: dict[str, Any]) -> Any:
    return exchange.PlaceOrder(
        price_ticks=bid["price_ticks"],
        quantity_lots=bid["quantity_lots"],
        product_id=bid["product_id"],
        side=exchange.BUY if bid["side"] == vpp.BUY else exchange.SELL,
        order_type=exchange.LIMIT,
        time_in_force=TIME_IN_FORCE_OF[bid["time_in_force"]],
    )


def _award(event: Any, bid_id: int) -> Any:
    fill = exchange.OrderFilled.unpack(event)
    return vpp.RecordAward(
        bid_id=bid_id,
        product_id=fill["product_id"],
        price_ticks=fill["price_ticks"],
        exchange_sequence=fill["sequence"],
        quantity_lots=fill["quantity_lots"],
        side=vpp.BUY if fill["side"] == exchange.BUY else vpp.SELL,
    )


def _end(event: Any, bid_id: int) -> Any | None:
    """Return the command that ends a bid; a cancellation that was refused ends nothing."""
    if int(event["kind"][0]) == exchange.OrderCancelled.kind:
        reason = exchange.OrderCancelled.unpack(event)["reason"]
        return vpp.RecordOrderEnded(bid_id=bid_id, ending=ENDING_OF.get(reason, vpp.EXPIRED))
    rejection = exchange.OrderRejected.unpack(event)
    if rejection["rejected_kind"] != exchange.PlaceOrder.kind:
        return None
    return vpp.RecordOrderEnded(bid_id=bid_id, ending=vpp.REFUSED)
