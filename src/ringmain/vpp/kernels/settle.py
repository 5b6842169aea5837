"""Settlement: a quarter-hour's energy, its money, and the sites' shares in it.

Income is what the awards paid for the quarter-hour, plus the imbalance (metered less committed,
at the imbalance price), less what is put aside for wear. It is shared by the energy that each
site's assets moved, charged plus discharged; each share is rounded down and the fleet's own
account keeps the remainder. When nothing moved, the fleet keeps it all.

Energy that was called on of reserve is owed as awarded energy is; what is paid for it, and for holding
reserve, is income beside the awards of energy.

Of a site with a baseline, what counts is what it ran beyond that: in the imbalance as in its share.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.baselines import apply_baselines
from ringmain.vpp.kernels.dispatch import committed_wh
from ringmain.vpp.kernels.hierarchy import site_of
from ringmain.vpp.kernels.meter import presumed_wh
from ringmain.vpp.kernels.money import move, pay_site, price_of, receive
from ringmain.vpp.kernels.periods import period_cell
from ringmain.vpp.kernels.reserve import accrue, tell_kept
from ringmain.vpp.kernels.units import share, signed
from ringmain.vpp.messages import FleetMetered, FleetSettled, SiteSettled
from ringmain.vpp.state import (
    ABSENT,
    ACTIVE,
    BALANCING,
    FALLBACK_SPREAD_PERMILLE,
    FLEET,
    METER_PERIODS,
    PERIOD_NS,
    SITES_PER_TIMER,
    WEAR,
)

FLEET_METERED, FLEET_SETTLED, SITE_SETTLED = FleetMetered.kind, FleetSettled.kind, SiteSettled.kind
FLEET_METERED_RECORD, FLEET_SETTLED_RECORD = FleetMetered.dtype, FleetSettled.dtype
SITE_SETTLED_RECORD = SiteSettled.dtype


@kernel
def settle_period(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Settle the next period, and pay the first portion of its sites; return the next free event row."""
    period = fleet.next_period
    accrue(fleet, command.time_ns)
    metered = events.view(FLEET_METERED_RECORD)[n]
    settled = events.view(FLEET_SETTLED_RECORD)[n + 1]
    head_event(events[n], command, FLEET_METERED)
    head_event(events[n + 1], command, FLEET_SETTLED)
    metered.committed_wh = committed_wh(fleet, period)
    for asset_id in range(1, fleet.asset_end):
        if fleet.assets[asset_id].status != ABSENT:
            settled.wear_minor += settle_asset(fleet, asset_id, period, command.time_ns, metered)
    metered.period_start_ns = settled.period_start_ns = period * PERIOD_NS
    metered.late_wh = fleet.late_wh
    fleet.late_wh = 0
    end = tell_kept(fleet, period, command, events, n + 2)
    end, baseline_wh = apply_baselines(fleet, period, command, events, end)
    settle_money(fleet, period, baseline_wh, metered, settled)
    close_period(fleet, period)
    return pay_sites(fleet, command, events, end)


@kernel
def settle_asset(fleet: Any, asset_id: int, period: int, now_ns: int, metered: Any) -> int:
    """Add an asset's period to the fleet and to its site, and clear it; return its wear in minor units."""
    asset = fleet.assets[asset_id]
    site = fleet.nodes[site_of(fleet, asset)]
    cell = fleet.meters[asset_id, period % METER_PERIODS]
    estimated_wh = 0
    if asset.status == ACTIVE:
        estimated_wh = presumed_wh(fleet, asset_id, period, now_ns)
    discharged_wh = signed(cell.discharged_wh) + max(0, estimated_wh)
    charged_wh = signed(cell.charged_wh) + max(0, -estimated_wh)
    metered.estimated_wh += estimated_wh
    metered.metered_wh += discharged_wh - charged_wh
    site.metered_wh += discharged_wh - charged_wh
    site.moved_wh += discharged_wh + charged_wh
    fleet.paid_moved_wh += discharged_wh + charged_wh
    cell.charged_wh = 0
    cell.discharged_wh = 0
    fleet.plans[asset_id, period % fleet.plans.shape[1]] = 0
    return price_of(discharged_wh, asset.wear_price_ticks)


