"""The slow twin: the exchange's rules in plain Python lists and dicts, one class, no cleverness.

Commands and events are dicts, as ``schema.unpack_command`` and ``unpack_event`` give them. Money
and positions are kept as sums per account; what is set aside is computed anew from the orders.
"""

from dataclasses import dataclass, field

from ringmain.exchange import messages as m
from ringmain.exchange import state as s

LOW, HIGH = s.PRICE_TICKS_MIN, s.PRICE_TICKS_MAX
WHY = m.REJECTIONS | m.CANCELLATIONS


@dataclass
class Order:
    name: tuple[int, int]  # session, number
    account: int
    side: int
    price: int
    lots: int
    product: "Product"
    arrival: int

    def rank(self):
        return (-self.price if self.side == m.BUY else self.price, self.arrival)

    def owed(self):
        value = self.price * self.lots * self.product.value
        return max(0, value if self.side == m.BUY else -value)


@dataclass
class Product:
    id: int
    kind: int
    start: int
    value: int
    reference: int
    range: int
    phase: int = m.FREE
    auction: int = 0
    closure: int = 0
    due: int = 0
    auction_price: int = 0
    auction_left: int = 0
    orders: list[Order] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)  # in the order in which they were opened

    def queue(self, side):
        return sorted((o for o in self.orders if o.side == side), key=Order.rank)


@dataclass
class Account:
    credit: int
    long: int
    short: int
    cash: int = 0


@dataclass
class Seat:
    account: int = 0
    cancel_on_disconnect: int = 0
    last_order: int = 0
    sweep: dict | None = None


