"""A strategy in a recorded day: the journal goes through the engine, the strategy's orders between.

The recorded commands keep their order and their times. The strategy trades against the recorded book;
what its participants would have done otherwise is not known. Until the strategy's first command the
replay is the recorded day, byte for byte; from then on a second engine lives the day without the
strategy, so that what fails because of it can be told.
"""

import itertools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.strategy.driver import Driver, Strategy
from ringmain.client.strategy.result import Result, result_of
from ringmain.client.strategy.venue import Batch, EngineVenue, Latency, Seat, Timeline
from ringmain.core.engine import Machine, Publish
from ringmain.core.errors import RingmainError
from ringmain.core.journal.scan import JournalScan
from ringmain.core.messages import record_of
from ringmain.core.replay import check_layout
from ringmain.core.sessions import SESSIONS
from ringmain.exchange import messages as m
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history.export import check_market_folder
from ringmain.exchange.multileg_messages import AllowQuoting
from ringmain.exchange.state import ACCOUNTS

STRATEGY_SESSION, OPERATOR_SESSION = SESSIONS - 1, SESSIONS - 2  # no recorded day may have them
STRATEGY_ACCOUNT = ACCOUNTS - 1
CREDIT_MINOR, LIMIT_LOTS = 10**13, 10_000
OpenSession = record_of(m.schema, "OpenSession")
REJECTED = {  # kind: the dtype that has the reason
    kind: record.dtype
    for kind, record in m.schema.events.items()
    if record.name.endswith("Rejected") or record.name == "CommandRefused"
}
# Fields of commands that name another command by its sequence, by kind.
SEQUENCES = {
    kind: [each.name for each in record.fields if each.name.endswith("_sequence")]
    for kind, record in m.schema.commands.items()
    if any(each.name.endswith("_sequence") for each in record.fields)
}
Rejections = dict[tuple[int, int], str]


def replay(
    strategy: Strategy, data: Path, latency: Latency | None = None, credit_minor: int = CREDIT_MINOR,
    limit_lots: int = LIMIT_LOTS, keep_orders: bool = False, publish: Publish | None = None,
) -> Result:  # fmt: skip
    """Have a strategy trade in a recorded day.

    Parameters
    ----------
    data : Path
        The data folder; its exchange's journal is read and not changed, the node may be running.
    credit_minor, limit_lots : int
        What the strategy's account, one of its own, may owe, and its limit in each product.
    publish : callable, optional
        Gets the engine's events.

    Raises
    ------
    RingmainError
        RM642 if no exchange has run there; RM368 if the journal's beginning is gone; RM369 if it uses
        the session or account that is kept for strategies; RM104 and RM108 as every replay.
    """
    folder = data / "exchange"
    check_market_folder(folder)
    scan = JournalScan(folder / "journal", m.schema)
    check_layout(scan, MARKET)
    if scan.segments and scan.segments[0].first_sequence > 1:
        what = f"the journal begins at {scan.segments[0].first_sequence}"
        raise RingmainError(
            "RM368", "strategy", what, "Replay a folder that keeps its journal from the begin"
        )
    day = _Day(strategy, scan, latency or Latency(), (credit_minor, limit_lots), publish)
    day.timeline.begin()
    day.timeline.run()
    day.timeline.finish(keep_orders)
    notes = {
        "recorded commands": day.commands,
        "recorded commands failed because of the strategy": sum(day.failed.values()),
    } | {f"failed, {reason}": count for reason, count in day.failed.items()}
    return result_of(day.seat.driver, "replay", day.begin_ns, notes)


