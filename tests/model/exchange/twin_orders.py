"""The slow twin's rules for what participants send."""

from dataclasses import replace

from twin_records import HIGH, LOW, Order, Seat

from ringmain.exchange import messages as m
from ringmain.exchange import state as s

CALLS = (m.PRE_OPEN, m.CALL, m.CLOSING_CALL, m.BALANCING)


class Orders:
    # Orders.

    def _PlaceOrder(self, c):
        product = self._product(c["product_id"])
        if why := self._admission_fault(c):
            return self._reject_order(why, product=c["product_id"])
        why = self._place_fault(c, product)
        if why is None:
            price = self._limit(c, product)
            if price is None:
                why = "NOTHING_TO_TRADE_WITH"
        if why is None:
            why = self._limits_fault(self.seat.account, product, price, c["quantity_lots"])
        if why is None:
            name = (c["session_id"], c["session_number"])
            order = Order(name, self.seat.account, c["side"], price, c["quantity_lots"], product, terms=c)
            product.positions.setdefault(order.account, 0)
            why = self._cover_fault(order)
        if why is not None:
            return self._reject_order(why, product=c["product_id"])
        self.seat.last_order = c["session_number"]
        stops = c["order_type"] in (m.STOP, m.STOP_LIMIT)
        order.shown = 0 if stops or order.display else order.lots
        names = ("side", "order_type", "time_in_force", "self_trade", "expires_s", "stop_ticks")
        self._say(
            "OrderAccepted", price_ticks=price, quantity_lots=order.lots, product_id=product.id,
            account_id=order.account, shown_lots=order.shown, **{name: c[name] for name in names},
        )  # fmt: skip
        if c["time_in_force"] == m.GOOD_TILL_DATE:
            order.expires = c["expires_s"] * 10**9
        if self._is_special(order):
            self._take_slot(order)
        if stops:
            self._wait(order, c["stop_ticks"])
        else:
            self._trade_and_rest(order, c["time_in_force"], 0, not self._is_special(order))
        self._trigger_stops(product, s.EVENTS_PER_COMMAND)
        self._have_blocks_tried(product)

    def _is_special(self, order):
        terms = order.terms
        late = terms["time_in_force"] in (m.GOOD_TILL_CANCELLED, m.GOOD_TILL_DATE)
        stops = terms["order_type"] in (m.STOP, m.STOP_LIMIT)
        balancing = order.term("balancing") and terms["time_in_force"] == m.GOOD_FOR_SESSION
        return bool(late or stops or order.display or order.term("post_only") or balancing)

    def _limit(self, c, product):
        """The worst price that an order may trade at; None without a price to start from."""
        if c["order_type"] in (m.LIMIT, m.STOP_LIMIT):
            return c["price_ticks"]
        start, reach = c["stop_ticks"], product.range
        if c["order_type"] != m.STOP:
            opposite = product.queue(m.SELL if c["side"] == m.BUY else m.BUY)
            if not opposite:
                return None
            start = opposite[0].price
        if c["order_type"] == m.MARKET_TO_LIMIT:
            reach = 0
        return max(LOW, min(HIGH, start + (reach if c["side"] == m.BUY else -reach)))

    def _place_fault(self, c, product):
        account = self._participant_fault()
        if account:
            return account
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase not in (m.CONTINUOUS, *CALLS):
            return "WRONG_PHASE"
        if c["side"] not in (m.BUY, m.SELL):
            return "WRONG_SIDE"
        if why := self._side_fault(product, c["side"]):
            return why
        if c["balancing"] and not self.accounts[self.seat.account].balances:
            return "NOT_BALANCING"
        call = not product.trades_now(c["balancing"])
        kind, force = c["order_type"], c["time_in_force"]
        if kind not in m.ORDER_TYPES.values() or (call and kind in (m.MARKET, m.MARKET_TO_LIMIT)):
            return "WRONG_ORDER_TYPE"
        good = (m.GOOD_FOR_SESSION, m.GOOD_TILL_CANCELLED, m.GOOD_TILL_DATE)
        allowed = {m.LIMIT: (*good, m.IOC, m.FOK), m.MARKET: (m.IOC, m.FOK)}.get(kind, good)
        if force not in allowed or (call and force not in good):
            return "WRONG_TIME_IN_FORCE"
        if c["self_trade"] not in m.SELF_TRADES.values():
            return "WRONG_SELF_TRADE"
        if kind in (m.LIMIT, m.STOP_LIMIT) and (why := self._price_fault(product, c["price_ticks"])):
            return why
        if why := self._quantity_fault(product, c["quantity_lots"]):
            return why
        if c["quantity_lots"] < product.min_lots:
            return "QUANTITY_BELOW_MINIMUM"
        return self._special_fault(c, product, good)

    def _special_fault(self, c, product, good):
        kind, display, step = c["order_type"], c["display_lots"], c["clip_step_ticks"]
        if c["time_in_force"] == m.GOOD_TILL_DATE and c["expires_s"] * 10**9 <= c["time_ns"]:
            return "EXPIRY_OUT_OF_RANGE"
        if kind in (m.STOP, m.STOP_LIMIT) and (why := self._price_fault(product, c["stop_ticks"])):
            return why
        if c["post_only"] or display:
            if kind != m.LIMIT:
                return "WRONG_ORDER_TYPE"
            if c["time_in_force"] not in good:
                return "WRONG_TIME_IN_FORCE"
        if display:
            if not 0 < display <= c["quantity_lots"]:
                return "DISPLAY_OUT_OF_RANGE"
            if display % product.lot_step:
                return "OFF_LOT"
            if (step if c["side"] == m.BUY else -step) > 0:
                return "CLIP_STEP_OUT_OF_RANGE"
            if step % product.price_step:
                return "OFF_TICK"
        if c["post_only"] and product.trades_now(c["balancing"]):
            order = Order((0, 0), 0, c["side"], c["price_ticks"], 1, product)
            return "WOULD_TRADE" if self._crossing(order) else None
        return None

    def _price_fault(self, product, price):
        if not LOW <= price <= HIGH:
            return "PRICE_OUT_OF_RANGE"
        return "OFF_TICK" if price % product.price_step else None

    def _quantity_fault(self, product, lots):
        if lots <= 0:
            return "QUANTITY_OUT_OF_RANGE"
        if lots > product.max_lots:
            return "QUANTITY_ABOVE_MAXIMUM"
        return "OFF_LOT" if lots % product.lot_step else None

    def _participant_fault(self):
        if self.seat.account == 0:
            return "PARTICIPANT_ONLY"
        return None if self.seat.account in self.accounts else "ACCOUNT_NOT_OPEN"

    def _cover_fault(self, order, without=None):
        """Why an order cannot be afforded, beside all others of its account but `without`."""
        account = self.accounts[order.account]
        others = [o for o in self._standing() if o.account == order.account and o is not without]
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
        why = None
        if time_in_force == m.FOK and not self._fillable(order):
            why = "FOK_UNFILLED"
        elif order.product.trades_now(order.term("balancing")):
            anchor = self._anchor(order.product)
            why = self._match(order)
            immediate = time_in_force in (m.IOC, m.FOK) or order.terms["order_type"] == m.STOP
            crossing = self._crossing(order)
            if order.lots and why is None:
                if crossing and self._is_outside(crossing[0].price, anchor, order.product):
                    self._interrupt(order, crossing[0].price, anchor)
                    why = "VOLATILITY" if immediate else None
                elif crossing:
                    why = "FILL_LIMIT"
                else:
                    why = "IOC_REMAINDER" if immediate else None
        if order.lots and why is None:
            self._rest(order, is_new)
        else:
            if order.lots:
                order.shown = 0 if order.display else order.lots
                self._cancelled(order, why, number)
            if not is_new:
                self._free_slot(order)

    def _match(self, order, is_bounded=True):
        """Trade while the prices cross; return why what is left may not rest."""
        trades, anchor = 0, self._anchor(order.product)
        while order.lots and trades < s.FILLS_PER_COMMAND and (crossing := self._crossing(order)):
            if is_bounded and self._is_outside(crossing[0].price, anchor, order.product):
                return None
            level = [o for o in crossing if o.price == crossing[0].price]
            shared = order.product.allocation == m.PRO_RATA
            sharing = level[: s.PRO_RATA_ORDERS] if shared else level[:1]
            own = [o for o in sharing if o.account == order.account]
            if own and order.term("self_trade"):
                why = self._avoid(order, own[0])
                if why:
                    return why
                trades += 1
            elif shared and sum(o.shown for o in sharing) > order.lots:
                for maker, lots in self._shares(order.lots, sharing):
                    if trades < s.FILLS_PER_COMMAND:
                        self._trade(order, maker, lots)
                        trades += 1
                return None
            else:
                self._trade(order, level[0], min(order.lots, level[0].shown))
                trades += 1
        return None

    def _shares(self, lots, makers):
        total = sum(o.shown for o in makers)
        shares = [lots * o.shown // total for o in makers]
        extra = lots - sum(shares)
        for place, maker in enumerate(makers):
            more = min(extra, maker.shown - shares[place])
            shares[place] += more
            extra -= more
        return [(maker, share) for maker, share in zip(makers, shares, strict=True) if share]

    def _trade(self, order, maker, lots):
        price = maker.price
        order.lots -= lots
        maker.lots -= lots
        maker.shown -= lots
        self._filled(maker, price, lots, m.MAKER, lots)
        self._filled(order, price, lots, m.TAKER, 0 if order.display else lots)
        self._settle(order, maker, price, lots)
        if maker.lots == 0:
            self._remove(maker)
        elif maker.shown == 0:
            maker.price = max(LOW, min(HIGH, price + maker.term("clip_step_ticks")))
            maker.shown = min(maker.display, maker.lots)
            self.arrivals += 1
            maker.arrival = self.arrivals
            self._clip(maker, price, 0)

    def _clip(self, order, old_price, old_shown):
        self._say(
            "ClipShown", *order.name, price_ticks=order.price, shown_lots=order.shown,
            hidden_lots=order.hidden, old_price_ticks=old_price, old_shown_lots=old_shown,
            product_id=order.product.id, account_id=order.account, side=order.side,
        )  # fmt: skip

    def _replaced(self, order, old_price, old_lots, kept, shown, number):
        self._say(
            "OrderReplaced", *order.name, command_number=number, price_ticks=order.price,
            quantity_lots=order.lots, old_price_ticks=old_price, old_quantity_lots=old_lots,
            product_id=order.product.id, side=order.side, priority_kept=int(kept), is_shown=int(shown),
        )  # fmt: skip

    def _avoid(self, order, own):
        """What happens instead of a self-trade; return why the incoming order may not go on."""
        mode = order.term("self_trade")
        if mode == m.CANCEL_NEWEST:
            return "SELF_TRADE"
        if mode == m.DECREMENT and own.lots > order.lots:
            old, old_shown, iceberg = own.lots, own.shown, own.hidden > 0
            own.lots -= order.lots
            own.shown = min(own.shown, own.lots)
            self._replaced(own, own.price, old, True, not iceberg, 0)
            if iceberg:
                self._clip(own, own.price, old_shown)
            return "SELF_TRADE"
        self._cancelled(own, "SELF_TRADE")
        self._remove(own)
        if mode == m.CANCEL_BOTH or (mode == m.DECREMENT and own.lots == order.lots):
            return "SELF_TRADE"
        if mode == m.DECREMENT:
            old = order.lots
            order.lots -= own.lots
            self._replaced(order, order.price, old, True, not order.display, 0)
        return None

    def _fillable(self, order):
        """Whether all of it would trade at once, in few enough trades."""
        wanted, trades, mode = order.lots, 0, order.term("self_trade")
        crossing = self._within_range(self._crossing(order), order.product)
        for price in dict.fromkeys(o.price for o in crossing):
            level = [o for o in crossing if o.price == price]
            clip, last, before = 0, wanted, trades
            while True:
                seen = False
                for maker in level:
                    own = mode and maker.account == order.account
                    if own and mode != m.CANCEL_OLDEST:
                        return False
                    lots, steps = self._clip_of(maker, clip) if not own else (0, int(clip == 0))
                    seen |= lots > 0
                    wanted -= lots
                    trades += steps
                    if wanted <= 0:
                        return self._with_sharing(order, level, last, before, trades) <= s.FILLS_PER_COMMAND
                    if trades > s.FILLS_PER_COMMAND:
                        return False
                if not seen and clip:
                    break
                clip += 1
            if trades >= s.FILLS_PER_COMMAND:
                return False
        return False

    def _with_sharing(self, order, level, wanted, before, trades):
        """The trades if what is wanted last is shared; too many if an own order is in the way."""
        if order.product.allocation != m.PRO_RATA:
            return trades
        mode, sharing, own, shown = order.term("self_trade"), 0, 0, 0
        for maker in level:
            if sharing == s.PRO_RATA_ORDERS:
                break
            if not mode or maker.account != order.account:
                sharing += 1
                shown += maker.shown
            elif mode != m.CANCEL_OLDEST:
                return s.FILLS_PER_COMMAND + 1
            else:
                own += 1
        return own + min(sharing, wanted) + (before if shown > wanted else trades)

    def _clip_of(self, maker, clip):
        """Lots that a maker surely has in its clip so and so, and the trades that it may take."""
        if clip == 0:
            stepped = maker.hidden if maker.term("clip_step_ticks") else 0
            return maker.shown, 1 + (-(-stepped // maker.display) if stepped else 0)
        if maker.term("clip_step_ticks") or not maker.display:
            return 0, 0
        lots = max(0, min(maker.display, maker.hidden - (clip - 1) * maker.display))
        return lots, int(lots > 0)

    # Stop orders.

    def _wait(self, order, price):
        order.waits_at, order.shown = price, 0
        self._queue(order)

    def _reached(self, product):
        if product.phase != m.CONTINUOUS or product.last is None:
            return None
        for side, sign in ((m.BUY, 1), (m.SELL, -1)):
            waiting = product.waiting(side)
            if waiting and waiting[0].waits_at * sign <= product.last * sign:
                return waiting[0]
        return None

    def _trigger_stops(self, product, end):
        if not product.stops_due and not any(o.waits_at is not None for o in product.orders):
            return
        while (order := self._reached(product)) and len(self.events) + s.EVENTS_PER_STEP <= end:
            order.waits_at, order.shown = None, order.lots
            self._say(
                "OrderTriggered", *order.name, price_ticks=order.price, quantity_lots=order.lots,
                trigger_ticks=product.last, product_id=product.id, account_id=order.account,
                shown_lots=order.lots, side=order.side,
            )  # fmt: skip
            self._unqueue(order)
            self._trade_and_rest(order, order.terms["time_in_force"], 0, False)
        product.stops_due = order is not None

    def _settle(self, one, other, price, lots):
        buyer, seller = (one, other) if one.side == m.BUY else (other, one)
        self.accounts[buyer.account].cash -= price * lots * one.product.value
        self.accounts[seller.account].cash += price * lots * one.product.value
        one.product.positions[buyer.account] += lots
        one.product.positions[seller.account] -= lots
        one.product.last = price
        self._note_trade(buyer, seller, price, lots)

    def _rest(self, order, is_new):
        if is_new:
            self._take_slot(order)
        order.shown = min(order.display or order.lots, order.lots)
        self._queue(order)
        if order.display:
            self._clip(order, order.price, 0)

    def _queue(self, order):
        self.arrivals += 1
        order.arrival = self.arrivals
        order.product.orders.append(order)
        self.orders[order.name] = order

    def _unqueue(self, order):
        order.product.orders.remove(order)
        del self.orders[order.name]

    def _take_slot(self, order):
        if self.free_slots:
            slot = self.free_slots.pop()
        else:
            self.highest_slot += 1
            slot = self.highest_slot
        self.slots[slot] = order

    def _free_slot(self, order):
        slot = next(n for n, o in self.slots.items() if o is order)
        del self.slots[slot]
        self.free_slots.append(slot)

    def _remove(self, order):
        self._unqueue(order)
        self._free_slot(order)

    def _CancelOrder(self, c):
        name = (c["session_id"], c["order_number"])
        order = self.orders.get(name)
        if self._cancel_blocks(lambda b: b.name == name, "BY_OWNER", c["session_number"]):
            return None
        why = None if order else "UNKNOWN_ORDER"
        if order and order.product.phase not in (m.CONTINUOUS, m.HALTED, m.CLOSED, *CALLS):
            why = "WRONG_PHASE"
        if why:
            return self._reject_order(why, order=c["order_number"])
        self._cancelled(order, "BY_OWNER", c["session_number"])
        self._remove(order)

    def _ReplaceOrder(self, c):
        order = self.orders.get((c["session_id"], c["order_number"]))
        if why := self._admission_fault(c):
            return self._reject_order(why, order=c["order_number"])
        why = self._replace_fault(c, order)
        if why is None:
            new = replace(order, price=c["price_ticks"], lots=c["quantity_lots"])
            why = self._cover_fault(new, without=order)
        if why:
            return self._reject_order(why, order=c["order_number"])
        waits, product = order.waits_at is not None, order.product
        same_place = c["stop_ticks"] == order.waits_at if waits else new.price == order.price
        keeps = same_place and new.lots <= order.lots
        old_price, old_lots, old_shown, number = order.price, order.lots, order.shown, c["session_number"]
        order.price, order.lots = new.price, new.lots
        self._replaced(order, old_price, old_lots, keeps, not order.display and not waits, number)
        if keeps:
            order.shown = min(old_shown, order.lots)
            if order.display and order.lots < old_lots:
                self._clip(order, order.price, old_shown)
        elif waits:
            self._unqueue(order)
            self._wait(order, c["stop_ticks"])
        else:
            if order.display:
                order.shown = 0
                self._clip(order, old_price, old_shown)
            self._unqueue(order)
            self._trade_and_rest(order, m.GOOD_FOR_SESSION, number, False)
        self._trigger_stops(product, s.EVENTS_PER_COMMAND)
        self._have_blocks_tried(product)

    def _replace_fault(self, c, order):
        if order is None:
            return "UNKNOWN_ORDER"
        product = order.product
        if product.phase not in (m.CONTINUOUS, *CALLS):
            return "WRONG_PHASE"
        if why := self._price_fault(product, c["price_ticks"]):
            return why
        if why := self._quantity_fault(product, c["quantity_lots"]):
            return why
        if order.waits_at is not None:
            if why := self._price_fault(product, c["stop_ticks"]):
                return why
        elif (
            order.term("post_only")
            and product.trades_now(order.term("balancing"))
            and self._crossing(replace(order, price=c["price_ticks"]))
        ):
            return "WOULD_TRADE"
        if c["expected_lots"] not in (0, order.lots):
            return "QUANTITY_CHANGED"
        return self._limits_fault(order.account, product, c["price_ticks"], c["quantity_lots"])

    # Mass cancel.

    def _MassCancel(self, c):
        why = self._participant_fault()
        if why is None and c["product_id"] and self._product(c["product_id"]) is None:
            why = "UNKNOWN_PRODUCT"
        if why is None and self.seat.sweep:
            why = "MASS_CANCEL_RUNNING"
        if why:
            return self._reject_order(why, product=c["product_id"])
        number = c["session_number"]
        self._start_sweep(c["product_id"], number, "MASS_CANCEL", number)
        self._cancel_blocks_of(c["session_id"], c["product_id"], "MASS_CANCEL", number)
        self._sweep()

    def _start_sweep(self, product, until, why, number, session=None):
        session = self.command["session_id"] if session is None else session
        seat = self.seats.setdefault(session, Seat())
        if seat.sweep is None:
            seat.sweep = {"count": 0}
            self.sweeps.append(session)
        goal = self.swept + s.ORDERS
        seat.sweep |= {"product": product, "until": until, "why": why, "number": number, "goal": goal}

    def _sweep(self):
        if not self.sweeps or any(p.phase == m.UNCROSSING for p in self.products.values()):
            return
        limit = len(self.events) + s.CANCELS_PER_STEP
        if kill := self.seats.setdefault(0, Seat()).sweep:
            kill["count"] += self._cancel_blocks(self._is_killed_block, kill["why"], 0, s.CANCELS_PER_STEP)
        for _ in range(s.SLOTS_SWEPT_PER_STEP):
            if len(self.events) == limit:
                return
            slot = self.swept % s.ORDERS
            if slot > self.highest_slot:
                self.swept += s.ORDERS - slot
                break
            order = self.slots.get(slot)
            sweep = order and self._sweep_of(order)
            if sweep:
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
