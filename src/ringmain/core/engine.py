"""What a market is to the core, and the machine that live and replay share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from ringmain.core.jit import bare, records
from ringmain.core.messages import record_of
from ringmain.core.records import Schema
from ringmain.core.sessions import ANSWERED, FRESH, SESSION, SESSIONS, admit

COMMANDS_PER_STEP = 16_384
NO_DEADLINE = 0

Publish = Callable[[Any], None]


@dataclass(frozen=True)
class Market:
    """A market, as the core runs it.

    Parameters
    ----------
    schema : Schema
        Its commands, events and reasons, from :func:`ringmain.core.messages.market_schema`.
    state : numpy.dtype
        One aligned structured dtype. Its field ``next_deadline_ns`` (i8) asks for a Timer command
        at that logical time; 0 asks for none.
    start : callable
        ``start(state)`` turns a zeroed one-element recarray into the market's first state.
    apply : callable, a kernel
        ``apply(state, commands, events) -> (commands_used, event_count)``. It takes commands in
        order and stops before one for which fewer than `events_per_command` rows are left. Event
        rows come zeroed. The core's Timer, OpenSession and CloseSession come by too; unknown
        kinds do not.
    events_per_command : int
        The most events that one command can cause.
    """

    schema: Schema
    state: np.dtype[Any]
    start: Callable[[Any], None]
    apply: Callable[[Any, Any, Any], tuple[int, int]]
    events_per_command: int

    def layout(self) -> str:
        """Name the layout of commands, events and state; a snapshot of another one is not loaded."""
        text = f"{self.schema.digest()} {self.state.descr!r} {SESSION.descr!r} {SESSIONS}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Machine:
    """A market's state and its sessions; the same commands give the same bytes and the same events."""

    def __init__(self, market: Market) -> None:
        schema = market.schema
        self.market = market
        self.state = records(np.zeros(1, market.state))
        self.sessions = records(np.zeros(SESSIONS, SESSION))
        self._kernel_state, self._kernel_sessions = bare(self.state), bare(self.sessions)
        self._open_session = record_of(schema, "OpenSession").dtype
        self._known_kinds = np.zeros(0x10000, np.uint8)
        self._known_kinds[list(schema.commands)] = 1
        self._verdicts = np.zeros(COMMANDS_PER_STEP, np.uint8)
        answers = schema.empty(COMMANDS_PER_STEP)
        self._opened = bare(answers.view(record_of(schema, "SessionOpened").dtype))
        self._refused = bare(answers.view(record_of(schema, "CommandRefused").dtype))
        self._answers = bare(answers)
        self._events = bare(schema.empty(COMMANDS_PER_STEP + 2 * market.events_per_command))
        self._event_bytes = self._events.view(np.uint8, np.ndarray)
        self._deadline_ns = self.state.view(np.ndarray)["next_deadline_ns"]
        market.start(self.state)

    @property
    def next_deadline_ns(self) -> int:
        """Logical time of the next Timer, or NO_DEADLINE."""
        return int(self._deadline_ns[0])

    def step(self, commands: Any, publish: Publish) -> None:
        """Apply stamped commands in order; hand each run of events to `publish`, which copies them.

        Parameters
        ----------
        commands : array of shape (n,), the schema's header dtype as records
        publish : callable taking an array of shape (m,), likewise, valid during the call
        """
        commands = bare(commands)[:]
        commands.flags.writeable = False  # as a replay maps them: the kernels are compiled for one type
        for start in range(0, commands.size, COMMANDS_PER_STEP):
            self._step(commands[start : start + COMMANDS_PER_STEP], publish)

    def compile(self) -> None:
        """Have the market's kernels compiled, or loaded, before the first command has to wait for them."""
        nothing = bare(self.market.schema.empty(0))
        nothing.flags.writeable = False
        self.market.apply(self._kernel_state, nothing, self._events)
        self._step(nothing, lambda events: None)

    def digest(self) -> int:
        """Return 64 bits that differ when any byte of the state or of the sessions does."""
        hasher = xxhash.xxh3_64(self.state.view(np.uint8))
        hasher.update(self.sessions.view(np.uint8))
        return hasher.intdigest() >> 1  # fits an i8 field

    def parts(self) -> tuple[Any, Any]:
        """Return the bytes of state and sessions, writable: what a snapshot holds."""
        return self.state.view(np.uint8), self.sessions.view(np.uint8)

    def _step(self, commands: Any, publish: Publish) -> None:
        opens = commands.view(self._open_session)
        schema = self.market.schema
        special = admit(
            self._kernel_sessions, commands, opens, self._opened, self._refused,
            self._known_kinds, schema.slots, schema.version, self._verdicts,
        )  # fmt: skip
        if special == 0:
            self._apply(commands, publish)
            return
        done = 0
        for i in np.flatnonzero(self._verdicts[: commands.size] != FRESH).tolist():
            self._apply(commands[done:i], publish)
            publish(self._answers[i : i + 1])
            self._answers[i : i + 1].view(np.uint8).fill(0)
            done = i if self._verdicts[i] == ANSWERED else i + 1
        self._apply(commands[done:], publish)

    def _apply(self, commands: Any, publish: Publish) -> None:
        count = commands.size
        while count:
            used, event_count = self.market.apply(self._kernel_state, commands, self._events)
            assert used > 0, f"{self.market.schema.name}: events_per_command is larger than declared"
            if event_count:
                publish(self._events[:event_count])
                # No byte of one answer may show in a later one.
                self._event_bytes[: event_count * self.market.schema.record_bytes].fill(0)
            count -= used
            if count:
                commands = commands[used:]
