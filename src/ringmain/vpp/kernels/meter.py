"""Metering: energy of each asset in each quarter-hour, from meters that only run forward.

Between two reports the energy is spread evenly over time, so that a quarter-hour's border
between them splits it by the clock. What falls into quarter-hours that are settled already is
late: it is counted, and stays out of the money until resettlement.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.estimates import is_heard, supposed_power_w
from ringmain.vpp.kernels.units import NS_PER_MS, clamp, energy_wh, ns_of, signed
from ringmain.vpp.messages import LOAD, SOLAR
from ringmain.vpp.state import METER_PERIODS, METERED_WH_MAX, PERIOD_NS

LONGEST_GAP_NS = 960 * PERIOD_NS  # ten days: beyond it all of the energy is late


@kernel
def meter(fleet: Any, report: Any, twin: Any) -> None:
    """Spread what the meters moved since the twin's last report over its quarter-hours."""
    charged_wh = signed(report.charged_wh) - signed(twin.charged_wh)
    discharged_wh = signed(report.discharged_wh) - signed(twin.discharged_wh)
    elapsed_ns = report.measured_ns - twin.measured_ns
    fleet.late_wh += discharged_wh - charged_wh
    if elapsed_ns > LONGEST_GAP_NS:
        return
    for period in range(fleet.next_period, report.measured_ns // PERIOD_NS + 1):
        from_ns = clamp(period * PERIOD_NS - twin.measured_ns, 0, elapsed_ns)
        until_ns = clamp((period + 1) * PERIOD_NS - twin.measured_ns, 0, elapsed_ns)
        charged = part_between(charged_wh, from_ns, until_ns, elapsed_ns)
        discharged = part_between(discharged_wh, from_ns, until_ns, elapsed_ns)
        cell = fleet.meters[report.asset_id, period % METER_PERIODS]
        charged = min(charged, METERED_WH_MAX - signed(cell.charged_wh))
        discharged = min(discharged, METERED_WH_MAX - signed(cell.discharged_wh))
        cell.charged_wh += charged
        cell.discharged_wh += discharged
        fleet.late_wh -= discharged - charged


@kernel
def part_between(total_wh: int, from_ns: int, until_ns: int, elapsed_ns: int) -> int:
    """Return what of an even flow falls between two instants; adjoining parts add up exactly."""
    return flowed(total_wh, until_ns, elapsed_ns) - flowed(total_wh, from_ns, elapsed_ns)


@kernel
def flowed(total_wh: int, until_ns: int, elapsed_ns: int) -> int:
    """Return what of an even flow has passed by an instant; floor."""
    if until_ns >= elapsed_ns:
        return total_wh
    return total_wh * (until_ns // NS_PER_MS) // max(1, elapsed_ns // NS_PER_MS)


@kernel
def presumed_wh(fleet: Any, asset_id: int, period: int, now_ns: int) -> int:
    """Return the net energy of a period, until now or its end, that no meter has shown yet."""
    twin = fleet.twins[asset_id]
    from_ns = max(twin.measured_ns, period * PERIOD_NS)
    until_ns = min(now_ns, (period + 1) * PERIOD_NS)
    if until_ns <= from_ns:
        return 0
    if not is_heard(fleet, twin, now_ns):
        return energy_wh(supposed_power_w(fleet, asset_id, period), until_ns - from_ns)
    kind = fleet.assets[asset_id].kind
    if kind == SOLAR:  # it gives what the sun does, and no more than it may
        return energy_wh(min(twin.power_w, twin.desired_power_w), until_ns - from_ns)
    if kind == LOAD:
        return energy_wh(twin.power_w, until_ns - from_ns)
    changed_ns = clamp(ns_of(twin.desired_s), from_ns, until_ns)
    reported_wh = energy_wh(twin.power_w, changed_ns - from_ns)
    return reported_wh + energy_wh(twin.desired_power_w, until_ns - changed_ns)


@kernel
def metered_wh(fleet: Any, asset_id: int, period: int) -> int:
    """Return the net energy that the meters have shown for a period that is not settled yet."""
    cell = fleet.meters[asset_id, period % METER_PERIODS]
    return signed(cell.discharged_wh) - signed(cell.charged_wh)
