"""How well the fleet foresaw: its forecasts, and what it earned beside what perfect foresight earns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.tape import TapeReader
from ringmain.vpp.advice.foresight import DayEarned, Told
from ringmain.vpp.advice.foresight import foresight as foresight_of
from ringmain.vpp.advice.foretelling import Foreteller
from ringmain.vpp.messages import SCHEMA
from ringmain.vpp.views import ASSET, Statement
from ringmain.world.calendar import DAY_NS, SECOND_NS, midnight_ns
from ringmain.world.live import Plan


def read(data: Path) -> Told:
    """Read the fleet's tape from its first event that is kept."""
    told, tape = Told(), TapeReader(data / "vpp", SCHEMA)
    tape.position = tape.first()
    while (events := tape.read()).size:
        told.fold(events)
    tape.close()
    return told


def forecasts(plan: Plan, told: Told) -> dict[int, int]:
    """Return what the fleet's desk expected of each hour of the plan's days, by start of hour.

    It is worked out again from what the desk knew by then: a forecast looks at no hour of its own
    day or later.
    """
    history = {**plan.known_ticks(), **told.ticks}
    expected: dict[int, int] = {}
    foreteller = Foreteller(plan.known_inputs())
    for day in plan.days:
        begin_ns = midnight_ns(day)
        prices = foreteller.foretell(history, begin_ns, begin_ns - DAY_NS // 2).price_ticks.tolist()
        expected.update(zip(range(begin_ns, begin_ns + DAY_NS, DAY_NS // 24), prices, strict=True))
    return expected


def foresight(plan: Plan, told: Told, statements: Sequence[Statement]) -> list[dict[str, Any]]:
    """Return each day's line, as :func:`ringmain.vpp.advice.foresight.foresight` defines it."""
    fleet = np.array([tuple(row) for row in plan.fleet], ASSET).view(np.recarray)
    days_ns = [midnight_ns(day) for day in plan.days]
    return [_line(day) for day in foresight_of(days_ns, fleet, told, statements)]


def _line(day: DayEarned) -> dict[str, Any]:
    return {
        "day": datetime.fromtimestamp(day.day_ns // SECOND_NS, UTC).date().isoformat(),
        "earned_eur": day.earned_minor / 1e6, "perfect_eur": day.perfect_minor / 1e6, "share": day.share,
        "reserve_eur": day.reserve_minor / 1e6,
    }  # fmt: skip
