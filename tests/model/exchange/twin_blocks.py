"""The slow twin's rules for blocks: one order over several delivery periods."""

from dataclasses import dataclass

from twin_records import HIGH, LOW, Order

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s

PERIODS_NS = {m.HOURLY: 3_600_000_000_000, m.QUARTER_HOURLY: 900_000_000_000}


@dataclass
class Block:
    name: tuple[int, int]
    account: int
    c: dict  # the PlaceBlock
    hours: list[Order]
    arrival: int = 0

    @property
    def side(self):
        return self.c["side"]

    @property
    def price(self):
        return self.c["price_ticks"]

    @property
    def span(self):
        return self.c["first_product_id"], self.c["product_count"], self.c["quantity_lots"]

    def rank(self):
        return self.side, -self.price if self.side == m.BUY else self.price, self.arrival

    def over(self, product):
        return any(hour.product is product for hour in self.hours)


class Blocks:
    def _PlaceBlock(self, c):
        products, why = [], self._participant_fault() or self._block_fault(c)
        if why is None:
            products = [self._product(c["first_product_id"] + i) for i in range(c["product_count"])]
        own = [b for b in self.blocks if b.name[0] == c["session_id"]]
        full = len(self.blocks) >= ms.BLOCKS or len(own) >= ms.BLOCKS_OF_SESSION
        if why is None and full and c["time_in_force"] == m.GOOD_FOR_SESSION:
            why = "BLOCKS_FULL"
        if why is None:
            name, account = (c["session_id"], c["session_number"]), self.seat.account
            hours = [
                Order(name, account, c["side"], c["price_ticks"], c["quantity_lots"], product)
                for product in products
            ]
            for hour in hours:
                hour.terms = {"display_lots": 1}  # shows nothing
            _, why = self._cover_all(hours)
        if why:
            return self._reject_order(why, product=c["first_product_id"])
        block = Block(name, account, c, hours)
        self._tell("BlockPlaced", block, time_in_force=c["time_in_force"])
        if self._trade_block(block):
            return None
        if c["time_in_force"] == m.GOOD_FOR_SESSION:
            self.arrivals += 1
            block.arrival = self.arrivals
            return self.blocks.append(block)
        why = "FOK_UNFILLED" if c["time_in_force"] == m.FOK else "IOC_REMAINDER"
        return self._tell("BlockCancelled", block, command_number=0, reason=why)

    def _block_fault(self, c):
        if not 1 <= c["product_count"] <= mm.BLOCK_PRODUCTS_MAX:
            return "BLOCK_SPAN_OUT_OF_RANGE"
        if c["side"] not in (m.BUY, m.SELL):
            return "WRONG_SIDE"
        if c["time_in_force"] not in (m.GOOD_FOR_SESSION, m.IOC, m.FOK):
            return "WRONG_TIME_IN_FORCE"
        for place in range(c["product_count"]):
            number = c["first_product_id"] + place
            present = self.products.get(number % s.PRODUCTS)
            gone = present and present.id == number
            if gone and present.phase in (m.FREE, m.CLOSING, m.DELIVERING):
                return "BLOCK_OVER_GATE_CLOSURE"
            if self._product(number) is None:
                return "BLOCK_PRODUCT_MISSING"
            if why := self._block_product_fault(
                c, self._product(number), self._product(c["first_product_id"])
            ):
                return why
        return None

    def _block_product_fault(self, c, product, first):
        if product.kind not in (m.HOURLY, m.QUARTER_HOURLY):
            return "WRONG_PRODUCT_KIND"
        alike = (product.kind, product.value, product.price_step)
        if alike != (first.kind, first.value, first.price_step):
            return "BLOCK_PRODUCTS_UNLIKE"
        place = product.id - first.id
        if product.start != first.start + place * PERIODS_NS[product.kind]:
            return "BLOCK_NOT_CONSECUTIVE"
        if product.phase != m.CONTINUOUS:
            return "WRONG_PHASE"
        why = self._price_fault(product, c["price_ticks"])
        why = why or self._quantity_fault(product, c["quantity_lots"])
        why = why or ("QUANTITY_BELOW_MINIMUM" if c["quantity_lots"] < product.min_lots else None)
        return why or self._limits_fault(self.seat.account, product, c["price_ticks"], c["quantity_lots"])

    def _tell(self, record, block, **values):
        c = block.c
        names = ("price_ticks", "quantity_lots", "first_product_id", "product_count", "side")
        self._say(record, *block.name, account_id=block.account, **{n: c[n] for n in names}, **values)

    # Trading.

    def _trade_block(self, block):
        """Trade a block that comes in, if it can be; return whether it was."""
        sign = 1 if block.side == m.BUY else -1
        ranked = sorted(self.blocks, key=Block.rank)
        found = [b for b in ranked if b.side != block.side and b.span == block.span]
        other = next((b for b in found if (block.price - b.price) * sign >= 0), None)
        sweep = self._block_sweep(block)
        if other:
            cost = other.price * len(block.hours) * block.hours[0].lots
            if sweep is None or (sweep[0] - cost) * sign >= 0:
                self._trade_with_block(block, other, cost)
                return True
        if sweep:
            self._sweep_for_block(block, sweep[1])
        return sweep is not None

    def _block_sweep(self, block):
        """The most that filling a block from the books can cost, and each hour's worst price; or None."""
        if any(hour.product.phase != m.CONTINUOUS for hour in block.hours):
            return None
        cost, trades, worst = 0, 0, []
        for hour in block.hours:
            needs = self._sweep_needs(hour, self._range_bound(hour, HIGH if hour.side == m.BUY else LOW))
            if needs is None:
                return None
            best = hour.product.queue(m.SELL if hour.side == m.BUY else m.BUY)[0].price
            trades += needs[0]
            if max(abs(best), abs(needs[2])) * hour.product.value * hour.lots > ms.PERIOD_MINOR_MAX:
                return None
            cost += needs[1]
            worst.append(needs[2])
        if trades > s.FILLS_PER_COMMAND:
            return None
        limit = block.price * len(block.hours) * block.hours[0].lots
        return (cost, worst) if (cost <= limit if block.side == m.BUY else cost >= limit) else None

    def _sweep_for_block(self, block, worst):
        told = len(self.events)
        self._tell("BlockFilled", block, cost_ticks=0, role=m.TAKER)
        if block in self.blocks:
            self.blocks.remove(block)
        for hour, price in zip(block.hours, worst, strict=True):
            self._sweep_book(hour, price)
        self.events[told]["cost_ticks"] = sum(
            e["price_ticks"] * e["quantity_lots"] for e in self.events[told + 1 :] if e.get("role") == m.TAKER
        )
        self._after_block(block)

    def _trade_with_block(self, block, other, cost):
        self._tell("BlockFilled", other, cost_ticks=cost, role=m.MAKER)
        self._tell("BlockFilled", block, cost_ticks=cost, role=m.TAKER)
        self.blocks.remove(other)
        for taker, maker in zip(block.hours, other.hours, strict=True):
            lots, taker.lots, maker.lots = taker.lots, 0, 0
            self._filled(maker, other.price, lots, m.MAKER, 0)
            self._filled(taker, other.price, lots, m.TAKER, 0)
            self._settle(maker, taker, other.price, lots)
        self._after_block(block)

    def _after_block(self, block):
        end = s.EVENTS_PER_COMMAND if self.command["record"] == "PlaceBlock" else self.step_end
        for hour in block.hours:
            self._trigger_stops(hour.product, end)
            self._have_blocks_tried(hour.product)

    def _have_blocks_tried(self, product):
        if product.phase == m.CONTINUOUS and any(b.over(product) for b in self.blocks):
            product.blocks_due = True
            self._set_due(product)

    def _try_blocks(self, product):
        product.blocks_due = False
        self.step_end = len(self.events) + s.EVENTS_PER_STEP
        ranked = [b for b in sorted(self.blocks, key=Block.rank) if b.over(product)]
        for side in (m.BUY, m.SELL):
            for block in [b for b in ranked if b.side == side][: ms.BLOCK_TRIES]:
                if sweep := self._block_sweep(block):
                    self._sweep_for_block(block, sweep[1])
                    return self._set_due(product)
        return self._set_due(product)

    # Cancelling.

    def _cancel_blocks(self, meant, why, number=0, most=s.EVENTS_PER_COMMAND):
        """Cancel the blocks that are meant, the best bids first; return how many."""
        found = [b for b in sorted(self.blocks, key=Block.rank) if meant(b)][:most]
        for block in found:
            self._tell("BlockCancelled", block, command_number=number, reason=why)
            self.blocks.remove(block)
        return len(found)

    def _cancel_blocks_of(self, session, number, why, command_number):
        """Cancel a session's blocks over a product, 0 for all; its sweep counts them."""
        self.seat.sweep["count"] += self._cancel_blocks(
            lambda b: b.name[0] == session and (number == 0 or 0 <= number - b.span[0] < b.span[1]),
            why, command_number,
        )  # fmt: skip
