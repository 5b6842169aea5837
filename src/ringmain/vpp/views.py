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

from ringmain.vpp.messages import (
    BUY,
    ENDINGS,
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
    FleetMeasured,
    FleetMetered,
    FleetSettled,
    PlanAccepted,
    PriceRecorded,
    ProductDefined,
    SiteSettled,
)
from ringmain.vpp.state import PERIOD_NS, SECOND_NS

ENDING_NAMES = {code: name for name, code in ENDINGS.items()}
BID_FIELDS = ("bid_id", "product_id", "side", "price_ticks", "quantity_lots", "time_in_force")
TRACK_TICKS = 4_096  # ticks that FleetTrack keeps: nearly three days


def values_of(row: Any) -> dict[str, int]:
    """Return a row's fields as plain integers."""
    return {name: int(row[name]) for name in row.dtype.names}


def rows_of(events: Any, record: Any) -> Any:
    """Return the events of one record, as that record's dtype."""
    return events.view(record.dtype)[events["kind"] == record.kind]


def rows_of_either(events: Any, first: Any, second: Any) -> Iterator[tuple[Any, Any]]:
    """Iterate in order over the events of two records, as (record, row)."""
    views = {record.kind: (record, events.view(record.dtype)) for record in (first, second)}
    for i in np.flatnonzero(np.isin(events["kind"], list(views))):
        record, rows = views[int(events["kind"][i])]
        yield record, rows[i]


@dataclass(frozen=True)
class Asset:
    """A battery as registered."""

    asset_id: int
    site_id: int
    link_account_id: int
    charge_limit_w: int
    discharge_limit_w: int
    energy_capacity_wh: int
    reserve_permille: int
    charge_efficiency_permille: int
    discharge_efficiency_permille: int
    wear_price_ticks: int


@dataclass(frozen=True)
class Twin:
    """An asset as last told by the census; the fields of AssetMeasured."""

    power_w: int
    measured_ns: int
    energy_wh: int
    desired_power_w: int
    quality: int


class Assets:
    """Who is in the fleet, and their twins as of the last quarter-hour, by asset id."""

    def __init__(self) -> None:
        self.active: dict[int, Asset] = {}
        self.discharge_limit_w = 0  # what the whole fleet can give
        self.twins: dict[int, Twin] = {}

    def fold(self, events: Any) -> None:
        """Follow registrations, the census and retirements."""
        for row in rows_of(events, BatteryRegistered):
            asset = Asset(**{name: int(row[name]) for name in Asset.__dataclass_fields__})
            self.active[asset.asset_id] = asset
            self.discharge_limit_w += asset.discharge_limit_w
        for row in rows_of(events, AssetMeasured):
            self.twins[int(row["asset_id"])] = Twin(
                **{name: int(row[name]) for name in Twin.__dataclass_fields__}
            )
        for row in rows_of(events, AssetRetired):
            self.discharge_limit_w -= self.active.pop(int(row["asset_id"])).discharge_limit_w
            self.twins.pop(int(row["asset_id"]), None)


@dataclass
class Bid:
    """A bid and what became of it; `ending` is None while it may still be filled."""

    bid_id: int
    product_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    time_in_force: int
    awarded_lots: int = 0
    amount_minor: int = 0
    cancelling: bool = False
    ending: str | None = None

    @property
    def open_lots(self) -> int:
        """What may still be filled."""
        return 0 if self.ending else self.quantity_lots - self.awarded_lots


class Bids:
    """Every bid by its id: what the bridge needs to go on after a restart."""

    def __init__(self) -> None:
        self.by_id: dict[int, Bid] = {}
        self.last_answered_id = 0

    def fold(self, events: Any) -> None:
        """Follow bids from submission to their end."""
        for row in rows_of(events, BidSubmitted):
            asked: dict[str, Any] = {name: int(row[name]) for name in BID_FIELDS}
            bid = Bid(**asked)
            self.by_id[bid.bid_id] = bid
        for row in rows_of(events, BidCancelRequested):
            self.by_id[int(row["bid_id"])].cancelling = True
        for _, row in rows_of_either(events, BidSubmitted, BidRejected):
            self.last_answered_id = max(self.last_answered_id, int(row["bid_id"]))
        for row in rows_of(events, AwardRecorded):
            bid = self.by_id[int(row["bid_id"])]
            bid.awarded_lots += int(row["quantity_lots"])
            bid.amount_minor += int(row["amount_minor"])
        for row in rows_of(events, BidEnded):
            self.by_id[int(row["bid_id"])].ending = ENDING_NAMES[int(row["ending"])]

    @property
    def last_bid_id(self) -> int:
        """The highest id so far; the next bid takes one above it."""
        return max(self.by_id, default=0)

    def open(self) -> Iterator[Bid]:
        """Iterate over the bids that may still be filled."""
        return (bid for bid in self.by_id.values() if bid.ending is None)


