"""A solution as commands to the engine, and the engine's events as a book."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, SEGMENT, Block, Book, Integers, Line
from ringmain.exchange.advice.dayahead.solve import Solution
from ringmain.exchange.dayahead_messages import (
    ABSENT,
    DRAFTED,
    AuctionDefined,
    AuctionOrderCancelled,
    AuctionPhaseChanged,
    BlockAccepted,
    BlockRunAccepted,
    CommitProposal,
    CurveSegmentAccepted,
    ProposalRejected,
    ProposeBlock,
    ProposeFlow,
    ProposePrice,
    TransferDefined,
    ZoneDefined,
)
from ringmain.exchange.messages import BUY, schema

GAP_MAX = 2**32 - 1


def proposal_commands(auction_id: int, book: Book, solution: Solution) -> Any:
    """Return the commands of one proposal, as a batch of shape (n,), its CommitProposal last."""
    commands = [
        ProposePrice(
            auction_id=auction_id, price_ticks=int(solution.prices[zone, period]), zone=zone, period=period
        )
        for zone in range(book.zone_count)
        for period in range(book.period_count)
    ]
    commands += [
        ProposeBlock(
            auction_id=auction_id,
            block_id=book.blocks[place].block_id,
            ratio_billionths=int(solution.ratios[place]),
        )
        for place in np.flatnonzero(solution.ratios).tolist()
    ]
    for row, line in enumerate(book.lines):
        commands += [
            ProposeFlow(
                auction_id=auction_id,
                flow_lots=int(solution.flows[row, period]),
                line=line.number,
                period=period,
            )
            for period in np.flatnonzero(solution.flows[row]).tolist()
        ]
    gap = min(round(solution.gap * 1e6), GAP_MAX)
    commands.append(
        CommitProposal(auction_id=auction_id, welfare_tick_lots=solution.welfare, gap_millionths=gap)
    )
    return schema.batch(commands)


@dataclass
class _OpenBlock:
    """A block as far as its events have come."""

    runs: list[tuple[int, int, int]] = field(default_factory=list)  # first period, periods, lots
    terms: dict[str, Any] | None = None


class AuctionView:
    """A fold of the exchange's tape into the auction that runs: its phase and its book.

    Attributes
    ----------
    auction_id, phase : int
    gate_ns, result_ns : int
    fault : dict or None
        The ProposalRejected that came last in this auction.
    """

    def __init__(self) -> None:
        self._folds = {
            AuctionDefined.kind: (AuctionDefined, self._define),
            ZoneDefined.kind: (ZoneDefined, self._note_zone),
            TransferDefined.kind: (TransferDefined, self._transfer),
            AuctionPhaseChanged.kind: (AuctionPhaseChanged, self._change),
            CurveSegmentAccepted.kind: (CurveSegmentAccepted, self._segment),
            BlockRunAccepted.kind: (BlockRunAccepted, self._run),
            BlockAccepted.kind: (BlockAccepted, self._block),
            AuctionOrderCancelled.kind: (AuctionOrderCancelled, self._cancel),
            ProposalRejected.kind: (ProposalRejected, self._reject),
        }
        self._kinds = np.array(sorted(self._folds))
        self.phase, self.auction_id = ABSENT, 0
        self._begin()

    def fold(self, events: Any) -> None:
        """Take events in, a recarray of shape (n,) as the tape gives it."""
        for row in np.flatnonzero(np.isin(events["kind"], self._kinds)).tolist():
            record, fold = self._folds[int(events["kind"][row])]
            fold(record.unpack(events[row : row + 1]))

    def book(self) -> Book:
        """Return all orders that count, and what they trade on."""
        segments = [segment for curve in self._curves.values() for segment in curve]
        complete = {name: block for name, block in self._blocks.items() if block.terms is not None}
        places = {name: place for place, name in enumerate(complete)}
        groups: dict[tuple[int, int], int] = {}
        return Book(
            self.zone_count, self.period_count, self.price_min_ticks, self.price_max_ticks,
            np.array(segments, SEGMENT),
            [self._block_of(block, places, groups) for block in complete.values()],
            [
                Line(number, *self._ends[number], forward, backward)
                for number, (forward, backward) in sorted(self._capacities.items())
            ],
        )  # fmt: skip

    def _begin(self) -> None:
        self.gate_ns = self.result_ns = 0
        self.zone_count = self.period_count = 0
        self.price_min_ticks = self.price_max_ticks = 0
        self.fault: dict[str, Any] | None = None
        self._curves: dict[tuple[int, int, int], list[tuple[int, int, int, int, int]]] = {}
        self._coming: dict[tuple[int, int, int], list[tuple[int, int, int, int, int]]] = {}
        self._blocks: dict[int, _OpenBlock] = {}
        self._ends: dict[int, tuple[int, int]] = {}
        self._capacities: dict[int, tuple[Integers, Integers]] = {}

    def _define(self, event: dict[str, Any]) -> None:
        self._begin()
        self.auction_id = event["auction_id"]
        self.gate_ns, self.result_ns = event["gate_ns"], event["result_ns"]
        self.zone_count, self.period_count = event["zone_count"], event["period_count"]
        self.price_min_ticks, self.price_max_ticks = event["price_min_ticks"], event["price_max_ticks"]
        self.phase = DRAFTED

    def _note_zone(self, event: dict[str, Any]) -> None:
        """Products are the engine's concern."""

    def _transfer(self, event: dict[str, Any]) -> None:
        number, first = event["line"], event["first_period"]
        self._ends[number] = (event["from_zone"], event["to_zone"])
        nothing = (np.zeros(self.period_count, np.int64), np.zeros(self.period_count, np.int64))
        forward, backward = self._capacities.setdefault(number, nothing)
        forward[first : first + event["period_count"]] = event["forward_lots"]
        backward[first : first + event["period_count"]] = event["backward_lots"]

    def _change(self, event: dict[str, Any]) -> None:
        self.phase = event["phase"]

    def _segment(self, event: dict[str, Any]) -> None:
        key = (event["account_id"], event["zone"], event["period"])
        if event["segment_index"] == 0:
            self._coming[key] = []
        lots = event["quantity_lots"] if event["side"] == BUY else -event["quantity_lots"]
        self._coming[key].append(
            (event["zone"], event["period"], event["begin_ticks"], event["end_ticks"], lots)
        )
        if event["segment_index"] == event["segment_count"] - 1:
            self._curves[key] = self._coming.pop(key)

    def _run(self, event: dict[str, Any]) -> None:
        block = self._blocks.setdefault(event["block_id"], _OpenBlock())
        block.runs.append((event["first_period"], event["run_periods"], event["quantity_lots"]))

    def _block(self, event: dict[str, Any]) -> None:
        self._blocks[event["block_id"]].terms = event

    def _cancel(self, event: dict[str, Any]) -> None:
        if event["block_id"]:
            self._blocks.pop(event["block_id"])
        else:
            self._curves.pop((event["account_id"], event["zone"], event["period"]))

    def _reject(self, event: dict[str, Any]) -> None:
        self.fault = event

    def _block_of(
        self, block: _OpenBlock, places: dict[int, int], groups: dict[tuple[int, int], int]
    ) -> Block:
        terms = block.terms
        assert terms is not None
        lots = np.zeros(terms["period_count"], np.int64)
        for first, periods, quantity in block.runs:
            begin = first - terms["first_period"]
            lots[begin : begin + periods] = quantity if terms["side"] == BUY else -quantity
        parent, group = terms["parent_block_id"], terms["exclusive_group"]
        return Block(
            terms["block_id"], terms["zone"], terms["first_period"], lots, terms["price_ticks"],
            terms["minimum_ratio_permille"],
            places[parent] if parent else NO_BLOCK,
            groups.setdefault((terms["account_id"], group), len(groups)) if group else NO_GROUP,
        )  # fmt: skip
