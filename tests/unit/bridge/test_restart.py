"""A bridge that dies anywhere and is made anew passes everything on, and nothing twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from ringmain.bridge.orders import Bridge
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeWriter
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveSettled, ReserveTermsSet
from ringmain.vpp import messages as vpp
from ringmain.vpp.reserve_messages import ReserveRejected

TRADING, SOMEBODY = 3, 9  # sessions
OWN, OTHER = 5, 6  # accounts
HOUR_NS = 3_600_000_000_000


class DeathError(Exception):
    """The bridge's process ends."""


class Market:
    """One market as the bridge's session sees it: a tape, and what it has taken, by number."""

    def __init__(self, folder, schema, session_id):
        folder.mkdir()
        self.schema, self.session_id = schema, session_id
        page = NodePage(folder / "page", create=True)
        self.tape = TapeWriter(folder / "tape", page, schema.record_bytes)
        self.taken = []  # (number, record's name)

    def say(self, *events):
        batch = self.schema.batch(events)
        self.tape.append(batch)
        self.tape.publish(self.tape.position)

    def client(self, lives):
        last = self.taken[-1][0] if self.taken else 0
        return Session(
            self, SimpleNamespace(session_id=self.session_id, next_number=last + 1, account_id=OWN), lives
        )


class Session:
    """Stands for a client; every command costs one of the bridge's `lives`, a list with their number."""

    def __init__(self, market, protocol, lives):
        self.market, self.protocol, self.lives = market, protocol, lives

    def send(self, command):
        number = self.protocol.next_number
        if not self.lives[0]:
            raise DeathError
        self.lives[0] -= 1
        self.protocol.next_number += 1
        said = self.market.schema.unpack_command(command)
        assert not self.market.taken or number > self.market.taken[-1][0]
        self.market.taken.append((number, said["record"]))
        return number

    def settle(self):
        pass

    def poll(self):
        return self.market.schema.empty(0)


def event(record, session_id=0, session_number=0, **values):
    names = {field.name: 0 for field in record.fields}
    return record(session_id, session_number, **{**names, **values})


def bid(bid_id, **terms):
    values = {"bid_id": bid_id, "product_id": 7, "quantity_lots": 5, "side": vpp.SELL}
    return event(vpp.BidSubmitted, **{**values, **terms})


def curve(number, **place):
    return event(
        dayahead.CurveSegmentAccepted, TRADING, number, auction_id=3, account_id=5, segment_count=1, **place
    )


def fill(number, session_id=TRADING):
    return event(exchange.OrderFilled, session_id, number, product_id=7, quantity_lots=2, side=exchange.SELL)


STAGES = [
    ("exchange", [event(exchange.ProductDefined, product_id=7, product_kind=exchange.HOURLY)]),
    ("exchange", [event(exchange.ProductScheduled, product_id=7)]),
    ("vpp", [bid(41), bid(42), event(vpp.BidCancelRequested, bid_id=41, product_id=7), bid(43)]),
    ("exchange", [fill(1), fill(2, SOMEBODY), fill(2),
                  event(exchange.AuctionUncrossed, product_id=7, volume_lots=4, price_ticks=900)]),
    ("exchange", [event(exchange.OrderCancelled, TRADING, 1, reason=exchange.CANCELLATIONS["BY_OWNER"]),
                  fill(4), fill(4)]),
]  # fmt: skip
ORDERS = [(1, "PlaceOrder"), (2, "PlaceOrder"), (3, "CancelOrder"), (4, "PlaceOrder")]
NEWS = [
    (3, "DefineProduct"), (5, "RecordAward"), (9, "RecordAward"), (11, "RecordPrice"),
    (13, "RecordOrderEnded"), (15, "RecordAward"), (17, "RecordAward"),
]  # fmt: skip


