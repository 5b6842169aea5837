"""One credential's place at the FIX door: its store, its session while it is logged on, what it is sent."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.gateway.credentials import Credential
from ringmain.gateway.entitlements import UNLIMITED
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.answers import answer_of
from ringmain.gateway.fix.codec import Message, encode, timestamp
from ringmain.gateway.fix.live import ANSWER
from ringmain.gateway.fix.outlog import MARKET_DATA, SESSION_LAYER, Block
from ringmain.gateway.fix.reading import CONTEXT
from ringmain.gateway.fix.session import LIVE, Session
from ringmain.gateway.fix.store import Identity, Store
from ringmain.gateway.fix.writing import ALL_ACCOUNTS, repeat, write_reports

if TYPE_CHECKING:
    from ringmain.gateway.fix.lists import ListNames
    from ringmain.gateway.fix.quotes import Standing

LOG = logging.getLogger("ringmain.fix")
OUT_BYTES = 4 << 20
CHUNK_BYTES = 256 << 10  # of a resend, between looks at whether the client reads
RESENDS = 16  # resend requests of one session that wait for one another; the oldest gives way
FULL_RETRY_S = 0.1
POSS_RESEND = b"97=Y\x01"


class Link(Protocol):
    """A connection, as the door sees it."""

    member: "Member | None"

    @property
    def is_writable(self) -> bool:
        """Whether the client has read most of what was sent."""

    @property
    def certificate_sha256(self) -> str:
        """Digest of the certificate that the client showed, in hex; empty without TLS."""

    def write(self, data: bytes) -> None:
        """Send bytes; they may wait in memory."""

    def wait(self) -> None:
        """Read no more until :meth:`take_held` is called."""

    def take_held(self) -> None:
        """Hand over again what the door did not take."""

    def end(self) -> None:
        """Close, behind what was written."""


class Member:
    """A credential that has a FIX session, whether it is logged on or not.

    Attributes
    ----------
    is_open, nonce
        Whether the market has the session open for this door; what the OpenSession bears that was sent last.
    is_leaving, is_yielding
        Whether it is to be closed, or left to another door, as soon as the ring has all its commands.
    opened_sequence, awaited : int
        Where the market answered that it is this door's; the mark of another one that has not yielded it.
    offered : int
        The number of the last command that the ring has.
    closes : int
        CloseSession commands on their way.
    cursor : int or None
        None while messages are written as they come; otherwise the next one to be written.
    rights : Rights
        What its account may trade and see.
    quotes, lists
        Which of its quotes may stand, and what its lists are called; None until somebody asks.
    doubtful_until : int
        Reports of events before that position on the tape may have been sent before.
    """

    def __init__(self, credential: Credential, store: Store | None, own_id: bytes) -> None:
        self.credential, self.store, self.own_id = credential, store, own_id
        self.session: Session | None = None
        self.rights = UNLIMITED  # until it logs on
        self.link: Link | None = None
        self.logon: Message | None = None
        self.is_open = self.is_leaving = self.is_yielding = False
        self.nonce = self.offered = self.closes = self.opened_sequence = self.awaited = 0
        self.cursor: int | None = None
        self.doubtful_until = 0
        self.quotes: Standing | None = None
        self.lists: ListNames | None = None
        self._resend: tuple[int, int] | None = None
        self._resends: deque[tuple[int, int]] = deque(maxlen=RESENDS)  # asked for meanwhile
        self._resend_blocks: Iterator[Block] = iter(())
        self._gap_from = 0
        self._context: Any = records(np.zeros(1, CONTEXT))
        self.context: Any = bare(self._context)

    @property
    def session_id(self) -> int:
        """The session's id at the market."""
        return self.credential.session_id

    @property
    def is_observer(self) -> bool:
        """Whether it sends no orders and gets its account's drop copy."""
        return self.credential.role not in ("operator", "participant")

    @property
    def drop_copy_account(self) -> int:
        """The account whose executions it gets; ALL_ACCOUNTS for a session that gets its own."""
        return self.credential.account_id if self.is_observer else ALL_ACCOUNTS

    @property
    def is_logged_on(self) -> bool:
        """Whether the session's Logon was answered: until then messages are recorded as for nobody."""
        return self.session is not None and self.logon is None

    @property
    def is_live(self) -> bool:
        """Whether messages are written as they come."""
        return self.link is not None and self.is_logged_on and self.cursor is None

    @property
    def is_behind(self) -> bool:
        """Whether there is something to write as soon as the client reads."""
        return self.link is not None and self.cursor is not None

    @property
    def has_pending(self) -> bool:
        """Whether there are commands that the ring has not taken."""
        return self.store is not None and self.offered < self.store.last

    def texts(self) -> tuple[Any, Any, Any]:
        """Return what every message of the session begins with, its TargetCompID and its SenderCompID."""
        session = self.session
        assert session is not None, "who sends has a session"
        prefix = b"8=%s\x019=" % session.begin_string
        return _bytes(prefix), _bytes(self.own_id), _bytes(session.client_id)

    # Messages out.

    def flush(self, now_ns: int) -> None:
        """Record and write what the session has numbered."""
        session = self.session
        if session is None or self.store is None or not session.outbox:
            return
        outbox, session.outbox = session.outbox, []
        number = session.next_out - len(outbox)
        for place, (data, is_admin) in enumerate(outbox):
            flags = SESSION_LAYER if is_admin else 0
            self._emit(Block(number + place, 1, flags, 0, now_ns, data))

    def send_data(self, messages: list[tuple[bytes, list[tuple[int, bytes]]]], now_ns: int) -> None:
        """Number and write market data, of which only the numbers are recorded."""
        session = self.session
        assert session is not None and self.is_live, "market data goes to those who read"
        self.flush(now_ns)
        for kind, fields in messages:
            session.send(kind, fields, now_ns)
        outbox, session.outbox = session.outbox, []
        first = session.next_out - len(outbox)
        data = b"".join(data for data, _ in outbox)
        self._append(Block(first, len(outbox), MARKET_DATA, 0, now_ns, b""))
        assert self.link is not None
        self.link.write(data)

    def tell(self, reports: Any, out: Any, now_ns: int) -> None:
        """Record and write the reports that concern this member and have not been told."""
        store = self.store
        assert store is not None, "who is told has a store"
        identity = store.identity
        if identity is None:
            return
        self.flush(now_ns)
        begin_string = identity.begin_string.encode()
        prefix = _bytes(b"8=%s\x019=" % begin_string)
        ids = _bytes(b"49=%s\x0156=%s\x0134=" % (self.own_id, identity.client_id.encode()))
        is_doubtful = reports.size > 0 and int(reports["position"].max()) < self.doubtful_until
        row = 0
        while row < reports.size:
            times = _bytes(b"\x0152=%s\x01%s" % (timestamp(now_ns), POSS_RESEND if is_doubtful else b""))
            session = self.session if self.is_logged_on else None
            number = session.next_out if session is not None else store.next_out
            row, size, count, told = write_reports(
                reports, row, self.session_id, self.drop_copy_account, store.told_until, number,
                prefix, ids, times, begin_string == d.FIXT11, out,
            )  # fmt: skip
            if count:
                self._tell_block(Block(number, count, 0, told, now_ns, out[:size].tobytes()))
            if row < reports.size and self._is_answer(reports[row]):
                self._answer(reports[row], identity, is_doubtful, now_ns)
                row += 1
            elif count == 0:
                break

    def _tell_block(self, block: Block) -> None:
        """Count and send a block of what the tape tells."""
        session = self.session if self.is_logged_on else None
        if session is not None:
            session.next_out += block.count
            session.spoke_ns = block.time_ns
        self._emit(block)

    def _is_answer(self, report: Any) -> bool:
        """Tell whether a report has this member told of a whole request."""
        assert self.store is not None
        is_own = report["session_id"] == self.session_id and not self.is_observer
        return bool(is_own and report["answers"] == ANSWER and report["position"] >= self.store.told_until)

    def _answer(self, report: Any, identity: Identity, is_doubtful: bool, now_ns: int) -> None:
        """Tell what became of all that one message has asked for."""
        assert self.store is not None
        begin_string = identity.begin_string.encode()
        answer = answer_of(self.store, report, begin_string == d.FIXT11)
        if answer is None:
            return
        session = self.session if self.is_logged_on else None
        number = session.next_out if session is not None else self.store.next_out
        kind, fields = answer
        head = [(35, kind), (49, self.own_id), (56, identity.client_id.encode()), (34, b"%d" % number),
                (52, timestamp(now_ns))]  # fmt: skip
        if is_doubtful:
            head.append((97, b"Y"))
        data = encode(begin_string, head + fields)
        self._tell_block(Block(number, 1, 0, int(report["position"]) + 1, now_ns, data))

    def _emit(self, block: Block) -> None:
        is_live = self.is_live
        self._append(block)
        if is_live and self.link is not None:
            self.link.write(block.data)

    def _append(self, block: Block) -> None:
        """Write a block down; while the disk has no room, nobody is told anything."""
        assert self.store is not None
        while True:
            try:
                self.store.out.append(block)
                return
            except OSError as error:
                LOG.error("fix: %s cannot be written to: %s", self.store.folder, error)
                time.sleep(FULL_RETRY_S)

    # Messages again.

    def fall_behind(self) -> None:
        """Write no more until the client reads; then from the store."""
        if self.session is not None and self.is_logged_on and self.cursor is None:
            self.cursor = self.session.next_out

    def begin_resend(self, begin: int, end: int) -> None:
        """Write stored messages again before anything new."""
        assert self.store is not None
        self.fall_behind()
        if self._resend is not None:
            self._resends.append((begin, end))
            return
        self._resend = (begin, end)
        self._resend_blocks = self.store.out.read(begin)
        self._gap_from = 0

    def catch_up(self, now_ns: int) -> bool:
        """Write a piece of what waits; True if there is more and the client reads."""
        link, session, store = self.link, self.session, self.store
        if link is None or session is None or store is None or not link.is_writable:
            return False
        if self._resend is not None:
            session.spoke_ns = now_ns
            self._resend_some(link, session, now_ns)
            return link.is_writable
        assert self.cursor is not None
        size = 0
        for block in store.out.read(self.cursor):
            link.write(block.data)
            self.cursor = block.first + block.count
            size += len(block.data)
            if size >= CHUNK_BYTES or not link.is_writable:
                break
        if self.cursor >= session.next_out:
            self.cursor = None
            return False
        return link.is_writable

    def _resend_some(self, link: Link, session: Session, now_ns: int) -> None:
        assert self._resend is not None
        number, end = self._resend
        pieces, size = [], 0
        for block in self._resend_blocks:
            if block.first > end:
                number = end + 1
                break
            begin = max(block.first, number)
            if block.first > number and not self._gap_from:
                self._gap_from = number  # numbers that were lost with a machine
            number = block.first + block.count
            if block.flags:
                self._gap_from = self._gap_from or begin
                continue
            pieces += self._filled(session, begin, now_ns)
            pieces.append(self._repeated(block, begin, end, now_ns))
            size += len(pieces[-1])
            if size >= CHUNK_BYTES and number <= end:
                self._resend = (number, end)
                link.write(b"".join(pieces))
                return
        if self._gap_from or number <= end:
            self._gap_from = self._gap_from or number
            pieces += self._filled(session, end + 1, now_ns)
        self._resend, self._resend_blocks = None, iter(())
        link.write(b"".join(pieces))
        if self._resends:
            self.begin_resend(*self._resends.popleft())

    def _filled(self, session: Session, number: int, now_ns: int) -> list[bytes]:
        """Return the gap fill up to `number`, if there is a gap."""
        begin, self._gap_from = self._gap_from, 0
        if not begin:
            return []
        head = session.head(d.SEQUENCE_RESET, begin, now_ns)
        marks = [(43, b"Y"), (122, timestamp(now_ns))]
        return [encode(session.begin_string, head + marks + [(123, b"Y"), (36, b"%d" % number)])]

    def _repeated(self, block: Block, begin: int, end: int, now_ns: int) -> bytes:
        """Return a block's messages `begin` to `end`, marked as duplicates."""
        data = _bytes(block.data)
        assert self.session is not None
        prefix_size = len(self.session.begin_string) + 5
        out = np.empty(data.size + 64 * block.count, np.uint8)
        time_text = _bytes(timestamp(now_ns))
        size, _ = repeat(data, prefix_size, block.first, begin, end, time_text, out)
        return out[:size].tobytes()

    def begin_again(self) -> None:
        """Forget what was to be resent: the numbers have begun at 1 again."""
        self.cursor, self._resend, self._resend_blocks = None, None, iter(())
        self._resends.clear()

    # Coming and going.

    def attach(self, link: Link, session: Session) -> None:
        """Take a session that is being logged on."""
        self.link, self.session = link, session
        self.begin_again()
        link.member = self

    def detach(self) -> None:
        """Forget link and session; numbers and messages are kept."""
        if self.link is not None:
            self.link.member = None
        if self.session is not None and self.store is not None and self.session.phase != LIVE:
            self.store.next_in = self.session.next_in
        self.link = self.session = self.logon = None
        self.begin_again()

    def note_numbers(self) -> None:
        """Keep the number that is expected next."""
        if self.session is not None and self.store is not None:
            self.store.next_in = self.session.next_in


def _bytes(text: bytes) -> Any:
    return np.frombuffer(text, np.uint8)
