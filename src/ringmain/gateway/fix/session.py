"""One FIX session, sans I/O: messages in, decisions and bytes out, the time handed in.

All the state of the session layer is here: numbers, phase, gap, heartbeats. What is numbered goes to
:attr:`Session.outbox`; whoever drives the session records it before it is written to a socket.
"""

import string
from dataclasses import dataclass

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import NANOSECONDS, Fields, Message, encode, time_ns_of, timestamp
from ringmain.gateway.fix.limits import Limits
from ringmain.gateway.fix.rules import Fault, fault_of

LOGGING_ON, LIVE, LOGGING_OUT, ENDED = range(4)
SILENCE_TESTED, SILENCE_ENDED = 1.2, 2.4  # heartbeat intervals
UNSUPPORTED_TYPE = 3  # BusinessRejectReason
REFERENCES = (11, 66, 117, 262, 320, 324)  # what a message may be called, for BusinessRejectRefID
_LETTERS = string.digits + string.ascii_letters
STANDARD_TYPES = frozenset(
    [letter.encode() for letter in _LETTERS] + [(a + b).encode() for a in "ABCDE" for b in _LETTERS[36:]]
)  # one character, or two capitals


@dataclass(frozen=True)
class Application:
    """A message for the application, in order, each once."""

    message: Message


@dataclass(frozen=True)
class Resend:
    """Messages `begin` to `end` are to be sent again."""

    begin: int
    end: int


@dataclass(frozen=True)
class Reset:
    """Both numbers have begun at 1 again: what was kept is not asked for any more."""


Event = Application | Resend | Reset


