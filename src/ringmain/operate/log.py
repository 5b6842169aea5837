"""What the operator has done: commands of account 0's sessions, out of the journal."""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.journal.scan import JournalScan
from ringmain.core.messages import OPEN_SESSION, record_of
from ringmain.core.records import Schema
from ringmain.core.times import time_text
from ringmain.gateway.credentials import Credentials

OPERATOR = 0
HEADER = ("record", "sequence", "time_ns", "session_id", "session_number", "kind", "slots", "version")


def operators_commands(data: Path, schema: Schema, names: frozenset[str]) -> list[dict[str, Any]]:
    """Return the commands of these records that a session of account 0 has sent, oldest first.

    Each row has time, sequence, session (the credential's name, if it is still there), command, values.

    Raises
    ------
    RingmainError
        RM686 if the market has not run in the folder; RM104 for a damaged journal.
    """
    folder = data / schema.name
    if not (folder / "page").exists():
        what = f"{folder} holds no market"
        raise RingmainError("RM686", schema.name, what, "Give the data folder with --data")
    called = {c.session_id: c.name for c in Credentials(data).all() if c.market == schema.name}
    kinds = [kind for kind, record in schema.commands.items() if record.name in names]
    opening = record_of(schema, "OpenSession").dtype
    account_of: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for batch in JournalScan(folder / "journal", schema).runs():
        commands = batch.commands
        for place in np.flatnonzero(np.isin(commands["kind"], [*kinds, OPEN_SESSION])).tolist():
            command = commands[place : place + 1]
            session_id = int(command["session_id"][0])
            if int(command["kind"][0]) == OPEN_SESSION:
                account_of[session_id] = int(command.view(opening)["account_id"][0])
            elif account_of.get(session_id) == OPERATOR:
                rows.append(_row(schema, batch.first_sequence + place, command, called.get(session_id)))
    return rows


def _row(schema: Schema, sequence: int, command: Any, name: str | None) -> dict[str, Any]:
    said = schema.unpack_command(command)
    values = {key: value for key, value in said.items() if key not in HEADER}
    return {
        "time": time_text(said["time_ns"]), "sequence": sequence,
        "session": name or f"session {said['session_id']}", "command": said["record"],
        "values": ", ".join(f"{key} {value}" for key, value in values.items()),
    }  # fmt: skip
