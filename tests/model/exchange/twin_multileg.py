"""The slow twin's rules for orders over several products."""

from dataclasses import dataclass, field

from twin_records import Order

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s


@dataclass
class Basket:
    name: tuple[int, int]
    leg_count: int
    legs: list[dict] = field(default_factory=list)  # AddBasketLeg commands


class Multileg:
    # Baskets.

    def _BeginBasket(self, c):
        session = c["session_id"]
        why = self._participant_fault()
        if why is None and not 1 <= c["leg_count"] <= mm.BASKET_LEGS_MAX:
            why = "BASKET_LEGS_OUT_OF_RANGE"
        if why is None and session not in self.baskets and len(self.baskets) >= ms.BASKETS:
            why = "BASKETS_FULL"
        if why:
            return self._reject_order(why)
        self._drop_basket("BASKET_SUPERSEDED")
        self.baskets[session] = Basket((session, c["session_number"]), c["leg_count"])
        self._say("BasketBegun", leg_count=c["leg_count"])

    def _drop_basket(self, why):
        basket = self.baskets.pop(self.command["session_id"], None)
        if basket:
            self._say("BasketDropped", *basket.name, leg_count=basket.leg_count, reason=why)

    def _AddBasketLeg(self, c):
        basket = self.baskets.get(c["session_id"])
        if basket is None:
            return self._reject_order("BASKET_NOT_BEGUN", product=c["product_id"])
        basket.legs.append(c)
        place, number = len(basket.legs) - 1, c["session_number"]
        why = self._participant_fault() or self._leg_fault(c, basket.legs[:-1])
        orders = []
        if why is None and len(basket.legs) < basket.leg_count:
            return self._say("BasketLegAdded", *basket.name, command_number=number, leg_index=place)
        if why is None:
            place, why, orders = self._basket_fault(basket)
        del self.baskets[c["session_id"]]
        if why:
            self._say("BasketRejected", *basket.name, command_number=number, leg_index=place, reason=why)
            return
        self._say(
            "BasketExecuted", *basket.name, command_number=number, leg_count=basket.leg_count,
            account_id=self.seat.account,
        )  # fmt: skip
        for order in orders:
            self._sweep_book(order, self._range_bound(order, order.price))
        for order in orders:
            self._trigger_stops(order.product, s.EVENTS_PER_COMMAND)
            self._have_blocks_tried(order.product)

    def _leg_fault(self, c, before):
        product = self._product(c["product_id"])
        if product is None:
            return "UNKNOWN_PRODUCT"
        if c["product_id"] in [leg["product_id"] for leg in before]:
            return "BASKET_LEG_REPEATED"
        if c["side"] not in (m.BUY, m.SELL):
            return "WRONG_SIDE"
        why = self._side_fault(product, c["side"]) or self._price_fault(product, c["price_ticks"])
        why = why or self._quantity_fault(product, c["quantity_lots"])
        why = why or ("QUANTITY_BELOW_MINIMUM" if c["quantity_lots"] < product.min_lots else None)
        return why or self._limits_fault(self.seat.account, product, c["price_ticks"], c["quantity_lots"])

    def _basket_fault(self, basket):
        """Return the leg for which the basket cannot be carried out, why, and its orders if it can."""
        trades, orders = 0, []
        for place, c in enumerate(basket.legs):
            if why := self._leg_fault(c, basket.legs[:place]):
                return place, why, []
            product = self._product(c["product_id"])
            if product.phase != m.CONTINUOUS:
                return place, "WRONG_PHASE", []
            name = (c["session_id"], c["session_number"])
            order = Order(
                name, self.seat.account, c["side"], c["price_ticks"], c["quantity_lots"], product,
                terms={"display_lots": 1},
            )  # fmt: skip
            needs = self._sweep_needs(order, self._range_bound(order, order.price))
            if needs is None:
                return place, "BASKET_LEG_UNFILLED", []
            trades += needs[0]
            if trades > s.FILLS_PER_COMMAND:
                return place, "BASKET_FILLS_EXCEEDED", []
            orders.append(order)
        place, why = self._cover_all(orders)
        return place, why, orders

    def _cover_all(self, orders):
        """Why orders of one account cannot be afforded together, and at which of them that shows."""
        for place, order in enumerate(orders):
            order.product.positions.setdefault(order.account, 0)
            self.covering = orders[:place]
            why = self._cover_fault(order)
            self.covering = []
            if why:
                return place, why
        return 0, None

    # What it takes to fill an order at once.

    def _sweep_needs(self, order, limit):
        """Trades, cost in ticks times lots, and worst price, each the most that it can be; or None."""
        buys = order.side == m.BUY
        queue = order.product.queue(m.SELL if buys else m.BUY)
        queue = [o for o in queue if (o.price <= limit if buys else o.price >= limit)]
        wanted, trades, cost = order.lots, 0, 0
        for price in dict.fromkeys(o.price for o in queue):
            level = [o for o in queue if o.price == price]
            clips, found, last = 0, True, wanted
            while found and wanted > 0 and trades <= s.FILLS_PER_COMMAND:
                found = False
                for maker in level:
                    lots, steps = self._clip_of(maker, clips)
                    found |= lots > 0
                    if wanted > 0 and trades <= s.FILLS_PER_COMMAND:
                        cost += price * min(lots, wanted)
                        wanted -= lots
                        trades += steps
                clips += 1
            if wanted <= 0:
                if order.product.allocation == m.PRO_RATA:
                    trades += min(len(level), s.PRO_RATA_ORDERS, last)
                return (trades, cost, price) if trades <= s.FILLS_PER_COMMAND else None
            if trades >= s.FILLS_PER_COMMAND:
                return None
        return None

    def _sweep_book(self, order, worst=None):
        """Trade all of an order, which shows nothing, at prices up to `worst`."""
        limit, start = order.price, len(self.events)
        order.price = limit if worst is None else worst
        assert self._match(order, is_bounded=False) is None and order.lots == 0
        order.price = limit
        for event in self.events[start:]:
            if event["record"] == "OrderFilled" and event["role"] == m.TAKER:
                event["limit_ticks"] = limit
