"""The clockwork: what a Timer does, one bounded portion at a time."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.census import take_census
from ringmain.vpp.kernels.dispatch import issue_setpoints, tick
from ringmain.vpp.kernels.measuring import tell_fleet, tell_nodes
from ringmain.vpp.kernels.periods import settle_due_ns
from ringmain.vpp.kernels.settle import pay_sites, settle_period


@kernel
def on_timer(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Do the next portion of what is due, and set the next deadline; return the next free event row.

    What has begun goes first, then a period that is to be settled, then the tick, so that a node that
    was away settles the past before it dispatches the present.
    """
    if fleet.setpoint_cursor > 0:
        n = issue_setpoints(fleet, command, events, n)
    elif fleet.site_cursor > 0:
        n = pay_sites(fleet, command, events, n)
    elif fleet.census_cursor > 0:
        n = take_census(fleet, command, events, n)
    elif fleet.node_cursor > 0:
        n = tell_nodes(fleet, command, events, n)
    elif command.time_ns >= settle_due_ns(fleet):
        n = settle_period(fleet, command, events, n)
    elif command.time_ns >= fleet.next_tick_ns:
        n = tick(fleet, command, events, n)
    elif command.time_ns >= fleet.next_measure_ns:
        n = tell_fleet(fleet, command, events, n)
    fleet.next_deadline_ns = deadline_ns(fleet, command.time_ns)
    return n


@kernel
def deadline_ns(fleet: Any, now_ns: int) -> int:
    """Return when the next portion is due: at once if something has begun."""
    if fleet.setpoint_cursor > 0 or fleet.site_cursor > 0 or fleet.census_cursor > 0 or fleet.node_cursor > 0:
        return now_ns
    return min(fleet.next_tick_ns, fleet.next_measure_ns, settle_due_ns(fleet))
