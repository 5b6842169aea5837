"""The slow twin's rules for reserve: what a product's buyer calls, and what each seller has of it.

A product remembers every call with its shares; energy and what is set aside are computed from them anew.
"""

from dataclasses import dataclass, field

from ringmain.exchange import messages as m
from ringmain.exchange import reserve_state as rs
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s
from ringmain.ledger.accounts import LIMIT_MINOR

KINDS = (m.RESERVE_UP, m.RESERVE_DOWN)
MS = 10**6
TERMS = ("product_id", "buyer_account_id", "activation_ticks", "delivery_duration_s", "activation_max_s")


@dataclass
class Call:
    begin_ms: int
    end_ms: int
    shares: dict[int, int]

    def energy(self, account):
        return self.shares.get(account, 0) * (self.end_ms - self.begin_ms)


@dataclass
class Held:
    """What is held and called of a product; in sums of what is set aside it stands beside orders."""

    terms: dict
    calls: list[Call] = field(default_factory=list)
    level: int = 0
    until: int = 0
    told: dict[int, tuple[int, int]] = field(default_factory=dict)
    next_told: int = 1
    untold: int = 0
    next_settled: int = 1
    paid: int = 0
    done: bool = False
    product = side = None
    lots = 0

    @property
    def account(self):
        return self.terms["buyer_account_id"]

    def cost(self, energy):
        return self.terms["activation_ticks"] * energy // 3_600

    def energy(self, account=None):
        accounts = {a for call in self.calls for a in call.shares} if account is None else [account]
        return sum(call.energy(a) for call in self.calls for a in accounts)

    def owed(self):
        return 0 if self.done else self.cost(self.energy()) - self.paid

    def share(self, account):
        return self.calls[-1].shares.get(account, 0) if self.level else 0


