"""The fleet as the core runs it: commands in, events out."""

from typing import Any

from ringmain.core.engine import Market
from ringmain.core.jit import kernel
from ringmain.core.messages import CLOSE_SESSION, OPEN_SESSION, TIMER, record_of
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.answers import REJECTION_RECORD, reject
from ringmain.vpp.kernels.money import open_accounts
from ringmain.vpp.kernels.operator import operate
from ringmain.vpp.kernels.periods import wake
from ringmain.vpp.kernels.registry import close_session, open_session
from ringmain.vpp.kernels.rhythm import begin
from ringmain.vpp.kernels.timers import on_timer
from ringmain.vpp.kernels.twins import take_report
from ringmain.vpp.messages import SCHEMA, ReportTelemetry, TelemetryRejected
from ringmain.vpp.state import EVENTS_PER_COMMAND, MANY, STATE

OPEN_SESSION_RECORD = record_of(SCHEMA, "OpenSession").dtype
REPORT_TELEMETRY, REPORT_TELEMETRY_RECORD = ReportTelemetry.kind, ReportTelemetry.dtype
TELEMETRY_REJECTED = TelemetryRejected.kind


def start(state: Any) -> None:
    """Turn zeroed memory into an empty fleet."""
    open_accounts(state[0])
    begin(state[0])


@kernel
def apply(state: Any, commands: Any, events: Any) -> Any:
    """Apply commands in order; return how many were used and how many events they caused."""
    fleet = state[0]
    openings = commands.view(OPEN_SESSION_RECORD)
    reports = commands.view(REPORT_TELEMETRY_RECORD)
    rejections = events.view(REJECTION_RECORD)
    n = 0
    for i in range(commands.size):
        if events.size - n < EVENTS_PER_COMMAND:
            return i, n
        command = commands[i]
        wake(fleet, command.time_ns)
        if command.kind == REPORT_TELEMETRY:
            reason = take_report(fleet, reports[i])
            if reason:
                head_event(events[n], command, TELEMETRY_REJECTED)
                reject(rejections[n], reports[i].asset_id, reason)
                n += 1
        elif command.kind == TIMER:
            n = on_timer(fleet, command, events, n)
        elif command.kind == OPEN_SESSION:
            open_session(fleet, openings[i])
        elif command.kind == CLOSE_SESSION:
            close_session(fleet, command)
        else:
            n = operate(fleet, commands, i, events, n)
    return commands.size, n


MARKET = Market(SCHEMA, STATE, start, apply, EVENTS_PER_COMMAND)
MARKET_OF_MANY = Market(SCHEMA, MANY, start, apply, EVENTS_PER_COMMAND)  # a million assets
