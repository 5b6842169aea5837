"""Folds of the fleet's tape: what the desk plans on, what the bridge resumes with, what screens show.

Every view takes events with ``fold(events)``, a recarray of the schema's header dtype in tape order,
and is a function of them alone. Views of rare events unpack row by row; those of frequent ones
(set-points, the measured fleet) stay in numpy.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ringmain.vpp.block_messages import BlockBidShadowed, BlockBidSubmitted
from ringmain.vpp.block_views import SHADOWED, BlockBids, Outcome
from ringmain.vpp.home_views import Homes, Nodes
from ringmain.vpp.loop_messages import BidShadowed, FleetResettled, SiteResettled
from ringmain.vpp.loop_views import Baselines, Reasons, Steps
from ringmain.vpp.messages import (
    BUY,
    IMBALANCE,
    REFERENCE,
    AssetMeasured,
    AssetRetired,
    AwardRecorded,
    BatteryRegistered,
    BidCancelRequested,
    BidEnded,
    BidRejected,
    BidSubmitted,
    FleetDispatched,
    FleetHeard,
    FleetMeasured,
    FleetMetered,
    FleetSettled,
    PlanAccepted,
    PluggedIn,
    PriceRecorded,
    ProductDefined,
    RegisterBattery,
    SiteSettled,
    Unplugged,
)
from ringmain.vpp.reserve_messages import ENERGY, ReserveDefined
from ringmain.vpp.reserve_views import Reserves, Units
from ringmain.vpp.rows import rows_of, rows_of_any, values_of
from ringmain.vpp.state import ASSETS, PERIOD_NS, PLAN_PERIODS, SECOND_NS

BID_FIELDS = ("bid_id", "product_id", "side", "price_ticks", "quantity_lots", "time_in_force", "unit_id")
TRACK_TICKS = 4_096  # ticks that FleetTrack keeps: nearly three days
TURNING = (PluggedIn.kind, Unplugged.kind, SiteResettled.kind)


ASSET = np.dtype([(declared.name, "i8") for declared in RegisterBattery.fields if declared.default is None])
TWIN = np.dtype([(name, "i8") for name in (
    "power_w", "measured_ns", "energy_wh", "desired_power_w", "quality",
)])  # fmt: skip


class Assets:
    """Who is in the fleet, and their twins as of the last quarter-hour.

    Attributes
    ----------
    twins : recarray of shape (ASSETS,), TWIN
        By asset id. Until the first census an asset holds its reserve, and was never heard of.
    """

    def __init__(self) -> None:
        self._batteries = np.zeros(ASSETS, ASSET).view(np.recarray)
        self._is_active = np.zeros(ASSETS, np.bool_)
        self.twins = np.zeros(ASSETS, TWIN).view(np.recarray)

    def fold(self, events: Any) -> None:
        """Follow registrations, the census and retirements."""
        registered = rows_of(events, BatteryRegistered)
        if registered.size:
            ids = registered["asset_id"]
            write_rows(self._batteries, ids, registered)
            self._is_active[ids] = True
            self.twins.energy_wh[ids] = reserve_wh(self._batteries[ids])
        measured = rows_of(events, AssetMeasured)
        write_rows(self.twins, measured["asset_id"], measured)
        self._is_active[rows_of(events, AssetRetired)["asset_id"]] = False

    @property
    def active(self) -> Any:
        """The batteries as registered, recarray of shape (n,), ASSET, in the order of their ids."""
        return self._batteries[self._is_active]

    @property
    def discharge_limit_w(self) -> int:
        """What the whole fleet can give."""
        return int(self.active.discharge_limit_w.sum())


def write_rows(table: Any, places: Any, rows: Any) -> None:
    """Write the fields that rows share with a table; of equal places the last stands."""
    for name in table.dtype.names:
        table[name][places] = rows[name]


def reserve_wh(batteries: Any) -> Any:
    """Return what stays with the homes, floor, for rows of ASSET."""
    return batteries["energy_capacity_wh"] * batteries["reserve_permille"] // 1_000


@dataclass
class Bid(Outcome):
    """A bid and what became of it."""

    bid_id: int
    product_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    time_in_force: int
    unit_id: int = 0

    @property
    def product_ids(self) -> range:
        """The one product that it is for."""
        return range(self.product_id, self.product_id + 1)

    @property
    def open_lots(self) -> int:
        """What may still be filled."""
        return 0 if self.ending else self.quantity_lots - self.awarded_lots


_ANSWERS = (BidSubmitted, BidShadowed, BlockBidSubmitted, BlockBidShadowed, BidRejected)


class Bids:
    """Every bid by its id; those for several products as one are in `blocks`."""

    def __init__(self) -> None:
        self.by_id: dict[int, Bid] = {}
        self.blocks = BlockBids()
        self.last_answered_id = 0

    def fold(self, events: Any) -> None:
        """Follow bids from submission to their end."""
        for record, row in rows_of_any(events, BidSubmitted, BidShadowed):
            asked: dict[str, Any] = {name: int(row[name]) for name in BID_FIELDS}
            bid = Bid(**asked, ending=SHADOWED if record is BidShadowed else None)
            self.by_id[bid.bid_id] = bid
        self.blocks.fold(events)
        for _, row in rows_of_any(events, *_ANSWERS):
            self.last_answered_id = max(self.last_answered_id, int(row["bid_id"]))
        for record, row in rows_of_any(events, BidCancelRequested, AwardRecorded, BidEnded):
            followed = self.by_id.get(int(row["bid_id"]))
            if followed is not None:
                followed.follow(record, row)

    @property
    def last_bid_id(self) -> int:
        """The highest id so far; the next bid takes one above it."""
        return max(max(self.by_id, default=0), max(self.blocks.by_id, default=0))

    def open(self) -> Iterator[Bid]:
        """Iterate over the bids that may still be filled."""
        return (bid for bid in self.by_id.values() if bid.ending is None)


@dataclass(frozen=True)
class Product:
    """A product of the exchange that the fleet may trade: energy, or reserve, which it may sell."""

    product_id: int
    delivery_start_ns: int
    delivery_duration_s: int
    gate_closure_ns: int
    lot_power_w: int
    value_minor: int
    service: int = ENERGY
    activation_ticks: int = 0
    activation_max_s: int = 0

    @property
    def periods(self) -> range:
        """The quarter-hours of its delivery."""
        first = self.delivery_start_ns // PERIOD_NS
        return range(first, first + self.delivery_duration_s * SECOND_NS // PERIOD_NS)


def defined_product(row: Any) -> Product:
    """Return the product that a ProductDefined or ReserveDefined tells of."""
    said = values_of(row)
    if "service" in said:
        said["delivery_start_ns"] = said["delivery_start_s"] * SECOND_NS
        said["gate_closure_ns"] = said["gate_closure_s"] * SECOND_NS
    return Product(**{name: said[name] for name in Product.__dataclass_fields__ if name in said})


class Commitments:
    """Products, and the net power that awards of energy oblige the fleet to, by quarter-hour."""

    def __init__(self) -> None:
        self.products: dict[int, Product] = {}
        self.power_w: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Follow definitions and awards."""
        for _, row in rows_of_any(events, ProductDefined, ReserveDefined):
            product = defined_product(row)
            self.products[product.product_id] = product
        for row in rows_of(events, AwardRecorded):
            product = self.products[int(row["product_id"])]
            if product.service != ENERGY:
                continue
            sign = -1 if row["side"] == BUY else 1
            for period in product.periods:
                power_w = sign * int(row["quantity_lots"]) * product.lot_power_w
                self.power_w[period] = self.power_w.get(period, 0) + power_w