class _Day:
    """A recorded day, and what the strategy makes of it."""

    def __init__(
        self, strategy: Strategy, scan: JournalScan, latency: Latency, limits: tuple[int, int],
        publish: Publish | None,
    ) -> None:  # fmt: skip
        self.venue = EngineVenue(publish)
        self.seat = Seat(lambda seat: Driver(strategy, seat), STRATEGY_SESSION, latency)
        self.timeline = Timeline(
            self.venue, [self.seat], self._recorded(scan), lambda: self._as_recorded is not None
        )
        self.timeline.on_source = self._carry_out_recorded
        self.timeline.on_arrival = self._carry_out_own
        self.commands, self.begin_ns = 0, 0
        self.failed: Counter[str] = Counter()
        self._limits = limits
        self._as_recorded: Machine | None = None  # the day without the strategy, once it has sent something
        self._recorded_from: list[int] = []  # recorded sequences from which on ...
        self._shifts: list[int] = []  # ... commands stand so much later here

    def _recorded(self, scan: JournalScan) -> Iterator[Batch]:
        """Yield the journal's commands, those of one time together."""
        for batch in scan.runs():
            times = batch.commands["time_ns"]
            borders = [0, *(np.flatnonzero(np.diff(times)) + 1).tolist(), times.size]
            for begin, end in itertools.pairwise(borders):
                if begin < end:
                    rows = batch.commands[begin:end].copy()
                    self._check_free(rows)
                    yield int(times[begin]), rows

    def _check_free(self, rows: Any) -> None:
        """Refuse a day in which somebody has the strategy's session or account."""
        opened = rows["kind"] == m.OpenAccount.kind
        accounts = rows.view(m.OpenAccount.dtype)["account_id"][opened]
        if (rows["session_id"] >= OPERATOR_SESSION).any() or (accounts == STRATEGY_ACCOUNT).any():
            what = f"session {OPERATOR_SESSION} or above, or account {STRATEGY_ACCOUNT}, is in use"
            raise RingmainError("RM369", "strategy", what, "Replay a day that leaves them free")

    def _carry_out_recorded(self, commands: Any, time_ns: int) -> None:
        self.commands += int(commands.size)
        self.begin_ns = self.begin_ns or time_ns
        if self._as_recorded is None:
            self.timeline.spread(self.venue.apply(commands, time_ns))
            return
        without: list[Any] = []
        self._as_recorded.step(commands, lambda events: without.append(events.copy()))
        here = commands.copy()
        self._translate(here)
        events = self.venue.apply(here, time_ns)
        self._count_failures(events, m.schema.batch(without) if without else m.schema.empty(0))
        self.timeline.spread(events)

    def _carry_out_own(self, commands: Any, time_ns: int) -> None:
        if self._as_recorded is None:
            self._part()
            self.timeline.spread(self.venue.apply(self._opening(), time_ns))
        self.timeline.spread(self.venue.apply(commands, time_ns))

    def _part(self) -> None:
        """From here on the day is another one than the recorded: keep an engine for that."""
        self._as_recorded = Machine(MARKET)
        for kept, here in zip(self._as_recorded.parts(), self.venue.machine.parts(), strict=True):
            kept[:] = here

    def _opening(self) -> Any:
        """Return what opens the strategy's account and session, right before its first command."""
        credit_minor, limit_lots = self._limits
        operator = [
            m.OpenAccount(
                OPERATOR_SESSION, 1, account_id=STRATEGY_ACCOUNT, credit_minor=credit_minor,
                long_limit_lots=limit_lots, short_limit_lots=limit_lots,
            ),
            AllowQuoting(OPERATOR_SESSION, 2, quoter_id=STRATEGY_SESSION, is_allowed=1),
        ]  # fmt: skip
        sessions = [
            OpenSession(session_id, account_id=account_id, numbering=0, cancel_on_disconnect=0)
            for session_id, account_id in ((OPERATOR_SESSION, 0), (STRATEGY_SESSION, STRATEGY_ACCOUNT))
        ]
        return m.schema.batch([*sessions, *operator])

    def _translate(self, commands: Any) -> None:
        """Have commands name the sequences that trades and proposals have here."""
        first = int(commands["sequence"][0])
        shift = self.venue.sequence + 1 - first
        if not self._shifts or self._shifts[-1] != shift:
            self._recorded_from.append(first)
            self._shifts.append(shift)
        for kind, names in SEQUENCES.items():
            for row in np.flatnonzero(commands["kind"] == kind).tolist():
                named = commands[row : row + 1].view(m.schema.commands[kind].dtype)
                for name in names:
                    place = bisect_right(self._recorded_from, int(named[name][0])) - 1
                    named[name] += self._shifts[place] if place >= 0 else 0

    def _count_failures(self, here: Any, without: Any) -> None:
        """Count what is rejected here, and was not in the recorded day."""
        before = _rejections(without)
        for name, reason in _rejections(here).items():
            if name not in before:
                self.failed[reason] += 1


def _rejections(events: Any) -> Rejections:
    """Return why commands were rejected, by session and number."""
    found: Rejections = {}
    for kind, dtype in REJECTED.items():
        rows = np.flatnonzero(events["kind"] == kind)
        rejected = events.view(dtype)
        for row in rows.tolist():
            reason = int(rejected["reason"][row])
            name = int(events["session_id"][row]), int(events["session_number"][row])
            found[name] = m.schema.reasons.get(reason, str(reason))
    return found
