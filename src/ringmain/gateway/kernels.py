"""Compiled loops over a run of records: screening what came in, sorting what goes out by session."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.records import FIRST_CORE_KIND
from ringmain.core.sessions import SESSIONS


@kernel
def screen(frames: Any, allowed: Any, slots: int, version: int, session_id: int) -> int:
    """Stamp the leading commands with their session; return how many they are.

    The frame behind them, if there is one, is not a command that the session may send.

    Parameters
    ----------
    frames : recarray of shape (n,), the market's header dtype
    allowed : uint8 array of shape (65536,)
        1 for each kind that the session may send.
    slots, version : int
        What the market's headers say.
    session_id : int
    """
    for i in range(frames.size):
        frame = frames[i]
        if frame.slots != slots or frame.version != version or allowed[frame.kind] == 0:
            return i
        frame.session_id = session_id
    return frames.size


@kernel
def count_by_session(events: Any, listening: Any, counts: Any, has_core_event: Any) -> None:
    """Count the events of each session that listens.

    Parameters
    ----------
    events : recarray of shape (n,), the market's header dtype
    listening : uint8 array of shape (SESSIONS,)
        1 for each session that is to get its events.
    counts : int64 array of shape (SESSIONS,), zeroed, written
    has_core_event : uint8 array of shape (SESSIONS,), zeroed, written
        1 if one of them is the core's: SessionOpened, CommandRefused.
    """
    for i in range(events.size):
        session_id = events[i].session_id
        if session_id < SESSIONS and listening[session_id] == 1:
            counts[session_id] += 1
            if events[i].kind >= FIRST_CORE_KIND:
                has_core_event[session_id] = 1


@kernel
def gather(events: Any, event_words: Any, listening: Any, places: Any, out_words: Any) -> None:
    """Copy each listening session's events, in order, to the session's place; move the place on.

    Parameters
    ----------
    events : recarray of shape (n,), the market's header dtype
    event_words, out_words : int64 arrays of shape (n, words a record) and (>= n, words a record)
    listening : uint8 array of shape (SESSIONS,)
    places : int64 array of shape (SESSIONS,), written
        The row of `out_words` where the session's next event goes.
    """
    for i in range(events.size):
        session_id = events[i].session_id
        if session_id < SESSIONS and listening[session_id] == 1:
            place = places[session_id]
            for word in range(event_words.shape[1]):
                out_words[place, word] = event_words[i, word]
            places[session_id] = place + 1


@kernel
def select(events: Any, event_words: Any, session_id: int, out_words: Any) -> int:
    """Copy one session's events, in order; return how many there are."""
    count = 0
    for i in range(events.size):
        if events[i].session_id == session_id:
            for word in range(event_words.shape[1]):
                out_words[count, word] = event_words[i, word]
            count += 1
    return count


@kernel
def select_account(
    events: Any, event_words: Any, session_id: int, is_own: Any, places: Any, account_id: int, out_words: Any
) -> int:
    """Copy, in order, one session's events and the market's about its account; return how many there are.

    Parameters
    ----------
    events : recarray of shape (n,), the market's header dtype
    event_words, out_words : int64 arrays of shape (n, words a record) and (>= n, words a record)
    session_id : int
    is_own : uint8 array of shape (SESSIONS,)
        1 for each session of the account.
    places : int16 array of shape (65536,)
        By kind, which half of which word holds the account: 2 * word, and 1 more for the upper; -1 for none.
    account_id : int
    """
    count = 0
    for i in range(events.size):
        owner, kind = events[i].session_id, events[i].kind
        is_wanted = owner == session_id
        if not is_wanted and kind < FIRST_CORE_KIND:
            is_wanted = owner < SESSIONS and is_own[owner] == 1
            place = places[kind]
            if not is_wanted and place >= 0:
                named = (event_words[i, place >> 1] >> (32 * (place & 1))) & 0xFFFFFFFF
                is_wanted = named == account_id
        if is_wanted:
            for word in range(event_words.shape[1]):
                out_words[count, word] = event_words[i, word]
            count += 1
    return count
