"""The slow twin of block bids: what is refused, what open bids may add to the commitments, by definition."""

from dataclasses import dataclass, field


@dataclass
class SlowBlock:
    bid_id: int
    first: int
    side: int
    parent: int
    count: int
    key: object  # of the alternatives that it is one of: a child's are its parent's
    lots: list[int] = field(default_factory=list)
    awarded: dict[int, int] = field(default_factory=dict)
    is_open: bool = True

    def lots_of(self, product_id: int) -> int:
        place = product_id - self.first
        return self.lots[place] if 0 <= place < self.count else 0


class SlowBlocks:
    """Block bids of products `first` to `last`, all open for bids, each of the same lot."""

    def __init__(self, first: int, last: int, lot_w: int, limit_w: int, places: int, longest: int) -> None:
        self.first, self.last, self.lot_w, self.limit_w = first, last, lot_w, limit_w
        self.places, self.longest = places, longest
        self.blocks: dict[int, SlowBlock] = {}
        self.begun: SlowBlock | None = None
        self.last_id = 0
        self.committed_w = dict.fromkeys(range(first, last + 1), 0)

    def begin(self, b: dict[str, int]) -> str | None:
        """Return the reason to refuse, or None."""
        if b["bid_id"] <= self.last_id:
            return "BID_ID_NOT_RISING"
        if b["quantity_lots"] <= 0:
            return "QUANTITY_OUT_OF_RANGE"
        if not 1 <= b["period_count"] <= self.longest:
            return "BLOCK_TOO_LONG"
        if not 1 <= b["run_periods"] <= b["period_count"]:
            return "RUN_OUT_OF_RANGE"
        if b["first_product_id"] < self.first or b["first_product_id"] + b["period_count"] - 1 > self.last:
            return "UNKNOWN_PRODUCT"
        if any(
            x.is_open and x.bid_id % self.places == b["bid_id"] % self.places for x in self.blocks.values()
        ):
            return "BLOCKS_FULL"
        if b["parent_bid_id"] and b["exclusive_group"]:
            return "CHILD_IN_GROUP"
        fault = self.parent_fault(b["parent_bid_id"])
        if fault:
            return fault
        self.last_id = b["bid_id"]
        key: object = ("group", b["exclusive_group"]) if b["exclusive_group"] else ("alone", b["bid_id"])
        if b["parent_bid_id"]:
            key = self.blocks[b["parent_bid_id"]].key
        self.begun = SlowBlock(
            b["bid_id"], b["first_product_id"], b["side"], b["parent_bid_id"], b["period_count"], key,
            [b["quantity_lots"]] * b["run_periods"],
        )  # fmt: skip
        return self.finish()

    def parent_fault(self, parent_id: int) -> str | None:
        if parent_id == 0:
            return None
        parent = self.blocks.get(parent_id)
        if parent is None or not parent.is_open or parent.parent:
            return "UNKNOWN_PARENT_BID"
        has_child = any(x.is_open and x.parent == parent_id for x in self.blocks.values())
        return "PARENT_HAS_CHILD" if has_child else None

    def extend(self, r: dict[str, int]) -> str | None:
        """Return the reason to refuse, or None."""
        if self.begun is None or self.begun.bid_id != r["bid_id"]:
            return "NO_BLOCK_BEGUN"
        if r["quantity_lots"] < 0:
            return "QUANTITY_OUT_OF_RANGE"
        if not 1 <= r["run_periods"] <= self.begun.count - len(self.begun.lots):
            return "RUN_OUT_OF_RANGE"
        self.begun.lots += [r["quantity_lots"]] * r["run_periods"]
        return self.finish()

    def finish(self) -> str | None:
        """Place the block if it has all its quantities."""
        block = self.begun
        if block is None or len(block.lots) < block.count:
            return None
        self.begun = None
        fault = self.parent_fault(block.parent)
        if fault:
            return fault
        kept = {n: x for n, x in self.blocks.items() if n % self.places != block.bid_id % self.places}
        before, self.blocks = self.blocks, {**kept, block.bid_id: block}
        sign = 1 if block.side == 2 else -1
        for product_id in range(block.first, block.first + block.count):
            owed_w = sign * self.committed_w[product_id]
            if self.exposed_w(product_id, block.side) + owed_w > self.limit_w:
                self.blocks = before
                return "ABOVE_FLEET_POWER"
        return None

    def exposed_w(self, product_id: int, side: int) -> int:
        """Return what the blocks may add: of each set of alternatives the most."""
        most: dict[object, int] = {}
        for block in self.blocks.values():
            if block.is_open and block.side == side:
                most[block.key] = max(most.get(block.key, 0), block.lots_of(product_id))
        return self.lot_w * sum(most.values())

    def award(self, bid_id: int, product_id: int, lots: int, side: int) -> str | None:
        """Return the reason to refuse, or None."""
        block = self.blocks.get(bid_id)
        if block is None:
            return "UNKNOWN_BID"
        if not block.first <= product_id < block.first + block.count or side != block.side:
            return "AWARD_MISMATCH"
        if not block.is_open:
            return "BID_ENDED"
        if lots <= 0:
            return "QUANTITY_OUT_OF_RANGE"
        if lots > block.lots_of(product_id) - block.awarded.get(product_id, 0):
            return "AWARD_ABOVE_BID"
        block.awarded[product_id] = block.awarded.get(product_id, 0) + lots
        self.committed_w[product_id] += (1 if side == 2 else -1) * lots * self.lot_w
        return None

    def end(self, bid_id: int) -> str | None:
        """Return the reason to refuse, or None."""
        block = self.blocks.get(bid_id)
        if block is None:
            return "UNKNOWN_BID"
        if not block.is_open:
            return "BID_ENDED"
        block.is_open = False
        return None
