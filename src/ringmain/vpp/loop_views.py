"""Folds of the market loop's notes: reasons of bids, steps that were done, baselines."""

from dataclasses import dataclass
from typing import Any

from ringmain.vpp.loop_messages import (
    OUTCOMES,
    PURPOSES,
    SOURCES,
    STEPS,
    BaselineAccepted,
    BidExplained,
    StepRecorded,
)
from ringmain.vpp.rows import rows_of, values_of
from ringmain.vpp.state import KEPT_PERIODS, PERIOD_NS, SECOND_NS

NAMES = {
    field: {code: name for name, code in codes.items()}
    for field, codes in (
        ("purpose", PURPOSES), ("price_source", SOURCES), ("step", STEPS), ("outcome", OUTCOMES),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """Why a bid was made: power in W, prices in ticks of 0.01 EUR/MWh."""

    time_ns: int
    bid_id: int
    wanted_power_w: int
    owed_power_w: int
    expected_price_ticks: int
    worth_ticks: int
    purpose: str
    price_source: str


class Reasons:
    """The reason of every bid, by its id."""

    def __init__(self) -> None:
        self.by_bid: dict[int, Reason] = {}

    def fold(self, events: Any) -> None:
        """Follow the explanations; of a bid that was explained twice, the last stands."""
        for row in rows_of(events, BidExplained):
            self.by_bid[int(row["bid_id"])] = Reason(**_named(row, Reason))


@dataclass(frozen=True)
class Step:
    """A step of the market loop, as it was done."""

    time_ns: int
    about_ns: int
    gate_ns: int
    count: int
    step: str
    outcome: str
    price_source: str


class Steps:
    """Which steps were done, by step and by the start of what they are about; the last of each stands."""

    def __init__(self) -> None:
        self.done: dict[tuple[str, int], Step] = {}

    def fold(self, events: Any) -> None:
        """Follow the steps."""
        for row in rows_of(events, StepRecorded):
            step = Step(**_named(row, Step))
            self.done[step.step, step.about_ns] = step


class Baselines:
    """What the sites would run by themselves, their sum, by quarter-hour.

    What each site said is kept for as long as it may say otherwise: an engine keeps KEPT_PERIODS.
    """

    def __init__(self) -> None:
        self.power_w: dict[int, int] = {}
        self._of_site: dict[tuple[int, int], int] = {}
        self._forget_at = 0  # the quarter-hour with which what is long past is forgotten

    def fold(self, events: Any) -> None:
        """Follow the baselines; the newest stands."""
        for row in rows_of(events, BaselineAccepted):
            site_id, power_w = int(row["site_id"]), int(row["power_w"])
            first = int(row["delivery_start_ns"]) // PERIOD_NS
            if first >= self._forget_at:
                self._forget(first)
            for period in range(first, first + int(row["delivery_duration_s"]) * SECOND_NS // PERIOD_NS):
                before_w = self._of_site.get((site_id, period), 0)
                self._of_site[site_id, period] = power_w
                self.power_w[period] = self.power_w.get(period, 0) + power_w - before_w

    def _forget(self, period: int) -> None:
        """Forget what sites said of quarter-hours that lie KEPT_PERIODS back."""
        kept = {key: power_w for key, power_w in self._of_site.items() if key[1] >= period - KEPT_PERIODS}
        self._of_site, self._forget_at = kept, period + KEPT_PERIODS


def _named(row: Any, kind: type[Reason] | type[Step]) -> dict[str, Any]:
    """Return a row's values for a dataclass, codes by their names."""
    said = {name: value for name, value in values_of(row).items() if name in kind.__dataclass_fields__}
    return {name: NAMES[name].get(value, "") if name in NAMES else value for name, value in said.items()}
