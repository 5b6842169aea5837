"""Fleets from a seed or a file: nodes and assets of every kind, as the commands that register them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.records import Record
from ringmain.vpp.kernels import hierarchy, registry
from ringmain.vpp.messages import (
    SCHEMA,
    RegisterBattery,
    RegisterCharger,
    RegisterHeatStore,
    RegisterLoad,
    RegisterSolar,
    SetNode,
)
from ringmain.vpp.state import STATE

FIELDS = tuple(field.name for field in RegisterBattery.fields if field.default is None)
KINDS: dict[str, Record] = {
    "node": SetNode, "battery": RegisterBattery, "solar": RegisterSolar, "charger": RegisterCharger,
    "heat_store": RegisterHeatStore, "load": RegisterLoad,
}  # fmt: skip
_TAKE_IN = {
    SetNode.kind: hierarchy.set_node, RegisterBattery.kind: registry.register_battery,
    RegisterSolar.kind: registry.register_solar, RegisterCharger.kind: registry.register_charger,
    RegisterHeatStore.kind: registry.register_heat_store, RegisterLoad.kind: registry.register_load,
}  # fmt: skip
_KNOWN = frozenset(field.name for record in KINDS.values() for field in record.fields)
_PREFIXED = {  # columns that give a field in another unit
    name.removesuffix(unit) + prefix + unit: name
    for name in _KNOWN
    for unit in ("wh", "w")
    if name.endswith("_" + unit)
    for prefix in "km"
}
HOMES_PER_FEEDER, FEEDER_W, FUSE_W = 50, 400_000, 24_000  # three phases of 35 A
CHARGER = {
    "import_limit_w": 11_000, "export_limit_w": 0, "charge_efficiency_permille": 920,
    "discharge_efficiency_permille": 920, "wear_price_ticks": 0,
}  # fmt: skip
TWO_WAY_EVERY = 4  # at every so many homes a charger, if there is one, gives from the car, too
TWO_WAY = {"export_limit_w": 11_000, "wear_price_ticks": 4_000}  # a car's battery ages by 40 EUR a MWh given
HEAT_STORE = {
    "import_limit_w": 2_500, "energy_capacity_wh": 9_000, "reserve_permille": 250, "self_discharge_ppm": 0,
}  # fmt: skip
SMALLEST_W, SMALLEST_WH = 50, 100  # less is kilowatts taken for watts

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


def seeded_homes(count: int, seed: int, battery_link: int, home_link: int) -> list[Any]:
    """Return the commands for `count` homes, each with a battery and a household, and some of the rest.

    Fifty homes hang on a feeder, and each has a main fuse. Six in ten have a roof, four in ten a charger,
    four in ten a heat store; the seed says who. At every fourth home the charger, if there is one, can give.

    Parameters
    ----------
    battery_link, home_link : int
        Accounts of the device links of the batteries, and of everything else.
    """
    dice = np.random.default_rng([seed, 7])
    feeders = -(-count // HOMES_PER_FEEDER)
    commands = [
        SetNode(node_id=n, parent_id=0, import_limit_w=FEEDER_W, export_limit_w=FEEDER_W, is_site=0)
        for n in range(1, feeders + 1)
    ]
    commands += [
        SetNode(node_id=feeders + n, parent_id=(n - 1) // HOMES_PER_FEEDER + 1, import_limit_w=FUSE_W,
                export_limit_w=FUSE_W, is_site=1)
        for n in range(1, count + 1)
    ]  # fmt: skip
    for command in seeded_fleet(count, seed, [battery_link]):
        command["node_id"] += feeders
        commands.append(command)
    asset_id = count
    for home in range(1, count + 1):
        own = {"node_id": feeders + home, "link_account_id": home_link}
        has_roof, has_charger, has_heat = (dice.random(3) < (0.6, 0.4, 0.4)).tolist()
        made: list[tuple[Record, dict[str, int]]] = [(RegisterLoad, {"import_limit_w": 14_000})]
        if has_roof:
            peak_w = int(dice.integers(30, 95)) * 100
            made.append(
                (RegisterSolar, {"export_limit_w": peak_w, "is_curtailable": int(dice.random() < 0.7)})
            )
        if has_charger:
            kind_of = CHARGER | (TWO_WAY if home % TWO_WAY_EVERY == 0 else {})
            made.append(
                (RegisterCharger, kind_of | {"energy_capacity_wh": int(dice.integers(40, 85)) * 1_000})
            )
        if has_heat:
            made.append((RegisterHeatStore, HEAT_STORE))
        for record, fields in made:
            asset_id += 1
            commands.append(record(asset_id=asset_id, **own, **fields))
    return commands


def fleet_from_file(path: Path) -> list[Any]:
    """Return the commands that register what a CSV or JSON file describes, nodes first.

    The columns are the commands' fields, in whole numbers, beside `kind`: node, battery, solar, charger,
    heat_store or load; a file without that column describes batteries. Columns of other names are not
    looked at, but for those that give a field in another unit.

    Raises
    ------
    RingmainError
        RM601 for a file that can't be read or is empty, RM602 for a row that is no asset, RM603 for one
        that the engine would refuse, RM604 for values in another unit.
    """
    rows = _rows(path)
    if not rows:
        raise RingmainError("RM601", f"fleet {path.name}", "holds no asset", "Give one row for each")
    commands = [(number, _registration(path, number, row)) for number, row in enumerate(rows, 1)]
    commands.sort(key=_order)
    fleet = np.zeros(1, STATE).view(np.recarray)[0]
    for number, command in commands:
        reason = _TAKE_IN[int(command["kind"][0])](fleet, command.view(np.recarray)[0])
        if reason:
            what = f"row {number}, {_subject(command)}: {SCHEMA.reasons[reason]}"
            raise RingmainError("RM603", f"fleet {path.name}", what, "Correct the row")
    return [command for _, command in commands]


def _order(numbered: tuple[int, Any]) -> tuple[bool, int]:
    """Return where a row comes: nodes by their ids, so that parents are there; then assets as they stand."""
    number, command = numbered
    is_node = int(command["kind"][0]) == SetNode.kind
    return not is_node, int(command["node_id"][0]) if is_node else number


def _subject(command: Any) -> str:
    is_node = int(command["kind"][0]) == SetNode.kind
    return f"node {int(command['node_id'][0])}" if is_node else f"asset {int(command['asset_id'][0])}"


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
    what, names = "is no row of columns", ", ".join(FIELDS)
    if isinstance(row, dict):
        _check_units(path, number, row)
        record = KINDS.get(str(row.get("kind") or "battery").strip().lower())
        if record is None:
            raise RingmainError(
                "RM602", f"fleet {path.name}", f"row {number}: {row['kind']} is no kind of asset",
                f"Give one of {', '.join(KINDS)}",
            )  # fmt: skip
        values = {field.name: _given(row, field.name, field.default) for field in record.fields}
        names = ", ".join(values)
        faults = [
            f"{name} is {'missing' if value is None else value}"
            for name, value in values.items()
            if not _is_whole(value)
        ]
        what = ", ".join(faults)
        if not what:
            try:
                command = record(**{name: int(value) for name, value in values.items()})
            except RingmainError as error:  # a field is too small for the number
                what = error.what
            else:
                _check_size(path, number, record, values)
                return command
    raise RingmainError(
        "RM602", f"fleet {path.name}", f"row {number}: {what}", f"Give whole numbers for {names}"
    )


def _given(row: dict[str, Any], name: str, default: int | None) -> Any:
    value = row.get(name)
    return default if value is None or value == "" else value


def _check_units(path: Path, number: int, row: dict[str, Any]) -> None:
    """Refuse a column that gives a field in another unit."""
    for name in row:
        if isinstance(name, str) and name.strip().lower() in _PREFIXED:
            what = f"row {number}: {name} is not the unit that is read"
            better = _PREFIXED[name.strip().lower()]
            raise RingmainError("RM604", f"fleet {path.name}", what, f"Give {better}, a whole number")


def _check_size(path: Path, number: int, record: Record, values: dict[str, Any]) -> None:
    """Refuse what no device is: it was written in kilowatts."""
    for field in record.fields:
        least = SMALLEST_W if field.name.endswith("limit_w") else SMALLEST_WH
        if not field.name.endswith(("limit_w", "capacity_wh")):
            continue
        if 0 < int(values[field.name]) < least:
            what = f"row {number}: {field.name} is {values[field.name]}, as if it were in kilowatts"
            raise RingmainError("RM604", f"fleet {path.name}", what, "Give watts and watt-hours")


def _is_whole(value: Any) -> bool:
    """Tell whether a cell is a whole number."""
    try:
        return not isinstance(value, bool) and int(value) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False
