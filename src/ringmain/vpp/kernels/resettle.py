"""Resettlement: a site's meter is corrected after its quarter-hour was settled.

The correction is money between the balancing account and that site, at the imbalance price that the
quarter-hour was settled at; the shares of the others, and the wear, stand. Both versions stay on the
tape.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.baselines import is_site
from ringmain.vpp.kernels.money import pay_site, price_of, receive
from ringmain.vpp.loop_messages import LOOP_REASONS, FleetResettled, SiteResettled
from ringmain.vpp.messages import ENERGY_OUT_OF_RANGE, PERIOD_MISALIGNED
from ringmain.vpp.state import BALANCING, PERIOD_NS, SITE_POWER_LIMIT_W

PERIOD_NOT_SETTLED = LOOP_REASONS["PERIOD_NOT_SETTLED"]
BEYOND_RESETTLEMENT = LOOP_REASONS["BEYOND_RESETTLEMENT"]
NOTHING_TO_CORRECT, UNKNOWN_SITE = LOOP_REASONS["NOTHING_TO_CORRECT"], LOOP_REASONS["UNKNOWN_SITE"]
SITE_RESETTLED, SITE_RESETTLED_RECORD = SiteResettled.kind, SiteResettled.dtype
FLEET_RESETTLED, FLEET_RESETTLED_RECORD = FleetResettled.kind, FleetResettled.dtype


@kernel
def correction_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a meter can't be corrected so, or 0."""
    if asked.period_start_ns % PERIOD_NS != 0:
        return PERIOD_MISALIGNED
    if not is_site(fleet, asked.site_id):
        return UNKNOWN_SITE
    if abs(int(asked.metered_wh)) > SITE_POWER_LIMIT_W // 4:
        return ENERGY_OUT_OF_RANGE
    period = asked.period_start_ns // PERIOD_NS
    is_being_paid = fleet.site_cursor > 0 and fleet.paid_period == period
    if period >= fleet.next_period or is_being_paid:
        return PERIOD_NOT_SETTLED
    if period < 0 or fleet.settled[period % fleet.settled.size].period != period:
        return BEYOND_RESETTLEMENT
    is_same = fleet.site_metered_wh[asked.site_id, period % fleet.settled.size] == asked.metered_wh
    return NOTHING_TO_CORRECT if is_same else 0


@kernel
def resettle(fleet: Any, command: Any, asked: Any, events: Any, n: int) -> int:
    """Book the difference; return the next free event row."""
    period = asked.period_start_ns // PERIOD_NS
    place = period % fleet.settled.size
    kept = fleet.settled[place]
    correction_wh = int(asked.metered_wh) - int(fleet.site_metered_wh[asked.site_id, place])
    amount_minor = price_of(correction_wh, kept.imbalance_ticks)
    receive(fleet, BALANCING, amount_minor)
    fleet.site_metered_wh[asked.site_id, place] = asked.metered_wh
    kept.metered_wh += correction_wh
    kept.version += 1
    head_event(events[n], command, SITE_RESETTLED)
    site = events.view(SITE_RESETTLED_RECORD)[n]
    site.period_start_ns = asked.period_start_ns
    site.site_id = asked.site_id
    site.metered_wh = asked.metered_wh
    site.amount_minor = amount_minor
    site.balance_minor = pay_site(fleet, asked.site_id, amount_minor)
    head_event(events[n + 1], command, FLEET_RESETTLED)
    whole = events.view(FLEET_RESETTLED_RECORD)[n + 1]
    whole.period_start_ns = asked.period_start_ns
    whole.metered_wh = kept.metered_wh
    whole.imbalance_minor = amount_minor
    whole.settlement_version = kept.version
    whole.correction_wh = correction_wh
    return n + 2