class ExchangeTwin:
    def __init__(self):
        self.accounts: dict[int, Account] = {}
        self.paid_in = 0
        self.products: dict[int, Product] = {}  # by slot
        self.last_ids: dict[int, int] = {}
        self.seats: dict[int, Seat] = {}
        self.orders: dict[tuple[int, int], Order] = {}
        self.slots: dict[int, Order] = {}  # the order table, for the order in which a sweep finds them
        self.free_slots: list[int] = []
        self.highest_slot = 0
        self.arrivals = 0
        self.swept = 0
        self.sweeps: list[int] = []  # sessions

    def apply(self, command):
        """Apply one command; return its events."""
        self.command, self.events = command, []
        session = command["session_id"]
        self.seat = self.seats.setdefault(session, Seat())
        getattr(self, "_" + command["record"])(command)
        return self.events

    def deadline(self):
        due = [p.due for p in self.products.values() if p.due]
        return min(([max(self.command["time_ns"], 1)] if self.sweeps else []) + due, default=0)

    # Answers.

    def _say(self, record, session=None, number=None, **values):
        c = self.command
        session = c["session_id"] if session is None else session
        number = c["session_number"] if number is None else number
        header = {"sequence": c["sequence"], "time_ns": c["time_ns"]}
        self.events.append(
            {"record": record, **header, "session_id": session, "session_number": number, **values}
        )

    def _reject_order(self, why, product=0, order=0):
        kind = getattr(m, self.command["record"]).kind
        self._say("OrderRejected", order_number=order, product_id=product, rejected_kind=kind, reason=why)

    def _reject_setup(self, why, product=0, account=0):
        kind = getattr(m, self.command["record"]).kind
        self._say("SetupRejected", product_id=product, account_id=account, rejected_kind=kind, reason=why)

    def _cancelled(self, order, why, number=0):
        self._say(
            "OrderCancelled", *order.name, command_number=number, price_ticks=order.price,
            quantity_lots=order.lots, product_id=order.product.id, account_id=order.account,
            reason=why, side=order.side,
        )  # fmt: skip

    def _filled(self, order, price, lots, index, role):
        self._say(
            "OrderFilled", *order.name, price_ticks=price, quantity_lots=lots, limit_ticks=order.price,
            remaining_lots=order.lots, product_id=order.product.id, account_id=order.account,
            trade_index=index, side=order.side, role=role,
        )  # fmt: skip

    # Sessions.

    def _OpenSession(self, c):
        self.seat.account, self.seat.cancel_on_disconnect = c["account_id"], c["cancel_on_disconnect"]

    def _CloseSession(self, c):
        if self.seat.cancel_on_disconnect:
            self._start_sweep(m.ALL_PRODUCTS, self.seat.last_order, "SESSION_CLOSED", 0)
            self._sweep()

    # Orders.

    def _PlaceOrder(self, c):
        product = self._product(c["product_id"])
        why = self._place_fault(c, product)
        if why is None:
            opposite = product.queue(m.SELL if c["side"] == m.BUY else m.BUY)
            price = c["price_ticks"]
            if c["order_type"] == m.MARKET:
                if not opposite:
                    why = "NOTHING_TO_TRADE_WITH"
                else:
                    reach = product.range if c["side"] == m.BUY else -product.range
                    price = max(LOW, min(HIGH, opposite[0].price + reach))
        if why is None:
            name = (c["session_id"], c["session_number"])
            order = Order(name, self.seat.account, c["side"], price, c["quantity_lots"], product, 0)
            product.positions.setdefault(order.account, 0)
            why = self._cover_fault(order)
        if why is not None:
            return self._reject_order(why, product=c["product_id"])
        self.seat.last_order = c["session_number"]
        self._say(
            "OrderAccepted", price_ticks=price, quantity_lots=order.lots, product_id=product.id,
            account_id=order.account, side=order.side, order_type=c["order_type"],
            time_in_force=c["time_in_force"],
        )  # fmt: skip
        self._trade_and_rest(order, c["time_in_force"], 0, True)

    def _place_fault(self, c, product):
        account = self._participant_fault()
        if account:
            return account
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase not in (m.CALL, m.CONTINUOUS):
            return "WRONG_PHASE"
        if c["side"] not in (m.BUY, m.SELL):
            return "WRONG_SIDE"
        call = product.phase == m.CALL
        if c["order_type"] not in ((m.LIMIT,) if call else (m.LIMIT, m.MARKET)):
            return "WRONG_ORDER_TYPE"
        allowed = [m.GOOD_FOR_SESSION] if c["order_type"] == m.LIMIT else []
        if c["time_in_force"] not in (allowed if call else [*allowed, m.IOC, m.FOK]):
            return "WRONG_TIME_IN_FORCE"
        if c["order_type"] == m.LIMIT and not LOW <= c["price_ticks"] <= HIGH:
            return "PRICE_OUT_OF_RANGE"
        if not 1 <= c["quantity_lots"] <= s.LOTS_MAX:
            return "QUANTITY_OUT_OF_RANGE"
        return None

    def _participant_fault(self):
        if self.seat.account == 0:
            return "PARTICIPANT_ONLY"
        return None if self.seat.account in self.accounts else "ACCOUNT_NOT_OPEN"

    def _cover_fault(self, order, without=None):
        """Why an order cannot be afforded, beside all others of its account but `without`."""
        account = self.accounts[order.account]
        others = [o for o in self.orders.values() if o.account == order.account and o is not without]
        if without and order.lots <= without.lots and order.owed() <= without.owed():
            return None
        if 0 < order.owed() > account.cash + account.credit - sum(o.owed() for o in others):
            return "CREDIT_EXCEEDED"
        position = order.product.positions[order.account]
        same = [o for o in others if o.product is order.product and o.side == order.side]
        lots = sum(o.lots for o in same) + order.lots
        if order.side == m.BUY and position + lots > account.long:
            return "POSITION_LIMIT_EXCEEDED"
        if order.side == m.SELL and position - lots < -account.short:
            return "POSITION_LIMIT_EXCEEDED"
        return None

    def _crossing(self, order):
        sign = 1 if order.side == m.BUY else -1
        queue = order.product.queue(m.SELL if order.side == m.BUY else m.BUY)
        return [o for o in queue if (order.price - o.price) * sign >= 0]

    def _trade_and_rest(self, order, time_in_force, number, is_new):
        why, crossing = None, self._crossing(order)
        within_reach = sum(o.lots for o in crossing[: s.FILLS_PER_COMMAND])
        if time_in_force == m.FOK and within_reach < order.lots:
            why = "FOK_UNFILLED"
        elif order.product.phase == m.CONTINUOUS:
            for index, maker in enumerate(crossing[: s.FILLS_PER_COMMAND]):
                if order.lots == 0:
                    break
                lots = min(order.lots, maker.lots)
                order.lots -= lots
                maker.lots -= lots
                self._filled(maker, maker.price, lots, index, m.MAKER)
                self._filled(order, maker.price, lots, index, m.TAKER)
                self._settle(order, maker, maker.price, lots)
                if maker.lots == 0:
                    self._remove(maker)
            if order.lots and self._crossing(order):
                why = "FILL_LIMIT"
            elif order.lots and time_in_force != m.GOOD_FOR_SESSION:
                why = "IOC_REMAINDER"
        if order.lots and why is None:
            self._rest(order, is_new)
        elif not is_new:
            self._free_slot(order)
        if order.lots and why is not None:
            self._cancelled(order, why, number)

    def _settle(self, one, other, price, lots):
        buyer, seller = (one, other) if one.side == m.BUY else (other, one)
        self.accounts[buyer.account].cash -= price * lots * one.product.value
        self.accounts[seller.account].cash += price * lots * one.product.value
        one.product.positions[buyer.account] += lots
        one.product.positions[seller.account] -= lots

    def _rest(self, order, is_new):
        if is_new:
            if self.free_slots:
                slot = self.free_slots.pop()
            else:
                self.highest_slot += 1
                slot = self.highest_slot
            self.slots[slot] = order
        self.arrivals += 1
        order.arrival = self.arrivals
        order.product.orders.append(order)
        self.orders[order.name] = order

    def _free_slot(self, order):
        slot = next(n for n, o in self.slots.items() if o is order)
        del self.slots[slot]
        self.free_slots.append(slot)

    def _remove(self, order):
        order.product.orders.remove(order)
        del self.orders[order.name]
        self._free_slot(order)

    def _CancelOrder(self, c):
        order = self.orders.get((c["session_id"], c["order_number"]))
        why = None if order else "UNKNOWN_ORDER"
        if order and order.product.phase not in (m.CALL, m.CONTINUOUS, m.HALTED):
            why = "WRONG_PHASE"
        if why:
            return self._reject_order(why, order=c["order_number"])
        self._cancelled(order, "BY_OWNER", c["session_number"])
        self._remove(order)

    def _ReplaceOrder(self, c):
        order = self.orders.get((c["session_id"], c["order_number"]))
        why = self._replace_fault(c, order)
        if why is None:
            new = Order(
                order.name, order.account, order.side, c["price_ticks"], c["quantity_lots"], order.product, 0
            )
            why = self._cover_fault(new, without=order)
        if why:
            return self._reject_order(why, order=c["order_number"])
        keeps = c["price_ticks"] == order.price and c["quantity_lots"] <= order.lots
        self._say(
            "OrderReplaced", *order.name, command_number=c["session_number"], price_ticks=new.price,
            quantity_lots=new.lots, old_price_ticks=order.price, old_quantity_lots=order.lots,
            product_id=order.product.id, side=order.side, priority_kept=int(keeps),
        )  # fmt: skip
        order.price, order.lots = new.price, new.lots
        if not keeps:
            order.product.orders.remove(order)
            del self.orders[order.name]
            self._trade_and_rest(order, m.GOOD_FOR_SESSION, c["session_number"], False)

    def _replace_fault(self, c, order):
        if order is None:
            return "UNKNOWN_ORDER"
        if order.product.phase not in (m.CALL, m.CONTINUOUS):
            return "WRONG_PHASE"
        if not LOW <= c["price_ticks"] <= HIGH:
            return "PRICE_OUT_OF_RANGE"
        if not 1 <= c["quantity_lots"] <= s.LOTS_MAX:
            return "QUANTITY_OUT_OF_RANGE"
        if c["expected_lots"] not in (0, order.lots):
            return "QUANTITY_CHANGED"
        return None

    # Mass cancel.

    def _MassCancel(self, c):
        why = self._participant_fault()
        if why is None and c["product_id"] and self._product(c["product_id"]) is None:
            why = "UNKNOWN_PRODUCT"
        if why is None and self.seat.sweep:
            why = "MASS_CANCEL_RUNNING"
        if why:
            return self._reject_order(why, product=c["product_id"])
        self._start_sweep(c["product_id"], c["session_number"], "MASS_CANCEL", c["session_number"])
        self._sweep()

    def _start_sweep(self, product, until, why, number):
        if self.seat.sweep is None:
            self.seat.sweep = {"count": 0}
            self.sweeps.append(self.command["session_id"])
        goal = self.swept + s.ORDERS
        self.seat.sweep |= {"product": product, "until": until, "why": why, "number": number, "goal": goal}

    def _sweep(self):
        if not self.sweeps or any(p.phase == m.UNCROSSING for p in self.products.values()):
            return
        limit = len(self.events) + s.CANCELS_PER_STEP
        for _ in range(s.SLOTS_SWEPT_PER_STEP):
            if len(self.events) == limit:
                return
            slot = self.swept % s.ORDERS
            if slot > self.highest_slot:
                self.swept += s.ORDERS - slot
                break
            order = self.slots.get(slot)
            sweep = order and self.seats[order.name[0]].sweep
            if sweep and order.name[1] <= sweep["until"] and sweep["product"] in (0, order.product.id):
                sweep["count"] += 1
                self._cancelled(order, sweep["why"], sweep["number"])
                self._remove(order)
            self.swept += 1
        while self.sweeps and len(self.events) < limit:
            sweep = self.seats[self.sweeps[0]].sweep
            if sweep["goal"] > self.swept:
                return
            session = self.sweeps.pop(0)
            self._say(
                "MassCancelled", session, sweep["number"], command_number=sweep["number"],
                order_count=sweep["count"], product_id=sweep["product"],
            )  # fmt: skip
            self.seats[session].sweep = None

    # The operator.

    def _OpenAccount(self, c):
        why = self._account_fault(c)
        limits = [
            (c["credit_minor"], s.CREDIT_MINOR_MAX),
            (c["long_limit_lots"], s.POSITION_LOTS_MAX),
            (c["short_limit_lots"], s.POSITION_LOTS_MAX),
        ]
        if why in (None, "ACCOUNT_NOT_OPEN"):
            why = None if all(0 <= value <= most for value, most in limits) else "LIMIT_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why, account=c["account_id"])
        account = self.accounts.setdefault(c["account_id"], Account(0, 0, 0))
        account.credit, account.long, account.short = [value for value, _ in limits]
        self._account_changed(c["account_id"], 0)

    def _Deposit(self, c):
        why = self._account_fault(c)
        if why is None and not 0 < c["amount_minor"] <= s.DEPOSITS_MINOR_MAX - self.paid_in:
            why = "AMOUNT_OUT_OF_RANGE"
        self._move_cash(c, c["amount_minor"], why)

    def _Withdraw(self, c):
        why = self._account_fault(c)
        if why is None and c["amount_minor"] <= 0:
            why = "AMOUNT_OUT_OF_RANGE"
        if why is None:
            account = self.accounts[c["account_id"]]
            owed = sum(o.owed() for o in self.orders.values() if o.account == c["account_id"])
            if c["amount_minor"] > max(0, account.cash + account.credit - owed):
                why = "INSUFFICIENT_FUNDS"
        self._move_cash(c, -c["amount_minor"], why)

    def _move_cash(self, c, change, why):
        if why:
            return self._reject_setup(why, account=c["account_id"])
        self.accounts[c["account_id"]].cash += change
        self.paid_in += change
        self._account_changed(c["account_id"], change)

    def _account_changed(self, number, change):
        account = self.accounts[number]
        self._say(
            "AccountChanged", amount_minor=change, balance_minor=account.cash,
            credit_minor=account.credit, account_id=number,
        )  # fmt: skip

    def _account_fault(self, c):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if not 1 <= c["account_id"] < s.ACCOUNTS:
            return "ACCOUNT_OUT_OF_RANGE"
        return None if c["account_id"] in self.accounts else "ACCOUNT_NOT_OPEN"

    def _product(self, number):
        product = self.products.get(number % s.PRODUCTS)
        return product if product and product.id == number and product.phase != m.FREE else None

    def _DefineProduct(self, c):
        slot = c["product_id"] % s.PRODUCTS
        why = self._define_fault(c, self.products.get(slot), self.last_ids.get(slot, 0))
        if why:
            return self._reject_setup(why, product=c["product_id"])
        product = Product(
            c["product_id"], c["product_kind"], c["delivery_start_ns"], c["value_minor"],
            c["reference_price_ticks"], c["market_range_ticks"],
        )  # fmt: skip
        self.products[slot], self.last_ids[slot] = product, product.id
        names = (
            "delivery_start_ns", "product_id", "value_minor", "reference_price_ticks",
            "market_range_ticks", "product_kind",
        )  # fmt: skip
        self._say("ProductDefined", **{name: c[name] for name in names})
        self._enter(product, m.DEFINED)

    def _define_fault(self, c, present, last_id):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if present and present.phase != m.FREE:
            return "PRODUCT_SLOT_TAKEN"
        if c["product_id"] <= last_id:
            return "PRODUCT_ID_USED"
        if c["product_kind"] not in m.PRODUCT_KINDS.values():
            return "WRONG_PRODUCT_KIND"
        if not 1 <= c["value_minor"] <= s.VALUE_MINOR_MAX:
            return "VALUE_OUT_OF_RANGE"
        if not LOW <= c["reference_price_ticks"] <= HIGH or not 0 <= c["market_range_ticks"] <= HIGH:
            return "PRICE_OUT_OF_RANGE"
        return None

    def _ScheduleProduct(self, c):
        product = self._product(c["product_id"])
        why = self._schedule_fault(c, product)
        if why:
            return self._reject_setup(why, product=c["product_id"])
        product.auction, product.closure = c["auction_ns"], c["gate_closure_ns"]
        self._say(
            "ProductScheduled", auction_ns=product.auction, gate_closure_ns=product.closure,
            product_id=product.id,
        )  # fmt: skip
        if product.phase == m.DEFINED:
            self._enter(product, m.CALL if product.auction else m.CONTINUOUS)
        product.due = product.auction if product.phase == m.CALL else product.closure

    def _schedule_fault(self, c, product):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase not in (m.DEFINED, m.CALL, m.CONTINUOUS, m.HALTED):
            return "WRONG_PHASE"
        auction, closure = c["auction_ns"], c["gate_closure_ns"]
        sound = all(t == 0 or t > c["time_ns"] for t in (auction, closure))
        sound &= closure == 0 or auction < closure
        sound &= closure != 0 or product.kind == m.INSTRUMENT
        sound &= not (product.phase in (m.CONTINUOUS, m.HALTED) and auction)
        sound &= not (product.phase == m.CALL and not auction)
        return None if sound else "WRONG_SCHEDULE"

    def _HaltProduct(self, c):
        self._switch(c, m.CONTINUOUS, m.HALTED)

    def _ResumeProduct(self, c):
        self._switch(c, m.HALTED, m.CONTINUOUS)

    def _switch(self, c, before, after):
        product = self._product(c["product_id"])
        if self.seat.account != 0:
            return self._reject_setup("OPERATOR_ONLY", product=c["product_id"])
        if product is None or product.phase != before:
            why = "WRONG_PHASE" if product else "UNKNOWN_PRODUCT"
            return self._reject_setup(why, product=c["product_id"])
        self._enter(product, after)

    # Timers.

    def _Timer(self, c):
        for _ in range(s.STEPS_PER_TIMER):
            due = [(p.due, slot) for slot, p in self.products.items() if 0 < p.due <= c["time_ns"]]
            if len(self.events) > s.EVENTS_PER_COMMAND - s.EVENTS_PER_STEP or not (due or self.sweeps):
                break
            if due:
                self._step(self.products[min(due)[1]])
            else:
                self._sweep()

    def _enter(self, product, phase):
        self._say("PhaseChanged", product_id=product.id, phase=phase, previous_phase=product.phase)
        product.phase = phase

    def _step(self, product):
        if product.phase == m.CALL:
            self._enter(product, m.UNCROSSING)
            price, volume, surplus = auction_price(product)
            product.auction_price, product.auction_left = price, volume
            self._say(
                "AuctionUncrossed", volume_lots=volume, surplus_lots=surplus,
                product_id=product.id, price_ticks=price,
            )  # fmt: skip
        elif product.phase == m.UNCROSSING:
            self._uncross(product)
        elif product.phase == m.CLOSING:
            self._close(product)
        elif product.phase == m.DELIVERING:
            self._deliver(product)
        else:
            self._enter(product, m.CLOSING)

    def _uncross(self, product):
        for index in range(s.FILLS_PER_COMMAND):
            if product.auction_left == 0:
                break
            buy, sell = product.queue(m.BUY)[0], product.queue(m.SELL)[0]
            lots = min(buy.lots, sell.lots, product.auction_left)
            buy.lots -= lots
            sell.lots -= lots
            product.auction_left -= lots
            self._filled(buy, product.auction_price, lots, index, m.AUCTION)
            self._filled(sell, product.auction_price, lots, index, m.AUCTION)
            self._settle(buy, sell, product.auction_price, lots)
            for order in (buy, sell):
                if order.lots == 0:
                    self._remove(order)
        if product.auction_left == 0:
            product.due = product.closure
            self._enter(product, m.CONTINUOUS)

    def _close(self, product):
        for _ in range(s.CANCELS_PER_STEP):
            queue = product.queue(m.BUY) + product.queue(m.SELL)
            if not queue:
                self._enter(product, m.DELIVERING)
                return
            self._cancelled(queue[0], "GATE_CLOSURE")
            self._remove(queue[0])

    def _deliver(self, product):
        for _ in range(s.CANCELS_PER_STEP):
            if not product.positions:
                product.due = 0
                self._enter(product, m.FREE)
                return
            account, lots = product.positions.popitem()
            if lots:
                self._say(
                    "PositionDelivered", position_lots=lots, delivery_start_ns=product.start,
                    product_id=product.id, account_id=account, product_kind=product.kind,
                )  # fmt: skip


def auction_price(product):
    """Try every price that could matter; return price, volume, and bids less offers left at it."""
    limits = {o.price for o in product.orders}
    prices = {p for limit in limits for p in (limit - 1, limit, limit + 1) if LOW <= p <= HIGH}
    if limits:
        prices.add(min(max(product.reference, min(limits)), max(limits)))

    def outcome(price):
        bids = sum(o.lots for o in product.orders if o.side == m.BUY and o.price >= price)
        asks = sum(o.lots for o in product.orders if o.side == m.SELL and o.price <= price)
        return -min(bids, asks), abs(bids - asks), abs(price - product.reference), price, bids - asks

    best = min((outcome(price) for price in prices), default=(0, 0, 0, product.reference, 0))
    if best[0] == 0:
        return product.reference, 0, 0
    return best[3], -best[0], best[4]
