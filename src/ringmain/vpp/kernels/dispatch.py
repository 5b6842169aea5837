"""Dispatch: at each tick the fleet's target becomes a wish for each asset, then set-points.

The target is what is left to deliver in the quarter-hour, over the time that is left: metered
energy feeds back, so an error of one tick is made good in the next. Reserve that is active counts
beside that: its energy until now is owed, and its power is asked for at once. Where the operator has
asked for a power (:data:`SetTarget`), the fleet's reports feed back: what they lacked of what had been
asked when they could last show it is added to what is asked now. Assets follow their plans; what the
plans lack, or have too much of, is handed down the hierarchy. Who is silent is taken to do what is
estimated, and the others make up for it.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.allocation import allocate, tell_overloads
from ringmain.vpp.kernels.measuring import tell_fleet
from ringmain.vpp.kernels.meter import metered_wh, presumed_wh
from ringmain.vpp.kernels.periods import period_cell
from ringmain.vpp.kernels.ranges import is_controlled, resting_power_w, time_left_ns
from ringmain.vpp.kernels.reserve import accrue, activated_wh, active_w, next_change_ns
from ringmain.vpp.kernels.units import MS_PER_S, NS_PER_MS, clamp, energy_wh, mean_power_w, ns_of
from ringmain.vpp.messages import FleetDispatched, PeriodClosed, PeriodOpened, SetpointIssued
from ringmain.vpp.state import (
    ACTIVE,
    ASKED_KEPT,
    CORRECTION_PERMILLE,
    CORRECTION_STEPS,
    FLEET_POWER_LIMIT_W,
    PERIOD_NS,
    SECOND_NS,
    SETPOINTS_PER_TIMER,
)

FLEET_DISPATCHED, FLEET_DISPATCHED_RECORD = FleetDispatched.kind, FleetDispatched.dtype
PERIOD_OPENED, PERIOD_CLOSED = PeriodOpened.kind, PeriodClosed.kind
SETPOINT_ISSUED = SetpointIssued.kind
PERIOD_OPENED_RECORD, PERIOD_CLOSED_RECORD = PeriodOpened.dtype, PeriodClosed.dtype
SETPOINT_ISSUED_RECORD = SetpointIssued.dtype


@kernel
def tick(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Measure the fleet and wish for what meets the commitment; return the next free event row."""
    now_ns = command.time_ns
    accrue(fleet, now_ns)
    fleet.next_tick_ns = min((now_ns // fleet.tick_ns + 1) * fleet.tick_ns, next_change_ns(fleet, now_ns))
    fleet.tick_number = now_ns // fleet.tick_ns
    n = turn_period(fleet, command, events, n)
    n = tell_fleet(fleet, command, events, n)
    dispatched = events.view(FLEET_DISPATCHED_RECORD)[n]
    head_event(events[n], command, FLEET_DISPATCHED)
    dispatch(fleet, dispatched, now_ns)
    n = tell_overloads(fleet, command, events, n + 1)
    fleet.node_cursor = 1 if fleet.feeder_count > 0 else 0
    fleet.setpoint_cursor = 1
    return issue_setpoints(fleet, command, events, n)


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
    """Return the net energy owed in a period: awarded, and called on of reserve so far."""
    cell = period_cell(fleet, period)
    return energy_wh(cell.committed_power_w, PERIOD_NS) + activated_wh(cell)


@kernel
def baseline_wh(fleet: Any, period: int) -> int:
    """Return the net energy that the sites would run by themselves in a period."""
    return energy_wh(period_cell(fleet, period).baseline_w, PERIOD_NS)


@kernel
def delivered_wh(fleet: Any, period: int, now_ns: int) -> int:
    """Return the fleet's net energy in a period until now, metered where known, else presumed."""
    total_wh = 0
    for asset_id in range(1, fleet.asset_end):
        total_wh += metered_wh(fleet, asset_id, period)
        if fleet.assets[asset_id].status == ACTIVE:
            total_wh += presumed_wh(fleet, asset_id, period, now_ns)
    return total_wh


# What the fleet is to do.


@kernel
def dispatch(fleet: Any, dispatched: Any, now_ns: int) -> None:
    """Find the fleet's target and spread it over the assets."""
    period = now_ns // PERIOD_NS
    delivered = delivered_wh(fleet, period, now_ns)
    up_w, down_w = active_w(fleet, now_ns)
    is_asked = now_ns < fleet.target_until_ns
    if is_asked:
        target_w = asked_target_w(fleet, now_ns)
    else:
        fleet.correction_w = 0
        left_wh = committed_wh(fleet, period) + baseline_wh(fleet, period) - delivered
        target_w = mean_power_w(left_wh, time_left_ns(now_ns)) + up_w - down_w
    dispatched.period_start_ns = period * PERIOD_NS
    dispatched.committed_power_w = period_cell(fleet, period).committed_power_w + up_w - down_w
    dispatched.target_power_w = clamp(target_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
    dispatched.delivered_wh = delivered
    dispatched.allocated_power_w = allocate(fleet, dispatched.target_power_w, now_ns, is_asked)
    dispatched.setpoint_number = fleet.tick_number


@kernel
def asked_target_w(fleet: Any, now_ns: int) -> int:
    """Return the power that was asked for, corrected by what the reports lack of it."""
    asked_w = target_at_w(fleet, now_ns + fleet.lead_ns)
    lag = min(ASKED_KEPT - 1, -(-fleet.lag_ns // fleet.tick_ns))
    shown = fleet.tick_number - lag
    if lag > 0 and shown >= fleet.asked_since_tick:
        lacking_w = fleet.asked_w[shown % ASKED_KEPT] - fleet.reported_w
        most_w = max(fleet.export_limit_w, fleet.import_limit_w) * CORRECTION_PERMILLE // 1_000
        fleet.correction_w = clamp(fleet.correction_w + lacking_w // CORRECTION_STEPS, -most_w, most_w)
    fleet.asked_w[fleet.tick_number % ASKED_KEPT] = asked_w
    return asked_w + fleet.correction_w


@kernel
def target_at_w(fleet: Any, at_ns: int) -> int:
    """Return the power that was asked for at a time, its ramp included, until it ends."""
    elapsed_ms = (min(at_ns, fleet.target_until_ns) - fleet.target_from_ns) // NS_PER_MS
    moved_w = clamp(fleet.ramp_w_per_s * elapsed_ms // MS_PER_S, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
    return clamp(fleet.target_w + moved_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)


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
    asset, session = fleet.assets[asset_id], fleet.sessions[twin.link_session_id]
    if asset.status != ACTIVE or session.open == 0 or not is_controlled(asset):
        return False
    if session.account_id != asset.link_account_id:
        return False  # the session id was given to somebody else since
    if twin.desired_power_w == twin.issued_power_w == resting_power_w(asset):
        return False  # so it does without a lease
    ends_ns = ns_of(twin.issued_until_s)
    return twin.desired_power_w != twin.issued_power_w or ends_ns < now_ns + 2 * fleet.tick_ns


@kernel
def issue(fleet: Any, asset_id: int, now_ns: int, issued: Any) -> None:
    """Write the wish as a set-point with a lease, to the session of the device's link."""
    twin = fleet.twins[asset_id]
    twin.issued_power_w = twin.desired_power_w
    twin.issued_until_s = (now_ns + fleet.lease_ns) // SECOND_NS
    issued.session_id = twin.link_session_id
    issued.session_number = 0
    issued.asset_id = asset_id
    issued.power_w = twin.issued_power_w
    issued.valid_until_ns = ns_of(twin.issued_until_s)
    issued.setpoint_number = fleet.tick_number
