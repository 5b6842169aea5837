"""The client's side of a session: bytes in, events out. It opens no socket and reads no clock."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.messages import COMMAND_REFUSED, REPEATED, SESSION_OPENED, UNKNOWN_COMMAND
from ringmain.core.records import FIRST_CORE_KIND, Schema
from ringmain.gateway import messages
from ringmain.gateway.messages import FIRST_DATA_KIND, FIRST_SESSION_KIND, gateway_schema, session_record
from ringmain.gateway.sbe import Layout, Transcoder

RECORDS, SBE = "records", "sbe"  # encodings
DECODED_BYTES = 1 << 20  # at once
HEARTBEAT_MS = 10_000
UNANSWERED_COMMANDS = 1 << 20  # kept for a resend; more are not taken
COMMANDS_PER_PING = 1 << 16  # markets may answer nothing for long: a Ping tells what is done
NOBODYS_PING = -1
OUT_OF_STEP_NS = 1_000_000_000
NANOSECONDS_PER_MS = 1_000_000

OFFLINE, LOGGING_IN, LIVE, ENDED = range(4)
FINAL_REASONS = {
    messages.UNKNOWN_TOKEN, messages.OTHER_LAYOUT, messages.LOGIN_EXPECTED, messages.TAKEN_OVER,
    messages.BAD_FRAME, messages.GOODBYE, messages.WRONG_SCHEMA, messages.TOKEN_EXPIRED,
    messages.TOKEN_REVOKED,
}  # fmt: skip


def pick(frames: Any, mask: Any) -> Any:
    """Return the frames of shape (n,) for which `mask` holds, as a copy.

    ``frames[mask]`` would be wrong: numpy copies the fields of a structured row, here the header's,
    and leaves out what lies between and behind them.
    """
    words = frames.view(np.int64).reshape(frames.size, frames.dtype.itemsize // 8)
    return words[mask].reshape(-1).view(frames.dtype)


def _cause_dtypes(schema: Schema) -> dict[int, Any]:
    """Return the layouts, by kind, of the events that name the command that caused them."""
    return {
        kind: record.dtype
        for kind, record in schema.events.items()
        if "command_number" in (record.dtype.names or ())
    }


class ClientProtocol:
    """Numbering, resending, resuming and sorting of one session.

    Feed it with :meth:`receive`, write what :meth:`outgoing` returns, call :meth:`tick` now and
    then. A new connection begins with :meth:`connected`.

    Attributes
    ----------
    phase : int
        OFFLINE, LOGGING_IN, LIVE or ENDED.
    session_id, account_id : int
        As the gateway said at log-in.
    answered : int
        Every command up to this number has been answered.
    next_number : int
        The number of the next command.
    time_ns : int
        The latest logical time of the market that was heard of.
    """

    def __init__(
        self, schema: Schema, token: str, heartbeat_ms: int = HEARTBEAT_MS, encoding: str = RECORDS
    ) -> None:
        self.schema = schema
        if encoding not in (RECORDS, SBE):
            raise RingmainError(
                "RM361", "client", f"there is no encoding {encoding}", f"Give {RECORDS} or {SBE}"
            )
        is_sbe = encoding == SBE
        self._transcoder = Transcoder(Layout(schema), True, DECODED_BYTES) if is_sbe else None
        self.phase = OFFLINE
        self.session_id = self.account_id = 0
        self.answered, self.next_number = 0, 1
        self.time_ns = 0
        self.heartbeat_ms = heartbeat_ms
        self.end: RingmainError | None = None
        self._token = token.encode()
        self._has_numbers = False  # False until the first log-in has said where to count on
        self._sendable = np.zeros(0x10000, np.uint8)
        self._sendable[[kind for kind in schema.commands if kind < FIRST_CORE_KIND]] = 1
        self._cause_dtypes = _cause_dtypes(schema)
        self._names_cause = np.zeros(0x10000, np.uint8)
        self._names_cause[list(self._cause_dtypes)] = 1
        self._opened_dtype = schema.events[SESSION_OPENED].dtype
        self._refused_dtype = schema.events[COMMAND_REFUSED].dtype
        self._pending: deque[tuple[int, int, Any]] = deque()  # first number, last number, frames
        self._out: list[bytes] = []
        self._partial = b""
        self._is_resuming = False  # events are dropped until the gateway has begun to resend
        self._sequence, self._count = 0, 0  # the last event's, and how many of that sequence came
        self._events: list[Any] = []
        self._data: list[Any] = []
        self._subscriptions: dict[tuple[int, int], None] = {}
        self._since_ping = 0
        self._pinged, self._ponged = 0, 0
        self._heard_ns = self._spoke_ns = 0
        self._out_of_step_ns = 0  # when the core turned a number away; 0 if it has gone on since

    # What the program does.

    @property
    def unanswered(self) -> int:
        """How many commands have not been answered."""
        return self.next_number - 1 - self.answered

    def room(self) -> int:
        """How many more commands can be sent before answers must come."""
        return max(0, UNANSWERED_COMMANDS - self.unanswered)

    def send(self, commands: Any) -> int:
        """Number commands and queue them; return the first one's number.

        Parameters
        ----------
        commands : array of shape (n,), n >= 1, of any of the market's command dtypes or its header's
            Its session_number is written.

        Raises
        ------
        RingmainError
            RM304 if the session has ended, RM305 for what is no command of this market, RM308 if
            more would be unanswered than are kept.
        """
        self._check_sendable(commands)
        first, count = self.next_number, commands.size
        commands["session_number"] = np.arange(first, first + count) if count > 1 else first
        frames = np.frombuffer(bytearray(commands.tobytes()), self.schema.header)
        self.next_number += count
        self._pending.append((first, first + count - 1, frames))
        if self.phase == LIVE:
            self._out.append(frames.tobytes())
            self._since_ping += count
            if self._since_ping >= COMMANDS_PER_PING:
                self._queue("Ping", value=NOBODYS_PING)
        return first

    def ping(self) -> int:
        """Queue a Ping; return its value. Its Pong comes behind the answers to all that was sent."""
        self._pinged += 1
        if self.phase == LIVE:
            self._queue("Ping", value=self._pinged)
        return self._pinged

    def has_pong(self, value: int) -> bool:
        """Tell whether that Ping, or a later one, has been answered."""
        return self._ponged >= value

    def subscribe(self, feed: int, product_id: int) -> None:
        """Follow a product's public feed, over reconnections too."""
        self._subscriptions[feed, product_id] = None
        if self.phase == LIVE:
            self._queue("Subscribe", product_id=product_id, feed=feed)

    def unsubscribe(self, feed: int, product_id: int) -> None:
        """Follow it no longer."""
        self._subscriptions.pop((feed, product_id), None)
        if self.phase == LIVE:
            self._queue("Unsubscribe", product_id=product_id, feed=feed)

    def resend(self, after_sequence: int = 0) -> None:
        """Ask for the session's events behind `after_sequence` once more; they come as new ones."""
        self._sequence, self._count = after_sequence, 1 << 31  # all of that sequence itself
        self._events.clear()
        if self.phase == LIVE:
            self._request_resend()

    def logout(self) -> None:
        """End the session in order."""
        if self.phase == LIVE:
            self._queue("Logout")

    def take_events(self) -> Any:
        """Return and forget what has come: a recarray of shape (n,) of the market's header dtype."""
        return self._take(self._events)

    def take_data(self) -> Any:
        """Return and forget the market data that has come: session-level records, same header."""
        return self._take(self._data)

    def answer(self, number: int) -> Any:
        """Return the events that answer command `number` and were not taken yet; they stay to be taken."""
        return self._join([pick(batch, self.causes(batch) == number) for batch in self._events])

    def causes(self, events: Any) -> Any:
        """Return the number of the session's command that each event answers.

        It is the header's ``session_number``; but an event about an order (say) that an earlier
        command placed bears that one's, and names the command in its field ``command_number``, 0
        if it was somebody else's.
        """
        numbers = events["session_number"]
        names_cause = self._names_cause[events["kind"]] == 1
        if not names_cause.any():
            return numbers
        numbers = numbers.copy()
        for kind, dtype in self._cause_dtypes.items():
            mask = events["kind"] == kind
            numbers[mask] = np.maximum(events.view(dtype)["command_number"], 0)[mask]
        return numbers

    # What the connection does.

    def connected(self, now_ns: int) -> None:
        """Begin a new connection: log in, and forget what was on its way over the old one."""
        self.phase, self._partial = LOGGING_IN, b""
        self._out.clear()
        self._heard_ns, self._spoke_ns, self._out_of_step_ns = now_ns, now_ns, 0
        layout = messages.layout_word(self.schema)
        self._queue("Login", token=self._token, layout=layout, heartbeat_ms=self.heartbeat_ms)

    def disconnected(self) -> None:
        """Note that the connection is gone; commands are kept."""
        if self.phase != ENDED:
            self.phase = OFFLINE

    def outgoing(self, now_ns: int) -> list[bytes]:
        """Return and forget what is to be written."""
        out, self._out = self._out, []
        if out:
            self._spoke_ns = now_ns
        if self._transcoder is not None:
            return [self._transcoder.encode(data) for data in out]
        return out

    @property
    def has_outgoing(self) -> bool:
        """Whether something is to be written."""
        return bool(self._out)

    def tick(self, now_ns: int) -> bool:
        """Queue a heartbeat when one is due; False if the connection should be made anew.

        That is so when the gateway has been silent for too long, or the market for a second has
        turned away every number, as it does when some were lost before they reached it.
        """
        heartbeat_ns = self.heartbeat_ms * NANOSECONDS_PER_MS
        if self.phase == LIVE and not self._out and now_ns - self._spoke_ns >= heartbeat_ns // 2:
            self._queue("Heartbeat")
        is_out_of_step = self._out_of_step_ns and now_ns - self._out_of_step_ns > OUT_OF_STEP_NS
        return not is_out_of_step and now_ns - self._heard_ns <= heartbeat_ns * 5 // 2

    def receive(self, data: bytes | bytearray | memoryview, now_ns: int) -> None:
        """Take in what the socket gave; RM309 for bytes that are no frames."""
        self._heard_ns = now_ns
        held = bytearray(self._partial)
        held += data
        if self._transcoder is None:
            self._partial = b""
            self._take_records(held)
            return
        while True:
            piece = np.frombuffer(held, np.uint8, min(len(held), DECODED_BYTES))
            frames, used, fault = self._transcoder.decode(piece)
            if fault or (frames["kind"] == 0).any():
                raise RingmainError(
                    "RM309", "client", "the gateway sent what is no message", "Check host and port"
                )
            if not frames.size:
                break
            frames = bytearray(frames.tobytes())
            held = held[used:]
            self._take_records(frames)
        self._partial = bytes(held)

    def _take_records(self, held: bytearray) -> None:
        whole = len(held) // self.schema.record_bytes
        if self._transcoder is None:
            self._partial = bytes(held[whole * self.schema.record_bytes :])
        if whole == 0:
            return
        frames: Any = np.frombuffer(held, self.schema.header, whole)
        if (frames["slots"] != self.schema.slots).any():
            raise RingmainError("RM309", "client", "the gateway sent what is no frame", "Check host and port")
        self._sort(frames)

    # Inside.

    def _check_sendable(self, commands: Any) -> None:
        if self.end is not None:
            raise self.end
        if not (
            commands.dtype.itemsize == self.schema.record_bytes
            and self._sendable[commands["kind"]].all()
            and (commands["slots"] == self.schema.slots).all()
            and (commands["version"] == self.schema.version).all()
        ):
            what = f"not a command of {self.schema.name}, version {self.schema.version}"
            raise RingmainError("RM305", "client", what, "Pack it with that market's schema")
        if commands.size > self.room():
            what = f"{self.unanswered} commands are unanswered"
            raise RingmainError("RM308", "client", what, "Wait for answers before sending more")

    def _queue(self, name: str, **values: Any) -> None:
        if name == "Ping":
            self._since_ping = 0
        self._out.append(session_record(self.schema.slots, name)(**values).tobytes())

    def _sort(self, frames: Any) -> None:
        """Tell the market's events from market data and from what concerns the session."""
        self.time_ns = max(self.time_ns, int(frames["time_ns"].max()))
        kinds = frames["kind"]
        is_session = (kinds >= FIRST_SESSION_KIND) & (kinds < FIRST_CORE_KIND)
        if not is_session.any():
            self._accept(frames)
            return
        is_data = is_session & (kinds >= FIRST_DATA_KIND)
        if is_data.any():
            self._data.append(pick(frames, is_data))
            frames, is_session = pick(frames, ~is_data), (is_session & ~is_data)[~is_data]
        begin = 0
        for place in np.flatnonzero(is_session).tolist():
            self._accept(frames[begin:place])
            self._obey(frames[place : place + 1])
            begin = place + 1
        self._accept(frames[begin:])

    def _accept(self, frames: Any) -> None:
        """Take in events of the session, each once."""
        if self._is_resuming or not frames.size:
            return
        sequences = frames["sequence"]
        if sequences[0] < self._sequence or (np.diff(sequences) < 0).any():
            highest = np.maximum.accumulate(np.maximum(sequences, self._sequence))
            frames = pick(frames, sequences >= highest)  # the others are first answers, already here
            if not frames.size:
                return
            sequences = frames["sequence"]
        last = int(sequences[-1])
        tail = int(sequences.size - np.searchsorted(sequences, last))
        self._count = tail + (self._count if last == self._sequence else 0)
        self._sequence = last
        self._events.append(frames)
        self._note_answers(frames)

    def _note_answers(self, frames: Any) -> None:
        """Note what is answered; a drop copy's events are mostly about others' commands."""
        is_own = frames["session_id"] == self.session_id
        if not is_own.all():
            frames = pick(frames, is_own)
        kinds, numbers = frames["kind"], self.causes(frames)
        is_core = kinds >= FIRST_CORE_KIND
        if is_core.any():
            self._note_core_events(pick(frames, is_core))
            numbers = numbers[~is_core]
        if numbers.size:
            self._advance(int(numbers.max()))

    def _note_core_events(self, events: Any) -> None:
        """Note where the session stands, and whether the core turned away what it did not expect."""
        opened = pick(events, events["kind"] == SESSION_OPENED)
        refused = pick(events, events["kind"] == COMMAND_REFUSED)
        if opened.size:
            self._advance(int(opened.view(self._opened_dtype)["last_number"][-1]))
        if not refused.size:
            return
        reasons, numbers = refused.view(self._refused_dtype)["reason"], refused["session_number"]
        used_up = (reasons == REPEATED) | (reasons == UNKNOWN_COMMAND)
        if used_up.any():
            self._advance(int(numbers[used_up].max()))
        if (numbers[~used_up] > self.answered).any():
            self._out_of_step_ns = self._heard_ns

    def _advance(self, number: int) -> None:
        """Note that all up to `number` has been answered; forget what was kept for a resend."""
        if number > self.answered:
            self._out_of_step_ns = 0
            self.answered = min(number, self.next_number - 1) if self._has_numbers else number
        while self._pending and self._pending[0][1] <= self.answered:
            self._pending.popleft()

    def _obey(self, frame: Any) -> None:
        record = gateway_schema(self.schema.slots).events.get(int(frame["kind"][0]))
        if record is None:
            raise RingmainError(
                "RM309", "client", f"the gateway sent kind {frame['kind'][0]}", "Use one version for both"
            )
        said = record.unpack(frame)
        if record.kind == messages.LOGIN_ACCEPTED:
            self._log_in(said)
        elif record.kind == messages.PONG:
            self._ponged = max(self._ponged, said["value"])
        elif record.kind == messages.RESEND_BEGUN:
            self._is_resuming = False
        elif record.kind == messages.RESEND_COMMANDS:
            self._resume(said["last_number"])
        elif record.kind == messages.REFUSED:
            self._drop_refused(frame, said)
        elif record.kind in (messages.LOGIN_REFUSED, messages.LOGGED_OUT):
            self._part(record.name, said)

    def _log_in(self, said: dict[str, Any]) -> None:
        self.session_id, self.account_id = said["session_id"], said["account_id"]
        self.phase, self.heartbeat_ms = LIVE, said["heartbeat_ms"]
        if not self._has_numbers:
            self._has_numbers = True
            self.answered, self.next_number = said["last_number"], said["last_number"] + 1
            self._sequence, self._count = said["last_sequence"], 0
        else:
            self._request_resend()
            self._resend_commands(said["last_number"])
        for feed, product_id in self._subscriptions:
            self._queue("Subscribe", product_id=product_id, feed=feed)
        self._ping_again()

    def _request_resend(self) -> None:
        self._is_resuming = True
        self._queue("ResendRequest", after_sequence=self._sequence, skip_events=self._count)

    def _resume(self, last_number: int) -> None:
        self._queue("Resume")
        self._resend_commands(last_number)
        self._ping_again()

    def _ping_again(self) -> None:
        """Repeat the last Ping, if it waits: the gateway dropped it with the commands before it."""
        if self._pinged > self._ponged:
            self._queue("Ping", value=self._pinged)

    def _resend_commands(self, last_number: int) -> None:
        if not self.answered <= last_number < self.next_number:
            own = f"{self.answered} to {self.next_number - 1}"
            what = f"the market counts {last_number} commands, this client {own}"
            self._finish("RM307", what, "Let one client at a time use the session, and connect anew")
            return
        for _, _, frames in self._pending:
            unknown = frames[frames["session_number"] > last_number]
            if unknown.size:
                self._out.append(frames[frames.size - unknown.size :].tobytes())

    def _drop_refused(self, frame: Any, said: dict[str, Any]) -> None:
        """Give up the refused command and those behind it; each gets its answer, and its number back."""
        if said["refused_kind"] == messages.RESEND_REQUEST:
            self._finish("RM310", "the events asked for are no longer kept", "Begin from the market's state")
            return
        refused = said["session_number"]
        is_request = FIRST_SESSION_KIND <= said["refused_kind"] < FIRST_CORE_KIND
        if is_request or not self.answered < refused < self.next_number:
            self._events.append(frame)
            return
        answers = [frame]
        record = session_record(self.schema.slots, "Refused")
        for first, last, frames in self._pending:
            for number in range(max(first, refused + 1), last + 1):
                kind = int(frames["kind"][number - first])
                values = {"refused_kind": kind, "reason": messages.AFTER_REFUSED}
                answers.append(record(self.session_id, number, **values))
        while self._pending and self._pending[-1][1] >= refused:
            first, _, frames = self._pending.pop()
            if first < refused:
                self._pending.append((first, refused - 1, frames[: refused - first]))
        self.next_number = refused
        self._events.append(self.schema.batch(answers))
        self._queue("Resume")
        self._ping_again()

    def _part(self, name: str, said: dict[str, Any]) -> None:
        reason = gateway_schema(self.schema.slots).reasons.get(said["reason"], str(said["reason"]))
        doc = messages.REASON_DOCS.get(reason, "")
        self.phase = OFFLINE
        if name == "LoginRefused":
            layout = f"; the gateway's layout is {said['layout']:08x}" if reason == "OTHER_LAYOUT" else ""
            self._finish("RM302", f"log-in refused, {reason}: {doc}{layout}", "Check token, port and version")
        elif said["reason"] in FINAL_REASONS:
            self._finish("RM304", f"logged out, {reason}: {doc}", "Connect anew")

    def _finish(self, code: str, what: str, next_step: str) -> None:
        self.phase, self.end = ENDED, RingmainError(code, "client", what, next_step)

    def _take(self, batches: list[Any]) -> Any:
        joined = self._join(batches)
        batches.clear()
        return joined

    def _join(self, batches: Iterable[Any]) -> Any:
        filled = [batch for batch in batches if batch.size]
        if len(filled) == 1:
            return filled[0].view(np.recarray)
        return self.schema.batch(filled) if filled else self.schema.empty(0)