class Reserves:
    def __init__(self):
        self.held: dict[int, Held] = {}  # by slot

    def _held(self, product):
        return self.held[product.id % s.PRODUCTS]

    def _SetReserveTerms(self, c):
        product = self._product(c["product_id"])
        if why := self._terms_fault(c, product):
            return self._reject_setup(why, product=c["product_id"], account=c["buyer_account_id"])
        self.held[product.id % s.PRODUCTS] = Held({name: c[name] for name in TERMS})
        self._say("ReserveTermsSet", **{name: c[name] for name in TERMS})

    def _terms_fault(self, c, product):
        if self.seat.account != 0:
            return "OPERATOR_ONLY"
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.kind not in KINDS:
            return "WRONG_PRODUCT_KIND"
        if product.phase != m.DEFINED:
            return "WRONG_PHASE"
        if not 1 <= c["buyer_account_id"] < s.ACCOUNTS:
            return "ACCOUNT_OUT_OF_RANGE"
        if c["buyer_account_id"] not in self.accounts:
            return "ACCOUNT_NOT_OPEN"
        sound = 1 <= product.start <= rs.DELIVERY_START_NS_MAX
        sound &= 0 <= c["activation_ticks"] <= s.PRICE_TICKS_MAX
        sound &= 1 <= c["delivery_duration_s"] <= rs.RESERVE_DURATION_S_MAX
        sound &= c["activation_max_s"] <= c["delivery_duration_s"]
        return None if sound else "RESERVE_TERMS_OUT_OF_RANGE"

    def _opening_fault(self, product, closure):
        if product.kind not in KINDS:
            return None
        if product.id % s.PRODUCTS not in self.held:
            return "RESERVE_TERMS_MISSING"
        return "WRONG_SCHEDULE" if closure > product.start else None

    def _side_fault(self, product, side):
        if product.kind not in KINDS:
            return None
        held = self.held.get(product.id % s.PRODUCTS)
        if held and self.seat.account == held.account:
            return "RESERVE_BUYER_MAY_NOT_SELL" if side == m.SELL else None
        return "RESERVE_BUYER_ONLY" if side == m.BUY else None

    def _has_begun(self, product):
        return product.kind in KINDS and self.command["time_ns"] >= product.start

    def _end_ns(self, product):
        return product.start + self._held(product).terms["delivery_duration_s"] * 10**9

    # Calls.

    def _ActivateReserve(self, c):
        product, lots = self._product(c["product_id"]), c["quantity_lots"]
        until = c["until_ns"] if lots > 0 else c["time_ns"]
        why = self._participant_fault() or self._activation_fault(c, product)
        if why is None:
            held, now_ms = self._held(product), c["time_ns"] // MS
            before = self._cut(held, now_ms)
            call = Call(now_ms, until // MS, self._shares_of_call(product, held, lots))
            why = self._call_fault(product, held, before, call)
        if why:
            return self._say("ActivationRejected", product_id=c["product_id"], quantity_lots=lots, reason=why)
        held.calls = [*before, call]
        self._set_level(product, held, lots, until)
        return self._set_due(product)

    def _activation_fault(self, c, product):
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.kind not in KINDS:
            return "WRONG_PRODUCT_KIND"
        held, end, lots = self.held.get(product.id % s.PRODUCTS), None, c["quantity_lots"]
        if held is None or held.account != self.seat.account:
            return "RESERVE_BUYER_ONLY"
        if product.phase != m.HOLDING:
            return "WRONG_PHASE"
        end = self._end_ns(product)
        if not product.start <= c["time_ns"] < end:
            return "ACTIVATION_OUTSIDE_DELIVERY"
        if lots < 0:
            return "QUANTITY_OUT_OF_RANGE"
        if lots == 0:
            return None
        if {(sm.SESSION_SCOPE, c["session_id"]), (sm.ACCOUNT_SCOPE, held.account)} & self.killed:
            return "KILL_SWITCH_ENGAGED"
        if lots > product.positions.get(held.account, 0):
            return "ACTIVATION_ABOVE_POSITION"
        return None if c["time_ns"] < c["until_ns"] <= end else "ACTIVATION_OUTSIDE_DELIVERY"

    def _call_fault(self, product, held, before, call):
        for account, lots in product.positions.items():
            energy = sum(each.energy(account) for each in [*before, call])
            most = -lots * held.terms["activation_max_s"] * 1_000
            if call.shares and lots < 0 and energy > most:
                return "ACTIVATION_TOO_LONG"
        after = Held(held.terms, [*before, call])
        if after.energy() > LIMIT_MINOR // max(held.terms["activation_ticks"], 1):
            return "CREDIT_EXCEEDED"
        account = self.accounts[held.account]
        more = after.owed() - held.owed()
        owed = sum(o.owed() for o in self._standing() if o.account == held.account)
        return "CREDIT_EXCEEDED" if 0 < more > account.cash + account.credit - owed else None

    def _cut(self, held, now_ms):
        """The calls so far, the running one cut off now."""
        if not held.level:
            return held.calls
        last = held.calls[-1]
        return [*held.calls[:-1], Call(last.begin_ms, min(last.end_ms, now_ms), last.shares)]

    def _shares_of_call(self, product, held, lots):
        """Cumulative: what is due to the first so many sellers together, rounded down."""
        sold = {account: -position for account, position in sorted(product.positions.items()) if position < 0}
        total, below, shares = sum(sold.values()), 0, {}
        for account in sold if lots else ():
            due = lots * sum(lot for other, lot in sold.items() if other <= account) // total
            shares[account], below = due - below, due
        assert sum(shares.values()) == lots or not lots
        return shares

    def _set_level(self, product, held, lots, until):
        held.level, held.until, held.untold = lots, until, s.ACCOUNTS - 1
        self._say(
            "ReserveLevelSet", until_ns=until, set_aside_minor=held.owed(), product_id=product.id,
            account_id=held.account, quantity_lots=lots,
        )  # fmt: skip
        self._tell_sellers(product, held)

    def _tell_sellers(self, product, held):
        told = 0
        while held.untold and told < rs.SHARES_TOLD_PER_STEP:
            account, held.untold = held.next_told, held.untold - 1
            held.next_told = account % (s.ACCOUNTS - 1) + 1
            before, share = held.told.get(account, (0, 0)), held.share(account)
            if before[0] != share or (share and before[1] != held.until):
                held.told[account] = (share, held.until)
                told += 1
                self._say(
                    "ReserveActivated", until_ns=held.until, product_id=product.id, account_id=account,
                    quantity_lots=share, activation_ticks=held.terms["activation_ticks"],
                )  # fmt: skip

    # Timers.

    def _end_trading(self, product):
        self._enter(product, m.HOLDING if product.kind in KINDS else m.DELIVERING)
        self._set_due(product)

    def _set_holding_due(self, product):
        held = self._held(product)
        if held.untold:
            self._due_now(product)
        else:
            product.due = held.until if held.level else self._end_ns(product)

    def _hold(self, product):
        held = self._held(product)
        if held.level and held.until <= self.command["time_ns"]:
            self._set_level(product, held, 0, held.until)
        elif held.untold:
            self._tell_sellers(product, held)
        else:
            self._settle_reserve(product, held)
        if product.phase == m.HOLDING:
            self._set_due(product)

    def _settle_reserve(self, product, held):
        paid = 0
        while held.next_settled < s.ACCOUNTS and paid < rs.SHARES_SETTLED_PER_STEP:
            account, held.next_settled = held.next_settled, held.next_settled + 1
            energy = held.energy(account)
            if energy:
                amount = held.cost(energy)
                held.paid += amount
                self.accounts[held.account].cash -= amount
                self.accounts[account].cash += amount
                paid += 1
                self._say(
                    "ReserveSettled", amount_minor=amount, activated_lot_ms=energy, product_id=product.id,
                    account_id=account,
                )  # fmt: skip
        if held.next_settled < s.ACCOUNTS:
            return
        held.done = True
        if held.energy():
            self._say(
                "ReserveBilled", amount_minor=held.paid, activated_lot_ms=held.energy(),
                product_id=product.id, account_id=held.account,
            )  # fmt: skip
        self._enter(product, m.DELIVERING)
