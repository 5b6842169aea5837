"""A bridge that dies anywhere and is made anew passes everything on, and nothing twice."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from ringmain.bridge import orders as module
from ringmain.bridge.orders import MOST_SAID, Bridge
from ringmain.client.checkpoint import Checkpoint
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeWriter
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveSettled, ReserveTermsSet
from ringmain.vpp import messages as vpp
from ringmain.vpp.block_messages import BlockBidRun, BlockBidSubmitted
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


def told(position, place=0):
    """Return the number under which the bridge passes on what stands at a position of the exchange's tape."""
    return MOST_SAID * position + 1 + place


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
    (told(1), "DefineProduct"), (told(2), "RecordAward"), (told(4), "RecordAward"), (told(5), "RecordPrice"),
    (told(6), "RecordOrderEnded"), (told(7), "RecordAward"), (told(8), "RecordAward"),
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
DAY_AHEAD_NEWS = [
    (told(8), "RecordPrice"),
    (told(10), "RecordAward"),
    (told(11), "RecordAward"),
    (told(11, 1), "RecordOrderEnded"),
]


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
    (told(2), "DefineReserve"), (told(3), "RecordAward"), (told(6), "RecordActivation"),
    (told(7), "RecordActivation"), (told(9), "RecordReserveSettled"),
]  # fmt: skip


def block(bid_id, lots, **terms):
    values = {"first_product_id": 7, "side": vpp.BUY, "period_count": 2, "run_periods": 1}
    return event(BlockBidSubmitted, bid_id=bid_id, quantity_lots=lots, **{**values, **terms})


def accepted(number, block_id):
    return event(dayahead.BlockAccepted, TRADING, number, block_id=block_id, account_id=5)


def refused(number):
    return event(dayahead.AuctionCommandRejected, TRADING, number, rejected_kind=dayahead.SubmitBlock.kind)


def awarded(block_id, ratio=1_000_000_000):
    return event(dayahead.BlockAwarded, auction_id=3, block_id=block_id, ratio_billionths=ratio)


# Two families of an exclusive group, one child's parent being refused, and a block that is taken back.
BLOCK_STAGES = [
    DAY_AHEAD_STAGES[0],
    ("vpp", [block(41, 2, exclusive_group=1), event(BlockBidRun, bid_id=41, quantity_lots=3, run_periods=1),
             block(42, 4, side=vpp.SELL, parent_bid_id=41, run_periods=2), block(43, 6, run_periods=2),
             block(44, 7, side=vpp.SELL, parent_bid_id=43, run_periods=2), block(45, 1, run_periods=2),
             event(vpp.BidCancelRequested, bid_id=45, product_id=7)]),
    ("exchange", [accepted(2, 901),
                  refused(4)]),
    ("exchange", [accepted(3, 902),
                  refused(5),
                  accepted(6, 903)]),
    ("exchange", [event(dayahead.AuctionOrderCancelled, auction_id=3, block_id=903),
                  event(dayahead.PriceSet, auction_id=3, price_ticks=-70),
                  event(dayahead.PriceSet, auction_id=3, price_ticks=40, period=1),
                  awarded(77), awarded(901), awarded(902, 0)]),
]  # fmt: skip
BLOCK_ORDERS = [
    (1, "SubmitBlock"), (2, "ExtendBlock"), (3, "SubmitBlock"), (4, "SubmitBlock"), (5, "SubmitBlock"),
    (6, "SubmitBlock"), (7, "CancelAuctionOrder"),
]  # fmt: skip
BLOCK_NEWS = [
    (told(6), "RecordOrderEnded"), (told(8), "RecordOrderEnded"), (told(10), "RecordOrderEnded"),
    (told(11), "RecordPrice"), (told(12), "RecordPrice"), (told(14), "RecordAward"),
    (told(14, 1), "RecordAward"), (told(14, 2), "RecordOrderEnded"), (told(15), "RecordOrderEnded"),
]  # fmt: skip


