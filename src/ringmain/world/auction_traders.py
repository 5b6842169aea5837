"""Traders of the day-ahead auction: curves around the fair prices, and the blocks of plants and factories.

A trader sends what of its own is not in yet, so that one that is cut off goes on. A block whose parent is
not in waits for a later step, because a child names its parent by the id that the exchange gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ringmain.exchange.dayahead_messages import ExtendBlock, SubmitBlock, SubmitCurveSegment
from ringmain.exchange.messages import BUY, SELL
from ringmain.world.traders import Auction, View, batch, dice_of, in_range, nothing

NO_PARENT = -1
ALL_OR_NOTHING = 1_000
PUMPED_SHARE = 0.78  # of what a pumped storage has taken in, this comes back


@dataclass(frozen=True)
class AuctionCurve:
    """Bids or offers for each hour: the dearer, the more a supplier offers, and the less a consumer bids.

    Parameters
    ----------
    side : int
    lots : int
        Of each segment, about.
    spread_ticks : int
        From the first segment to the last, around the fair price.
    error_ticks : int
        How wrong its fair price may be, one standard deviation.
    firm_lots : int
        What it sells or buys at nearly any price, about.
    slopes : bool
        Whether segments slope from one price to the next, or are steps.
    """

    name: str
    side: int
    lots: int
    segments: int = 12
    spread_ticks: int = 6_000
    error_ticks: int = 60
    firm_lots: int = 0
    slopes: bool = False

    def act(self, seed: int, view: View) -> Any:
        """Send all curves, unless they are in."""
        auction = view.auction
        if auction is None or auction.curve_count >= len(auction.fair_ticks):
            return nothing()
        dice = dice_of(seed, self.name, auction.auction_id)
        return batch([
            self._curve(dice, auction.auction_id, period, fair)
            for period, fair in enumerate(auction.fair_ticks)
        ])  # fmt: skip

    def _curve(self, dice: np.random.Generator, auction_id: int, period: int, fair: int) -> Any:
        offsets = np.linspace(-0.5, 0.5, self.segments + 1) ** 3 * 4 * self.spread_ticks
        prices = fair + dice.normal(0, self.error_ticks) + offsets + dice.normal(0, 15, offsets.size)
        prices = np.sort(in_range(prices))
        if self.side == BUY:
            prices = prices[::-1]
        lots = dice.integers(self.lots // 2, self.lots * 3 // 2, self.segments)
        lots[0] += int(self.firm_lots * dice.uniform(0.8, 1.2))
        rows = np.zeros(self.segments, SubmitCurveSegment.dtype)
        SubmitCurveSegment.stamp(rows)
        rows["auction_id"], rows["period"], rows["side"] = auction_id, period, self.side
        rows["segment_index"], rows["segment_count"] = np.arange(self.segments), self.segments
        rows["quantity_lots"] = lots
        rows["begin_ticks"] = prices[:-1]
        rows["end_ticks"] = prices[1:] if self.slopes else prices[:-1]
        return rows


@dataclass(frozen=True)
class Block:
    """A block as its owner thinks of it.

    Parameters
    ----------
    runs : tuple of (periods, lots)
    parent : int
        Place of the parent among the owner's blocks, or NO_PARENT.
    """

    side: int
    first: int
    runs: tuple[tuple[int, int], ...]
    price_ticks: float
    minimum_permille: int = ALL_OR_NOTHING
    parent: int = NO_PARENT
    group: int = 0

    def commands(self, auction_id: int, parent_block_id: int) -> list[Any]:
        """Return the SubmitBlock and its ExtendBlocks."""
        (periods, lots), *others = self.runs
        first = SubmitBlock(
            auction_id=auction_id, price_ticks=int(in_range(self.price_ticks)), quantity_lots=lots,
            parent_block_id=parent_block_id, exclusive_group=self.group, zone=0, first_period=self.first,
            period_count=sum(run[0] for run in self.runs), run_periods=periods,
            minimum_ratio_permille=self.minimum_permille, side=self.side,
        )  # fmt: skip
        return [first] + [
            ExtendBlock(auction_id=auction_id, quantity_lots=lots, run_periods=periods)
            for periods, lots in others
        ]


class Blocks(Protocol):
    """Makes up a participant's blocks for a day."""

    def __call__(self, dice: np.random.Generator, fair: Any) -> Sequence[Block]:
        """Return them, parents before their children; `fair` is an int64 array of shape (24,)."""


