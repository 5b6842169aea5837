"""Rows of figures, and what the project aims at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.memory import touch_memory

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A bound on a row's value, or on its ratio to the peer's value."""

    of: str  # "value" or "ratio"
    bound: float
    least: bool  # True: at least the bound; False: at most
    text: str

    def is_reached_by(self, row: Row) -> bool | None:
        """Compare; None where the figure or its peer was not measured."""
        measured = row[self.of]
        if measured is None:
            return None
        return bool(measured >= self.bound if self.least else measured <= self.bound)


# By how a figure's name begins. Ratios are value / peer value, whichever way is better.
GOALS = {
    "ring, two processes, 64 B, publish each": Goal("ratio", 2, True, "≥ 2 × Disruptor"),
    "ring, round trip / 2": Goal("ratio", 1, False, "≤ Disruptor"),
    "journal, 64 KiB batches, fdatasync": Goal("ratio", 0.8, True, "≥ 80 % of the bare loop"),
    "matching kernel, one book": Goal("value", 20, True, "≥ 20 M/s"),
    "matching kernel, 1,000 books": Goal("value", 5, True, "≥ 5 M/s"),
    "wire to wire, pipelined": Goal("value", 2, True, "≥ 2 M orders/s"),
    "wire to wire, 100k/s, p50": Goal("value", 500, False, "≤ 500 µs"),
    "wire to wire, 100k/s, p99": Goal("value", 5_000, False, "≤ 5 ms"),
    "fan-out, 100 subscribers, messages": Goal("value", 2, True, "≥ 2 M/s"),
    "fan-out, 100 subscribers, orders": Goal("ratio", 0.95, True, "≥ 95 % of without"),
    "fan-out, 100 subscribers, the node": Goal("ratio", 1.05, False, "≤ 5 % more"),
    "FIX 4.4 new orders acknowledged, fdatasync": Goal("value", 100, True, "≥ 100 k/s"),
    "plan, 10,000 stores x 24 periods, time": Goal("value", 0.3, False, "≤ 0.3 s"),
    "plan, 10,000 stores x 24 periods, certified gap": Goal("value", 1e-4, False, "≤ 1e-4"),
    "plan, 100,000 stores x 24 periods, time": Goal("value", 2.0, False, "≤ 2 s"),
    "plan, 100,000 stores x 24 periods, certified gap": Goal("value", 1e-4, False, "≤ 1e-4"),
    "plan, 10,000 stores x 96 periods, time": Goal("value", 6.0, False, "≤ 6 s"),
    "plan, 10,000 stores x 96 periods, certified gap": Goal("value", 1e-4, False, "≤ 1e-4"),
    "kill -9 at 100 instants, bids lost": Goal("value", 0, False, "0"),
    "kill -9 at 100 instants, bids doubled": Goal("value", 0, False, "0"),
    "kill -9 at 100 instants, awards": Goal("value", 0, False, "0"),
    "kill -9 at 100 instants, a node": Goal("value", 1, False, "≤ 1 s"),
    "kill -9 at 100 instants, the world": Goal("value", 1, False, "≤ 1 s"),
    "a million twins, state": Goal("value", 150, False, "≤ 150 MB"),
    "telemetry of a million twins": Goal("value", 2, True, "≥ 2 M/s"),
    "aggregate of 100k assets, age p99": Goal("value", 10, False, "≤ 10 ms"),
    "truth within the fleet's 95 % band": Goal("value", 93, True, "93 to 97 %"),
    "truth within feeders' 95 % band": Goal("value", 93, True, "93 to 97 %"),
    "tracking a ramp, 20 % lost": Goal("value", 0.5, False, "≤ 0.5 %"),
    "tracking a ramp, 30 % cut off": Goal("value", 1, False, "≤ 1 %"),
    "homes, score, causal control": Goal("value", 0.75, False, "≤ 0.75"),
    "devices, 2,000 websockets, telemetry": Goal("value", 80, True, "≥ 80 k/s"),
    "devices, a decision for 100,000 assets": Goal("value", 250, False, "≤ 250 ms"),
    "replay": Goal("value", 10, True, "≥ 10 M commands/s"),
    "day-ahead, 1 zone x 24 h, 20k steps, 500 blocks, time": Goal("value", 10, False, "≤ 10 s"),
    "day-ahead, 1 zone x 24 h, 20k steps, 500 blocks, gap": Goal("value", 1e-4, False, "≤ 1e-4"),
    "start after kill -9": Goal("value", 3, False, "≤ 3 s"),
}


def goal_of(row: Row) -> Goal | None:
    """Return the goal for a row's figure, if it has one."""
    return next((goal for name, goal in GOALS.items() if row["figure"].startswith(name)), None)


def row(
    figure: str, values: Sequence[float], unit: str, peer: str = "", peer_values: Sequence[float] = ()
) -> Row:
    """Make a row from the runs of both sides; each value is the median of its runs."""
    value = median(values)
    peer_value = median(peer_values) if peer_values else None
    return {
        "figure": figure,
        "value": value,
        "unit": unit,
        "peer": peer,
        "peer_value": peer_value,
        "ratio": value / peer_value if peer_value else None,
        "runs": len(values),
    }


def alternate(runs: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Measure the sides in turn, `runs` times each, so that both meet the same neighbours."""
    touch_memory()
    measured: list[list[float]] = [[] for _ in sides]
    for _ in range(runs):
        for values, measure in zip(measured, sides, strict=True):
            values.append(measure())
    return measured
