"""Baselines: what a site would have run by itself, said before that begins.

What the fleet sells is the difference: a site is metered against its baseline, and dispatch aims at
commitments and baselines together.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.hierarchy import is_node
from ringmain.vpp.kernels.periods import PERIOD_S, period_cell, span_fault
from ringmain.vpp.kernels.units import energy_wh
from ringmain.vpp.loop_messages import LOOP_REASONS, BaselineApplied
from ringmain.vpp.state import PERIOD_NS, SITE_POWER_LIMIT_W

BASELINE_OUT_OF_RANGE, UNKNOWN_SITE = LOOP_REASONS["BASELINE_OUT_OF_RANGE"], LOOP_REASONS["UNKNOWN_SITE"]
BASELINE_APPLIED, BASELINE_APPLIED_RECORD = BaselineApplied.kind, BaselineApplied.dtype


@kernel
def is_site(fleet: Any, site_id: int) -> bool:
    """Tell whether a node is one that is paid."""
    return (
        0 < site_id < fleet.nodes.size and is_node(fleet, site_id) and fleet.nodes[site_id].site_id == site_id
    )


@kernel
def submit(fleet: Any, block: Any) -> int:
    """Write a site's baseline over what was there before; return the reason not to, or 0."""
    if not is_site(fleet, block.site_id):
        return UNKNOWN_SITE
    if abs(int(block.power_w)) > SITE_POWER_LIMIT_W:
        return BASELINE_OUT_OF_RANGE
    kept = fleet.settled.size
    first_open = -(-int(block.time_ns) // PERIOD_NS)  # what has begun is known, and no longer foretold
    fault = span_fault(fleet, block, first_open, kept)
    if fault:
        return fault
    first = block.delivery_start_ns // PERIOD_NS
    for period in range(first, first + block.delivery_duration_s // PERIOD_S):
        cell = period_cell(fleet, period)
        cell.baseline_w += int(block.power_w) - int(fleet.baselines_w[block.site_id, period % kept])
        fleet.baselines_w[block.site_id, period % kept] = block.power_w
    return 0


@kernel
def apply_baselines(fleet: Any, period: int, command: Any, events: Any, n: int) -> tuple[int, int]:
    """Let what sites ran beyond their baselines count as moved; return the next row, and their sum in Wh."""
    kept, total_wh, are_there = period % fleet.settled.size, 0, False
    for site_id in range(1, fleet.node_end):
        baseline_w = int(fleet.baselines_w[site_id, kept])
        if baseline_w != 0:
            site, baseline = fleet.nodes[site_id], energy_wh(baseline_w, PERIOD_NS)
            moved_wh = abs(site.metered_wh - baseline)
            fleet.paid_moved_wh += moved_wh - site.moved_wh
            site.moved_wh = moved_wh
            total_wh += baseline
            are_there = True
            fleet.baselines_w[site_id, kept] = 0
    if not are_there:
        return n, 0
    applied = events.view(BASELINE_APPLIED_RECORD)[n]
    head_event(events[n], command, BASELINE_APPLIED)
    applied.period_start_ns = period * PERIOD_NS
    applied.baseline_wh = total_wh
    return n + 1, total_wh