@dataclass(frozen=True)
class AuctionBlocks:
    """Sends the blocks that a plant or a factory makes up for a day."""

    name: str
    blocks: Blocks

    def act(self, seed: int, view: View) -> Any:
        """Send the blocks that are not in, as far as their parents are."""
        if view.auction is None:
            return nothing()
        auction = view.auction
        dice = dice_of(seed, self.name, auction.auction_id)
        wanted = self.blocks(dice, np.array(auction.fair_ticks))
        return batch(_missing(auction, wanted))


def _missing(auction: Auction, wanted: Sequence[Block]) -> list[Any]:
    known, commands = auction.block_ids, []
    for block in wanted[len(known) :]:
        if block.parent >= len(known):
            break
        commands += block.commands(
            auction.auction_id, known[block.parent] if block.parent != NO_PARENT else 0
        )
    return commands


def thermal_blocks(dice: np.random.Generator, fair: Any) -> Sequence[Block]:
    """Return two units: each may start up and run, in part too, and then generate more at the peaks."""
    units: list[Block] = []
    for first, hours, lots, dear in ((6, 16, 200, 0), (5, 19, 160, 250)):
        run = fair[first : first + hours].mean() + dear + dice.normal(0, 150)
        start = len(units)
        units.append(Block(
            SELL, first, ((1, lots // 2), (hours - 2, lots), (1, lots // 2)), run, minimum_permille=500,
        ))  # fmt: skip
        for peak in (7, 17):
            price = fair[peak : peak + 4].mean() - dice.uniform(50, 500)
            units.append(Block(SELL, peak, ((4, lots // 2),), price, parent=start))
    return units


def base_blocks(dice: np.random.Generator, fair: Any) -> Sequence[Block]:
    """Return a large base-load contract, a night and a peak one, each at about the mean price."""
    spans = ((0, 24, 250), (0, 6, 120), (8, 12, 150))
    return [
        Block(BUY, first, ((hours, lots),), fair[first : first + hours].mean() + dice.normal(40, 120))
        for first, hours, lots in spans
    ]


def shift_blocks(dice: np.random.Generator, fair: Any) -> Sequence[Block]:
    """Return a factory's shift that may run in one of three parts of the day: an exclusive group."""
    price = fair.mean() + dice.normal(0, 100)
    return [Block(BUY, first, ((8, 150),), price, group=1) for first in (0, 8, 16)]


def pumped_blocks(dice: np.random.Generator, fair: Any) -> Sequence[Block]:
    """Return a pumped storage's turns: pumping in the cheapest hours, and generating, linked to it, later.

    Pumping bids a little more than the fair price; what it pumps is sold for more than it cost, or
    nothing is pumped: a parent that loses is carried by its child or not accepted.
    """
    turns: list[Block] = []
    for hours, lots in ((4, 120), (3, 80)):
        means = np.convolve(fair, np.ones(hours) / hours, "valid")
        pump = int(means[: 16 - hours].argmin())
        generate = pump + hours + int(means[pump + hours :].argmax())
        wear = dice.uniform(100, 300)
        turns.append(Block(BUY, pump, ((hours, lots),), means[pump] + wear))
        turns.append(Block(
            SELL, generate, ((hours, round(lots * PUMPED_SHARE)),),
            max(means[pump], 0) / PUMPED_SHARE + wear, parent=len(turns) - 1,
        ))  # fmt: skip
    return turns
