"""The rhythm: how often the fleet is measured and dispatched, and what power it is asked for."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.periods import set_clockwork
from ringmain.vpp.kernels.reserve import next_change_ns
from ringmain.vpp.kernels.units import NS_PER_MS, signed
from ringmain.vpp.messages import RHYTHM_OUT_OF_RANGE, TARGET_OUT_OF_RANGE, TARGET_PAST
from ringmain.vpp.state import (
    FLEET_POWER_LIMIT_W,
    LAG_NS,
    LATE_AFTER_NS,
    LEAD_NS,
    LEASE_NS,
    MEASURE_NS,
    RHYTHM_NS_MAX,
    RHYTHM_NS_MIN,
    SECOND_NS,
    SILENT_AFTER_NS,
    TICK_NS,
)


@kernel
def begin(fleet: Any) -> None:
    """Give a new fleet the rhythm of one whose devices report by the minute."""
    fleet.tick_ns = TICK_NS
    fleet.measure_ns = MEASURE_NS
    fleet.lease_ns = LEASE_NS
    fleet.lead_ns = LEAD_NS
    fleet.lag_ns = LAG_NS
    fleet.late_after_ns = LATE_AFTER_NS
    fleet.silent_after_ns = SILENT_AFTER_NS


@kernel
def span_ns(span_ms: Any) -> int:
    """Return a span in nanoseconds."""
    return signed(span_ms) * NS_PER_MS


@kernel
def is_interval(span_ms: int) -> bool:
    """Tell whether something may be done this often."""
    return RHYTHM_NS_MIN <= span_ns(span_ms) <= RHYTHM_NS_MAX


@kernel
def rhythm_fault(asked: Any) -> int:
    """Return the reason why a fleet can't have this rhythm, or 0."""
    if not is_interval(asked.tick_ms) or not is_interval(asked.measure_ms):
        return RHYTHM_OUT_OF_RANGE
    if not is_interval(asked.lease_ms) or span_ns(asked.lease_ms) < max(
        2 * span_ns(asked.tick_ms), SECOND_NS
    ):
        return RHYTHM_OUT_OF_RANGE
    if not is_interval(asked.late_ms) or not is_interval(asked.silent_ms) or asked.silent_ms < asked.late_ms:
        return RHYTHM_OUT_OF_RANGE
    if span_ns(asked.lead_ms) > RHYTHM_NS_MAX or span_ns(asked.lag_ms) > RHYTHM_NS_MAX:
        return RHYTHM_OUT_OF_RANGE
    return 0


@kernel
def set_rhythm(fleet: Any, asked: Any) -> int:
    """Change the rhythm from now on; return the reason not to, or 0."""
    fault = rhythm_fault(asked)
    if fault:
        return fault
    fleet.tick_ns = span_ns(asked.tick_ms)
    fleet.measure_ns = span_ns(asked.measure_ms)
    fleet.lease_ns = span_ns(asked.lease_ms)
    fleet.lead_ns = span_ns(asked.lead_ms)
    fleet.lag_ns = span_ns(asked.lag_ms)
    fleet.late_after_ns = span_ns(asked.late_ms)
    fleet.silent_after_ns = span_ns(asked.silent_ms)
    fleet.asked_since_tick = asked.time_ns // fleet.tick_ns + 1
    set_clockwork(fleet, asked.time_ns)
    fleet.next_tick_ns = min(fleet.next_tick_ns, next_change_ns(fleet, asked.time_ns))
    fleet.next_deadline_ns = min(fleet.next_deadline_ns, fleet.next_tick_ns)
    return 0


@kernel
def set_target(fleet: Any, asked: Any) -> int:
    """Ask the fleet for a power; return the reason not to, or 0."""
    if asked.valid_until_ns <= asked.time_ns:
        return TARGET_PAST
    if abs(asked.power_w) > FLEET_POWER_LIMIT_W or abs(asked.ramp_w_per_s) > FLEET_POWER_LIMIT_W:
        return TARGET_OUT_OF_RANGE
    if asked.time_ns >= fleet.target_until_ns:
        fleet.asked_since_tick = asked.time_ns // fleet.tick_ns + 1
    fleet.target_w = asked.power_w
    fleet.target_from_ns = asked.time_ns
    fleet.ramp_w_per_s = asked.ramp_w_per_s
    fleet.target_until_ns = asked.valid_until_ns
    return 0
