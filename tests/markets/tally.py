"""A market that adds up, and rings when an alarm is due: small enough to predict every byte."""

from typing import Any

import numpy as np

from ringmain.core.engine import Market
from ringmain.core.jit import kernel
from ringmain.core.messages import TIMER, market_schema
from ringmain.core.records import Field
from ringmain.core.sessions import head_event

SCHEMA = market_schema("tally", version=1)
AMOUNT = Field("amount", "i8", "what to add")
Add = SCHEMA.command(1, "Add", "Add an amount.", [AMOUNT, Field("echoes", "u4", "further events to emit")])
SetAlarm = SCHEMA.command(2, "SetAlarm", "Ring at a time.", [Field("at_ns", "i8", "when")])
Added = SCHEMA.event(1, "Added", "It was added.", [AMOUNT, Field("total", "i8", "the sum so far")])
Rang = SCHEMA.event(2, "Rang", "The alarm was due.", [Field("due_ns", "i8", "when it was due")])

ECHOES = 8
STATE = np.dtype([("next_deadline_ns", "i8"), ("total", "i8"), ("room", "i8", (1024,))], align=True)
ADD, SET_ALARM, ADDED, RANG = Add.kind, SetAlarm.kind, Added.kind, Rang.kind
ADD_RECORD, SET_ALARM_RECORD, ADDED_RECORD, RANG_RECORD = Add.dtype, SetAlarm.dtype, Added.dtype, Rang.dtype


@kernel
def ring(tally: Any, event: Any, command: Any) -> int:
    if tally.next_deadline_ns == 0 or command.time_ns < tally.next_deadline_ns:
        return 0
    head_event(event, command, RANG)
    event.due_ns = tally.next_deadline_ns
    tally.next_deadline_ns = 0
    return 1


@kernel
def add(tally: Any, added: Any, count: int, command: Any, order: Any) -> int:
    tally.total += order.amount
    tally.room[order.amount % 1024] += 1
    for echo in range(1 + order.echoes % ECHOES):
        event = added[count + echo]
        head_event(event, command, ADDED)
        event.amount = order.amount
        event.total = tally.total + echo
    return 1 + order.echoes % ECHOES


@kernel
def apply(state: Any, commands: Any, events: Any) -> tuple[int, int]:
    tally, count = state[0], 0
    orders, alarms = commands.view(ADD_RECORD), commands.view(SET_ALARM_RECORD)
    added, rang = events.view(ADDED_RECORD), events.view(RANG_RECORD)
    for i in range(commands.size):
        if events.size - count < ECHOES:
            return i, count
        if commands[i].kind == ADD:
            count += add(tally, added, count, commands[i], orders[i])
        elif commands[i].kind == SET_ALARM:
            tally.next_deadline_ns = alarms[i].at_ns
        elif commands[i].kind == TIMER:
            count += ring(tally, rang[count], commands[i])
    return commands.size, count


def start(state: Any) -> None:
    assert state[0].total == 0


MARKET = Market(SCHEMA, STATE, start, apply, ECHOES)
OpenSession = SCHEMA.commands[0xFF02]
CloseSession = SCHEMA.commands[0xFF03]


def opening(session_id: int, numbering: int = 0) -> Any:
    return OpenSession(session_id=session_id, account_id=1, numbering=numbering, cancel_on_disconnect=0)


def stamped(records: list[Any], first_sequence: int = 1, time_ns: int = 1000) -> Any:
    """Join records into a batch, stamped as a node would."""
    batch = SCHEMA.batch(records)
    batch["sequence"] = np.arange(first_sequence, first_sequence + batch.size)
    batch["time_ns"] = time_ns
    return batch


def stream(seed: int, count: int, sessions: int = 4) -> Any:
    """Return a seeded stamped stream: fresh commands, repeats, gaps, strangers, unknown kinds."""
    dice = np.random.default_rng(seed)
    last = dict.fromkeys(range(1, sessions + 1), 0)
    records = [opening(session, session % 2) for session in last]
    for _ in range(count):
        session = int(dice.integers(1, sessions + 2))
        number = last.get(session, 0) + int(dice.choice([1, 1, 1, 1, 1, 0, 2]))
        if number == last.get(session, 0) + 1 and session in last:
            last[session] = number
        record = Add(
            session, number, amount=int(dice.integers(-(10**9), 10**9)), echoes=int(dice.integers(0, 20))
        )
        if dice.random() < 0.02:
            record["kind"] = 77
        records.append(record)
    return stamped(records)
