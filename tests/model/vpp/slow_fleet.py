"""The slow twin: telemetry, commitments and settlement in dicts and fractions.

It takes the same commands as the engine, as dicts, and says the same of them. Dispatch is left
out: the random streams let an asset fall silent before its energy has to be presumed, so that
presumed energy is planned energy.
"""

from collections import defaultdict
from fractions import Fraction
from math import floor
from typing import Any

QUARTER_NS = 900 * 10**9
HOUR = Fraction(3_600 * 10**9)
MS_NS = 10**6
ENERGY, UP, DOWN = 0, 1, 2  # services
ON, SHADOW, OFF = 1, 2, 3  # submit modes


def nearest(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


class SlowFleet:
    """Answers as (event name, subject, reason or values)."""

    def __init__(self, start_ns: int) -> None:
        self.next_period = start_ns // QUARTER_NS
        self.assets: dict[int, dict[str, int]] = {}
        self.last: dict[int, dict[str, int]] = {}
        self.plan: dict[tuple[int, int], int] = defaultdict(int)
        self.out_wh: dict[tuple[int, int], int] = defaultdict(int)
        self.in_wh: dict[tuple[int, int], int] = defaultdict(int)
        self.products: dict[int, dict[str, int]] = {}
        self.bids: dict[int, dict[str, Any]] = {}
        self.committed_w: dict[int, int] = defaultdict(int)
        self.award_minor: dict[int, int] = defaultdict(int)
        self.held_w: dict[tuple[int, int], int] = defaultdict(int)  # by service and period
        self.availability_minor: dict[int, int] = defaultdict(int)
        self.calls: dict[int, list[list[int]]] = defaultdict(list)  # power, begin, end; by product
        self.paid: set[int] = set()
        self.last_bid_id = 0
        self.parents: dict[int, int] = {}
        self.unit_mode: dict[int, int] = {}
        self.reference: dict[int, int] = {}
        self.imbalance: dict[int, int] = {}
        self.last_reference = 0
        self.baseline_w: dict[tuple[int, int], int] = defaultdict(int)
        self.settled: dict[tuple[int, int], int] = {}
        self.settled_price: dict[int, int] = {}
        self.late_wh = 0
        self.dropped = 0
        self.balance: dict[object, int] = defaultdict(int)

    # Telemetry.

    def report(self, account_id: int, now_ns: int, r: dict[str, int]) -> str | None:
        """Return the reason to refuse, or None."""
        asset = self.assets.get(r["asset_id"])
        if asset is None:
            return "UNKNOWN_ASSET"
        if asset["link_account_id"] != account_id:
            return "WRONG_LINK"
        last = self.last.get(r["asset_id"])
        if r["device_number"] <= (last["device_number"] if last else 0):
            self.dropped += 1
            return None
        if r["measured_ns"] > now_ns + 5 * 10**9:
            return "FUTURE_DATED"
        if not -asset["charge_limit_w"] * 1.1 <= r["power_w"] <= asset["discharge_limit_w"] * 1.1:
            return "POWER_OUT_OF_RANGE"
        if not 0 <= r["energy_wh"] <= asset["energy_capacity_wh"] * 1.05:
            return "ENERGY_OUT_OF_RANGE"
        if last:
            if r["measured_ns"] <= last["measured_ns"]:
                return "CLOCK_WENT_BACK"
            charged = r["charged_wh"] - last["charged_wh"]
            discharged = r["discharged_wh"] - last["discharged_wh"]
            if min(charged, discharged) < 0:
                return "METER_WENT_BACK"
            hours = (r["measured_ns"] - last["measured_ns"]) / HOUR
            for moved, limit in ((charged, "charge_limit_w"), (discharged, "discharge_limit_w")):
                if moved > nearest(asset[limit] * Fraction(11, 10) * hours) + 20:
                    return "METER_JUMPED"
            self._spread(r["asset_id"], last["measured_ns"], r["measured_ns"], charged, discharged)
        self.last[r["asset_id"]] = r
        return None

    def _spread(self, asset_id: int, begin: int, end: int, charged: int, discharged: int) -> None:
        for period in range(begin // QUARTER_NS, end // QUARTER_NS + 1):
            low = max(period * QUARTER_NS, begin) - begin
            high = min((period + 1) * QUARTER_NS, end) - begin
            parts = [
                floor(Fraction(total * high, end - begin)) - floor(Fraction(total * low, end - begin))
                for total in (charged, discharged)
            ]
            if period < self.next_period:
                self.late_wh += parts[1] - parts[0]
            else:
                self.in_wh[asset_id, period] += parts[0]
                self.out_wh[asset_id, period] += parts[1]

    # The desk.

    def submit_bid(self, now_ns: int, b: dict[str, int]) -> str | None:
        """Return the reason to refuse, or None."""
        if b["bid_id"] <= self.last_bid_id:
            return "BID_ID_NOT_RISING"
        product = self.products.get(b["product_id"])
        if product is None:
            return "UNKNOWN_PRODUCT"
        if not 1 <= b["quantity_lots"] <= 100_000:
            return "QUANTITY_OUT_OF_RANGE"
        if b["unit_id"] not in {0, *self.parents, *(a["node_id"] for a in self.assets.values())}:
            return "UNKNOWN_UNIT"
        if product["service"] != ENERGY and b["side"] != 2:
            return "RESERVE_IS_SOLD_ONLY"
        if now_ns >= product["gate_closure_ns"]:
            return "AFTER_GATE_CLOSURE"
        mode = self.mode_of(b["unit_id"])
        if mode == OFF:
            return "SUBMIT_MODE_OFF"
        up = self.is_upward(b)
        limit_w = sum(a["discharge_limit_w" if up else "charge_limit_w"] for a in self.assets.values())
        for period in self.periods(product):
            open_w = sum(
                other["open_lots"] * self.products[other["product_id"]]["lot_power_w"]
                for other in self.bids.values()
                if self.is_upward(other) == up and period in self.periods(self.products[other["product_id"]])
            )
            new_w = b["quantity_lots"] * product["lot_power_w"]
            owed_w = self.committed_w[period] if up else -self.committed_w[period]
            if owed_w + self.held_w[UP if up else DOWN, period] + open_w + new_w > limit_w:
                return "ABOVE_FLEET_POWER"
        self.last_bid_id = b["bid_id"]
        if mode == SHADOW:
            return "shadowed"
        self.bids[b["bid_id"]] = {**b, "open_lots": b["quantity_lots"]}
        return None

    def mode_of(self, unit: int) -> int:
        """The mode of the nearest unit, at or above this one, that has one; else ON."""
        if unit == 0:
            return ON
        return self.unit_mode.get(unit) or self.mode_of(self.parents.get(unit, 0))

    def is_upward(self, bid: dict[str, int]) -> bool:
        """Whether it may make the fleet give more: energy sold, or up reserve."""
        service = self.products[bid["product_id"]]["service"]
        return service == UP or (service == ENERGY and bid["side"] == 2)

    def record_award(self, a: dict[str, int]) -> str | None:
        """Return the reason to refuse, or None."""
        if a["product_id"] not in self.products:
            return "UNKNOWN_PRODUCT"
        bid, product = self.bids.get(a["bid_id"]), self.products[a["product_id"]]
        if bid is None:
            return "UNKNOWN_BID"
        if bid["open_lots"] == 0 or self.periods(product)[-1] < self.next_period:
            return "BID_ENDED"
        if self.periods(product)[0] < self.next_period:
            return "PERIOD_PAST"
        if (bid["product_id"], bid["side"]) != (a["product_id"], a["side"]):
            return "AWARD_MISMATCH"
        if a["quantity_lots"] <= 0:
            return "QUANTITY_OUT_OF_RANGE"
        if a["quantity_lots"] > bid["open_lots"]:
            return "AWARD_ABOVE_BID"
        bid["open_lots"] -= a["quantity_lots"]
        sign = 1 if a["side"] == 2 else -1
        amount = sign * a["price_ticks"] * a["quantity_lots"] * product["value_minor"]
        periods = self.periods(product)
        for k, period in enumerate(periods):
            part = amount // len(periods) + (k < amount % len(periods))
            self.award_minor[period] += part
            if product["service"] == ENERGY:
                self.committed_w[period] += sign * a["quantity_lots"] * product["lot_power_w"]
            else:
                self.held_w[product["service"], period] += a["quantity_lots"] * product["lot_power_w"]
                self.availability_minor[period] += part
        self.move("exchange", "fleet", amount)
        return None

    # Reserve.

    def activate(self, now_ns: int, a: dict[str, int]) -> str | int:
        """Return the power that is owed from now on, or the reason to refuse."""
        product = self.products.get(a["product_id"])
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product["service"] == ENERGY:
            return "NOT_A_RESERVE"
        if a["quantity_lots"] < 0:
            return "QUANTITY_OUT_OF_RANGE"
        begin = product["delivery_start_ns"]
        end = begin + product["delivery_duration_s"] * 10**9
        if a["quantity_lots"]:
            won = [b for b in self.bids.values() if b["product_id"] == a["product_id"]]
            if a["quantity_lots"] > sum(b["quantity_lots"] - b["open_lots"] for b in won):
                return "ACTIVATION_ABOVE_AWARD"
            if not begin < a["until_ns"] <= end or now_ns >= end:
                return "ACTIVATION_OUTSIDE_DELIVERY"
        for call in self.calls[a["product_id"]]:
            call[2] = min(call[2], max(now_ns, call[1]))  # what runs ends now; what has not begun never does
        if not a["quantity_lots"] or a["until_ns"] <= now_ns:
            return 0
        power_w = a["quantity_lots"] * product["lot_power_w"] * (1 if product["service"] == UP else -1)
        self.calls[a["product_id"]].append([power_w, max(now_ns, begin), a["until_ns"]])
        return power_w

    def activated_wh(self, period: int) -> int:
        """The energy called on in a period, to the nearest Wh, on the clock's whole milliseconds."""
        low, high = period * QUARTER_NS, (period + 1) * QUARTER_NS
        w_ms = 0
        for power_w, begin, end in (call for calls in self.calls.values() for call in calls):
            w_ms += power_w * max(0, min(end, high) // MS_NS - max(begin, low) // MS_NS)
        return nearest(Fraction(w_ms, 3_600_000))

    def active_w(self, now_ns: int) -> int:
        """The net power that is called on now."""
        runs = (call for calls in self.calls.values() for call in calls)
        return sum(power_w for power_w, begin, end in runs if begin <= now_ns < end)

    def pay(self, product_id: int, amount: int) -> str | int:
        """Return the period that it is shared with, 0 for none, or the reason to refuse."""
        product = self.products.get(product_id)
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product["service"] == ENERGY:
            return "NOT_A_RESERVE"
        if amount < 0:
            return "AMOUNT_OUT_OF_RANGE"
        if product_id in self.paid:
            return "RESERVE_ALREADY_PAID"
        self.paid.add(product_id)
        self.move("exchange", "fleet", amount)
        last = self.periods(product)[-1]
        if last < self.next_period:
            return 0
        self.award_minor[last] += amount
        return last

    @staticmethod
    def periods(product: dict[str, int]) -> range:
        first = product["delivery_start_ns"] // QUARTER_NS
        return range(first, first + product["delivery_duration_s"] // 900)

    # Settlement.

    def settle(self) -> dict[str, Any]:
        """Settle the next period; return its energies, money and sites' shares."""
        period = self.next_period
        site_net: dict[int, int] = defaultdict(int)
        site_moved: dict[int, int] = defaultdict(int)
        estimated = wear = 0
        for asset_id, asset in self.assets.items():
            guess = self._presumed_wh(asset_id, period)
            estimated += guess
            given = self.out_wh[asset_id, period] + max(0, guess)
            taken = self.in_wh[asset_id, period] + max(0, -guess)
            site_net[asset["node_id"]] += given - taken
            site_moved[asset["node_id"]] += given + taken
            wear += given * asset["wear_price_ticks"] // 100
        metered = sum(site_net.values())
        baseline = 0
        for site in {asset["node_id"] for asset in self.assets.values()}:
            self.settled[site, period] = site_net[site]
            if power_w := self.baseline_w[site, period]:
                by_itself = nearest(Fraction(power_w, 4))
                site_moved[site] = abs(site_net[site] - by_itself)
                baseline += by_itself
        activated = self.activated_wh(period)
        owed = nearest(Fraction(self.committed_w[period], 4)) + activated
        off = metered - baseline - owed
        price = self.settled_price[period] = self._imbalance_price(period, off)
        imbalance = off * price // 100
        income = self.award_minor[period] + imbalance - wear
        self.move("balancing", "fleet", imbalance)
        self.move("fleet", "wear", wear)
        shares = {}
        for site, moved in sorted(site_moved.items()):
            if moved:
                shares[site] = floor(Fraction(income * moved, sum(site_moved.values())))
                self.move("fleet", site, shares[site])
        self.next_period += 1
        late, self.late_wh = self.late_wh, 0
        return {
            "energy": (owed, metered, estimated, late, price),
            "money": (self.award_minor[period], imbalance, wear),
            "baseline": baseline,
            "reserve": (
                activated,
                self.availability_minor[period],
                self.held_w[UP, period],
                self.held_w[DOWN, period],
            ),
            "sites": [(site, site_net[site], share, self.balance[site]) for site, share in shares.items()],
        }

    def correct(self, site: int, period: int, metered: int) -> tuple[int, int, int] | str:
        """Return the money, the site's balance and the energy, or the reason to refuse."""
        if site not in {asset["node_id"] for asset in self.assets.values()}:
            return "UNKNOWN_SITE"
        if period >= self.next_period:
            return "PERIOD_NOT_SETTLED"
        if (site, period) not in self.settled:
            return "BEYOND_RESETTLEMENT"
        off = metered - self.settled[site, period]
        if off == 0:
            return "NOTHING_TO_CORRECT"
        amount = off * self.settled_price[period] // 100
        self.move("balancing", "fleet", amount)
        self.move("fleet", site, amount)
        self.settled[site, period] = metered
        return amount, self.balance[site], off

    def _presumed_wh(self, asset_id: int, period: int) -> int:
        measured = self.last[asset_id]["measured_ns"] if asset_id in self.last else 0
        missing = (period + 1) * QUARTER_NS - max(measured, period * QUARTER_NS)
        return nearest(self.plan[asset_id, period] * (missing / HOUR)) if missing > 0 else 0

    def _imbalance_price(self, period: int, deviation_wh: int) -> int:
        self.last_reference = self.reference.get(period, self.last_reference)
        if period in self.imbalance:
            return self.imbalance[period]
        spread = abs(self.last_reference) // 10
        return self.last_reference + (spread if deviation_wh < 0 else -spread)

    def move(self, source: object, target: object, amount: int) -> None:
        self.balance[source] -= amount
        self.balance[target] += amount