@kernel
def settle_money(fleet: Any, period: int, baseline_wh: int, metered: Any, settled: Any) -> None:
    """Book imbalance and wear; keep the income for the sites' shares."""
    cell = period_cell(fleet, period)
    deviation_wh = metered.metered_wh - baseline_wh - metered.committed_wh
    if cell.has_reference == 1:
        fleet.last_reference_ticks = cell.reference_ticks
    metered.imbalance_price_ticks = imbalance_price_ticks(fleet, cell, deviation_wh)
    keep_settled(fleet, period, metered)
    settled.award_minor = cell.award_minor
    settled.imbalance_minor = price_of(deviation_wh, metered.imbalance_price_ticks)
    receive(fleet, BALANCING, settled.imbalance_minor)
    move(fleet, FLEET, WEAR, settled.wear_minor)
    fleet.paid_period = period
    fleet.paid_income_minor = settled.award_minor + settled.imbalance_minor - settled.wear_minor
    fleet.site_cursor = 1


@kernel
def keep_settled(fleet: Any, period: int, metered: Any) -> None:
    """Remember what a correction of the period will need."""
    kept = fleet.settled[period % fleet.settled.size]
    kept.period = period
    kept.metered_wh = metered.metered_wh
    kept.imbalance_ticks = metered.imbalance_price_ticks
    kept.version = 1


@kernel
def imbalance_price_ticks(fleet: Any, cell: Any, deviation_wh: int) -> int:
    """Return the price of a deviation.

    While none is recorded, the reference price of the quarter-hour stands in, or else the last one
    known, made worse for the fleet by a spread: lower when it delivered too much, higher when too little.
    """
    if cell.has_imbalance == 1:
        return cell.imbalance_ticks
    spread_ticks = abs(fleet.last_reference_ticks) * FALLBACK_SPREAD_PERMILLE // 1_000
    return fleet.last_reference_ticks + (spread_ticks if deviation_wh < 0 else -spread_ticks)


@kernel
def close_period(fleet: Any, period: int) -> None:
    """Give the period's cell to the one that comes up at the far end of the ring."""
    cell = period_cell(fleet, period)
    cell.committed_power_w = 0
    cell.selling_power_w = 0
    cell.buying_power_w = 0
    cell.baseline_w = 0
    cell.award_minor = 0
    cell.reserve_up_w = 0
    cell.reserve_down_w = 0
    cell.offered_up_w = 0
    cell.offered_down_w = 0
    cell.availability_minor = 0
    cell.activated_w_ms = 0
    cell.short_up_w = 0
    cell.short_down_w = 0
    cell.reference_ticks = 0
    cell.imbalance_ticks = 0
    cell.has_reference = 0
    cell.has_imbalance = 0
    fleet.next_period += 1


@kernel
def pay_sites(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Pay one portion of the sites; return the next free event row."""
    settled = events.view(SITE_SETTLED_RECORD)
    end = n + SITES_PER_TIMER
    site_id = fleet.site_cursor
    kept = fleet.paid_period % fleet.settled.size
    while site_id < fleet.node_end and n < end:
        fleet.site_metered_wh[site_id, kept] = fleet.nodes[site_id].metered_wh
        if fleet.nodes[site_id].moved_wh > 0:
            head_event(events[n], command, SITE_SETTLED)
            settle_site(fleet, site_id, settled[n])
            n += 1
        fleet.nodes[site_id].metered_wh = 0
        site_id += 1
    fleet.site_cursor = site_id if site_id < fleet.node_end else 0
    if fleet.site_cursor == 0:
        fleet.paid_moved_wh = 0
    return n


@kernel
def settle_site(fleet: Any, site_id: int, settled: Any) -> None:
    """Pay a site its share and clear its energies."""
    site = fleet.nodes[site_id]
    amount_minor = share(fleet.paid_income_minor, site.moved_wh, fleet.paid_moved_wh)
    settled.period_start_ns = fleet.paid_period * PERIOD_NS
    settled.site_id = site_id
    settled.metered_wh = site.metered_wh
    settled.amount_minor = amount_minor
    settled.balance_minor = pay_site(fleet, site_id, amount_minor)
    site.moved_wh = 0
