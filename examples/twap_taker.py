"""A TWAP taker: buys or sells a quantity in equal slices over a time, and tells what that has cost.

    ringmain strategy run examples/twap_taker.py:TwapTaker --simulate 7 --set quantity_lots=300

Each slice is an IOC order no dearer than a limit; what it does not get goes into the next one. The
last slice comes before gate closure, however long the time was meant to be.
"""

from ringmain.client.strategy import BUY, IOC, SELL, Desk, Order, OrderUpdate, Strategy, eur_of

SECOND_NS = 1_000_000_000


class TwapTaker(Strategy):
    """Takes a quantity of one product.

    Parameters
    ----------
    product_id : int
    side : "BUY" or "SELL"
    quantity_lots : int
    seconds : int
        From the first slice to the last.
    slices : int
    reach_ticks : int
        How far beyond the best price a slice may trade.
    limit_ticks : int
        The worst price of all, or 0 for none. (A limit of 0.00 is written as 1 or -1.)
    closure_s : int
        The last slice comes at least so long before gate closure.
    """

    def __init__(
        self, product_id: int = 1, side: str = "BUY", quantity_lots: int = 200, seconds: int = 900,
        slices: int = 15, reach_ticks: int = 20, limit_ticks: int = 0, closure_s: int = 60,
    ) -> None:  # fmt: skip
        if side not in ("BUY", "SELL") or quantity_lots < 1 or slices < 1 or seconds < 0:
            raise ValueError("side is BUY or SELL; quantity and slices begin at 1, seconds at 0")
        self.product_ids = (product_id,)
        self.product_id, self.side = product_id, BUY if side == "BUY" else SELL
        self.sign = 1 if side == "BUY" else -1
        self.quantity_lots, self.seconds, self.slices = quantity_lots, seconds, slices
        self.reach_ticks, self.limit_ticks, self.closure_s = reach_ticks, limit_ticks, closure_s
        self.arrival_ticks: int | None = None
        self.slices_done = self.slices_asked = 0
        self.order: Order | None = None
        self.is_planned = False

    def on_start(self, desk: Desk) -> None:
        """Begin at once if the product trades."""
        self.plan(desk)

    def on_phase(self, desk: Desk, product_id: int) -> None:
        """Begin when it trades; go on with what is due when a halt is over."""
        self.plan(desk)
        self.take(desk)

    def on_book(self, desk: Desk, product_id: int) -> None:
        """Begin when there is a price to arrive at."""
        self.plan(desk)

    def on_timer(self, desk: Desk, tag: str) -> None:
        """Take the next slice; behind the last one, end as soon as the venue has answered."""
        self.slices_done = min(self.slices_done + 1, self.slices)
        self.take(desk)
        self.end_if_done(desk)

    def on_order(self, desk: Desk, update: OrderUpdate) -> None:
        """Ask for what has become due while the venue owed an answer; end behind the last one."""
        self.take(desk)
        self.end_if_done(desk)

    def report(self, desk: Desk) -> dict[str, float | int | None]:
        """Say what was filled, and the slippage: what it cost beyond the price at the begin."""
        filled_lots = self.filled_lots(desk)
        figures: dict[str, float | int | None] = {
            "filled, lots": filled_lots,
            "not filled, lots": self.quantity_lots - filled_lots,
            "arrival price, ticks": self.arrival_ticks,
        }
        if filled_lots:
            mean_ticks = sum(fill.price_ticks * fill.quantity_lots for fill in desk.fills) / filled_lots
            slippage_ticks = self.sign * (mean_ticks - self.arrival_ticks)
            value_minor = desk.product(self.product_id).terms.value_minor
            figures["mean price, ticks"] = mean_ticks
            figures["slippage, ticks"] = slippage_ticks
            figures["slippage, EUR"] = eur_of(round(slippage_ticks * filled_lots * value_minor))
        return figures

    def filled_lots(self, desk: Desk) -> int:
        """Return what was taken so far."""
        return self.sign * desk.position_lots(self.product_id)

    def plan(self, desk: Desk) -> None:
        """Note the price at the begin, and set the slices' times, once."""
        product = desk.product(self.product_id)
        arrival_ticks = product.mid_ticks if product.mid_ticks is not None else product.last_ticks
        if self.is_planned or not desk.is_open(self.product_id) or arrival_ticks is None:
            return
        self.is_planned, self.arrival_ticks = True, arrival_ticks
        end_ns = desk.now_ns + self.seconds * SECOND_NS
        if product.terms.gate_closure_ns:
            end_ns = min(end_ns, product.terms.gate_closure_ns - self.closure_s * SECOND_NS)
        span_ns = max(0, end_ns - desk.now_ns)
        for each in range(self.slices):
            desk.call_at(desk.now_ns + span_ns * each // max(1, self.slices - 1), "slice")

    def take(self, desk: Desk) -> None:
        """Send what is due and not filled, once for each slice."""
        best = (desk.best_offer if self.side == BUY else desk.best_bid)(self.product_id)
        is_waiting = self.order is not None and self.order.is_live
        has_asked = self.slices_asked == self.slices_done
        if is_waiting or has_asked or best is None or not desk.is_open(self.product_id):
            return
        terms = desk.product(self.product_id).terms
        due_lots = self.quantity_lots * self.slices_done // self.slices - self.filled_lots(desk)
        due_lots = due_lots // terms.lot_step_lots * terms.lot_step_lots
        price_ticks = best.price_ticks + self.sign * self.reach_ticks
        if self.limit_ticks:
            price_ticks = self.sign * min(self.sign * price_ticks, self.sign * self.limit_ticks)
        # On the step, never beyond the limit.
        price_ticks = self.sign * (self.sign * price_ticks // terms.price_step_ticks * terms.price_step_ticks)
        self.slices_asked = self.slices_done
        if due_lots > 0:
            self.order = desk.place(self.product_id, self.side, price_ticks, due_lots, time_in_force=IOC)

    def end_if_done(self, desk: Desk) -> None:
        """Stop behind the last slice, once everything is answered."""
        is_waiting = self.order is not None and self.order.is_live
        if self.slices_done == self.slices and not is_waiting:
            desk.stop()
