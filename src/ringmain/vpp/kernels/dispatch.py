"""Dispatch: at each tick the fleet's target becomes a wish for each battery, then set-points.

The target is what is left to deliver in the quarter-hour, over the time that is left: metered
energy feeds back, so an error of one tick is made good in the next. Batteries follow their
plans; what the plans lack (or have too much of) is spread over them by head-room. Silent
batteries are taken to follow their plans, and the others make up for nothing they can't see.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.meter import metered_wh, power_w, presumed_wh, quality
from ringmain.vpp.kernels.periods import period_cell, plan_power_w
from ringmain.vpp.kernels.units import clamp, energy_wh, mean_power_w, share
from ringmain.vpp.messages import (
    FRESH,
    LATE,
    SILENT,
    FleetDispatched,
    FleetMeasured,
    PeriodClosed,
    PeriodOpened,
    SetpointIssued,
)
from ringmain.vpp.state import (
    ACTIVE,
    FLEET_POWER_LIMIT_W,
    LEASE_NS,
    PERIOD_NS,
    SETPOINTS_PER_TIMER,
    TICK_NS,
)

FLEET_MEASURED, FLEET_DISPATCHED = FleetMeasured.kind, FleetDispatched.kind
PERIOD_OPENED, PERIOD_CLOSED = PeriodOpened.kind, PeriodClosed.kind
SETPOINT_ISSUED = SetpointIssued.kind
FLEET_MEASURED_RECORD, FLEET_DISPATCHED_RECORD = FleetMeasured.dtype, FleetDispatched.dtype
PERIOD_OPENED_RECORD, PERIOD_CLOSED_RECORD = PeriodOpened.dtype, PeriodClosed.dtype
SETPOINT_ISSUED_RECORD = SetpointIssued.dtype


@kernel
def tick(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Measure the fleet and wish for what meets the commitment; return the next free event row."""
    now_ns = command.time_ns
    fleet.next_tick_ns = (now_ns // TICK_NS + 1) * TICK_NS
    fleet.tick_number = now_ns // TICK_NS
    n = turn_period(fleet, command, events, n)
    measured = events.view(FLEET_MEASURED_RECORD)[n]
    head_event(events[n], command, FLEET_MEASURED)
    measure(fleet, measured, now_ns)
    dispatched = events.view(FLEET_DISPATCHED_RECORD)[n + 1]
    head_event(events[n + 1], command, FLEET_DISPATCHED)
    dispatch(fleet, dispatched, now_ns)
    fleet.setpoint_cursor = 1
    return issue_setpoints(fleet, command, events, n + 2)


@kernel
def turn_period(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Close the running period and open the next, if it has begun."""
    period = command.time_ns // PERIOD_NS
    if period == fleet.running_period:
        return n
    if fleet.running_period >= fleet.next_period and fleet.running_period > 0:
        closed = events.view(PERIOD_CLOSED_RECORD)[n]
        head_event(events[n], command, PERIOD_CLOSED)
        closed.period_start_ns = fleet.running_period * PERIOD_NS
        closed.committed_wh = committed_wh(fleet, fleet.running_period)
        closed.delivered_wh = delivered_wh(fleet, fleet.running_period, command.time_ns)
        n += 1
    fleet.running_period = period
    fleet.census_cursor = 1
    opened = events.view(PERIOD_OPENED_RECORD)[n]
    head_event(events[n], command, PERIOD_OPENED)
    opened.period_start_ns = period * PERIOD_NS
    opened.committed_wh = committed_wh(fleet, period)
    return n + 1


@kernel
def committed_wh(fleet: Any, period: int) -> int:
    """Return the net energy owed in a period."""
    return energy_wh(period_cell(fleet, period).committed_power_w, PERIOD_NS)


@kernel
def delivered_wh(fleet: Any, period: int, now_ns: int) -> int:
    """Return the fleet's net energy in a period until now, metered where known, else presumed."""
    total_wh = 0
    for asset_id in range(1, fleet.asset_end):
        total_wh += metered_wh(fleet, asset_id, period)
        if fleet.batteries[asset_id].status == ACTIVE:
            total_wh += presumed_wh(fleet, asset_id, period, now_ns)
    return total_wh


# What the fleet is doing.


@kernel
def measure(fleet: Any, measured: Any, now_ns: int) -> None:
    """Add up the twins."""
    measured.dropped_count = fleet.dropped_count
    for asset_id in range(1, fleet.asset_end):
        if fleet.batteries[asset_id].status == ACTIVE:
            measure_asset(fleet, asset_id, measured, now_ns)


@kernel
def measure_asset(fleet: Any, asset_id: int, measured: Any, now_ns: int) -> None:
    """Add one twin to the fleet."""
    twin = fleet.twins[asset_id]
    power = power_w(fleet, asset_id, now_ns)
    low, high = power_range_w(fleet, asset_id, now_ns)
    measured.energy_wh += twin.energy_wh
    measured.power_w += power
    measured.headroom_up_w += max(0, high - power)
    measured.headroom_down_w += max(0, power - low)
    known = quality(twin, now_ns)
    measured.fresh_count += known == FRESH
    measured.late_count += known == LATE
    measured.silent_count += known == SILENT


@kernel
def power_range_w(fleet: Any, asset_id: int, now_ns: int) -> Any:
    """Return the least and the most power that an asset can hold until the period ends.

    A silent asset has no head-room: both are its plan.
    """
    twin = fleet.twins[asset_id]
    if quality(twin, now_ns) == SILENT:
        planned = plan_power_w(fleet, asset_id, now_ns // PERIOD_NS)
        return planned, planned
    battery = fleet.batteries[asset_id]
    span_ns = time_left_ns(now_ns)
    giving_wh = (twin.energy_wh - battery.reserve_wh) * battery.discharge_efficiency_permille // 1_000
    taking_wh = (battery.energy_capacity_wh - twin.energy_wh) * 1_000 // battery.charge_efficiency_permille
    high = clamp(mean_power_w(giving_wh, span_ns), 0, battery.discharge_limit_w)
    low = -clamp(mean_power_w(taking_wh, span_ns), 0, battery.charge_limit_w)
    return low, high


@kernel
def time_left_ns(now_ns: int) -> int:
    """Return how long the running period still lasts, and no less than a tick."""
    return max(PERIOD_NS - now_ns % PERIOD_NS, TICK_NS)


# What the fleet is to do.


@kernel
def dispatch(fleet: Any, dispatched: Any, now_ns: int) -> None:
    """Find the fleet's target and spread it over the assets."""
    period = now_ns // PERIOD_NS
    delivered = delivered_wh(fleet, period, now_ns)
    left_wh = committed_wh(fleet, period) - delivered
    target_w = mean_power_w(left_wh, time_left_ns(now_ns))
    dispatched.period_start_ns = period * PERIOD_NS
    dispatched.committed_power_w = period_cell(fleet, period).committed_power_w
    dispatched.target_power_w = clamp(target_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
    dispatched.delivered_wh = delivered
    dispatched.allocated_power_w = allocate(fleet, dispatched.target_power_w, now_ns)
    dispatched.setpoint_number = fleet.tick_number


@kernel
def allocate(fleet: Any, target_w: int, now_ns: int) -> int:
    """Wish each asset its plan and, by head-room, its part of the rest; return the sum of the wishes."""
    planned_w, up_w, down_w = 0, 0, 0
    for asset_id in range(1, fleet.asset_end):
        if fleet.batteries[asset_id].status == ACTIVE:
            base, low, high = base_power_w(fleet, asset_id, now_ns)
            planned_w += base
            up_w += high - base
            down_w += base - low
    extra_w = clamp(target_w - planned_w, -down_w, up_w)
    spread(fleet, extra_w, up_w if extra_w > 0 else down_w, now_ns)
    return planned_w + extra_w


@kernel
def base_power_w(fleet: Any, asset_id: int, now_ns: int) -> Any:
    """Return an asset's plan within what it can do, and the range of that."""
    low, high = power_range_w(fleet, asset_id, now_ns)
    return clamp(plan_power_w(fleet, asset_id, now_ns // PERIOD_NS), low, high), low, high


@kernel
def spread(fleet: Any, extra_w: int, room_w: int, now_ns: int) -> None:
    """Add `extra_w` to the assets' plans by head-room; the parts add up exactly."""
    passed_w = 0
    for asset_id in range(1, fleet.asset_end):
        if fleet.batteries[asset_id].status != ACTIVE:
            continue
        base, low, high = base_power_w(fleet, asset_id, now_ns)
        part_w = 0
        if extra_w != 0:
            before_w = share(extra_w, passed_w, room_w)
            passed_w += high - base if extra_w > 0 else base - low
            part_w = share(extra_w, passed_w, room_w) - before_w
        assert low <= base + part_w
        assert base + part_w <= high
        wish(fleet.twins[asset_id], base + part_w, now_ns)


@kernel
def wish(twin: Any, power_w: int, now_ns: int) -> None:
    """Note what the asset is to do, and since when."""
    if twin.desired_power_w != power_w:
        twin.desired_power_w = power_w
        twin.desired_ns = now_ns


# Telling the devices.


@kernel
def issue_setpoints(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Issue one portion of the set-points that are due; return the next free event row."""
    issued = events.view(SETPOINT_ISSUED_RECORD)
    end = n + SETPOINTS_PER_TIMER
    asset_id = fleet.setpoint_cursor
    while asset_id < fleet.asset_end and n < end:
        if needs_setpoint(fleet, asset_id, command.time_ns):
            head_event(events[n], command, SETPOINT_ISSUED)
            issue(fleet, asset_id, command.time_ns, issued[n])
            n += 1
        asset_id += 1
    fleet.setpoint_cursor = asset_id if asset_id < fleet.asset_end else 0
    return n


@kernel
def needs_setpoint(fleet: Any, asset_id: int, now_ns: int) -> bool:
    """Tell whether the device has to hear: the wish is new, or its lease won't last two more ticks."""
    twin = fleet.twins[asset_id]
    session = fleet.sessions[twin.link_session_id]
    if fleet.batteries[asset_id].status != ACTIVE or session.open == 0:
        return False
    if session.account_id != fleet.batteries[asset_id].link_account_id:
        return False  # the session id was given to somebody else since
    if twin.desired_power_w == 0 and twin.issued_power_w == 0:
        return False  # a device without a lease is idle
    return twin.desired_power_w != twin.issued_power_w or twin.issued_until_ns < now_ns + 2 * TICK_NS


@kernel
def issue(fleet: Any, asset_id: int, now_ns: int, issued: Any) -> None:
    """Write the wish as a set-point with a lease, to the session of the device's link."""
    twin = fleet.twins[asset_id]
    twin.issued_power_w = twin.desired_power_w
    twin.issued_until_ns = now_ns + LEASE_NS
    issued.session_id = twin.link_session_id
    issued.session_number = 0
    issued.asset_id = asset_id
    issued.power_w = twin.issued_power_w
    issued.valid_until_ns = twin.issued_until_ns
    issued.setpoint_number = fleet.tick_number
