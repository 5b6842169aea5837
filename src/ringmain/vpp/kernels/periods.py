"""Quarter-hours: numbered since 1970, kept in rings from the next one to settle."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.messages import BEYOND_HORIZON, PERIOD_MISALIGNED, PERIOD_PAST
from ringmain.vpp.state import PERIOD_NS, PERIODS, PLAN_STEP_W, SECOND_NS, SETTLE_AFTER_NS

PERIOD_S = PERIOD_NS // SECOND_NS


@kernel
def wake(fleet: Any, now_ns: int) -> None:
    """Start the clockwork with the first command."""
    if fleet.next_tick_ns == 0:
        fleet.next_period = now_ns // PERIOD_NS
        set_clockwork(fleet, now_ns)


@kernel
def set_clockwork(fleet: Any, now_ns: int) -> None:
    """Have the next tick and the next measurement come on whole multiples of their intervals."""
    fleet.next_tick_ns = (now_ns // fleet.tick_ns + 1) * fleet.tick_ns
    fleet.next_measure_ns = (now_ns // fleet.measure_ns + 1) * fleet.measure_ns
    fleet.next_deadline_ns = min(fleet.next_tick_ns, fleet.next_measure_ns)


@kernel
def period_cell(fleet: Any, period: int) -> Any:
    """Return the cell of a period that is not settled yet."""
    assert period >= fleet.next_period
    assert period < fleet.next_period + PERIODS
    return fleet.periods[period % PERIODS]


@kernel
def settle_due_ns(fleet: Any) -> int:
    """Return when the next period is to be settled."""
    return (fleet.next_period + 1) * PERIOD_NS + SETTLE_AFTER_NS


@kernel
def plan_power_w(fleet: Any, asset_id: int, period: int) -> int:
    """Return what an asset was to do in a period."""
    return int(fleet.plans[asset_id, period % fleet.plans.shape[1]]) * PLAN_STEP_W


@kernel
def span_fault(fleet: Any, span: Any, first_allowed: int, horizon: int) -> int:
    """Return the reason why a span of delivery can't be used, or 0.

    Parameters
    ----------
    span : record with delivery_start_ns and delivery_duration_s
    first_allowed : int
        The earliest period that may be touched.
    horizon : int
        How many periods from the next to settle there is room for.
    """
    return stretch_fault(fleet, span.delivery_start_ns, span.delivery_duration_s, first_allowed, horizon)


@kernel
def stretch_fault(fleet: Any, start_ns: int, duration_s: int, first_allowed: int, horizon: int) -> int:
    """Return the reason why delivery can't be from `start_ns` on, for so long, or 0."""
    if start_ns % PERIOD_NS != 0 or duration_s % PERIOD_S != 0 or duration_s == 0:
        return PERIOD_MISALIGNED
    first_period = start_ns // PERIOD_NS
    if first_period < first_allowed:
        return PERIOD_PAST
    if first_period + duration_s // PERIOD_S > fleet.next_period + horizon:
        return BEYOND_HORIZON
    return 0
