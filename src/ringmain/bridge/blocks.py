"""The fleet's block bids in the day-ahead auction: what they become there, and what becomes of them.

A block bid's first quantities are one command of the exchange, each further run is another. A child can't
be sent before its parent has its id there.
"""

from dataclasses import dataclass
from typing import Any

from ringmain.bridge.auctions import Auctions, Place
from ringmain.exchange import messages as exchange
from ringmain.exchange.dayahead_messages import (
    AuctionCommandRejected,
    AuctionOrderCancelled,
    BlockAccepted,
    BlockAwarded,
    CancelAuctionOrder,
    ExtendBlock,
    SubmitBlock,
)
from ringmain.vpp import messages as vpp
from ringmain.vpp.block_messages import BlockBidRun, BlockBidSubmitted

REQUESTS = {record.kind: record for record in (BlockBidSubmitted, BlockBidRun)}
OUTCOMES = {record.kind: record for record in (BlockAwarded, AuctionOrderCancelled)}
ALL_OR_NOTHING = 1_000  # least acceptance ratio, thousandths
WHOLE = 1_000_000_000  # acceptance ratio, billionths
NOWHERE = Place(0, 0, 0)  # the exchange refuses what is sent there
NOBODYS_BLOCK = 2**32 - 1


@dataclass
class Block:
    """A block bid on its way.

    Parameters
    ----------
    asked : dict
        Its BlockBidSubmitted.
    lots : list of int
        Of its products from the first on.
    auction_id, block_id : int
        The exchange's, 0 until it counts there.
    """

    asked: dict[str, Any]
    lots: list[int]
    auction_id: int = 0
    block_id: int = 0
    has_ended: bool = False


@dataclass(frozen=True)
class Run:
    """Further quantities of a block, as the fleet asks for them."""

    block: Block
    quantity_lots: int
    run_periods: int


class Blocks:
    """Block bids by their bid, by the number of each of their commands, and by the exchange's id."""

    def __init__(self) -> None:
        self.by_bid: dict[int, Block] = {}
        self._by_number: dict[int, Block] = {}
        self._by_id: dict[int, Block] = {}

    def note(self, event: Any, number: int) -> Block | Run:
        """Take in a request that will be command `number`."""
        said = REQUESTS[int(event["kind"][0])].unpack(event)
        lots = [said["quantity_lots"]] * said["run_periods"]
        if "period_count" in said:
            block = self.by_bid[said["bid_id"]] = Block(said, lots)
            self._by_number[number] = block
            return block
        block = self._by_number[number] = self.by_bid[said["bid_id"]]
        block.lots += lots
        return Run(block, said["quantity_lots"], said["run_periods"])

    def command(self, wanted: Block | Run, auctions: Auctions) -> Any | None:
        """Return what to send, or None while it is not known what the exchange made of its parent."""
        block = wanted.block if isinstance(wanted, Run) else wanted
        place = auctions.place_of(block.asked["first_product_id"]) or NOWHERE
        if isinstance(wanted, Run):
            return ExtendBlock(
                auction_id=place.auction_id,
                quantity_lots=wanted.quantity_lots,
                run_periods=wanted.run_periods,
            )
        parent = self.by_bid.get(wanted.asked["parent_bid_id"])
        if parent is not None and not parent.block_id and not parent.has_ended:
            return None
        parent_id = 0 if parent is None else parent.block_id or NOBODYS_BLOCK
        return SubmitBlock(
            auction_id=place.auction_id, price_ticks=wanted.asked["price_ticks"],
            quantity_lots=wanted.asked["quantity_lots"], parent_block_id=parent_id,
            exclusive_group=wanted.asked["exclusive_group"], zone=place.zone, first_period=place.period,
            period_count=wanted.asked["period_count"], run_periods=wanted.asked["run_periods"],
            minimum_ratio_permille=ALL_OR_NOTHING,
            side=exchange.BUY if wanted.asked["side"] == vpp.BUY else exchange.SELL,
        )  # fmt: skip

    def withdrawal(self, bid_id: int) -> Any | None:
        """Return the command that takes a block back, or None while its id is not known."""
        block = self.by_bid[bid_id]
        if not block.block_id and not block.has_ended:
            return None
        block_id = block.block_id or NOBODYS_BLOCK
        return CancelAuctionOrder(auction_id=block.auction_id, block_id=block_id, zone=0, period=0)

    def knows_number(self, number: int) -> bool:
        """Tell whether a command of the session was part of a block."""
        return number in self._by_number

    def answered(self, event: Any, auction_id: int) -> list[Any]:
        """Return what the answer to one of a block's commands, in this auction, means to the fleet."""
        block = self._by_number[int(event["session_number"][0])]
        if int(event["kind"][0]) == BlockAccepted.kind:
            block.block_id = BlockAccepted.unpack(event)["block_id"]
            block.auction_id, self._by_id[block.block_id] = auction_id, block
            return []
        assert int(event["kind"][0]) == AuctionCommandRejected.kind
        return self._end(block, vpp.REFUSED)

    def outcome(self, said: dict[str, Any], kind: int, prices: dict[int, int]) -> list[Any]:
        """Return what an award or a cancellation means to the fleet; nothing if it is somebody else's.

        Parameters
        ----------
        prices : dict of int to int
            Ticks by product.
        """
        block = self._by_id.get(said["block_id"])
        if block is None or block.auction_id != said["auction_id"]:
            return []
        if kind == AuctionOrderCancelled.kind:
            return self._end(block, vpp.CANCELLED)
        assert said["ratio_billionths"] in (0, WHOLE), "it was all or nothing"
        if not said["ratio_billionths"]:
            return self._end(block, vpp.EXPIRED)
        first = block.asked["first_product_id"]
        awards = [
            vpp.RecordAward(
                bid_id=block.asked["bid_id"], product_id=product_id, price_ticks=prices[product_id],
                exchange_sequence=said["sequence"], quantity_lots=lots, side=block.asked["side"],
            )
            for product_id, lots in enumerate(block.lots, first)
            if lots
        ]  # fmt: skip
        return awards + self._end(block, vpp.FILLED)

    @staticmethod
    def _end(block: Block, ending: int) -> list[Any]:
        if block.has_ended:
            return []
        block.has_ended = True
        return [vpp.RecordOrderEnded(bid_id=block.asked["bid_id"], ending=ending)]
