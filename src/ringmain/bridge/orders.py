"""The bridge: the fleet's bids become orders of the exchange; fills, products, prices and calls come back.

A bid for a product of a day-ahead auction that takes orders becomes a curve of one step there, a block bid
a block; any other becomes an order in the product's book.

It keeps nothing. Going out, the n-th request on the fleet's tape (a bid, a further run of a block bid, or
a wish to cancel one) is command number n of the bridge's session with the exchange; coming back, what stands
at position p of the exchange's tape has the numbers from 32 p + 1 on of its session with the fleet, one for
each thing that it says: these numbers only have to rise. So whatever dies and whenever, the numbers that the
two markets have seen tell where to go on: nothing is lost, and nothing is passed on twice. A bridge that is
made anew reads both tapes from the first event that is kept, for what earlier events mean to later ones; or
from where a checkpoint has that, unless the markets have forgotten what the checkpoint takes for passed on.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.bridge import blocks
from ringmain.bridge.auctions import SETTINGS, Auctions, Place, curve_of, withdrawal_of
from ringmain.bridge.products import NEWS, Products
from ringmain.bridge.reserve import CALLS, command_of
from ringmain.client import Client
from ringmain.client.checkpoint import Checkpoint
from ringmain.core.tape import TapeReader
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp
from ringmain.vpp.reserve_messages import ReserveRejected

ENDING_OF = {
    exchange.CANCELLATIONS["BY_OWNER"]: vpp.CANCELLED,
    exchange.CANCELLATIONS["MASS_CANCEL"]: vpp.CANCELLED,
    exchange.CANCELLATIONS["SESSION_CLOSED"]: vpp.CANCELLED,
}
MOST_SAID = 32  # by one event to the fleet: the awards of a block, and its end
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
    memory : Path, optional
        File of a checkpoint.

    Attributes
    ----------
    rejected : int
        How many of the commands to the fleet were refused.
    """

    def __init__(self, data: Path, trading: Client, telling: Client, memory: Path | None = None) -> None:
        self.trading, self.telling = trading, telling
        self.rejected = 0
        self._requests = TapeReader(data / "vpp", vpp.SCHEMA)
        self._market = TapeReader(data / "exchange", exchange.schema)
        self._market.position = self._market.first()
        self._products = Products()
        self._auctions = Auctions()
        self._bids: dict[int, dict[str, Any]] = {}  # by the order's number on the exchange
        self._order_of: dict[int, int] = {}  # by bid
        self._bid_at: dict[Place, dict[str, Any]] = {}  # whose curve stands there
        self._blocks = blocks.Blocks()
        self._prices: dict[int, int] = {}  # of the last auction, ticks by product
        self._account_id = -1  # on the exchange; known by the first curve
        self._requested = 0
        self._waiting: list[tuple[int, Any]] = []  # what the exchange does not have, by number
        self._told = 0  # the last number that the fleet was told anything under
        self._memory = Checkpoint(memory, (self._requests, self._market)) if memory else None
        self._recall()

    def _recall(self) -> None:
        """Go on from the checkpoint, if both markets have had all that it takes for passed on."""

        def is_fit(state: dict[str, Any]) -> bool:
            trading, telling = self.trading.protocol, self.telling.protocol
            return trading.next_number > state["_requested"] and telling.next_number > state["_told"]

        state = self._memory.load(is_fit) if self._memory else None
        vars(self).update(state or {})

    def _remember(self) -> None:
        """Keep a checkpoint now and then: where nothing waits, and all that was sent is answered."""
        if self._memory is not None and self._memory.is_due:
            self._memory.save({name: value for name, value in vars(self).items() if name not in _NOT_KEPT})

    def forward(self) -> int:
        """Send the orders that the fleet asks for; return how many commands, after they are answered."""
        self._read_requests()
        sent = 0
        while self._waiting:
            command = self._command(self._waiting[0][1])
            if command is None:
                self.trading.settle()
                self.back()  # so the answer is known that it waits for, if there is one by now
                command = self._command(self._waiting[0][1])
            if command is None:
                break
            expected, _ = self._waiting.pop(0)
            number = self.trading.send(command)
            assert number == expected, "the bridge's session is its own"
            sent += 1
        if sent:
            self.trading.settle()
        self.trading.poll()
        if not self._waiting:
            self._remember()
        return sent

    def _command(self, wanted: Any) -> Any | None:
        """Return the command of a request, or None while what it depends on is not known."""
        if isinstance(wanted, (blocks.Block, blocks.Run)):
            return self._blocks.command(wanted, self._auctions)
        return self._order(wanted) if "price_ticks" in wanted else self._cancel(wanted)

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
            for place in np.flatnonzero(is_own | np.isin(events["kind"], _PUBLIC)).tolist():
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
        kind = int(event["kind"][0])
        said: Any
        if kind in blocks.REQUESTS:
            said = self._blocks.note(event, self._requested)
        elif kind == vpp.BidCancelRequested.kind:
            said = vpp.BidCancelRequested.unpack(event)
        else:
            said = vpp.BidSubmitted.unpack(event)
            self._bids[self._requested] = said
            self._order_of[said["bid_id"]] = self._requested
        if self._requested >= self.trading.protocol.next_number:
            self._waiting.append((self._requested, said))

    def _order(self, bid: dict[str, Any]) -> Any:
        """Return a bid as a curve of the auction that its product is in, or as an order."""
        place = self._auctions.place_of(bid["product_id"])
        if place is None or bid["time_in_force"] != vpp.REST:
            return _order(bid)
        return curve_of(bid, place)

    def _cancel(self, said: dict[str, Any]) -> Any | None:
        if said["bid_id"] in self._blocks.by_bid:
            return self._blocks.withdrawal(said["bid_id"])
        for place, bid in self._bid_at.items():
            if bid["bid_id"] == said["bid_id"]:
                return withdrawal_of(place)
        return exchange.CancelOrder(order_number=self._order_of[said["bid_id"]])

    def _tell(self, event: Any, position: int) -> int:
        """Pass one event on, under the numbers of its place on the tape, unless the fleet has it."""
        sent = 0
        for place, command in enumerate(self._commands(event)):
            number = MOST_SAID * position + 1 + place
            if number >= self.telling.protocol.next_number:
                self.telling.protocol.next_number = number
                self.telling.send(command)
                sent += 1
            self._told = max(self._told, number)
        return sent

    def _commands(self, event: Any) -> list[Any]:
        """Return what one event means to the fleet; MOST_SAID commands at most."""
        kind = int(event["kind"][0])
        if kind in SETTINGS:
            self._auctions.fold(event)
            if kind == dayahead.AuctionDefined.kind:
                self._prices.clear()
            return []
        if kind == dayahead.PriceSet.kind:
            said = dayahead.PriceSet.unpack(event)
            product_id = self._auctions.product_id(said["zone"], said["period"])
            self._prices[product_id] = said["price_ticks"]
            found = [self._products.day_ahead_price(product_id, said["price_ticks"])]
        elif kind in NEWS:
            found = [self._products.command(event)]
        elif kind in CALLS:
            found = [command_of(event, self.trading.protocol.account_id)]
        elif kind == dayahead.BlockAwarded.kind:
            found = self._blocks.outcome(dayahead.BlockAwarded.unpack(event), kind, self._prices)
        elif kind in _CURVE_OUTCOMES:
            found = self._curve_outcome(event, _CURVE_OUTCOMES[kind].unpack(event))
        elif self._blocks.knows_number(int(event["session_number"][0])):
            found = self._blocks.answered(event, self._auctions.auction_id)
        else:
            found = [self._outcome(event)]
        return [command for command in found if command is not None]

    def _outcome(self, event: Any) -> Any | None:
        """Return what becomes of a bid by an event about its order."""
        bid = self._bids.get(int(event["session_number"][0]))
        if bid is None:
            return None
        kind = int(event["kind"][0])
        if kind == dayahead.CurveSegmentAccepted.kind:
            return self._stands(bid, dayahead.CurveSegmentAccepted.unpack(event))
        if kind == exchange.OrderFilled.kind:
            return _award(event, bid["bid_id"])
        return _end(event, bid["bid_id"])

    def _stands(self, bid: dict[str, Any], curve: dict[str, Any]) -> Any | None:
        """Note where a bid's curve stands; end the bid whose curve it has replaced."""
        self._account_id = curve["account_id"]
        place = Place(curve["auction_id"], curve["zone"], curve["period"])
        former = self._bid_at.get(place)
        self._bid_at[place] = bid
        return _ended(former["bid_id"], vpp.CANCELLED) if former is not None else None

    def _curve_outcome(self, event: Any, said: dict[str, Any]) -> list[Any]:
        """Return what becomes of a bid by an event about a curve or, cancelled, a block.

        Nothing, if it is somebody else's.
        """
        if said.get("block_id"):
            return self._blocks.outcome(said, int(event["kind"][0]), self._prices)
        place = Place(said["auction_id"], said["zone"], said["period"])
        if said["account_id"] != self._account_id or place not in self._bid_at:
            return []
        bid = self._bid_at.pop(place)
        if int(event["kind"][0]) == dayahead.AuctionOrderCancelled.kind:
            return [_ended(bid["bid_id"], vpp.CANCELLED)]
        lots = said["sold_lots"] + said["bought_lots"]
        award = vpp.RecordAward(
            bid_id=bid["bid_id"], product_id=bid["product_id"], price_ticks=said["price_ticks"],
            exchange_sequence=said["sequence"], quantity_lots=lots, side=bid["side"],
        )  # fmt: skip
        is_whole = lots == bid["quantity_lots"]  # then the award has ended the bid
        return [award if lots else None, None if is_whole else _ended(bid["bid_id"], vpp.EXPIRED)]


