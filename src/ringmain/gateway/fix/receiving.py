"""From a member's bytes to its messages: plain orders by the batch in a kernel, all others one by one."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.exchange.state import COMMAND
from ringmain.gateway.fix.codec import MESSAGE_BYTES, next_begin, parse, whole_end
from ringmain.gateway.fix.reading import MESSAGES_A_CALL, read_orders
from ringmain.gateway.fix.session import LIVE, LOGGING_OUT

if TYPE_CHECKING:
    from ringmain.gateway.fix.door import Door
    from ringmain.gateway.fix.member import Member

NANOSECONDS = 1_000_000_000


class Receiver:
    """Takes what members send."""

    def __init__(self, door: "Door") -> None:
        self._door = door
        commands = records(np.zeros(MESSAGES_A_CALL, COMMAND))
        self._commands, self._command_bytes = bare(commands), commands.view(np.ndarray)
        self._words = self._command_bytes.view(np.int64).reshape(MESSAGES_A_CALL, -1)

    def receive(self, member: "Member", data: Any) -> int:
        """Take messages in order; return the bytes that are done with."""
        place, now_ns = 0, time.time_ns()
        raw = b""
        while place < data.size:
            session = member.session
            if session is None or session.phase not in (LIVE, LOGGING_OUT):
                break
            if member.has_pending and not self._door.offer(member):
                self._hold(member)
                break
            is_free = member.rights.is_unlimited and not member.is_observer
            if session.is_plain and is_free and not self._door.is_refused:
                moved = self._plain_orders(member, data, place, now_ns)
                place += moved
                if moved:
                    continue
            raw = raw or data.tobytes()
            end = whole_end(raw, place)
            if end == 0 or place >= len(raw):
                break
            if end < 0:
                place = next_begin(raw, place + 1)
                continue
            self._one(member, raw[place:end], now_ns)
            place = end
        return place

    def compile(self) -> None:
        """Compile the kernel, on nothing."""
        from ringmain.gateway.fix.directory import ENTRY
        from ringmain.gateway.fix.reading import CONTEXT

        nothing = np.zeros(8, np.uint8)
        entries = bare(records(np.zeros(1, ENTRY)))
        words = entries.view(np.ndarray).view(np.int64).reshape(1, -1)
        context = bare(records(np.zeros(1, CONTEXT)))
        text = np.frombuffer(b"8=", np.uint8)
        read_orders(nothing, 0, 8, context, text, text, text, entries, words, np.zeros(8, np.int64),
                    self._commands, self._words, 1)  # fmt: skip

    def _hold(self, member: "Member") -> None:
        if member.link is not None:
            self._door.hold(member.link)

    def _one(self, member: "Member", raw: bytes, now_ns: int) -> None:
        """Take one message the plain way."""
        session = member.session
        assert session is not None
        if len(raw) > MESSAGE_BYTES:
            session.end("The message is too long", now_ns)
        else:
            events = session.receive(parse(raw), now_ns)
            self._door.obey(member, events, now_ns)
        member.note_numbers()
        member.flush(now_ns)

    def _plain_orders(self, member: "Member", data: Any, place: int, now_ns: int) -> int:
        """Take the plain orders from `place` on; return how many bytes they are."""
        session, store = member.session, member.store
        assert session is not None and store is not None
        try:
            store.reserve(MESSAGES_A_CALL)
        except OSError:
            return 0
        state = member.context
        seconds = now_ns // NANOSECONDS
        state["number"], state["first"], state["last"] = session.next_in, store.first, store.last
        state["session_id"], state["epoch"] = member.session_id, store.epoch
        state["second"] = seconds % 86_400
        state["day"] = _day(seconds // 86_400)
        state["tolerance_s"] = int(self._door.limits.sending_time_s) - 1
        prefix, own, client = member.texts()
        end, count = read_orders(
            data, place, data.size, state, prefix, own, client,
            store.rows, store.entry_words, store.directory, self._commands, self._words, MESSAGES_A_CALL,
        )  # fmt: skip
        if count:
            session.note_orders(count, now_ns)
            store.note(count, session.next_in)
            self._door.offer_fresh(member, self._words[:count])
        return int(end) - place


def _day(days: int) -> int:
    """Return a day since 1970 as YYYYMMDD."""
    day = time.gmtime(days * 86_400)
    return day.tm_year * 10_000 + day.tm_mon * 100 + day.tm_mday