class Plans:
    """What each battery is to do, by asset id and quarter-hour: a ring, as the engine has it."""

    def __init__(self) -> None:
        self._power_w = np.zeros((ASSETS, PLAN_PERIODS), np.int32)
        self._end = 0  # one beyond the last quarter-hour that anything was planned for

    def fold(self, events: Any) -> None:
        """Write the newest blocks over older ones."""
        rows = rows_of(events, PlanAccepted)
        if not rows.size:
            return
        counts = rows["delivery_duration_s"].astype(np.int64) * SECOND_NS // PERIOD_NS
        begins = np.cumsum(counts) - counts
        periods = np.repeat(rows["delivery_start_ns"] // PERIOD_NS - begins, counts) + np.arange(counts.sum())
        self._reach(int(periods.max()) + 1)
        is_kept = periods >= self._end - PLAN_PERIODS
        asset_ids, power_w = np.repeat(rows["asset_id"], counts), np.repeat(rows["power_w"], counts)
        self._power_w[asset_ids[is_kept], periods[is_kept] % PLAN_PERIODS] = power_w[is_kept]

    def power_w(self, asset_ids: Any, periods: Any) -> Any:
        """Return the plans, int64 array of shape (assets, periods); 0 where nothing is or was planned."""
        is_kept = (periods >= self._end - PLAN_PERIODS) & (periods < self._end)
        planned = self._power_w[np.ix_(asset_ids, periods % PLAN_PERIODS)].astype(np.int64)
        return np.where(is_kept, planned, 0)

    def fleet_power_w(self, period: int) -> int:
        """Return the sum of the plans for a quarter-hour."""
        return int(self.power_w(np.arange(ASSETS), np.array([period])).sum())

    def _reach(self, end: int) -> None:
        """Clear the ring's cells for the quarter-hours up to `end`."""
        if end > self._end:
            begin = max(self._end, end - PLAN_PERIODS)
            self._power_w[:, np.arange(begin, end) % PLAN_PERIODS] = 0
            self._end = end


class ReferencePrices:
    """The auction's prices, and what the desk expected of them, by quarter-hour."""

    def __init__(self) -> None:
        self.price_ticks: dict[int, int] = {}
        self.expected_ticks: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Follow these prices; imbalance prices are in the statements."""
        for row in rows_of(events, PriceRecorded):
            if row["price_kind"] == IMBALANCE:
                continue
            known = self.price_ticks if row["price_kind"] == REFERENCE else self.expected_ticks
            first = int(row["delivery_start_ns"]) // PERIOD_NS
            for period in range(first, first + int(row["delivery_duration_s"]) * SECOND_NS // PERIOD_NS):
                known[period] = int(row["price_ticks"])


@dataclass(frozen=True)
class Tick:
    """The fleet at a dispatch tick: measured beside wanted."""

    time_ns: int
    power_w: int
    energy_wh: int
    headroom_up_w: int
    headroom_down_w: int
    fresh_count: int
    late_count: int
    silent_count: int
    dropped_count: int
    committed_power_w: int
    target_power_w: int
    allocated_power_w: int
    delivered_wh: int


class FleetTrack:
    """Fleet power against its target over time: the last TRACK_TICKS ticks."""

    def __init__(self) -> None:
        self.ticks: deque[Tick] = deque(maxlen=TRACK_TICKS)
        self._measured: dict[str, int] = {}

    def fold(self, events: Any) -> None:
        """Pair what a tick measured with what it decided: both bear its sequence."""
        for record, row in rows_of_any(events, FleetMeasured, FleetHeard, FleetDispatched):
            if record is not FleetDispatched:
                self._measured = {**self._measured, **values_of(row)}
            else:
                both = {**self._measured, **values_of(row)}
                self.ticks.append(Tick(**{name: both[name] for name in Tick.__dataclass_fields__}))

    @property
    def last(self) -> Tick | None:
        """The newest tick."""
        return self.ticks[-1] if self.ticks else None


@dataclass(frozen=True)
class Statement:
    """A settled quarter-hour: energies in Wh, money in minor units."""

    period_start_ns: int
    committed_wh: int
    metered_wh: int
    estimated_wh: int
    late_wh: int
    imbalance_price_ticks: int
    award_minor: int
    imbalance_minor: int
    wear_minor: int

    @property
    def income_minor(self) -> int:
        """What is shared among the sites."""
        return self.award_minor + self.imbalance_minor - self.wear_minor


@dataclass(frozen=True)
class Correction:
    """A settled quarter-hour's energy as corrected, once more each time."""

    period_start_ns: int
    metered_wh: int
    imbalance_minor: int
    settlement_version: int
    correction_wh: int


class Settlement:
    """Statements of the fleet by quarter-hour, and what each site has earned.

    Attributes
    ----------
    income_minor : int
        What the fleet has earned, wear taken off, corrections included.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.corrections: list[Correction] = []
        self.income_minor = 0
        self._metered: dict[str, int] = {}
        self.site_balance_minor: dict[int, int] = {}
        self.site_metered_wh: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Pair energy with money: both bear the sequence of the timer that settled them."""
        for record, row in rows_of_any(events, FleetMetered, FleetSettled):
            if record is FleetMetered:
                self._metered = values_of(row)
            else:
                both = {**self._metered, **values_of(row)}
                statement = Statement(**{name: both[name] for name in Statement.__dataclass_fields__})
                self.statements.append(statement)
                self.income_minor += statement.income_minor
        paid = rows_of(events, SiteSettled)
        columns = (paid[name].tolist() for name in ("site_id", "balance_minor", "metered_wh"))
        for site_id, balance_minor, metered_wh in zip(*columns, strict=True):
            self.site_balance_minor[site_id] = balance_minor
            self.site_metered_wh[site_id] = self.site_metered_wh.get(site_id, 0) + metered_wh
        for record, row in rows_of_any(events, SiteResettled, FleetResettled):
            if record is SiteResettled:
                self.site_balance_minor[int(row["site_id"])] = int(row["balance_minor"])
            else:
                correction = Correction(**{n: int(row[n]) for n in Correction.__dataclass_fields__})
                self.corrections.append(correction)
                self.income_minor += correction.imbalance_minor


@dataclass
class DeskView:
    """All that advice reads, folded together from the fleet's tape."""

    assets: Assets = field(default_factory=Assets)
    bids: Bids = field(default_factory=Bids)
    commitments: Commitments = field(default_factory=Commitments)
    plans: Plans = field(default_factory=Plans)
    prices: ReferencePrices = field(default_factory=ReferencePrices)
    track: FleetTrack = field(default_factory=FleetTrack)
    settlement: Settlement = field(default_factory=Settlement)
    reasons: Reasons = field(default_factory=Reasons)
    steps: Steps = field(default_factory=Steps)
    baselines: Baselines = field(default_factory=Baselines)
    homes: Homes = field(default_factory=Homes)
    nodes: Nodes = field(default_factory=Nodes)
    reserves: Reserves = field(default_factory=Reserves)
    units: Units = field(default_factory=Units)

    def fold(self, events: Any) -> None:
        """Fold the events into every part."""
        parts: tuple[Callable[[Any], None], ...] = (
            self.assets.fold, self.bids.fold, self.commitments.fold, self.plans.fold,
            self.prices.fold, self.track.fold, self.settlement.fold, self.reasons.fold, self.steps.fold,
            self.baselines.fold, self.homes.fold, self.nodes.fold, self.reserves.fold, self.units.fold,
        )  # fmt: skip
        for piece in pieces(events):
            for fold in parts:
                fold(piece)


def pieces(events: Any) -> Iterator[Any]:
    """Cut events so that it doesn't matter how they were batched: folds look at one record after the other.

    Cut are before and behind each event of TURNING, and each census.
    """
    if not len(events):
        return
    kinds, times = events["kind"], events["time_ns"]
    is_census = kinds == AssetMeasured.kind
    turns = np.isin(kinds, TURNING)
    cuts = turns[1:] | turns[:-1] | (is_census[1:] != is_census[:-1])
    cuts |= is_census[1:] & (times[1:] != times[:-1])
    borders = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(events)]
    for begin, end in pairwise(borders):
        yield events[begin:end]


def tracking_error(track: FleetTrack, capacity_w: int) -> float:
    """Return the root mean square of power less commitment over all ticks, as a share of the capacity.

    A tick's power is compared with what was owed one tick before, when its set-points went out.
    """
    ticks = list(track.ticks)
    if len(ticks) < 2 or capacity_w <= 0:
        return 0.0
    errors = [after.power_w - before.committed_power_w for before, after in pairwise(ticks)]
    return float(np.sqrt(np.mean(np.square(errors)))) / capacity_w
