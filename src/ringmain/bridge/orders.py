"""The bridge: the fleet's bids become orders of the exchange, and their fills become awards.

It keeps nothing. Going out, the n-th request on the fleet's tape (a bid, or a wish to cancel one) is
command number n of the bridge's session with the exchange; coming back, what stands at position p of
the exchange's tape is number p + 1 of its session with the fleet, whose numbers only have to rise. So
whatever dies and whenever, the numbers that the two markets have seen tell where to go on: nothing is
lost, and nothing is passed on twice.
"""

from pathlib import Path
from typing import Any

import numpy as np

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
    awarding : Client
        A session with the fleet as its operator, RISING.
    """

    def __init__(self, data: Path, trading: Client, awarding: Client) -> None:
        self.trading, self.awarding = trading, awarding
        self._requests = TapeReader(data / "vpp", vpp.SCHEMA)
        self._fills = TapeReader(data / "exchange", exchange.schema, max(0, awarding.protocol.answered))
        self._bid_of: dict[int, int] = {}  # order number on the exchange -> bid
        self._order_of: dict[int, int] = {}
        self._requested = 0

    def forward(self) -> int:
        """Send the orders that the fleet asks for; return how many commands, after they are answered."""
        sent = 0
        while (events := self._requests.read()).size:
            for place in np.flatnonzero(np.isin(events["kind"], _REQUESTS)).tolist():
                sent += self._request(events[place : place + 1])
        if sent:
            self.trading.settle()
        self.trading.poll()
        return sent

    def back(self) -> int:
        """Tell the fleet of its fills and ends; return how many commands, after they are answered."""
        sent, session_id = 0, self.trading.protocol.session_id
        while (begin := self._fills.position) < self._fills.readable():
            events = self._fills.read()
            own = (events["session_id"] == session_id) & np.isin(events["kind"], _OUTCOMES)
            for place in np.flatnonzero(own).tolist():
                sent += self._outcome(events[place : place + 1], begin + place)
        if sent:
            self.awarding.settle()
        self.awarding.poll()
        return sent

    def _request(self, event: Any) -> int:
        """Send one request, unless the exchange has it already."""
        self._requested += 1
        is_bid = int(event["kind"][0]) == vpp.BidSubmitted.kind
        record = vpp.BidSubmitted if is_bid else vpp.BidCancelRequested
        said = record.unpack(event)
        if is_bid:
            self._bid_of[self._requested] = said["bid_id"]
            self._order_of[said["bid_id"]] = self._requested
        if self._requested < self.trading.protocol.next_number:
            return 0
        number = self.trading.send(_order(said) if is_bid else self._cancel(said))
        assert number == self._requested, "the bridge's session is its own"
        return 1

    def _cancel(self, said: dict[str, Any]) -> Any:
        return exchange.CancelOrder(order_number=self._order_of[said["bid_id"]])

    def _outcome(self, event: Any, position: int) -> int:
        """Pass one event about an order on, under the number of its place on the tape."""
        kind, bid_id = int(event["kind"][0]), self._bid_of.get(int(event["session_number"][0]))
        if bid_id is None:
            return 0
        command = _award(event, bid_id) if kind == exchange.OrderFilled.kind else _end(event, bid_id)
        if command is None or position + 1 < self.awarding.protocol.next_number:
            return 0
        self.awarding.protocol.next_number = position + 1
        self.awarding.send(command)
        return 1


_REQUESTS = [vpp.BidSubmitted.kind, vpp.BidCancelRequested.kind]
_OUTCOMES = [exchange.OrderFilled.kind, exchange.OrderCancelled.kind, exchange.OrderRejected.kind]


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