DAY_AHEAD_STAGES = [
    ("exchange", [event(exchange.ProductDefined, product_id=7, product_kind=exchange.HOURLY),
                  event(exchange.ProductDefined, product_id=8, product_kind=exchange.HOURLY,
                        delivery_start_ns=HOUR_NS),
                  event(dayahead.AuctionDefined, auction_id=3, period_count=2, zone_count=1),
                  event(dayahead.ZoneDefined, auction_id=3, first_product_id=7),
                  event(dayahead.AuctionPhaseChanged, auction_id=3, phase=dayahead.OPEN)]),
    ("vpp", [bid(41), bid(42, product_id=8), bid(43, time_in_force=vpp.IMMEDIATE_OR_CANCEL),
             bid(44, product_id=9)]),
    ("exchange", [curve(1, period=0), curve(2, period=1),
                  event(dayahead.AuctionPhaseChanged, auction_id=3, phase=dayahead.BOOKING),
                  event(dayahead.PriceSet, auction_id=3, price_ticks=-70),
                  event(dayahead.CurveAwarded, auction_id=3, account_id=6, sold_lots=9),
                  event(dayahead.CurveAwarded, auction_id=3, account_id=5, sold_lots=5),
                  event(dayahead.CurveAwarded, auction_id=3, account_id=5, period=1, sold_lots=2),
                  event(exchange.AuctionUncrossed, product_id=7, volume_lots=4, price_ticks=900)]),
    ("vpp", [bid(45)]),
]  # fmt: skip
DAY_AHEAD_ORDERS = [
    (1, "SubmitCurveSegment"), (2, "SubmitCurveSegment"), (3, "PlaceOrder"), (4, "PlaceOrder"),
    (5, "PlaceOrder"),
]  # fmt: skip
DAY_AHEAD_NEWS = [(17, "RecordPrice"), (21, "RecordAward"), (23, "RecordAward"), (24, "RecordOrderEnded")]


RESERVE_STAGES = [
    ("exchange", [event(exchange.ProductDefined, product_id=7, product_kind=exchange.RESERVE_UP),
                  event(ReserveTermsSet, product_id=7, delivery_duration_s=14_400),
                  event(exchange.ProductScheduled, product_id=7)]),
    ("vpp", [bid(41)]),
    ("exchange", [fill(1), event(exchange.AuctionUncrossed, product_id=7, volume_lots=2, price_ticks=900)]),
    ("exchange", [event(ReserveActivated, product_id=7, account_id=OTHER, quantity_lots=3),
                  event(ReserveActivated, product_id=7, account_id=OWN, quantity_lots=1)]),
    ("exchange", [event(ReserveActivated, product_id=7, account_id=OWN),
                  event(ReserveSettled, product_id=7, account_id=OTHER, amount_minor=9),
                  event(ReserveSettled, product_id=7, account_id=OWN, amount_minor=9)]),
]  # fmt: skip
RESERVE_ORDERS = [(1, "PlaceOrder")]
RESERVE_NEWS = [
    (5, "DefineReserve"), (7, "RecordAward"), (13, "RecordActivation"), (15, "RecordActivation"),
    (19, "RecordReserveSettled"),
]  # fmt: skip


@pytest.mark.parametrize("lives", range(1, 12))
@pytest.mark.parametrize(
    ("stages", "orders", "news"),
    [
        (STAGES, ORDERS, NEWS),
        (DAY_AHEAD_STAGES, DAY_AHEAD_ORDERS, DAY_AHEAD_NEWS),
        (RESERVE_STAGES, RESERVE_ORDERS, RESERVE_NEWS),
    ],
    ids=["books", "day-ahead", "reserve"],
)
def test_nothing_is_lost_or_doubled(tmp_path, lives, stages, orders, news):
    """It dies each time after so many commands, wherever that is."""
    markets = {
        "exchange": Market(tmp_path / "exchange", exchange.schema, TRADING),
        "vpp": Market(tmp_path / "vpp", vpp.SCHEMA, 5),
    }
    bridge = None
    for name, events in stages:
        markets[name].say(*events)
        while True:
            try:
                if bridge is None:
                    left = [lives]
                    bridge = Bridge(tmp_path, markets["exchange"].client(left), markets["vpp"].client(left))
                bridge.back()
                bridge.forward()
                break
            except DeathError:
                bridge = None
    assert markets["exchange"].taken == orders
    assert markets["vpp"].taken == news


def test_refusals_are_counted(tmp_path):
    markets = [
        Market(tmp_path / "exchange", exchange.schema, TRADING), Market(tmp_path / "vpp", vpp.SCHEMA, 5)
    ]  # fmt: skip
    trading, telling = (market.client([9]) for market in markets)
    bridge = Bridge(tmp_path, trading, telling)
    refused = [
        event(record) for record in (vpp.PriceRejected, vpp.AwardRejected, vpp.PriceRecorded, ReserveRejected)
    ]
    telling.poll = lambda: vpp.SCHEMA.batch(refused).view(np.recarray)
    bridge.back()
    assert bridge.rejected == 3
