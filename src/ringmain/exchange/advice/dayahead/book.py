"""What an auction is about: zones, lines, curves and blocks, as arrays."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

RATIO_ONE = 1_000_000_000
NO_BLOCK, NO_GROUP = -1, -1
Integers = np.ndarray[Any, np.dtype[np.int64]]

SEGMENT = np.dtype(
    [("zone", "i4"), ("period", "i4"), ("begin_ticks", "i8"), ("end_ticks", "i8"), ("lots", "i8")]
)


@dataclass(frozen=True)
class Block:
    """A block order.

    Parameters
    ----------
    block_id : int
        Its name.
    zone, first_period : int
    lots : int64 array of shape (n,)
        From `first_period` on; above zero: buy, below: sell.
    price_ticks : int
    minimum_permille : int
        Least acceptance ratio.
    parent, group : int
        Place of the parent in :attr:`Book.blocks`, a name of the exclusive group; or NO_BLOCK, NO_GROUP.
    """

    block_id: int
    zone: int
    first_period: int
    lots: Integers
    price_ticks: int
    minimum_permille: int = 1_000
    parent: int = NO_BLOCK
    group: int = NO_GROUP

    @property
    def periods(self) -> slice:
        """The periods that it covers."""
        return slice(self.first_period, self.first_period + self.lots.size)

    def part(self, ratio: int) -> Integers:
        """Return the lots that a ratio, in billionths, accepts: to the nearest, a half away from zero."""
        size = (np.abs(self.lots) * ratio + RATIO_ONE // 2) // RATIO_ONE
        return np.where(self.lots < 0, -size, size)


@dataclass(frozen=True)
class Line:
    """A line between two zones; capacities are int64 arrays of shape (period_count,)."""

    number: int
    from_zone: int
    to_zone: int
    forward_lots: Integers
    backward_lots: Integers


@dataclass(frozen=True)
class Book:
    """All orders of an auction, frozen.

    Parameters
    ----------
    segments : array of shape (n,), SEGMENT
        Of all curves; above zero: bids.
    blocks : list of Block
    lines : list of Line
    """

    zone_count: int
    period_count: int
    price_min_ticks: int
    price_max_ticks: int
    segments: Any
    blocks: list[Block] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def block_net(self, ratios: Integers) -> Integers:
        """Return what blocks buy, net, at ratios: int64 array of shape (zone_count, period_count)."""
        net = np.zeros((self.zone_count, self.period_count), np.int64)
        for place in np.flatnonzero(ratios).tolist():
            block = self.blocks[place]
            net[block.zone, block.periods] += block.part(int(ratios[place]))
        return net

    def block_value(self, ratios: Integers) -> int:
        """Return what the accepted blocks are worth by their limits, in ticks x lots."""
        return sum(
            int(self.blocks[place].part(int(ratios[place])).sum()) * self.blocks[place].price_ticks
            for place in np.flatnonzero(ratios).tolist()
        )

    def family_surplus(self, ratios: Integers, prices: Integers) -> Integers:
        """Return each accepted block's surplus with its descendants', in ticks x lots; 0 if rejected."""
        surplus = np.zeros(len(self.blocks), np.int64)
        for place in np.flatnonzero(ratios).tolist():
            block = self.blocks[place]
            part = block.part(int(ratios[place]))
            surplus[place] = (part * (block.price_ticks - prices[block.zone, block.periods])).sum()
        for place in self.children_first:
            parent = self.blocks[place].parent
            if parent != NO_BLOCK and ratios[place]:
                surplus[parent] += surplus[place]
        return surplus

    @cached_property
    def children_first(self) -> list[int]:
        """The places of all blocks, children before their parents."""
        depth = [0] * len(self.blocks)
        for place, block in enumerate(self.blocks):
            parent = block.parent
            while parent != NO_BLOCK:
                depth[place] += 1
                parent = self.blocks[parent].parent
        return sorted(range(len(depth)), key=lambda place: -depth[place])

    @cached_property
    def descendants(self) -> list[list[int]]:
        """For each block, itself and everything beneath it."""
        beneath: list[list[int]] = [[place] for place in range(len(self.blocks))]
        for place in self.children_first:
            if self.blocks[place].parent != NO_BLOCK:
                beneath[self.blocks[place].parent] += beneath[place]
        return beneath