class Session:
    """The session layer of one counterparty.

    Parameters
    ----------
    begin_string : bytes
        FIX.4.4 or FIXT.1.1.
    own_id, client_id : bytes
        CompIDs: the venue's and the client's.
    next_in, next_out : int
        Where the numbers go on.
    limits : Limits

    Attributes
    ----------
    outbox : list of (bytes, bool)
        Numbered messages to record and to write, and whether each is one of the session layer.
    """

    def __init__(
        self,
        begin_string: bytes,
        own_id: bytes,
        client_id: bytes,
        next_in: int,
        next_out: int,
        limits: Limits,
    ) -> None:
        self.begin_string, self.own_id, self.client_id = begin_string, own_id, client_id
        self.next_in, self.next_out, self.limits = next_in, next_out, limits
        self.phase = LOGGING_ON
        self.heartbeat_s = 30
        self.outbox: list[tuple[bytes, bool]] = []
        self.heard_ns = self.spoke_ns = 0
        self.ended_because = ""
        self._gap_end = self._gap_asked_ns = 0  # the highest number that is too high; 0: no gap
        self._tested_ns = 0  # when a TestRequest was sent that nothing has answered
        self._left_ns = 0

    # What the application sends.

    def send(self, kind: bytes, fields: Fields, now_ns: int) -> int:
        """Number a message and put it into the outbox; return its number."""
        number = self.next_out
        self.next_out += 1
        self.spoke_ns = now_ns
        data = encode(self.begin_string, self.head(kind, number, now_ns) + fields)
        self.outbox.append((data, kind in d.ADMIN_TYPES))
        return number

    def head(self, kind: bytes, number: int, now_ns: int) -> Fields:
        """Return the header's fields from MsgType on."""
        return [(35, kind), (49, self.own_id), (56, self.client_id), (34, b"%d" % number),
                (52, timestamp(now_ns))]  # fmt: skip

    def reject(self, message: Message, fault: Fault, now_ns: int) -> None:
        """Reject a message at the session level."""
        fields: Fields = [(45, message.get(34) or b"0")]
        if fault.tag:
            fields.append((371, b"%d" % fault.tag))
        if message.type:
            fields.append((372, message.type))
        fields += [(373, b"%d" % fault.reason), (58, fault.text.encode())]
        self.send(d.REJECT, fields, now_ns)

    def business_reject(self, message: Message, reason: int, text: str, now_ns: int) -> None:
        """Reject what is well formed but cannot be done."""
        fields: Fields = [(45, message.get(34) or b"0"), (372, message.type)]
        reference = next((message.values[tag] for tag in REFERENCES if tag in message.values), None)
        if reference:
            fields.append((379, reference))
        fields += [(380, b"%d" % reason), (58, text.encode())]
        self.send(d.BUSINESS_REJECT, fields, now_ns)

    def log_out(self, text: str, now_ns: int) -> None:
        """Say goodbye, and wait for the answer."""
        if self.phase in (LOGGING_OUT, ENDED):
            return
        self._say_logout(text, now_ns)
        self.phase, self._left_ns, self.ended_because = LOGGING_OUT, now_ns, text

    def end(self, text: str, now_ns: int) -> None:
        """Say why, and end without waiting."""
        if self.phase != ENDED:
            self._say_logout(text, now_ns)
        self.phase, self.ended_because = ENDED, text

    # What comes in.

    def log_on(self, message: Message, now_ns: int, is_new_period: bool = False) -> list[Event]:
        """Take the first Logon of a connection; the phase is LIVE or ENDED afterwards."""
        self.heard_ns = now_ns
        events: list[Event] = []
        refusal = self._logon_refusal(message, now_ns)
        if refusal:
            self.end(refusal, now_ns)
            return events
        if is_new_period or message.flag(141):
            self.next_in = self.next_out = 1
            self._gap_end = 0
            events.append(Reset())
        number = message.number(34) or 0
        if number < self.next_in and not message.flag(43):
            self._end_too_low(number, now_ns)
            return events
        self.phase = LIVE
        self._answer_logon(message, now_ns)
        if number > self.next_in:
            self._ask_again(number, now_ns)
        elif number == self.next_in:
            self.next_in += 1
        return events

    def receive(self, message: Message, now_ns: int) -> list[Event]:
        """Take one whole message of a live session; return what is to be done about it, in order."""
        if self.phase not in (LIVE, LOGGING_OUT):
            return []
        self.heard_ns, self._tested_ns = now_ns, 0
        number = message.number(34)
        if message.begin_string != self.begin_string:
            self.end("Incorrect BeginString", now_ns)
        elif number is None or number < 0:
            self.end("MsgSeqNum missing", now_ns)
        elif not self._is_from_here(message):
            self.reject(message, Fault(d.COMP_ID_PROBLEM), now_ns)
            self._step_over(number)
            self.end("CompID problem", now_ns)
        else:
            return self._receive(message, number, now_ns)
        return []

    def _receive(self, message: Message, number: int, now_ns: int) -> list[Event]:
        fault = self._sending_time_fault(message, now_ns)
        if fault is not None:
            self.reject(message, fault, now_ns)
            self._step_over(number)
            if fault.reason == d.SENDING_TIME_PROBLEM:
                self.end(fault.text, now_ns)
            return []
        kind = message.type
        if kind == d.SEQUENCE_RESET and not message.flag(123):
            return self._reset_sequence(message, number, now_ns)
        if kind == d.LOGON:
            return self._log_on_again(message, number, now_ns)
        if number < self.next_in:
            if not message.flag(43):
                self._end_too_low(number, now_ns)
            return []  # a duplicate: taken already
        if number > self.next_in:
            return self._too_high(message, number, now_ns)
        return self._in_order(message, now_ns)

    def _in_order(self, message: Message, now_ns: int) -> list[Event]:
        kind = message.type
        if kind == d.SEQUENCE_RESET and fault_of(message) is None:
            self._fill_gap(message, now_ns)
            return []
        self.next_in += 1
        self._close_gap()
        if kind not in d.TAKEN:
            if kind in STANDARD_TYPES:
                self.business_reject(message, UNSUPPORTED_TYPE, "Unsupported Message Type", now_ns)
            else:
                self.reject(message, Fault(d.INVALID_MSG_TYPE, 35), now_ns)
            return []
        fault = fault_of(message)
        if fault is not None:
            self.reject(message, fault, now_ns)
            return []
        if kind == d.RESEND_REQUEST:
            return self._resend(message, now_ns)
        if kind == d.TEST_REQUEST:
            self.send(d.HEARTBEAT, [(112, message.values[112])], now_ns)
        elif kind == d.LOGOUT:
            self._answer_logout(now_ns)
        elif kind not in d.ADMIN_TYPES:  # what was sent before our Logout came is still carried out
            return [Application(message)]
        return []

    def tick(self, now_ns: int) -> None:
        """Do what is due: heartbeats, a test of a silent client, the end of one that stays silent."""
        if self.phase == LOGGING_OUT:
            if now_ns - self._left_ns > self.limits.logout_s * NANOSECONDS:
                self.phase = ENDED
            return
        if self.phase != LIVE:
            return
        beat_ns = self.heartbeat_s * NANOSECONDS
        silent_ns = now_ns - self.heard_ns
        if silent_ns > SILENCE_ENDED * beat_ns:
            self.end("Heartbeat lost", now_ns)
        elif silent_ns > SILENCE_TESTED * beat_ns and not self._tested_ns:
            self.send(d.TEST_REQUEST, [(112, timestamp(now_ns))], now_ns)
            self._tested_ns = now_ns
        elif now_ns - self.spoke_ns >= beat_ns:
            self.send(d.HEARTBEAT, [], now_ns)
        if self._gap_end and now_ns - self._gap_asked_ns > beat_ns:
            self._ask_again(self._gap_end, now_ns)

    # Rules, one each.

    @property
    def is_plain(self) -> bool:
        """Whether the next message can be expected to be the next number's: no gap, no goodbye."""
        return self.phase == LIVE and not self._gap_end

    def note_orders(self, count: int, now_ns: int) -> None:
        """Count messages that were taken in order without :meth:`receive`."""
        assert self.is_plain, "only a session without a gap takes messages by the batch"
        self.next_in += count
        self.heard_ns, self._tested_ns = now_ns, 0

    def _logon_refusal(self, message: Message, now_ns: int) -> str:
        fault = fault_of(message)
        if fault is not None:
            return f"{fault.text}: {fault.tag}"
        sending = time_ns_of(message.values[52])
        if sending is None or abs(sending - now_ns) > self.limits.sending_time_s * NANOSECONDS:
            return "SendingTime accuracy problem"
        if message.flag(141) and message.number(34) != 1:
            return "MsgSeqNum has to be 1 with ResetSeqNumFlag"
        beat = message.number(108) or 0
        least, most = self.limits.heartbeat_s_min, self.limits.heartbeat_s_max
        if not least <= beat <= most:
            return f"HeartBtInt has to be {least} to {most}"
        if self.begin_string == d.FIXT11 and message.get(1137) != d.APPL_VER_FIX50SP2:
            return "DefaultApplVerID has to be 9, FIX50SP2"
        return ""

    def _answer_logon(self, message: Message, now_ns: int) -> None:
        self.heartbeat_s = message.number(108) or 0
        fields: Fields = [(98, b"0"), (108, b"%d" % self.heartbeat_s)]
        if message.flag(141):
            fields.append((141, b"Y"))
        if self.begin_string == d.FIXT11:
            fields.append((1137, d.APPL_VER_FIX50SP2))
        self.send(d.LOGON, fields, now_ns)

    def _log_on_again(self, message: Message, number: int, now_ns: int) -> list[Event]:
        """A Logon of a live session: it may ask for both numbers to begin at 1 again."""
        if message.flag(43) and number < self.next_in:
            return []
        if not message.flag(141):
            self.end("Logged on already", now_ns)
            return []
        return self.log_on(message, now_ns)

    def _is_from_here(self, message: Message) -> bool:
        return message.get(49) == self.client_id and message.get(56) == self.own_id

    def _sending_time_fault(self, message: Message, now_ns: int) -> Fault | None:
        text = message.get(52)
        if text is None:
            return Fault(d.TAG_MISSING, 52)
        sending = time_ns_of(text)
        if sending is None:
            return Fault(d.WRONG_FORMAT, 52)
        if message.flag(43) and message.type != d.SEQUENCE_RESET:
            original = message.get(122)
            if original is None:
                return Fault(d.TAG_MISSING, 122)
            original_ns = time_ns_of(original)
            if original_ns is None:
                return Fault(d.WRONG_FORMAT, 122)
            if original_ns > sending:
                return Fault(d.SENDING_TIME_PROBLEM, 122)
        if abs(sending - now_ns) > self.limits.sending_time_s * NANOSECONDS:
            return Fault(d.SENDING_TIME_PROBLEM, 52)
        return None

    def _too_high(self, message: Message, number: int, now_ns: int) -> list[Event]:
        """Ask for what is missing; only a ResendRequest and a Logout are answered out of order."""
        events: list[Event] = []
        if fault_of_known(message) is None:
            if message.type == d.RESEND_REQUEST:
                events = self._resend(message, now_ns)
            elif message.type == d.LOGOUT:
                self._answer_logout(now_ns)
                return []
        self._ask_again(number, now_ns)
        return events

    def _ask_again(self, number: int, now_ns: int) -> None:
        """Ask for everything from the next number on, once for a gap, and again when nothing comes."""
        if self._gap_end and now_ns - self._gap_asked_ns <= self.heartbeat_s * NANOSECONDS:
            self._gap_end = max(self._gap_end, number)
            return
        self._gap_end, self._gap_asked_ns = max(self._gap_end, number), now_ns
        self.send(d.RESEND_REQUEST, [(7, b"%d" % self.next_in), (16, b"0")], now_ns)

    def _close_gap(self) -> None:
        if self.next_in > self._gap_end:
            self._gap_end = 0

    def _step_over(self, number: int) -> None:
        """Count a message that was rejected before its place was looked at."""
        if number == self.next_in:
            self.next_in += 1
            self._close_gap()

    def _fill_gap(self, message: Message, now_ns: int) -> None:
        new = message.number(36) or 0
        if new <= self.next_in:
            self.reject(message, Fault(d.VALUE_OUT_OF_RANGE, 36), now_ns)
            self.next_in += 1
        else:
            self.next_in = new
        self._close_gap()

    def _reset_sequence(self, message: Message, number: int, now_ns: int) -> list[Event]:
        """A SequenceReset that is no gap fill: its own number does not matter."""
        fault = fault_of(message)
        new = message.number(36) or 0
        if fault is None and new < self.next_in:
            fault = Fault(d.VALUE_OUT_OF_RANGE, 36)
        if fault is not None:
            self.reject(message, fault, now_ns)
            self._step_over(number)
            return []
        self.next_in = new
        self._close_gap()
        return []

    def _resend(self, message: Message, now_ns: int) -> list[Event]:
        begin, end = message.number(7) or 0, message.number(16) or 0
        last = self.next_out - 1
        if begin < 1 or (end and end < begin):
            self.reject(message, Fault(d.VALUE_OUT_OF_RANGE, 7 if begin < 1 else 16), now_ns)
            return []
        end = min(end or last, last)
        return [Resend(begin, end)] if begin <= end else []

    def _answer_logout(self, now_ns: int) -> None:
        if self.phase == LIVE:
            self._say_logout("", now_ns)
            self.ended_because = "logged out"
        self.phase = ENDED

    def _end_too_low(self, number: int, now_ns: int) -> None:
        self.end(f"MsgSeqNum too low, expecting {self.next_in} but received {number}", now_ns)

    def _say_logout(self, text: str, now_ns: int) -> None:
        self.send(d.LOGOUT, [(58, text.encode())] if text else [], now_ns)


def fault_of_known(message: Message) -> Fault | None:
    """Return what is wrong with a message, of whatever type."""
    return fault_of(message) if message.type in d.TAKEN else Fault(d.INVALID_MSG_TYPE, 35)