@dataclass(frozen=True)
class Product:
    """A product of the exchange that the fleet may trade."""

    product_id: int
    delivery_start_ns: int
    delivery_duration_s: int
    gate_closure_ns: int
    lot_power_w: int
    value_minor: int

    @property
    def periods(self) -> range:
        """The quarter-hours of its delivery."""
        first = self.delivery_start_ns // PERIOD_NS
        return range(first, first + self.delivery_duration_s * SECOND_NS // PERIOD_NS)


class Commitments:
    """Products, and the net power that awards oblige the fleet to, by quarter-hour."""

    def __init__(self) -> None:
        self.products: dict[int, Product] = {}
        self.power_w: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Follow definitions and awards."""
        for row in rows_of(events, ProductDefined):
            product = Product(**{name: int(row[name]) for name in Product.__dataclass_fields__})
            self.products[product.product_id] = product
        for row in rows_of(events, AwardRecorded):
            product = self.products[int(row["product_id"])]
            sign = -1 if row["side"] == BUY else 1
            for period in product.periods:
                power_w = sign * int(row["quantity_lots"]) * product.lot_power_w
                self.power_w[period] = self.power_w.get(period, 0) + power_w


class Plans:
    """What each battery is to do, by asset id and quarter-hour."""

    def __init__(self) -> None:
        self.power_w: dict[int, dict[int, int]] = {}

    def fold(self, events: Any) -> None:
        """Write the newest blocks over older ones."""
        for row in rows_of(events, PlanAccepted):
            plan = self.power_w.setdefault(int(row["asset_id"]), {})
            first = int(row["delivery_start_ns"]) // PERIOD_NS
            for period in range(first, first + int(row["delivery_duration_s"]) * SECOND_NS // PERIOD_NS):
                plan[period] = int(row["power_w"])

    def fleet_power_w(self, period: int) -> int:
        """Return the sum of the plans for a quarter-hour."""
        return sum(plan.get(period, 0) for plan in self.power_w.values())


class ReferencePrices:
    """The auction's prices, by quarter-hour."""

    def __init__(self) -> None:
        self.price_ticks: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Follow the reference prices; imbalance prices are in the statements."""
        for row in rows_of(events, PriceRecorded):
            if row["price_kind"] != REFERENCE:
                continue
            first = int(row["delivery_start_ns"]) // PERIOD_NS
            for period in range(first, first + int(row["delivery_duration_s"]) * SECOND_NS // PERIOD_NS):
                self.price_ticks[period] = int(row["price_ticks"])


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
        for record, row in rows_of_either(events, FleetMeasured, FleetDispatched):
            if record is FleetMeasured:
                self._measured = values_of(row)
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


class Settlement:
    """Statements of the fleet by quarter-hour, and what each site has earned."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._metered: dict[str, int] = {}
        self.site_balance_minor: dict[int, int] = {}
        self.site_metered_wh: dict[int, int] = {}

    def fold(self, events: Any) -> None:
        """Pair energy with money: both bear the sequence of the timer that settled them."""
        for record, row in rows_of_either(events, FleetMetered, FleetSettled):
            if record is FleetMetered:
                self._metered = values_of(row)
            else:
                both = {**self._metered, **values_of(row)}
                self.statements.append(
                    Statement(**{name: both[name] for name in Statement.__dataclass_fields__})
                )
        for row in rows_of(events, SiteSettled):
            site_id = int(row["site_id"])
            self.site_balance_minor[site_id] = int(row["balance_minor"])
            self.site_metered_wh[site_id] = self.site_metered_wh.get(site_id, 0) + int(row["metered_wh"])

    @property
    def income_minor(self) -> int:
        """What the fleet has earned, wear taken off."""
        return sum(statement.income_minor for statement in self.statements)


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

    def fold(self, events: Any) -> None:
        """Fold the events into every part."""
        parts: tuple[Callable[[Any], None], ...] = (
            self.assets.fold, self.bids.fold, self.commitments.fold, self.plans.fold,
            self.prices.fold, self.track.fold, self.settlement.fold,
        )  # fmt: skip
        if len(events):
            for fold in parts:
                fold(events)


def tracking_error(track: FleetTrack, capacity_w: int) -> float:
    """Return the root mean square of power less commitment over all ticks, as a share of the capacity.

    A tick's power is compared with what was owed one tick before, when its set-points went out.
    """
    ticks = list(track.ticks)
    if len(ticks) < 2 or capacity_w <= 0:
        return 0.0
    errors = [after.power_w - before.committed_power_w for before, after in pairwise(ticks)]
    return float(np.sqrt(np.mean(np.square(errors)))) / capacity_w