_NOT_KEPT = ("trading", "telling", "rejected", "_requests", "_market", "_waiting", "_memory")
_REQUESTS = [vpp.BidSubmitted.kind, vpp.BidCancelRequested.kind, *blocks.REQUESTS]
_OUTCOMES = [
    exchange.OrderFilled.kind, exchange.OrderCancelled.kind, exchange.OrderRejected.kind,
    dayahead.CurveSegmentAccepted.kind, dayahead.BlockAccepted.kind, dayahead.AuctionCommandRejected.kind,
]  # fmt: skip
_CURVE_OUTCOMES = {record.kind: record for record in (dayahead.CurveAwarded, dayahead.AuctionOrderCancelled)}
_PUBLIC = [*NEWS, *SETTINGS, *CALLS, dayahead.PriceSet.kind, dayahead.BlockAwarded.kind, *_CURVE_OUTCOMES]
_PLACED = [exchange.PlaceOrder.kind, dayahead.SubmitCurveSegment.kind]
_REFUSALS = [vpp.AwardRejected.kind, vpp.ProductRejected.kind, vpp.PriceRejected.kind, ReserveRejected.kind]


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
    kind = int(event["kind"][0])
    if kind == exchange.OrderCancelled.kind:
        reason = exchange.OrderCancelled.unpack(event)["reason"]
        return _ended(bid_id, ENDING_OF.get(reason, vpp.EXPIRED))
    record = (
        exchange.OrderRejected if kind == exchange.OrderRejected.kind else dayahead.AuctionCommandRejected
    )
    is_refusal = record.unpack(event)["rejected_kind"] in _PLACED
    return _ended(bid_id, vpp.REFUSED) if is_refusal else None


def _ended(bid_id: int, ending: int) -> Any:
    return vpp.RecordOrderEnded(bid_id=bid_id, ending=ending)
