"""Sort a batch of the tape by session, so that each client is written to once a batch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.core.records import Schema
from ringmain.core.sessions import SESSIONS
from ringmain.gateway.kernels import count_by_session, gather, select, select_account

BATCH_EVENTS = 16_384


class Fanout:
    """Who listens, and the scratch that a batch is sorted in.

    Events are the sessions' own alone: what bears another session's id, or nobody's, is not
    copied to anyone.
    """

    def __init__(self, schema: Schema) -> None:
        self._header = schema.header
        self._words = schema.record_bytes // 8
        self._listening = np.zeros(SESSIONS, np.uint8)
        self._counts = np.zeros(SESSIONS, np.int64)
        self._places = np.zeros(SESSIONS, np.int64)
        self._has_core_event = np.zeros(SESSIONS, np.uint8)
        self._account_places = _account_places(schema)
        self._turn = 0
        self._out, self._selected = np.zeros((2, BATCH_EVENTS, self._words), np.int64)

    def listen(self, session_id: int, is_listening: bool) -> None:
        """Include the session's events from now on, or leave them out."""
        assert session_id != 0, "session 0 is nobody's"
        self._listening[session_id] = is_listening

    def sort(self, events: Any) -> Iterator[tuple[int, Any, bool]]:
        """Yield ``(session_id, its events, whether some are the core's)`` for each one that listens.

        Parameters
        ----------
        events : recarray of shape (n,), n <= BATCH_EVENTS
            What it yields is valid until the next call. Each call begins with another session: none is
        always told first.
        """
        events = bare(events)
        self._counts.fill(0)
        self._has_core_event.fill(0)
        count_by_session(events, self._listening, self._counts, self._has_core_event)
        np.cumsum(self._counts[:-1], out=self._places[1:])
        self._places[0] = 0
        gather(events, self._rows(events), self._listening, self._places, self._out)
        told = np.flatnonzero(self._counts)
        self._turn += 1
        for session_id in np.roll(told, self._turn).tolist():
            end = int(self._places[session_id])
            begin = end - int(self._counts[session_id])
            yield session_id, self._view(self._out[begin:end]), bool(self._has_core_event[session_id])

    def select(self, events: Any, session_id: int) -> Any:
        """Return one session's events out of a batch; valid until the next call."""
        events = bare(events)
        count = select(events, self._rows(events), session_id, self._selected)
        return self._view(self._selected[:count])

    def select_account(self, events: Any, session_id: int, account_id: int, is_own: Any) -> Any:
        """Return one session's events, and those about its account; valid until the next call.

        Parameters
        ----------
        is_own : uint8 array of shape (SESSIONS,)
            1 for each session of the account.
        """
        events = bare(events)
        rows, places = self._rows(events), self._account_places
        count = select_account(events, rows, session_id, is_own, places, account_id, self._selected)
        return self._view(self._selected[:count])

    def _rows(self, events: Any) -> Any:
        return events.view(np.int64).reshape(events.size, self._words)

    def _view(self, rows: Any) -> Any:
        return bare(records(rows.reshape(-1).view(self._header)))


def _account_places(schema: Schema) -> Any:
    """Return, by kind of event, where the account that it is about stands; -1 for none."""
    places = np.full(0x10000, -1, np.int16)
    for kind, record in schema.events.items():
        if "account_id" in (record.dtype.names or ()):
            places[kind] = record.dtype.fields["account_id"][1] // 4  # type: ignore[index]
    return places
