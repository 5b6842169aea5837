"""The slow twin's safeguards: kill switches, order limits, interruptions, rates."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile

from twin_records import HIGH, LOW, Seat
from twin_setup import auction_price

from ringmain.core.sessions import SESSIONS
from ringmain.exchange import messages as m
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import safeguards_state as ss
from ringmain.exchange import state as s

SPAN = HIGH - LOW
SECOND_NS, DAY_NS = 10**9, 86_400 * 10**9
LIMIT_NAMES = ("value_max_minor", "quantity_max_lots", "static_collar_ticks", "dynamic_collar_ticks")


@dataclass
class Rate:
    interval: int = 0
    slack: int = 0
    paid_until: int = 0
    orders: int = 0
    tripped: bool = False


@dataclass
class Day:
    day: int = 0
    orders: int = 0
    trades: int = 0
    per_trade: int = 0
    free: int = 0
    tripped: bool = False

    def begin(self, now):
        if self.day != now // DAY_NS:
            self.day, self.orders, self.trades = now // DAY_NS, 0, 0


class Safeguards:
    def __init__(self):
        self.killed = set()  # (scope, target)
        self.groups = {}  # of products, by id
        self.order_limits = {}  # by account and group
        self.volatility = {}  # by group
        self.rates = defaultdict(Rate)
        self.days = defaultdict(Day)
        self.counting = False  # one safeguard has been set
        self.interruptions = {}  # by product id: the price it was around, and whether it was extended

    # What every order passes.

    def _admission_fault(self, c):
        account, session = self.seat.account, c["session_id"]
        if not self.counting or not 1 <= account < s.ACCOUNTS:
            return None
        mine = {(sm.VENUE_SCOPE, 0), (sm.ACCOUNT_SCOPE, account), (sm.SESSION_SCOPE, session)}
        if mine & self.killed:
            return "KILL_SWITCH_ENGAGED"
        rate, day, now = self.rates[session], self.days[account], c["time_ns"]
        day.begin(now)
        if rate.interval and rate.paid_until > now + rate.slack:
            self._trip(rate, sm.RATE, rate.orders, 0, account)
            return "RATE_LIMIT_EXCEEDED"
        if day.per_trade and day.orders >= max(day.free, day.per_trade * day.trades):
            self._trip(day, sm.ORDER_TO_TRADE, day.orders, day.trades, account)
            return "ORDER_TO_TRADE_EXCEEDED"
        rate.paid_until = max(rate.paid_until, now) + rate.interval
        rate.tripped = day.tripped = False
        rate.orders += 1
        day.orders += 1
        return None

    def _trip(self, limit, safeguard, orders, trades, account):
        if not limit.tripped:
            self._say(
                "SafeguardTripped", order_count=orders, trade_count=trades, account_id=account,
                target_session_id=self.command["session_id"], safeguard=safeguard,
            )  # fmt: skip
        limit.tripped = True

    def _note_trade(self, buyer, seller, price, lots):
        if self.counting:
            self._keep_trade(buyer, seller, price, lots)
            for order in (buyer, seller):
                day = self.days[order.account]
                day.begin(self.command["time_ns"])
                day.trades += 1
            for fill in self.events[-2:]:
                self._note_quote(fill)

    def _limits_fault(self, account, product, price, lots):
        if not self.counting:
            return None
        if (sm.PRODUCT_SCOPE, product.id) in self.killed:
            return "KILL_SWITCH_ENGAGED"
        for owner in (0, account):
            limits = self.order_limits.get(
                (owner, self.groups.get(product.id, 0)), dict.fromkeys(LIMIT_NAMES, 0)
            )
            if 0 < limits["quantity_max_lots"] < lots:
                return "ORDER_TOO_LARGE"
            if 0 < limits["value_max_minor"] < abs(price * lots * product.value):
                return "ORDER_VALUE_TOO_LARGE"
            if 0 < limits["static_collar_ticks"] < abs(price - product.reference):
                return "OUTSIDE_COLLAR"
            if 0 < limits["dynamic_collar_ticks"] < abs(price - self._anchor(product)):
                return "OUTSIDE_COLLAR"
        return None

    def _anchor(self, product):
        return product.reference if product.last is None else product.last

    # Kill switches.

    def _EngageKillSwitch(self, c):
        if self._kill_rejected(c, "ALREADY_ENGAGED"):
            return
        self.counting = True
        self.killed.add((c["scope"], c["target_id"]))
        self._answer("KillSwitchEngaged", c, "target_id", "cause", "scope")
        self._start_sweep(m.ALL_PRODUCTS, 0, "KILL_SWITCH", 0, session=0)
        self._sweep()

    def _ReleaseKillSwitch(self, c):
        if self._kill_rejected(c, "NOT_ENGAGED"):
            return
        self.killed.remove((c["scope"], c["target_id"]))
        self._answer("KillSwitchReleased", c, "target_id", "cause", "scope")

    def _kill_rejected(self, c, wrong):
        scope, target = c["scope"], c["target_id"]
        limits = {sm.SESSION_SCOPE: SESSIONS, sm.ACCOUNT_SCOPE: s.ACCOUNTS}
        why = None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif scope not in sm.SCOPES.values():
            why = "WRONG_SCOPE"
        elif scope == sm.PRODUCT_SCOPE:
            why = None if self._product(target) else "UNKNOWN_PRODUCT"
        elif not (target == 0 if scope == sm.VENUE_SCOPE else 1 <= target < limits[scope]):
            why = "TARGET_OUT_OF_RANGE"
        if why is None and ((scope, target) in self.killed) == (wrong == "ALREADY_ENGAGED"):
            why = wrong
        if why is None and wrong == "NOT_ENGAGED" and 0 in self.sweeps:
            why = "KILL_SWITCH_SWEEPING"
        if why:
            product = target if scope == sm.PRODUCT_SCOPE else 0
            self._reject_setup(why, product, target if scope == sm.ACCOUNT_SCOPE else 0)
        return why

    def _sweep_of(self, order):
        """The sweep that means an order: its own session's, or the kill switches'."""
        own = self.seats[order.name[0]].sweep
        if own and abs(order.name[1]) <= own["until"] and own["product"] in (0, order.product.id):
            return own
        kill = self.seats.setdefault(0, Seat()).sweep
        return kill if kill and self._is_killed(order) else None

    def _is_killed(self, order):
        scopes = {(sm.VENUE_SCOPE, 0), (sm.ACCOUNT_SCOPE, order.account)}
        scopes |= {(sm.SESSION_SCOPE, order.name[0]), (sm.PRODUCT_SCOPE, order.product.id)}
        return bool(scopes & self.killed)

    def _is_killed_block(self, block):
        return any(self._is_killed(hour) for hour in block.hours)

    # What the operator sets.

    def _answer(self, record, c, *names):
        self._say(record, **{name: c[name] for name in names})

    def _group_fault(self, c):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        return None if c["product_group"] < ss.GROUPS else "GROUP_OUT_OF_RANGE"

    def _SetOrderLimits(self, c):
        why = self._group_fault(c)
        if why is None and c["account_id"] >= s.ACCOUNTS:
            why = "ACCOUNT_OUT_OF_RANGE"
        sound = c["value_max_minor"] >= 0 and 0 <= c["quantity_max_lots"] <= s.LOTS_MAX
        sound = sound and all(0 <= c[name] <= SPAN for name in LIMIT_NAMES[2:])
        if why is None and not sound:
            why = "SAFEGUARD_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why, account=c["account_id"])
        self.counting = True
        self.order_limits[c["account_id"], c["product_group"]] = c
        self._answer("OrderLimitsSet", c, "account_id", "product_group", *LIMIT_NAMES)

    def _AssignProductGroup(self, c):
        why, product = self._group_fault(c), self._product(c["product_id"])
        if why is None and product is None:
            why = "UNKNOWN_PRODUCT"
        if why is None and product.phase != m.DEFINED:
            why = "WRONG_PHASE"
        if why:
            return self._reject_setup(why, product=c["product_id"])
        self.groups[product.id] = c["product_group"]
        self._answer("ProductGroupAssigned", c, "product_id", "product_group")

    def _SetVolatilityRange(self, c):
        why = self._group_fault(c)
        sound = 0 <= c["dynamic_range_ticks"] <= SPAN and 0 <= c["extension_range_ticks"] <= SPAN
        if why is None and not (sound and 1 <= c["call_s"] <= ss.CALL_S_MAX):
            why = "SAFEGUARD_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why)
        self.counting = True
        self.volatility[c["product_group"]] = c
        names = ("dynamic_range_ticks", "extension_range_ticks", "call_s", "product_group")
        self._answer("VolatilityRangeSet", c, *names)

    def _SetOrderRate(self, c):
        rate, burst, why = c["orders_per_s"], c["burst_orders"], None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif not 1 <= c["target_session_id"] < SESSIONS:
            why = "TARGET_OUT_OF_RANGE"
        elif rate > ss.ORDERS_PER_SECOND_MAX or burst > ss.BURST_ORDERS_MAX or (rate and not burst):
            why = "SAFEGUARD_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why)
        self.counting = True
        limit = self.rates[c["target_session_id"]]
        limit.interval = SECOND_NS // rate if rate else 0
        limit.slack, limit.paid_until = limit.interval * max(burst - 1, 0), 0
        self._answer("OrderRateSet", c, "target_session_id", "orders_per_s", "burst_orders")

    def _SetOrderToTrade(self, c):
        why = None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif not 1 <= c["account_id"] < s.ACCOUNTS:
            why = "ACCOUNT_OUT_OF_RANGE"
        elif c["orders_per_trade"] > ss.ORDERS_PER_TRADE_MAX or c["free_orders"] > ss.FREE_ORDERS_MAX:
            why = "SAFEGUARD_OUT_OF_RANGE"
        if why:
            return self._reject_setup(why, account=c["account_id"])
        self.counting = True
        day = self.days[c["account_id"]]
        day.per_trade, day.free = c["orders_per_trade"], c["free_orders"]
        self._answer("OrderToTradeSet", c, "account_id", "orders_per_trade", "free_orders")

    # Volatility interruption.

    def _range_of(self, product):
        if product.phase != m.CONTINUOUS:
            return 0
        settings = self.volatility.get(self.groups.get(product.id, 0))
        return settings["dynamic_range_ticks"] if settings else 0

    def _is_outside(self, price, anchor, product):
        reach = self._range_of(product)
        return reach > 0 and abs(price - anchor) > reach

    def _range_bound(self, order, limit):
        """The worst price within the range, for an order that trades whole or not at all."""
        reach, anchor, buys = self._range_of(order.product), self._anchor(order.product), order.side == m.BUY
        if not reach:
            return limit
        best = next(iter(order.product.queue(m.SELL if buys else m.BUY)), None)
        if best and abs(best.price - anchor) > reach:
            return min(limit, best.price - 1) if buys else max(limit, best.price + 1)
        return min(limit, anchor + reach) if buys else max(limit, anchor - reach)

    def _within_range(self, crossing, product):
        anchor = self._anchor(product)
        return list(takewhile(lambda order: not self._is_outside(order.price, anchor, product), crossing))

    def _interrupt(self, order, refused, anchor):
        product = order.product
        self.interruptions[product.id] = {"around": anchor, "extended": False}
        self._set_call(product)
        self._say(
            "VolatilityInterrupted", call_end_ns=product.call_end, product_id=product.id,
            anchor_ticks=anchor, refused_ticks=refused,
            dynamic_range_ticks=self._range_of(product),
        )  # fmt: skip
        self._enter(product, m.CALL)
        product.indicative, product.indicative_due = None, 0
        if product.indicative_ms:
            product.indicative_due = self.command["time_ns"] + product.indicative_ms * 10**6
        self._set_due(product)

    def _set_call(self, product):
        end = self.command["time_ns"] + self.volatility[self.groups.get(product.id, 0)]["call_s"] * SECOND_NS
        product.call_end = max(1, min(end, product.closure - 1) if product.closure else end)

    def _extended(self, product):
        """Whether the call after an interruption goes on, once."""
        interruption = self.interruptions.pop(product.id, None)
        if interruption is None or interruption["extended"]:
            return False
        reach = self.volatility[self.groups.get(product.id, 0)]["extension_range_ticks"]
        price, volume, _ = auction_price(product)
        if not reach or not volume or abs(price - interruption["around"]) <= reach:
            return False
        self.interruptions[product.id] = interruption | {"extended": True}
        self._set_call(product)
        self._set_due(product)
        self._say(
            "InterruptionExtended", call_end_ns=product.call_end, volume_lots=volume, product_id=product.id,
            anchor_ticks=interruption["around"], price_ticks=price, extension_range_ticks=reach,
        )  # fmt: skip
        return True
