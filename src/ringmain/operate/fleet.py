"""Taking assets into a fleet, from a file, over the gateway."""

import argparse
import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from ringmain.client import Client
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import say, table
from ringmain.operate.acting import connect
from ringmain.vpp.fleets import fleet_from_file
from ringmain.vpp.messages import ASSET_EXISTS, SCHEMA, AssetRejected, NodeRejected

PORTION = 512  # commands that are on their way at a time


def import_fleet(options: argparse.Namespace) -> int:
    """Send what a file describes; return 1 if anything but what is there already was refused."""
    commands = fleet_from_file(options.file)
    for command in commands if options.link is not None else ():
        if "link_account_id" in command.dtype.names:
            if not 0 < options.link < 1 << 16:
                what = f"--link {options.link} is no account of a device link"
                raise RingmainError("RM776", "vpp", what, "Give 1 to 65535")
            command["link_account_id"] = options.link
    if options.dry_run:
        say(f"{len(commands)} commands are right; nothing was sent.")
        return 0
    portions = [commands[n : n + PORTION] for n in range(0, len(commands), PORTION)]
    refused: list[dict[str, Any]] = []
    with connect(options) as session:
        console = Console(stderr=True)
        for portion in track(portions, "taking in", console=console, transient=True, disable=options.json):
            refused += _send(session, portion)
    known = [row for row in refused if row["reason"] == SCHEMA.reasons[ASSET_EXISTS]]
    wrong = [row for row in refused if row not in known]
    taken = len(commands) - len(refused)
    if options.json:
        say(json.dumps({"taken": taken, "known": len(known), "refused": wrong}, indent=2))
    else:
        say(f"{taken} taken in, {len(known)} were there already, {len(wrong)} refused.")
        if wrong:
            table("Refused", ["subject", "reason"], wrong)
    return 1 if wrong else 0


def _send(session: Client, commands: list[Any]) -> list[dict[str, Any]]:
    """Send some commands and wait for the answers; return those that were refused."""
    for command in commands:
        session.send(command)
    session.settle()
    events = session.poll()
    refused = []
    for record, subject in ((AssetRejected, "asset"), (NodeRejected, "node")):
        for row in events.view(record.dtype)[events["kind"] == np.uint16(record.kind)]:
            what = f"{subject} {int(row[f'{subject}_id'])}"
            refused.append({"subject": what, "reason": SCHEMA.reasons.get(int(row["reason"]), "?")})
    return refused
