"""Exactly once: each session numbers its commands, and a repeat is told where its first answer is."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.core.messages import (
    CLOSE_SESSION,
    COMMAND_REFUSED,
    NUMBER_SKIPPED,
    OPEN_SESSION,
    REPEATED,
    RISING,
    SESSION_CLOSED,
    SESSION_NOT_OPEN,
    SESSION_OPENED,
    TIMER,
    UNKNOWN_COMMAND,
    WRONG_LAYOUT,
)
from ringmain.core.records import FIRST_CORE_KIND

SESSIONS = 4_096  # session ids run from 1 to SESSIONS - 1; 0 is the node itself
ANSWERS_KEPT = 32  # a repeat within the last so many numbers is told its first sequence

ANSWER = np.dtype([("number", "i8"), ("sequence", "i8")], align=True)
SESSION = np.dtype(
    [
        ("last_number", "i8"),
        ("account_id", "u4"),
        ("open", "u1"),
        ("numbering", "u1"),
        ("answers", ANSWER, (ANSWERS_KEPT,)),
    ],
    align=True,
)

FRESH, ANSWERED, REFUSED = 0, 1, 2  # verdicts


@kernel
def number_fault(session: Any, number: int) -> int:
    """Return the reason why `number` is not the session's next one, or 0."""
    if number <= session.last_number:
        return REPEATED
    if session.numbering != RISING and number != session.last_number + 1:
        return NUMBER_SKIPPED
    return 0


@kernel
def first_sequence(session: Any, number: int) -> int:
    """Return the sequence of the command that first bore `number`, or 0 if it is no longer kept."""
    answer = session.answers[number % ANSWERS_KEPT]
    return answer.sequence if answer.number == number else 0


@kernel
def remember(session: Any, number: int, sequence: int) -> None:
    """Advance the session to `number`, whose answer will bear `sequence`."""
    session.last_number = number
    answer = session.answers[number % ANSWERS_KEPT]
    answer.number = number
    answer.sequence = sequence


@kernel
def head_event(event: Any, command: Any, kind: int) -> None:
    """Give an event the header of the command that it answers."""
    event.sequence = command.sequence
    event.time_ns = command.time_ns
    event.session_number = command.session_number
    event.session_id = command.session_id
    event.kind = kind
    event.slots = command.slots
    event.version = command.version


@kernel
def refuse(event: Any, command: Any, session: Any, reason: int) -> None:
    """Write why the core turned the command away."""
    head_event(event, command, COMMAND_REFUSED)
    event.reason = reason
    event.refused_kind = command.kind
    event.expected_number = session.last_number + 1
    event.first_sequence = 0
    if reason == REPEATED:
        event.first_sequence = first_sequence(session, command.session_number)


@kernel
def open_session(event: Any, opening: Any, session: Any) -> None:
    """Open the session under its account, and answer with the number to go on from."""
    session.open = 1
    session.account_id = opening.account_id
    session.numbering = opening.numbering
    head_event(event, opening, SESSION_OPENED)
    event.account_id = opening.account_id
    event.last_number = session.last_number


@kernel
def command_fault(session: Any, command: Any, known: bool, slots: int, version: int) -> int:
    """Return the reason to turn a market's command away, or 0."""
    if command.slots != slots or command.version != version:
        return WRONG_LAYOUT
    if command.session_id == 0 or command.session_id >= SESSIONS or session.open == 0:
        return SESSION_NOT_OPEN
    fault = number_fault(session, command.session_number)
    if fault == 0:
        remember(session, command.session_number, command.sequence)
        if not known:
            return UNKNOWN_COMMAND
    return fault


@kernel
def core_verdict(session: Any, command: Any, opening: Any, opened: Any) -> int:
    """Carry out the core's own command; return its verdict."""
    if command.kind == TIMER:
        return FRESH
    if command.session_id == 0 or command.session_id >= SESSIONS:
        return REFUSED
    if command.kind == OPEN_SESSION:
        open_session(opened, opening, session)
        return ANSWERED
    if command.kind == CLOSE_SESSION and session.open == 1:
        session.open = 0
        head_event(opened, command, SESSION_CLOSED)
        return ANSWERED
    return REFUSED


@kernel
def admit(
    sessions: Any,
    commands: Any,
    opens: Any,
    opened: Any,
    refused: Any,
    known_kinds: Any,
    slots: int,
    version: int,
    verdicts: Any,
) -> int:
    """Judge each command by its session's numbering; return how many are not plainly fresh.

    Parameters
    ----------
    sessions : recarray of shape (SESSIONS,), SESSION
    commands, opens : recarrays of shape (n,)
        The same batch, as headers and as OpenSession.
    opened, refused : recarrays of shape (>= n,)
        The same scratch, as SessionOpened and as CommandRefused; row i holds the core's answer
        to command i wherever ``verdicts[i]`` is not FRESH.
    known_kinds : uint8 array of shape (65536,)
        1 for each kind of command of the schema.
    slots, version : int
        What every command's header has to say.
    verdicts : uint8 array of shape (>= n,), written
        FRESH: for the market. ANSWERED: the core has answered, the market is to see it too.
        REFUSED: the core has answered.
    """
    special = 0
    for i in range(commands.size):
        command = commands[i]
        session = sessions[command.session_id if command.session_id < SESSIONS else 0]
        if command.kind >= FIRST_CORE_KIND and known_kinds[command.kind] == 1:
            verdicts[i] = core_verdict(session, command, opens[i], opened[i])
            reason = SESSION_NOT_OPEN
        else:
            known = known_kinds[command.kind] == 1
            reason = command_fault(session, command, known, slots, version)
            verdicts[i] = REFUSED if reason else FRESH
        if verdicts[i] == REFUSED:
            refuse(refused[i], command, session, reason)
        special += verdicts[i] != FRESH
    return special
