"""The published figures, one family a file, each beside its peers in the same run.

``ringmain bench core`` measures the core's, ``ringmain bench exchange`` the exchange's,
``ringmain bench vpp`` the virtual power plant's, and ``ringmain bench ring`` one family. On a machine
that others share, absolute values mean little: read the ratios.
"""

import importlib
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Row, goal_of

FAMILIES = ("ring", "journal", "order_book", "wire", "recovery")
EXCHANGE = ("fanout", "fix", "dayahead", "history")
VPP = ("fleet", "fleet_plan", "reserve", "homes", "forecasts", "baselines", "devices", "kills")
GROUPS = {"core": FAMILIES, "exchange": EXCHANGE, "vpp": VPP} | {
    family: (family,) for family in FAMILIES + EXCHANGE + VPP
}


def main(name: str = "core", scale: float = 1.0, json_path: Path | None = None) -> list[Row]:
    """Measure a family or a group, print its table, and write it as JSON too if asked.

    Parameters
    ----------
    name : str
        One of :data:`GROUPS`.
    scale : float
        How much work each figure does, against what it takes to be steady: 0.1 for a quick look.
    json_path : Path, optional
        Where to write the rows.
    """
    console = Console()
    rows: list[Row] = []
    for family in GROUPS[name]:
        with console.status(f"{family} …"):
            rows += importlib.import_module(f"bench.{family}").run(scale)
    console.print(_table(rows))
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    return rows


def _table(rows: list[Row]) -> Table:
    table = Table(title="Medians; this project beside its peers, in the same run")
    for heading in ("figure", "value", "unit", "peer", "peer's", "ratio", "goal", "runs"):
        table.add_column(
            heading, justify="right" if heading in ("value", "peer's", "ratio", "runs") else "left"
        )
    for row in rows:
        table.add_row(
            row["figure"], _short(row["value"]), row["unit"], row["peer"] or "–", _short(row["peer_value"]),
            _short(row["ratio"]), _goal(row), str(row["runs"]),
        )  # fmt: skip
    return table


def _goal(row: Row) -> str:
    goal = goal_of(row)
    if goal is None:
        return "–"
    reached = goal.is_reached_by(row)
    verdict = "not measured" if reached is None else "[green]reached" if reached else "[red]missed"
    return f"{goal.text} {verdict}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
