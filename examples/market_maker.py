"""A market maker: a bid and an offer around the others' middle, leaning against its own position.

    ringmain strategy run examples/market_maker.py:MarketMaker --simulate 7

It quotes while the product trades continuously, moves a quote only when it is off by more than a
tolerance, waits for the venue's answer before it asks for more, and is gone before gate closure.
"""

from ringmain.client.strategy import BUY, SELL, Desk, Order, OrderUpdate, Strategy

SECOND_NS = 1_000_000_000
PAUSE_S = 1.0  # after a rejection


class MarketMaker(Strategy):
    """Quotes one product.

    Parameters
    ----------
    product_id : int
    quantity_lots : int
        Of each quote.
    half_width_ticks : int
        From the middle to either quote.
    skew_ticks : int
        How far both quotes move away from a position of `quantity_lots`.
    limit_lots : int
        The largest position, either way.
    tolerance_ticks : int
        A quote may be so far from where it should be.
    closure_s : int
        How long before gate closure it ends.
    """

    def __init__(
        self, product_id: int = 1, quantity_lots: int = 20, half_width_ticks: int = 10, skew_ticks: int = 3,
        limit_lots: int = 100, tolerance_ticks: int = 2, closure_s: int = 60,
    ) -> None:  # fmt: skip
        if quantity_lots < 1 or half_width_ticks < 1 or limit_lots < quantity_lots:
            raise ValueError("quantity and width begin at 1, and the limit at one quantity")
        self.product_ids = (product_id,)
        self.product_id, self.quantity_lots, self.half_width_ticks = (
            product_id,
            quantity_lots,
            half_width_ticks,
        )
        self.skew_ticks, self.limit_lots, self.tolerance_ticks = skew_ticks, limit_lots, tolerance_ticks
        self.closure_s = closure_s
        self.quotes: dict[int, Order] = {}
        self.asked_ticks: dict[int, int] = {}  # where each side was last asked to be
        self.paused_until_ns = 0
        self.requotes = 0

    def on_start(self, desk: Desk) -> None:
        """Plan the end, and quote."""
        closure_ns = desk.product(self.product_id).terms.gate_closure_ns
        if closure_ns:
            desk.call_at(closure_ns - self.closure_s * SECOND_NS, "closure")
        self.quote(desk)

    def on_book(self, desk: Desk, product_id: int) -> None:
        """Follow the middle."""
        self.quote(desk)

    def on_phase(self, desk: Desk, product_id: int) -> None:
        """Quote in continuous trading; in a halt or a call, take everything away."""
        if desk.is_open(product_id):
            self.quote(desk)
        else:
            self.withdraw(desk)

    def on_order(self, desk: Desk, update: OrderUpdate) -> None:
        """Quote anew what has traded or is gone; after a rejection, a little later."""
        if update.what == "rejected":
            self.paused_until_ns = desk.now_ns + round(PAUSE_S * SECOND_NS)
            desk.call_at(self.paused_until_ns, "again")
        else:
            self.quote(desk)

    def on_timer(self, desk: Desk, tag: str) -> None:
        """Go on after a pause; end before gate closure."""
        if tag == "closure":
            self.withdraw(desk)
            desk.stop()
        else:
            self.quote(desk)

    def report(self, desk: Desk) -> dict[str, int]:
        """Say how often a quote was moved."""
        return {"quotes moved": self.requotes}

    def quote(self, desk: Desk) -> None:
        """Bring both sides to where they should be; without two sides of others, leave them."""
        best = self.others_best(desk)
        may_quote = desk.is_open(self.product_id) and desk.now_ns >= self.paused_until_ns
        if best is None or not may_quote or desk.is_stopped:
            return
        lean_ticks = self.skew_ticks * desk.position_lots(self.product_id) // self.quantity_lots
        middle_ticks = sum(best) // 2 - lean_ticks
        bid_ticks = min(middle_ticks - self.half_width_ticks, best[1] - 1)  # not so far as to trade
        offer_ticks = max(middle_ticks + self.half_width_ticks, best[0] + 1)
        sides = [(BUY, bid_ticks), (SELL, offer_ticks)]
        if self.asked_ticks.get(BUY, bid_ticks) < bid_ticks:
            sides.reverse()  # upwards the offer goes first, or the bid would meet it
        for side, price_ticks in sides:
            self.bring(desk, side, self.on_step(desk, price_ticks, side), self.wanted_lots(desk, side))

    def bring(self, desk: Desk, side: int, price_ticks: int, lots: int) -> None:
        """Place, move or cancel one side; leave it alone while the venue owes an answer."""
        order = self.quotes.get(side)
        if self.would_meet_own(side, price_ticks):
            return
        if order is None or not order.is_live:
            if lots > 0:
                self.asked_ticks[side] = price_ticks
                self.quotes[side] = desk.place(self.product_id, side, price_ticks, lots, post_only=1)
        elif not order.is_settled:
            return
        elif lots == 0:
            desk.cancel(order)
        elif abs(order.price_ticks - price_ticks) > self.tolerance_ticks or 2 * order.open_lots < lots:
            self.requotes += 1
            self.asked_ticks[side] = price_ticks
            desk.replace(order, price_ticks, lots)

    def would_meet_own(self, side: int, price_ticks: int) -> bool:
        """Tell whether a price would meet the other side, where that was last asked to be."""
        other_side = SELL if side == BUY else BUY
        other = self.quotes.get(other_side)
        if other is None or not other.is_live:
            return False
        asked_ticks = self.asked_ticks[other_side]
        return price_ticks >= asked_ticks if side == BUY else price_ticks <= asked_ticks

    def withdraw(self, desk: Desk) -> None:
        """Cancel both sides."""
        for order in self.quotes.values():
            if order.is_live and not order.pending_number:
                desk.cancel(order)

    def others_best(self, desk: Desk) -> tuple[int, int] | None:
        """Return the others' best bid and offer, or None without both."""
        product = desk.product(self.product_id)
        best = []
        for side in (BUY, SELL):
            own = {o.price_ticks: o.open_lots for o in self.quotes.values() if o.is_live and o.side == side}
            levels = product.depth(side, 3)
            others = [each for each in levels if each.quantity_lots > own.get(each.price_ticks, 0)]
            best += [each.price_ticks for each in others[:1]]
        return (best[0], best[1]) if len(best) == 2 else None

    def wanted_lots(self, desk: Desk, side: int) -> int:
        """Return how much to quote without leaving the limit."""
        position = desk.position_lots(self.product_id)
        room = self.limit_lots - position if side == BUY else self.limit_lots + position
        step = desk.product(self.product_id).terms.lot_step_lots
        return max(0, min(self.quantity_lots, room)) // step * step

    def on_step(self, desk: Desk, price_ticks: int, side: int) -> int:
        """Return the price on the product's step, away from the middle."""
        step = desk.product(self.product_id).terms.price_step_ticks
        return price_ticks // step * step if side == BUY else -(-price_ticks // step) * step
