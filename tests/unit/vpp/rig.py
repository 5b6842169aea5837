"""A fleet without a node: stamps commands, fires timers when they are due, keeps the events."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ringmain.core.engine import Machine
from ringmain.core.messages import RISING, STRICT, record_of
from ringmain.vpp.engine import MARKET
from ringmain.vpp.messages import SCHEMA, RegisterBattery, ReportTelemetry
from ringmain.vpp.state import PERIOD_NS, SECOND_NS

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 3_600 * SECOND_NS
MIDNIGHT_NS = 1_526_860_800 * SECOND_NS  # 2018-05-21 00:00 UTC
DESK, BRIDGE, LINK, OTHER_LINK = 1, 2, 3, 4  # sessions
LINK_ACCOUNT, OTHER_ACCOUNT = 100, 101

TIMER = record_of(SCHEMA, "Timer")
OPEN_SESSION = record_of(SCHEMA, "OpenSession")
CLOSE_SESSION = record_of(SCHEMA, "CloseSession")


class Rig:
    """One machine at a logical time; `events` holds everything since it was last taken."""

    def __init__(self, now_ns: int = MIDNIGHT_NS) -> None:
        self.machine = Machine(MARKET)
        self.now_ns = now_ns
        self.sequence = 0
        self.numbers: dict[int, int] = {}
        self.journal: list[Any] = []
        self.blocks: list[bytes] = []
        for session, account, numbering in (
            (DESK, 0, STRICT),
            (BRIDGE, 0, RISING),
            (LINK, LINK_ACCOUNT, STRICT),
            (OTHER_LINK, OTHER_ACCOUNT, STRICT),
        ):
            opening = OPEN_SESSION(account_id=account, numbering=numbering, cancel_on_disconnect=0)
            opening["session_id"] = session
            self._apply(opening)

    @property
    def fleet(self) -> Any:
        return self.machine.state[0]

    def send(self, session: int, *records: Any) -> list[dict[str, Any]]:
        """Apply the records, one after the other, and return their events."""
        self.apply(session, records)
        return self.take()

    def apply(self, session: int, records: Iterable[Any]) -> None:
        """Apply the records, one after the other; their events stay."""
        for record in records:
            self.numbers[session] = self.numbers.get(session, 0) + 1
            record["session_id"], record["session_number"] = session, self.numbers[session]
            self._apply(record)

    def send_batch(self, session: int, records: np.ndarray[Any, Any]) -> None:
        """Apply many records of one kind at once."""
        first = self.numbers.get(session, 0) + 1
        self.numbers[session] = first + len(records) - 1
        records["session_id"] = session
        records["session_number"] = np.arange(first, first + len(records))
        self._apply(records)

    def advance(self, until_ns: int) -> list[dict[str, Any]]:
        """Let time pass, with every timer on the way."""
        while 0 < self.machine.next_deadline_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.machine.next_deadline_ns)
            self._apply(TIMER())
        self.now_ns = until_ns
        return self.take()

    def run_timers(self) -> None:
        """Fire the timers that are due by now; their events stay."""
        while 0 < self.machine.next_deadline_ns <= self.now_ns:
            self._apply(TIMER())

    def take(self) -> list[dict[str, Any]]:
        """Return the events since the last call, unpacked, and forget them."""
        events = [SCHEMA.unpack_event(row) for row in self.rows()]
        self.blocks.clear()
        return events

    def rows(self) -> Any:
        """Return the events since the last take, as records."""
        return np.frombuffer(b"".join(self.blocks), SCHEMA.header).view(np.recarray)

    def _apply(self, records: Any) -> None:
        records["sequence"] = np.arange(self.sequence + 1, self.sequence + 1 + len(records))
        records["time_ns"] = self.now_ns
        self.sequence += len(records)
        batch = SCHEMA.batch([records])
        self.journal.append(batch)
        self.machine.step(batch, lambda events: self.blocks.append(events.tobytes()))


def battery(asset_id: int, **changes: int) -> Any:
    """A plain battery: 5 kW, 10 kWh, a tenth in reserve, 95 % each way, 20 EUR/MWh of wear."""
    values = {
        "node_id": asset_id,
        "link_account_id": LINK_ACCOUNT,
        "charge_limit_w": 5_000,
        "discharge_limit_w": 5_000,
        "energy_capacity_wh": 10_000,
        "reserve_permille": 100,
        "charge_efficiency_permille": 950,
        "discharge_efficiency_permille": 950,
        "wear_price_ticks": 2_000,
    }
    return RegisterBattery(asset_id=asset_id, **{**values, **changes})


def report(asset_id: int, device_number: int, measured_ns: int, **changes: int) -> Any:
    """A half-full battery at rest, unless told otherwise."""
    values = {"power_w": 0, "energy_wh": 5_000, "charged_wh": 0, "discharged_wh": 0}
    return ReportTelemetry(
        asset_id=asset_id, device_number=device_number, measured_ns=measured_ns, **{**values, **changes}
    )


def named(events: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["record"] == name]


def period_start_ns(now_ns: int) -> int:
    return now_ns // PERIOD_NS * PERIOD_NS
