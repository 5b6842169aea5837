"""The slow twin's rules for quotes."""

from twin_records import Order

from ringmain.core.sessions import SESSIONS
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s

SIDES = ((m.BUY, "bid", 1), (m.SELL, "offer", -1))
TERMS = {"order_type": m.LIMIT, "time_in_force": m.GOOD_FOR_SESSION, "self_trade": m.ALLOWED}


class Quotes:
    def _AllowQuoting(self, c):
        quoter, why = c["quoter_id"], None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif not 1 <= quoter < SESSIONS:
            why = "SESSION_OUT_OF_RANGE"
        elif c["is_allowed"] and quoter not in self.quotes and len(self.quotes) >= ms.QUOTERS:
            why = "QUOTERS_FULL"
        if why:
            return self._reject_setup(why)
        if c["is_allowed"]:
            self.quotes.setdefault(quoter, {})
            self._number_quoter(quoter)
        else:
            self.quotes.pop(quoter, None)
            self._drop_protections(quoter)
        return self._say("QuotingAllowed", quoter_id=quoter, is_allowed=int(c["is_allowed"] != 0))

    def _PlaceQuote(self, c):
        session, number, product = c["session_id"], c["session_number"], self._product(c["product_id"])
        why, old, new = self._participant_fault() or self._quote_fault(c, product), [], []
        if why is None:
            last = self.quotes[session].get(product.id)
            old = [o for sign in (1, -1) if last and (o := self.orders.get((session, sign * last)))]
            new = [
                Order(
                    (session, sign * number), self.seat.account, side, c[f"{name}_price_ticks"],
                    c[f"{name}_lots"], product, terms=TERMS,
                )
                for side, name, sign in SIDES
                if c[f"{name}_lots"]
            ]  # fmt: skip
            for order in old:
                del self.orders[order.name]  # nothing is set aside for it while the new ones are asked
            _, why = self._cover_all(new)
            self.orders |= {order.name: order for order in old}
        if why:
            return self._reject_order(why, product=c["product_id"])
        self.seat.last_order, self.quotes[session][product.id] = number, number
        names = ("bid_price_ticks", "bid_lots", "offer_price_ticks", "offer_lots", "product_id")
        self._say("QuotePlaced", **{name: c[name] for name in names}, account_id=self.seat.account)
        for order in old:
            self._cancelled(order, "QUOTE_REPLACED", number)
            self._remove(order)
        for order in new:
            order.shown = order.lots
            self._say(
                "OrderAccepted", *order.name, price_ticks=order.price, quantity_lots=order.lots,
                product_id=product.id, account_id=order.account, shown_lots=order.lots, side=order.side,
                expires_s=0, stop_ticks=0, **TERMS,
            )  # fmt: skip
            self._take_slot(order)
            self._trade_and_rest(order, m.GOOD_FOR_SESSION, 0, False)
        self._trigger_stops(product, s.EVENTS_PER_COMMAND)
        return self._have_blocks_tried(product)

    def _quote_fault(self, c, product):
        if c["session_id"] not in self.quotes:
            return "NOT_A_QUOTER"
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.kind in (m.RESERVE_UP, m.RESERVE_DOWN):
            return "WRONG_PRODUCT_KIND"
        if self._is_tripped(c["session_id"], product):
            return "QUOTE_PROTECTION_TRIPPED"
        if product.phase not in (m.CONTINUOUS, m.PRE_OPEN, m.CALL, m.CLOSING_CALL, m.BALANCING):
            return "WRONG_PHASE"
        for _, name, _ in SIDES:
            price, lots = c[f"{name}_price_ticks"], c[f"{name}_lots"]
            if lots < 0:
                return "QUANTITY_OUT_OF_RANGE"
            if lots and (why := self._price_fault(product, price) or self._quantity_fault(product, lots)):
                return why
            if 0 < lots < product.min_lots:
                return "QUANTITY_BELOW_MINIMUM"
            if lots and (why := self._limits_fault(self.seat.account, product, price, lots)):
                return why
        if c["bid_lots"] and c["offer_lots"] and c["bid_price_ticks"] >= c["offer_price_ticks"]:
            return "QUOTE_CROSSED"
        return None
