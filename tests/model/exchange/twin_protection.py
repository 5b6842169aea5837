"""The slow twin's protection of market makers: every trade of a quote is kept, and summed up anew."""

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import safeguards_state as ss
from ringmain.exchange import state as s

LIMITS = ("volume_max_lots", "net_max_lots", "fills_max")


class Protection:
    def __init__(self):
        self.limits = dict.fromkeys((*LIMITS, "window_ms"), 0)
        self.fills = []  # the part of the time in which it was, and the lots, below zero if sold
        self.tripped = self.product = 0
        self.withdrawing = self.told = False
        self.next_slot = 0

    def sums(self):
        lots = [lots for _, lots in self.fills]
        return sum(map(abs, lots)), sum(lots), len(lots)


class Protections:
    def __init__(self):
        self.quoter_index = {}
        self.protections = {}  # by session and group

    def _number_quoter(self, quoter):
        taken = set(self.quoter_index.values())
        free = min(
            index for index in range(1, ms.QUOTERS + 1) if index not in taken or quoter in self.quoter_index
        )
        self.quoter_index.setdefault(quoter, free)

    def _drop_protections(self, quoter):
        self.quoter_index.pop(quoter, None)
        self.protections = {key: each for key, each in self.protections.items() if key[0] != quoter}

    def _protection(self, session, group):
        return self.protections.setdefault((session, group), Protection())

    def _is_tripped(self, session, product):
        key = (session, self.groups.get(product.id, 0))
        return key in self.protections and self.protections[key].tripped

    def _SetQuoteProtection(self, c):
        if why := self._protected_fault(c):
            return self._reject_setup(why)
        if not 0 <= c["window_ms"] <= ms.WINDOW_MS_MAX or not 0 <= c["fills_max"] <= ms.PROTECTED_FILLS_MAX:
            return self._reject_setup("QUOTE_PROTECTION_OUT_OF_RANGE")
        if any(not 0 <= c[name] <= ms.PROTECTED_LOTS_MAX for name in LIMITS[:2]):
            return self._reject_setup("QUOTE_PROTECTION_OUT_OF_RANGE")
        self.counting = True
        quoter = c["quoter_id"] or c["session_id"]
        protection = self._protection(quoter, c["product_group"])
        protection.limits, protection.fills = {name: c[name] for name in protection.limits}, []
        return self._say(
            "QuoteProtectionSet", **protection.limits, quoter_id=quoter, product_group=c["product_group"]
        )

    def _ResetQuoteProtection(self, c):
        quoter, group = c["quoter_id"] or c["session_id"], c["product_group"]
        why = self._protected_fault(c)
        if not why and self._protection(quoter, group).withdrawing:
            why = "QUOTES_BEING_WITHDRAWN"
        if why:
            return self._reject_setup(why)
        protection = self._protection(quoter, group)
        protection.fills, protection.tripped = [], 0
        return self._say("QuoteProtectionReset", quoter_id=quoter, product_group=group)

    def _protected_fault(self, c):
        quoter = c["quoter_id"] or c["session_id"]
        if quoter != c["session_id"] and self.seat.account != 0:
            return "OPERATOR_ONLY"
        if quoter not in self.quotes:
            return "NOT_A_QUOTER"
        return None if c["product_group"] < ss.GROUPS else "GROUP_OUT_OF_RANGE"

    def _note_quote(self, fill):
        session, product = fill["session_id"], fill["product_id"]
        last = self.quotes.get(session, {}).get(product)
        protection = self.protections.get((session, self.groups.get(product, 0)))
        if fill["role"] == m.AUCTION or last != abs(fill["session_number"]) or protection is None:
            return
        limits = protection.limits
        if not limits["window_ms"]:
            return
        part = fill["time_ns"] * ms.WINDOW_PARTS // (limits["window_ms"] * 10**6)
        lots = fill["quantity_lots"] * (1 if fill["side"] == m.BUY else -1)
        protection.fills = [each for each in protection.fills if each[0] > part - ms.WINDOW_PARTS]
        protection.fills.append((part, lots))
        volume, net, count = protection.sums()
        reached = [
            limit
            for limit, name, value in zip(
                (mm.VOLUME, mm.NET, mm.FILLS), LIMITS, (volume, abs(net), count), strict=True
            )
            if 0 < limits[name] <= value
        ]
        if reached and not protection.tripped:
            protection.tripped, protection.product = reached[0], product
            protection.withdrawing, protection.told, protection.next_slot = True, False, 0

    def _is_withdrawing(self):
        return any(each.withdrawing for each in self.protections.values())

    def _withdraw_quotes(self):
        for session in sorted(self.quoter_index, key=self.quoter_index.get):
            for group in range(ss.GROUPS):
                protection = self.protections.get((session, group))
                if protection and protection.withdrawing:
                    self._withdraw(session, group, protection)

    def _withdraw(self, session, group, protection):
        if not protection.told:
            if len(self.events) + 1 > s.EVENTS_PER_COMMAND:
                return
            volume, net, count = protection.sums()
            self._say(
                "QuoteProtectionTripped", session, 0, volume_lots=volume, net_lots=net, fill_count=count,
                product_id=protection.product, account_id=self.seats[session].account, product_group=group,
                limit_reached=protection.tripped,
            )  # fmt: skip
            protection.told = True
        if any(product.phase == m.UNCROSSING for product in self.products.values()):
            return
        while protection.next_slot < s.PRODUCTS:
            product = self.products.get(protection.next_slot)
            quotes = self.quotes[session]
            if product and product.id in quotes and self.groups.get(product.id, 0) == group:
                if len(self.events) + 2 > s.EVENTS_PER_COMMAND:
                    return
                for sign in (1, -1):
                    if order := self.orders.get((session, sign * quotes[product.id])):
                        self._cancelled(order, "QUOTE_PROTECTION")
                        self._remove(order)
            protection.next_slot += 1
        protection.withdrawing = False