@pytest.mark.parametrize("lives", range(1, 12))
@pytest.mark.parametrize(
    ("stages", "orders", "news"),
    [
        (STAGES, ORDERS, NEWS),
        (DAY_AHEAD_STAGES, DAY_AHEAD_ORDERS, DAY_AHEAD_NEWS),
        (RESERVE_STAGES, RESERVE_ORDERS, RESERVE_NEWS),
        (BLOCK_STAGES, BLOCK_ORDERS, BLOCK_NEWS),
    ],
    ids=["books", "day-ahead", "reserve", "blocks"],
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


def a_day(dice):
    """Return stages of a day: products, an auction, bids, fills, cancellations, and other people's."""
    products = range(7, 19)
    defined = [event(exchange.ProductDefined, product_id=n, product_kind=exchange.HOURLY,
                     delivery_start_ns=n * HOUR_NS) for n in products]  # fmt: skip
    auction = [
        event(dayahead.AuctionDefined, auction_id=3, period_count=4, zone_count=1),
        event(dayahead.ZoneDefined, auction_id=3, first_product_id=7),
        event(dayahead.AuctionPhaseChanged, auction_id=3, phase=dayahead.OPEN),
    ]
    asked = [bid(40 + n, product_id=7 + n, time_in_force=vpp.REST) for n in range(4)]
    curves = [curve(n + 1, period=n) for n in range(4)]
    awards = [event(dayahead.CurveAwarded, auction_id=3, account_id=5, period=n, sold_lots=dice.randrange(6))
              for n in range(4)]  # fmt: skip
    cleared = [event(dayahead.AuctionPhaseChanged, auction_id=3, phase=dayahead.BOOKING),
               event(dayahead.PriceSet, auction_id=3, price_ticks=-70)]  # fmt: skip
    stages = [("exchange", [*defined, *(event(exchange.ProductScheduled, product_id=n) for n in products)]),
              ("exchange", auction), ("vpp", asked), ("exchange", [*curves, *cleared, *awards])]  # fmt: skip
    number = 4
    for turn in range(12):
        first = number + 1
        requests = []
        for _ in range(dice.randrange(1, 5)):
            number += 1
            requests.append(bid(100 + number, product_id=dice.choice(products)))
        if turn % 3 == 2:
            number += 1
            requests.append(event(vpp.BidCancelRequested, bid_id=100 + first))
        said = [fill(dice.randrange(first, number + 1), dice.choice((TRADING, TRADING, SOMEBODY)))
                for _ in range(dice.randrange(6))]  # fmt: skip
        said += [event(exchange.OrderCancelled, TRADING, first, reason=exchange.CANCELLATIONS["BY_OWNER"])]
        stages += [("vpp", requests), ("exchange", said)]
    return stages


def live_through(folder, stages, dice, has_memory):
    """Let bridges that die at random pass a day on, with checkpoints that are torn at times."""
    folder.mkdir()
    markets = {
        "exchange": Market(folder / "exchange", exchange.schema, TRADING),
        "vpp": Market(folder / "vpp", vpp.SCHEMA, 5),
    }
    memory = folder / "bridge.checkpoint" if has_memory else None
    bridge, deaths = None, 0
    for name, events in stages:
        markets[name].say(*events)
        while True:
            try:
                if bridge is None:
                    left = [dice.randrange(1, 9) if dice else 10**9]
                    clients = [markets[n].client(left) for n in ("exchange", "vpp")]
                    bridge = Bridge(folder, *clients, memory)
                bridge.back()
                bridge.forward()
                break
            except DeathError:
                bridge, deaths = None, deaths + 1
                if has_memory and memory.exists() and dice.random() < 0.2:
                    memory.write_bytes(memory.read_bytes()[: dice.randrange(200)])
    return [market.taken for market in markets.values()], deaths


@pytest.fixture
def often(monkeypatch):
    """A checkpoint at each event."""
    monkeypatch.setattr(module, "Checkpoint", lambda path, tapes: Checkpoint(path, tapes, every_events=1))


@pytest.mark.parametrize("seed", range(25))
def test_a_checkpoint_changes_nothing_of_what_is_passed_on(tmp_path, often, seed):
    print(f"seed {seed}")
    stages = a_day(random.Random(seed))
    undisturbed, _ = live_through(tmp_path / "a", stages, None, has_memory=False)
    assert len(undisturbed[0]) > 16 and len(undisturbed[1]) > 20
    for n, has_memory in enumerate((False, True)):
        passed_on, deaths = live_through(tmp_path / f"b{n}", stages, random.Random(seed + n), has_memory)
        assert passed_on == undisturbed
        assert deaths > 2


def test_a_checkpoint_spares_the_reading(tmp_path, often, monkeypatch):
    markets = {
        "exchange": Market(tmp_path / "exchange", exchange.schema, TRADING),
        "vpp": Market(tmp_path / "vpp", vpp.SCHEMA, 5),
    }
    memory = tmp_path / "bridge.checkpoint"
    clients = [markets[n].client([99]) for n in ("exchange", "vpp")]
    bridge = Bridge(tmp_path, *clients, memory)
    for name, events in a_day(random.Random(1)):
        markets[name].say(*events)
        bridge.back()
        bridge.forward()
    resumed = Bridge(tmp_path, *(markets[n].client([0]) for n in ("exchange", "vpp")), memory)
    assert resumed._market.position > 50 and resumed._requests.position > 20
    assert resumed.back() == resumed.forward() == 0


@pytest.mark.parametrize("forgetful", ["exchange", "vpp"])
def test_a_market_that_has_forgotten_is_told_again(tmp_path, often, forgetful):
    """As when the power failed and its journal was not synced: the checkpoint is ahead of it."""
    markets = {
        "exchange": Market(tmp_path / "exchange", exchange.schema, TRADING),
        "vpp": Market(tmp_path / "vpp", vpp.SCHEMA, 5),
    }
    memory, left = tmp_path / "bridge.checkpoint", [99]
    bridge = Bridge(tmp_path, *(markets[n].client(left) for n in ("exchange", "vpp")), memory)
    for name, events in STAGES:
        markets[name].say(*events)
        bridge.back()
        bridge.forward()
    del markets[forgetful].taken[-2:]
    again = Bridge(tmp_path, *(markets[n].client(left) for n in ("exchange", "vpp")), memory)
    again.back()
    again.forward()
    assert (markets["exchange"].taken, markets["vpp"].taken) == (ORDERS, NEWS)


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
