"""Wiring: fleets from a seed or a file. The vpp's only file with I/O."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.vpp.kernels.registry import register_battery
from ringmain.vpp.messages import SCHEMA, RegisterBattery
from ringmain.vpp.state import STATE

FIELDS = tuple(field.name for field in RegisterBattery.fields if field.default is None)

# Homes' batteries by what their data sheets say, rounded: (limit W, capacity Wh, efficiency each way, wear).
# Wear is what a cycle adds to the ageing that passes with the years anyway: 3 to 5 EUR for a MWh given.
MAKES = (
    (5_000, 13_500, 948, 400),
    (4_600, 10_240, 962, 300),
    (3_680, 9_600, 954, 500),
    (5_800, 14_300, 943, 360),
)


def seeded_fleet(count: int, seed: int, link_account_ids: list[int]) -> list[Any]:
    """Return RegisterBattery commands for `count` homes, each with one battery of a common make.

    Parameters
    ----------
    count : int
        Number of batteries; asset and site ids run from 1.
    seed : int
        The same seed gives the same fleet.
    link_account_ids : list of int
        Accounts of the device links, over which the batteries are dealt in turn.
    """
    dice = np.random.default_rng(seed)
    commands = []
    for asset_id in range(1, count + 1):
        limit_w, capacity_wh, efficiency, wear = MAKES[int(dice.integers(len(MAKES)))]
        commands.append(
            RegisterBattery(
                asset_id=asset_id,
                node_id=asset_id,
                link_account_id=link_account_ids[(asset_id - 1) % len(link_account_ids)],
                charge_limit_w=limit_w,
                discharge_limit_w=limit_w,
                energy_capacity_wh=capacity_wh,
                reserve_permille=int(dice.choice([50, 100, 200])),
                charge_efficiency_permille=efficiency,
                discharge_efficiency_permille=efficiency,
                wear_price_ticks=wear,
            )
        )
    return commands


def fleet_from_file(path: Path) -> list[Any]:
    """Return RegisterBattery commands from a CSV or JSON file whose columns are the command's fields.

    Columns of other names are not looked at.

    Raises
    ------
    RingmainError
        RM601 for a file that can't be read or is empty, RM602 for a row that is no battery, RM603 for a
        battery that the engine would refuse.
    """
    rows = _rows(path)
    if not rows:
        raise RingmainError("RM601", f"fleet {path.name}", "holds no battery", "Give one row for each")
    fleet = np.zeros(1, STATE).view(np.recarray)[0]
    commands = []
    for number, row in enumerate(rows, 1):
        command = _registration(path, number, row)
        reason = register_battery(fleet, command.view(np.recarray)[0])
        if reason:
            what = f"row {number}, asset {int(command['asset_id'][0])}: {SCHEMA.reasons[reason]}"
            raise RingmainError("RM603", f"fleet {path.name}", what, "Correct the row")
        commands.append(command)
    return commands


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        if path.suffix == ".json":
            return list(json.loads(text))
    except (OSError, ValueError, TypeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise RingmainError(
            "RM601", f"fleet {path.name}", f"cannot be read: {what}", "Check the file"
        ) from None
    raise RingmainError(
        "RM601", f"fleet {path.name}", "is neither .csv nor .json", "Name it after what it is"
    )


def _registration(path: Path, number: int, row: Any) -> Any:
    what = "is no row of columns"
    if isinstance(row, dict):
        faults = [f"{name} is {row.get(name, 'missing')}" for name in FIELDS if not _is_whole(row.get(name))]
        what = ", ".join(faults)
    if not what:
        try:
            return RegisterBattery(**{name: int(row[name]) for name in FIELDS})
        except RingmainError as error:  # a field is too small for the number
            what = error.what
    raise RingmainError(
        "RM602", f"fleet {path.name}", f"row {number}: {what}", f"Give whole numbers for {', '.join(FIELDS)}"
    )


def _is_whole(value: Any) -> bool:
    """Tell whether a cell is a whole number."""
    try:
        return not isinstance(value, bool) and int(value) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False
