"""A desk for day-ahead auctions: products, an auction, orders, proposals."""

import numpy as np
from exchange_rig import Desk

from ringmain.exchange import dayahead_messages as d
from ringmain.exchange import messages as m

GATE_NS, RESULT_NS, CLOSURE_NS = 1_000, 2_000, 5_000
PRICE_MIN, PRICE_MAX = -50_000, 400_000
ANY = 1_000  # a minimum ratio of all or nothing


class Floor(Desk):
    """A desk with an auction. Accounts 1 to 4 speak as sessions 11 to 14, the operator as session 1."""

    def __init__(self, zones=1, periods=2, cash=10**15, limit=10**9, lines=(), low=PRICE_MIN, high=PRICE_MAX):
        super().__init__(twin=False)
        self.low, self.high = low, high
        self.zones, self.periods, self.lines, self.auction_id = zones, periods, lines, 0
        self.open(1, 0)
        for account in (1, 2, 3, 4):
            self.account(account, cash=cash, long=limit, short=limit)
            self.open(10 + account, account)

    def draft(self, first_product=1):
        """Define products and an auction, and open it."""
        self.auction_id += 1
        start = self.now_ns
        for n in range(self.zones * self.periods):
            self.product(first_product + n, closure=start + CLOSURE_NS, kind=m.HOURLY)
        times = {"gate_ns": start + GATE_NS, "result_ns": start + RESULT_NS}
        self.operate(
            d.DefineAuction, price_min_ticks=self.low, price_max_ticks=self.high,
            period_count=self.periods, zone_count=self.zones, **times,
        )  # fmt: skip
        for zone in range(self.zones):
            self.operate(d.DefineZone, first_product_id=first_product + zone * self.periods, zone=zone)
        for number, (begin, end, forward, backward) in enumerate(self.lines):
            for period in range(self.periods):
                self.operate(
                    d.DefineTransfer, forward_lots=_at(forward, period), backward_lots=_at(backward, period),
                    line=number, from_zone=begin, to_zone=end, first_period=period, period_count=1,
                )  # fmt: skip
        return self.operate(d.OpenAuction)

    def operate(self, record, session=1, **values):
        return self.send(record, session, **{"auction_id": self.auction_id, **values})

    def segment(self, session, side, begin, lots, zone=0, period=0, end=None, index=0, count=1):
        return self.operate(
            d.SubmitCurveSegment, session, begin_ticks=begin, end_ticks=begin if end is None else end,
            quantity_lots=lots, zone=zone, period=period, segment_index=index, segment_count=count, side=side,
        )  # fmt: skip

    def curve(self, session, segments, zone=0, period=0):
        """Send a whole curve: (side, begin, end, lots) each."""
        for index, (side, begin, end, lots) in enumerate(segments):
            events = self.segment(session, side, begin, lots, zone, period, end, index, len(segments))
        return events

    def block(
        self,
        session,
        side,
        price,
        lots,
        first=0,
        count=None,
        zone=0,
        minimum=ANY,
        parent=0,
        group=0,
        run=None,
    ):
        count = self.periods if count is None else count
        return self.operate(
            d.SubmitBlock, session, price_ticks=price, quantity_lots=lots, parent_block_id=parent,
            exclusive_group=group, zone=zone, first_period=first, period_count=count,
            run_periods=count if run is None else run, minimum_ratio_permille=minimum, side=side,
        )  # fmt: skip

    def freeze(self):
        return self.tick(self.now_ns + GATE_NS)

    def propose(self, prices, ratios=(), flows=(), gap=0, welfare=0):
        """Propose prices[zone][period], (block_id, ratio) and (line, period, lots); return the answer."""
        events = []
        for zone, line in enumerate(prices):
            for period, price in enumerate(line):
                events += self.operate(d.ProposePrice, price_ticks=int(price), zone=zone, period=period)
        for block_id, ratio in ratios:
            events += self.operate(d.ProposeBlock, block_id=block_id, ratio_billionths=ratio)
        for number, period, lots in flows:
            events += self.operate(d.ProposeFlow, flow_lots=lots, line=number, period=period)
        return events + self.operate(d.CommitProposal, welfare_tick_lots=welfare, gap_millionths=gap)

    def book(self):
        """Run the timers that are due now; return their events."""
        return self.tick()

    def auction(self):
        return self.state().dayahead


def _at(capacity, period):
    return capacity[period] if isinstance(capacity, list) else capacity


def of(events, name):
    return [event for event in events if event["record"] == name]


def check_ledger(floor):
    """Money and lots sum to zero, and without an auction nothing of it is set aside."""
    state = floor.state()
    cash = state.participants["cash"]
    assert cash["balance_minor"].sum() == 0
    assert (cash["reserved_minor"] >= 0).all()
    used = np.unique(state.position_at[state.position_at > 0])
    lots = state.positions["lots"][used]
    assert (lots["expected_minor"] >= 0).all() and (lots["reserved_minor"] >= 0).all()
    for unit in np.unique(lots["unit"]):
        assert lots["balance_minor"][lots["unit"] == unit].sum() == 0
    if state.dayahead.phase == d.ABSENT:
        assert cash["reserved_minor"].sum() == 0
        assert lots["expected_minor"].sum() == lots["reserved_minor"].sum() == 0
        left = state.dayahead.copy()
        kept = left["blocks"]["block_id"].copy()
        assert left["curves"]["owed_minor"].sum() == 0 and left["segments"]["lots"].sum() == 0
        assert (left["markets"]["price_ticks"] == 0).all() and (kept >= 0).all()
