"""The slow twin's rules for what the operator sends, and for what happens by itself."""

import math
from fractions import Fraction

from twin_records import HIGH, LOW, Account, Product

from ringmain.exchange import messages as m
from ringmain.exchange import state as s


class Setup:
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
        account.balances = bool(c["may_balance"])
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
            owed = sum(o.owed() for o in self._standing() if o.account == c["account_id"])
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
            c["reference_price_ticks"], c["market_range_ticks"], expiring=c["product_kind"] != m.INSTRUMENT,
        )  # fmt: skip
        self.products[slot], self.last_ids[slot] = product, product.id
        names = (
            "delivery_start_ns", "product_id", "value_minor", "reference_price_ticks",
            "market_range_ticks", "product_kind",
        )  # fmt: skip
        self.held.pop(slot, None)
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
            self._fix_fees(product)
        if product.phase in (m.DEFINED, m.CLOSED):
            if not product.auction:
                self._enter(product, m.CONTINUOUS)
            elif product.call_start:
                self._enter(product, m.PRE_OPEN)
            else:
                self._begin_call(product, m.CALL)
        elif product.id in self.interruptions:
            if product.closure:
                product.call_end = max(1, min(product.call_end, product.closure - 1))
        elif product.phase == m.CALL:
            product.draw_call_end()
        self._set_due(product)

    def _SetFees(self, c):
        why = self._group_fault(c)
        rates = [c[f"{who}_milliticks"] for who in ("maker", "taker", "auction")]
        sound = all(abs(rate) <= s.FEE_MILLITICKS_MAX for rate in rates)
        if why is None and not (sound and rates[0] + rates[1] >= 0 and rates[2] >= 0):
            why = "FEE_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why)
        self.tariffs[c["product_group"]] = c
        names = ("maker_milliticks", "taker_milliticks", "auction_milliticks", "product_group")
        self._answer("FeesSet", c, *names)

    def _fix_fees(self, product):
        tariff = self.tariffs.get(self.groups.get(product.id, 0))
        names = {m.MAKER: "maker", m.TAKER: "taker", m.AUCTION: "auction"}
        fees = {
            role: math.ceil(Fraction(tariff[f"{who}_milliticks"] * product.value, 1_000)) if tariff else 0
            for role, who in names.items()
        }
        if any(fees.values()):
            product.fees = fees
            told = {f"{who}_fee_minor": fees[role] for role, who in names.items()}
            self._say("ProductFeesFixed", product_id=product.id, **told)

    def _schedule_fault(self, c, product):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase not in (m.DEFINED, m.PRE_OPEN, m.CALL, m.CONTINUOUS, m.HALTED, m.CLOSED):
            return "WRONG_PHASE"
        if why := self._opening_fault(product, c["gate_closure_ns"]):
            return why
        auction, closure = c["auction_ns"], c["gate_closure_ns"]
        sound = all(t == 0 or t > c["time_ns"] for t in (auction, closure))
        sound &= closure == 0 or auction < closure
        sound &= closure != 0 or product.kind == m.INSTRUMENT
        interrupted = product.id in self.interruptions
        sound &= not ((product.phase in (m.CONTINUOUS, m.HALTED) or interrupted) and auction)
        sound &= not (product.phase in (m.PRE_OPEN, m.CALL) and not interrupted and not auction)
        drawn = product.random_end_ms * 10**6
        sound &= not (auction and closure and auction + drawn >= closure)
        if product.phase in (m.DEFINED, m.CLOSED, m.PRE_OPEN) and product.call_start:
            sound &= c["time_ns"] < product.call_start < auction
        if product.closing_call:
            sound &= product.closing_call + drawn < closure
            sound &= not (auction and auction + drawn >= product.closing_call)
        return None if sound else "WRONG_SCHEDULE"

    def _ScheduleCalls(self, c):
        product = self._product(c["product_id"])
        why = self._switch_fault(product, m.DEFINED, m.CLOSED)
        if why is None and any(0 != c[t] <= c["time_ns"] for t in ("call_start_ns", "closing_call_ns")):
            why = "WRONG_SCHEDULE"
        if why is None and (
            c["random_end_ms"] > s.RANDOM_END_MS_MAX or 0 < c["indicative_ms"] < s.INDICATIVE_MS_MIN
        ):
            why = "RULE_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why, product=c["product_id"])
        product.call_start, product.closing_call = c["call_start_ns"], c["closing_call_ns"]
        product.random_end_ms, product.seed = c["random_end_ms"], c["seed"]
        product.indicative_ms = c["indicative_ms"]
        names = ("call_start_ns", "closing_call_ns", "product_id", "random_end_ms", "seed", "indicative_ms")
        self._say("CallsScheduled", **{name: c[name] for name in names})

    def _StartBalancing(self, c):
        self._switch(c, m.CONTINUOUS, m.BALANCING)

    def _EndBalancing(self, c):
        product = self._product(c["product_id"])
        if why := self._switch_fault(product, m.BALANCING):
            return self._reject_setup(why, product=c["product_id"])
        self._begin_uncrossing(product, m.CONTINUOUS)

    def _ExpireProduct(self, c):
        product = self._product(c["product_id"])
        if why := self._switch_fault(product, m.CLOSED, m.HALTED):
            return self._reject_setup(why, product=c["product_id"])
        product.expiring = True
        self._begin_closing(product)

    def _HaltProduct(self, c):
        self._switch(c, m.CONTINUOUS, m.HALTED)

    def _ResumeProduct(self, c):
        self._switch(c, m.HALTED, m.CONTINUOUS)

    def _switch(self, c, before, after):
        product = self._product(c["product_id"])
        if why := self._switch_fault(product, before):
            return self._reject_setup(why, product=c["product_id"])
        self._enter(product, after)
        self._set_due(product)

    def _switch_fault(self, product, *before):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if product is None:
            return "UNKNOWN_PRODUCT"
        return None if product.phase in before else "WRONG_PHASE"

    # Timers.

    def _Timer(self, c):
        for _ in range(s.STEPS_PER_TIMER):
            due = [(p.due, slot) for slot, p in self.products.items() if 0 < p.due <= c["time_ns"]]
            expired = self._expired(c["time_ns"])
            full = len(self.events) > s.EVENTS_PER_COMMAND - s.EVENTS_PER_STEP
            if full or not (due or self.sweeps or expired):
                break
            if due:
                self._step(self.products[min(due)[1]])
            elif self.sweeps:
                self._sweep()
            else:
                self._expire(expired)

    def _enter(self, product, phase):
        self._say("PhaseChanged", product_id=product.id, phase=phase, previous_phase=product.phase)
        product.phase = phase
        if phase == m.CONTINUOUS and any(b.over(product) for b in self.blocks):
            product.blocks_due = True

    def _set_due(self, product):
        if product.phase == m.PRE_OPEN:
            product.due = product.call_start
        elif product.phase in (m.CALL, m.CLOSING_CALL):
            product.due = min(product.call_end, product.indicative_due or product.call_end)
        elif product.phase == m.CONTINUOUS and (product.stops_due or product.blocks_due):
            self._due_now(product)
        elif product.phase == m.CONTINUOUS:
            product.due = product.closing_call or product.closure
        elif product.phase in (m.HALTED, m.BALANCING):
            product.due = product.closure
        elif product.phase == m.HOLDING:
            self._set_holding_due(product)
        elif product.phase == m.CLOSED:
            product.due = 0

    def _due_now(self, product):
        product.due = max(self.command["time_ns"], 1)

    def _expired(self, now):
        if any(p.phase == m.UNCROSSING for p in self.products.values()):
            return []
        slots = {id(order): slot for slot, order in self.slots.items()}
        ended = [o for o in self.orders.values() if 0 < o.expires <= now]
        return sorted(ended, key=lambda o: (o.expires, slots[id(o)]))

    def _expire(self, orders):
        for order in orders[: s.CANCELS_PER_STEP]:
            self._cancelled(order, "EXPIRED")
            self._remove(order)

    def _SetProductRules(self, c):
        product = self._product(c["product_id"])
        why = self._rules_fault(c, product)
        if why:
            return self._reject_setup(why, product=c["product_id"])
        product.price_step, product.lot_step = c["price_step_ticks"], c["lot_step_lots"]
        product.min_lots, product.max_lots = c["quantity_min_lots"], c["quantity_max_lots"]
        product.allocation = c["allocation"]
        names = ("product_id", "price_step_ticks", "lot_step_lots", "quantity_min_lots", "quantity_max_lots")
        self._say("ProductRulesSet", **{name: c[name] for name in (*names, "allocation")})

    def _rules_fault(self, c, product):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase != m.DEFINED:
            return "WRONG_PHASE"
        sound = 1 <= c["price_step_ticks"] <= HIGH and 1 <= c["lot_step_lots"] <= s.LOTS_MAX
        if not sound or not 1 <= c["quantity_min_lots"] <= c["quantity_max_lots"] <= s.LOTS_MAX:
            return "RULE_OUT_OF_RANGE"
        shared = c["allocation"] == m.PRO_RATA
        if c["allocation"] not in m.ALLOCATIONS.values() or (shared and c["lot_step_lots"] > 1):
            return "WRONG_ALLOCATION"
        return None

    def _step(self, product):
        now = self.command["time_ns"]
        if product.phase == m.PRE_OPEN:
            self._begin_call(product, m.CALL)
        elif product.phase in (m.CALL, m.CLOSING_CALL) and now < product.call_end:
            self._indicate(product)
        elif product.phase == m.CALL and self._extended(product):
            pass
        elif product.phase in (m.CALL, m.CLOSING_CALL):
            self._begin_uncrossing(product, m.CONTINUOUS if product.phase == m.CALL else m.CLOSING)
        elif product.phase == m.UNCROSSING:
            self._uncross(product)
        elif product.phase == m.CLOSING:
            self._close(product)
        elif product.phase == m.HOLDING:
            self._hold(product)
        elif product.phase == m.DELIVERING:
            self._deliver(product)
        elif product.phase == m.CONTINUOUS and product.stops_due:
            self._trigger_stops(product, len(self.events) + s.EVENTS_PER_STEP)
            self._have_blocks_tried(product)
            self._set_due(product)
        elif product.phase == m.CONTINUOUS and product.blocks_due:
            self._try_blocks(product)
        elif product.phase == m.CONTINUOUS and product.closing_call and now < product.closure:
            self._begin_call(product, m.CLOSING_CALL)
        else:
            self._begin_closing(product)

    def _begin_call(self, product, phase):
        self._enter(product, phase)
        product.draw_call_end()
        product.indicative, product.indicative_due = None, 0
        if product.indicative_ms:
            product.indicative_due = self.command["time_ns"] + product.indicative_ms * 10**6
        self._set_due(product)

    def _begin_uncrossing(self, product, following):
        self._due_now(product)
        self._enter(product, m.UNCROSSING)
        price, volume, surplus = auction_price(product)
        product.auction_price, product.auction_left, product.following = price, volume, following
        self._say(
            "AuctionUncrossed", volume_lots=volume, surplus_lots=surplus,
            product_id=product.id, price_ticks=price,
        )  # fmt: skip

    def _begin_closing(self, product):
        product.swept = 1
        self._due_now(product)
        self._enter(product, m.CLOSING)

    def _indicate(self, product):
        price, volume, surplus = auction_price(product)
        product.indicative_due += product.indicative_ms * 10**6
        self._set_due(product)
        if product.indicative != (price, volume):
            product.indicative = (price, volume)
            self._say(
                "IndicativePriceChanged", volume_lots=volume, surplus_lots=surplus,
                product_id=product.id, price_ticks=price,
            )  # fmt: skip

    def _uncross(self, product):
        for _ in range(s.FILLS_PER_COMMAND):
            if product.auction_left == 0:
                break
            buy, sell = product.queue(m.BUY)[0], product.queue(m.SELL)[0]
            lots = min(buy.lots, sell.lots, product.auction_left)
            buy.lots -= lots
            sell.lots -= lots
            product.auction_left -= lots
            self._filled(buy, product.auction_price, lots, m.AUCTION, 0 if buy.display else lots)
            self._filled(sell, product.auction_price, lots, m.AUCTION, 0 if sell.display else lots)
            self._settle(buy, sell, product.auction_price, lots)
            for order in (buy, sell):
                old_shown = order.shown
                order.shown -= min(lots, old_shown)
                if order.display:
                    if lots >= old_shown:
                        order.shown = min(order.display, order.lots)
                    self._clip(order, order.price, old_shown)
                if order.lots == 0:
                    self._remove(order)
        if product.auction_left == 0 and product.following == m.CLOSING:
            self._begin_closing(product)
        elif product.auction_left == 0:
            self._enter(product, m.CONTINUOUS)
            product.stops_due = True
            self._set_due(product)

    def _close(self, product):
        if any(b.over(product) for b in self.blocks):
            self._cancel_blocks(lambda b: b.over(product), "GATE_CLOSURE", most=s.CANCELS_PER_STEP)
            return None
        if not product.expiring:
            return self._end_session(product)
        for _ in range(s.CANCELS_PER_STEP):
            queue = product.queue(m.BUY) + product.queue(m.SELL)
            queue += product.waiting(m.BUY) + product.waiting(m.SELL)
            if not queue:
                self._end_trading(product)
                return
            self._cancelled(queue[0], "GATE_CLOSURE")
            self._remove(queue[0])

    def _end_session(self, product):
        cancelled = 0
        for _ in range(s.SLOTS_SWEPT_PER_STEP):
            if product.swept > self.highest_slot:
                product.call_start = product.closing_call = 0
                self._enter(product, m.CLOSED)
                return self._set_due(product)
            if cancelled == s.CANCELS_PER_STEP:
                return None
            order = self.slots.get(product.swept)
            if order and order.product is product and order.lasts_for_session():
                self._cancelled(order, "SESSION_END")
                self._remove(order)
                cancelled += 1
            product.swept += 1
        return None

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
    orders = [o for o in product.orders if o.waits_at is None]
    limits = {o.price for o in orders}
    prices = {p for limit in limits for p in (limit - 1, limit, limit + 1) if LOW <= p <= HIGH}
    if limits:
        prices.add(min(max(product.reference, min(limits)), max(limits)))

    def outcome(price):
        bids = sum(o.lots for o in orders if o.side == m.BUY and o.price >= price)
        asks = sum(o.lots for o in orders if o.side == m.SELL and o.price <= price)
        return -min(bids, asks), abs(bids - asks), abs(price - product.reference), price, bids - asks

    best = min((outcome(price) for price in prices), default=(0, 0, 0, product.reference, 0))
    if best[0] == 0:
        return product.reference, 0, 0
    return best[3], -best[0], best[4]
