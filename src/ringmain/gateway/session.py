"""What the gateway knows of one logged-in session. No input or output happens here."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.core.messages import COMMAND_REFUSED, REPEATED, SESSION_CLOSED, SESSION_OPENED
from ringmain.core.records import FIRST_CORE_KIND, Schema
from ringmain.gateway import messages
from ringmain.gateway.credentials import Credential
from ringmain.gateway.entitlements import UNLIMITED, Rights
from ringmain.gateway.holding import (
    CLOSED,
    ENTER,
    LEAVE,
    RESEND,
    STAY,
    TAKE_AGAIN,
    TAKES,
    YIELDS,
    purpose_of,
)

OPENING, LIVE = range(2)


@dataclass
class Ping:
    """A Ping that waits.

    Its Pong may be sent once the market has answered the OpenSession that bears `nonce`, which came
    behind the session's commands, and the session has been sent the tape up to `position`.
    """

    value: int
    nonce: int
    position: int


@dataclass(frozen=True)
class Opening:
    """A SessionOpened or, with the nonce CLOSED, a SessionClosed."""

    nonce: int
    sequence: int
    last_number: int


@dataclass(frozen=True)
class CoreEvents:
    """What a run of the session's events says about the session itself."""

    openings: list[Opening]
    first_sequences: list[int]  # where the first answers of repeated commands stand


class Session:
    """A session that has logged in.

    Attributes
    ----------
    phase : int
        OPENING until the market has opened it, then LIVE.
    nonce : int
        What the OpenSession bears that was sent last.
    cursor : int or None
        None while it is sent each batch of the tape at once; otherwise the position up to which it
        has been sent its events.
    is_discarding : bool
        Its commands are dropped until it says Resume.
    is_restarting : bool
        The node was restarted, and has not yet said what it knows of the session.
    rights : Rights
        What its account may trade and see.
    opened_sequence : int
        Where the market answered the log-in; 0 while it has not.
    awaited : int
        The mark of another door that has the session and has not yielded it yet, or 0.
    """

    def __init__(self, credential: Credential, schema: Schema, heartbeat_ms: int, nonce: int) -> None:
        self.credential = credential
        self.session_id = credential.session_id
        self.heartbeat_ms = heartbeat_ms
        self.rights: Rights = UNLIMITED
        self.phase = OPENING
        self.nonce, self.opened_nonce = nonce, 0
        self.cursor: int | None = None
        self.is_discarding = self.is_restarting = False
        self.opened_sequence = self.awaited = 0
        self.has_sent = False  # commands, since the market was last asked where the session stands
        self.pings: deque[Ping] = deque()
        self._schema = schema
        self.is_resending = False
        self._resent_sequence, self._skip = -1, 0

    def restart(self, nonce: int) -> None:
        """Note that the node was restarted, and is asked under `nonce` what it knows."""
        self.nonce = nonce
        self.is_restarting = self.is_discarding = self.phase == LIVE
        self.pings.clear()  # they were to come behind commands that are gone

    def begin_resend(self, position: int, after_sequence: int, skip_events: int) -> None:
        """Go back to `position`, where `after_sequence` begins, but leave out its first events."""
        self.cursor, self.is_resending = position, True
        self._resent_sequence, self._skip = after_sequence, skip_events

    def unskipped(self, own: Any) -> Any:
        """Return what of a run is still to be sent, when the beginning of it was asked to be left out."""
        if not self._skip or not own.size:
            return own
        of_sequence = int((own["sequence"] == self._resent_sequence).sum())
        left_out = min(self._skip, of_sequence)
        self._skip = self._skip - left_out if of_sequence == own.size else 0
        return own[left_out:]

    def core_events(self, own: Any) -> CoreEvents:
        """Pick out what concerns the session itself."""
        openings, kinds = [], own["kind"]
        is_opening = ((kinds == SESSION_OPENED) | (kinds == SESSION_CLOSED)) & (
            own["session_id"] == self.session_id
        )
        for row in np.flatnonzero(is_opening).tolist():
            sequence = int(own["sequence"][row])
            if kinds[row] == SESSION_CLOSED:
                openings.append(Opening(CLOSED, sequence, 0))
                continue
            event = self._schema.events[SESSION_OPENED].unpack(own[row : row + 1])
            openings.append(Opening(event["session_number"], sequence, event["last_number"]))
        refused = own.view(self._schema.events[COMMAND_REFUSED].dtype)
        is_repeat = (kinds == COMMAND_REFUSED) & (refused["reason"] == REPEATED)
        first_sequences = np.unique(refused["first_sequence"][is_repeat])
        return CoreEvents(openings, [s for s in first_sequences.tolist() if s > 0])

    def follow(self, opening: Opening, is_own: bool) -> int:
        """Return what is to be done about where the session stands at the market, and at which door.

        STAY: nothing. ENTER: it is this door's. RESEND: a restarted node has said what it knows.
        TAKE_AGAIN: the door that was to yield it has closed it. LEAVE: another door has taken it.
        """
        nonce = opening.nonce
        if is_own:
            if self.opened_nonce < nonce <= self.nonce:
                self.opened_nonce = nonce
            return self._own_step(opening) if nonce == self.nonce else STAY
        if nonce == CLOSED or purpose_of(nonce) == YIELDS:
            return self._free_step(TAKE_AGAIN if nonce == CLOSED else ENTER)
        is_later = 0 < self.opened_sequence < opening.sequence
        return LEAVE if purpose_of(nonce) == TAKES and is_later else STAY

    def _free_step(self, step: int) -> int:
        """The other door is done with it: that may come before the market has answered this one."""
        is_awaited, self.awaited = self.awaited != 0, 0
        return step if is_awaited and self.opened_sequence else STAY

    def _own_step(self, opening: Opening) -> int:
        self.opened_sequence = self.opened_sequence or opening.sequence
        if self.phase == OPENING:
            return STAY if self.awaited else ENTER
        is_resending, self.is_restarting = self.is_restarting, False
        return RESEND if is_resending else STAY

    def ready_pings(self, position: int) -> list[int]:
        """Remove and return the values of the Pings that can be answered, sent up to `position`."""
        values = []
        while self.pings and self.pings[0].position <= position and self.pings[0].nonce <= self.opened_nonce:
            values.append(self.pings.popleft().value)
        return values


def takings(batch: Any) -> Iterator[tuple[int, Opening]]:
    """Yield the sessions that are taken in a batch of the tape."""
    for row in np.flatnonzero(batch["kind"] == SESSION_OPENED).tolist():
        nonce = int(batch["session_number"][row])
        if purpose_of(nonce) == TAKES:
            yield int(batch["session_id"][row]), Opening(nonce, int(batch["sequence"][row]), 0)


def frame_fault(schema: Schema, frame: Any, is_read_only: bool) -> int:
    """Return why a frame is no command that the session may send, or 0 for a session-level record."""
    kind, slots, version = (int(frame[name]) for name in ("kind", "slots", "version"))
    is_session = messages.FIRST_SESSION_KIND <= kind <= messages.LAST_SESSION_KIND
    expected = messages.GATEWAY_VERSION if is_session else schema.version
    if slots != schema.slots or version != expected:
        return messages.BAD_FRAME
    if is_session:
        known = messages.gateway_schema(schema.slots).commands
        return 0 if kind in known else messages.UNKNOWN_KIND
    if kind >= FIRST_CORE_KIND or (is_read_only and kind in schema.commands):
        return messages.NOT_PERMITTED
    return messages.UNKNOWN_KIND
