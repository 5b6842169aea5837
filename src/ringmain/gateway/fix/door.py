"""The FIX door of an exchange: its members, between the ring and the tape. It opens no socket.

Like the binary port it stamps commands with the session that it knows, puts them into a lane of the
same ring, and tells what stands on the same tape, no earlier than that is readable.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.jit import bare, records
from ringmain.core.messages import CLOSE_SESSION, COMMAND_REFUSED, REPEATED, SESSION_CLOSED, SESSION_OPENED
from ringmain.core.records import FIRST_CORE_KIND, Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway.admission import Admission
from ringmain.gateway.credentials import Credential, Credentials
from ringmain.gateway.entitlements import Rights
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.application import Application as Desk
from ringmain.gateway.fix.codec import Message, encode, parse, timestamp, whole_end
from ringmain.gateway.fix.directory import ENTRY
from ringmain.gateway.fix.limits import Limits
from ringmain.gateway.fix.live import REPORT
from ringmain.gateway.fix.marketdata import MarketData
from ringmain.gateway.fix.member import OUT_BYTES, Link, Member
from ringmain.gateway.fix.naming import name_reports
from ringmain.gateway.fix.orders import Orders
from ringmain.gateway.fix.receiving import Receiver
from ringmain.gateway.fix.session import ENDED, LIVE, Application, Resend, Reset, Session
from ringmain.gateway.fix.store import Identity, Store, session_folder
from ringmain.gateway.fix.syncing import Syncer
from ringmain.gateway.fix.writing import ALL_ACCOUNTS, repeat, write_reports
from ringmain.gateway.holding import ASKS, TAKES, YIELDS, Holdings, Nonces, purpose_of
from ringmain.gateway.intake import Intake
from ringmain.gateway.messages import REASONS, UNKNOWN_TOKEN

LOG = logging.getLogger("ringmain.fix")
BATCH_EVENTS = 16_384
CHECKPOINT_EVENTS = 8_000_000
NO_ENTRIES = bare(records(np.zeros(0, ENTRY)))
REASON_NAMES = {code: name for name, code in REASONS.items()}
TAKEN_OVER = "TAKEN_OVER: the credential is used at another door"


class Door:
    """The FIX sessions of one exchange.

    Parameters
    ----------
    folder : Path
        The market's folder; its node has to run.
    schema : Schema
    credentials : Credentials
    limits : Limits
    own_id : str
        The venue's CompID.
    wake : callable
        Called from a thread when :meth:`pump` may go on.
    """

    def __init__(
        self, folder: Path, schema: Schema, credentials: Credentials, limits: Limits, own_id: str,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self.schema, self.limits, self.own_id = schema, limits, own_id.encode()
        self._folder, self._credentials = folder, credentials
        self._admission = Admission(schema.name, credentials)
        self.tape = TapeReader(folder, schema)
        self._history = TapeReader(folder, schema)
        self._intake = Intake(folder, schema)
        self._syncer = Syncer(wake)
        self._is_durable_on_disk = bool(self.tape.page.get("durability"))
        self._gate: tuple[int, int] | None = None  # what has to be synced before the tape is told so far
        self._holdings, self._nonces = Holdings(folder), Nonces()
        self._out = np.empty(OUT_BYTES, np.uint8)
        self.members: dict[int, Member] = {}
        self._holding: dict[Link, None] = {}
        self.orders = Orders(folder / "fix" / "orders.checkpoint", BATCH_EVENTS)
        self.market_data = MarketData(folder, schema, limits)
        self.desk = Desk(self)
        self._receiver = Receiver(self)
        (folder / "fix").mkdir(parents=True, exist_ok=True)
        self._checkpoint_position = self._first = 0
        self._load()

    # Start and end.

    def _load(self) -> None:
        """Take up every session that has a store, and fold the tape up to where all were told."""
        readable = self.tape.readable()
        if not self.orders.load(readable):
            self.orders.position = self.tape.first()
        self.tape.position = self._checkpoint_position = self.orders.position
        for credential in self._own_credentials():
            if (session_folder(self._folder, credential.session_id) / "commands.map").exists():
                member = self._take_up(credential)
                if member.store is not None and member.store.was_cut_off:
                    member.doubtful_until = readable
                if self._holdings.is_left(member.session_id):
                    member.is_leaving = True
                    self._open_at_market(member, TAKES)

    def _own_credentials(self) -> list[Credential]:
        try:
            return [each for each in self._credentials.all() if each.market == self.schema.name]
        except RingmainError as error:
            LOG.error("%s", error)
            return []

    def _take_up(self, credential: Credential) -> Member:
        store = Store(session_folder(self._folder, credential.session_id))
        member = self.members[credential.session_id] = Member(credential, store, self.own_id)
        return member

    def close(self) -> None:
        """Log everyone out; the market is told."""
        now_ns = time.time_ns()
        for member in list(self.members.values()):
            if member.session is not None and member.link is not None:
                link = member.link
                if member.is_logged_on:
                    member.session.end("STOPPING", now_ns)
                    member.flush(now_ns)
                self.leave(link)
                link.end()
        self._intake.flush()
        self._intake.close()
        self._syncer.stop()
        self.orders.save()
        for member in self.members.values():
            if member.store is not None:
                member.store.close()

    # What connections call.

    def receive(self, link: Link, data: Any) -> int:
        """Take messages out of a uint8 array; return how many bytes are done with.

        The rest is to be held until ``link.take_held`` is called, or more has come.
        """
        if link.member is None:
            return self._first_message(link, data)
        done = self._receiver.receive(link.member, data)
        self._finish(link)
        return done

    def hold(self, link: Link) -> None:
        """Note that the link holds what could not be taken."""
        self._holding[link] = None
        link.wait()

    def leave(self, link: Link) -> None:
        """Forget a connection; the market is told once the ring has what came over it."""
        self._holding.pop(link, None)
        member = link.member
        if member is None:
            return
        self.market_data.forget(member)
        member.detach()
        if member.is_open or member.nonce:
            member.is_leaving = True
            self._close_if_done(member)

    def tick(self, link: Link, now_ns: int) -> None:
        """Let a session's clock go on."""
        member = link.member
        if member is None or member.session is None:
            return
        if self.limits.schedule.period(now_ns / 1e9) is None:
            member.session.log_out("The session's hours have ended", now_ns)
        member.session.tick(now_ns)
        member.flush(now_ns)
        self._finish(link)

    def refuse(self, link: Link, begin_string: bytes, text: str, logon: Message | None = None) -> None:
        """Tell somebody who has no session why, under the number 0, which counts for nobody; and end."""
        client_id = (logon.get(49) if logon else None) or b"?"
        fields = [(35, d.LOGOUT), (49, self.own_id), (56, client_id), (34, b"0"),
                  (52, timestamp(time.time_ns())), (58, text.encode())]  # fmt: skip
        LOG.info("fix: %s is refused: %s", client_id.decode("latin-1"), text)
        link.write(encode(begin_string, fields))
        self.leave(link)
        link.end()

    # What the process calls.

    @property
    def has_more(self) -> bool:
        """Whether there is something for :meth:`pump` to do now."""
        if any(
            member.is_behind and member.link.is_writable for member in self.members.values() if member.link
        ):
            return True
        return self.tape.position < self._tellable() or self.market_data.has_more

    @property
    def is_syncing(self) -> bool:
        """Whether what the tape has next waits for the disk; the door's waker is called when it is there."""
        return self._gate is not None and self._syncer.done < self._gate[0]

    def pump(self) -> bool:
        """Tell a batch of the tape, and as much to each member that is behind; True if there is more."""
        now_ns = time.time_ns()
        end = self._tellable()
        try:
            batch = self.tape.read(min(BATCH_EVENTS, end - self.tape.position))
        except RingmainError as error:
            LOG.error("%s", error)  # a gap that nobody can fill: go on where the tape begins
            self.tape.position = self.orders.position = self.tape.first()
            return True
        if batch.size:
            self._tell(batch, now_ns)
        for member in list(self.members.values()):
            if member.is_behind:
                member.catch_up(now_ns)
        self.market_data.advance(self.tape.position, now_ns)  # never ahead of those whose orders they are
        if self.tape.position - self._checkpoint_position >= CHECKPOINT_EVENTS:
            self.orders.save()
            self._checkpoint_position = self.tape.position
        return self.has_more

    def retry(self) -> bool:
        """Do what the ring had no room for; True if something still waits."""
        try:
            if self._intake.renew():
                self._restart()
        except RingmainError:
            return True
        self._intake.flush()
        is_waiting = False
        for member in list(self.members.values()):
            if member.has_pending and not self.offer(member):
                is_waiting = True
            self._close_if_done(member)
            self._yield_if_done(member)
        holding, self._holding = self._holding, {}
        for link in holding:
            link.take_held()
        return is_waiting or bool(self._holding)

    def review(self, now_ns: int) -> None:
        """Log out whose credential has ended; take away what is no longer allowed to be seen."""
        for member in list(self.members.values()):
            session, link = member.session, member.link
            if session is None or link is None:
                continue
            try:
                ending, rights = self._admission.review(link, member.credential)
            except RingmainError as error:
                LOG.error("%s", error)  # as it was, until somebody has corrected the file
                return
            if ending and not member.is_logged_on:
                self.refuse(link, session.begin_string, REASON_NAMES[ending], member.logon)
            elif ending:
                session.end(REASON_NAMES[ending], now_ns)
            elif rights is not member.rights:
                member.rights = rights
                self.market_data.withdraw(member, now_ns)
            member.flush(now_ns)
            self._finish(link)

    def _tellable(self) -> int:
        """Return up to where the tape may be told: entries have to be on the disk as commands are."""
        readable = self.tape.readable()
        if not self._is_durable_on_disk:
            return readable
        if self._gate is not None:
            wanted, position = self._gate
            if self._syncer.done < wanted:
                return self.tape.position
            if position > self.tape.position:
                return position
        wanted = self._syncer.wanted
        self._gate = (wanted, readable)
        return readable if self._syncer.done >= wanted else self.tape.position

    # Telling.

    def _tell(self, batch: Any, now_ns: int) -> None:
        reports = self.orders.fold(batch)
        kinds = reports["kind"]
        if (batch["kind"] >= FIRST_CORE_KIND).any():
            self._note_core_events(batch, now_ns)
        is_report = kinds != 0
        if not is_report.any():
            return
        sessions = set(np.unique(reports["session_id"][is_report]).tolist())
        accounts = set(np.unique(reports["account_id"][is_report]).tolist())
        for session_id in sessions:
            member = self.members.get(session_id)
            store = member.store if member is not None else None
            if store is not None:
                name_reports(reports, session_id, store.rows, store.first, store.last)
            else:
                name_reports(reports, session_id, NO_ENTRIES, 1, 0)
        self._first = (self._first + 1) % max(1, len(self.members))  # nobody is always told first
        members = list(self.members.values())
        for member in members[self._first :] + members[: self._first]:
            concerned = (
                member.drop_copy_account in accounts if member.is_observer else member.session_id in sessions
            )
            if concerned and member.store is not None:
                member.tell(reports, self._out, now_ns)

    def _note_core_events(self, batch: Any, now_ns: int) -> None:
        """Note where sessions stand, in the order of the tape."""
        own = np.fromiter(self.members, np.int64, len(self.members))
        rows = np.flatnonzero((batch["kind"] >= FIRST_CORE_KIND) & np.isin(batch["session_id"], own))
        for row in rows.tolist():
            event = batch[row : row + 1]
            member = self.members[int(event["session_id"][0])]
            kind = int(event["kind"][0])
            if kind == SESSION_OPENED:
                opened = self.schema.events[SESSION_OPENED].unpack(event)
                nonce, sequence = opened["session_number"], int(event["sequence"][0])
                if self._nonces.is_own(nonce):
                    self._note_own(member, nonce, sequence, opened["last_number"], now_ns)
                else:
                    self._note_others(member, purpose_of(nonce), opened["last_number"], now_ns)
            elif kind == SESSION_CLOSED:
                self._note_closed(member)
            elif kind == COMMAND_REFUSED:
                refused = self.schema.events[COMMAND_REFUSED].unpack(event)
                if refused["refused_kind"] == CLOSE_SESSION:
                    member.closes = max(0, member.closes - 1)
                elif refused["reason"] != REPEATED and refused["session_number"] > 0 and member.is_open:
                    self._open_at_market(member, ASKS)  # out of step: ask, and go on from there

    # The session at the market.

    def _open_at_market(self, member: Member, purpose: int) -> None:
        """Take a session, or ask where one stands that is this door's."""
        if purpose == TAKES:
            member.awaited = self._holdings.take(member.session_id, member.awaited)
            member.opened_sequence = 0
        member.nonce, member.is_open = self._nonces.next(purpose), False
        self._intake.open_session(member.credential, member.nonce)

    def _note_own(self, member: Member, nonce: int, sequence: int, last_number: int, now_ns: int) -> None:
        if nonce != member.nonce:
            return
        member.opened_sequence = member.opened_sequence or sequence
        if not member.awaited:
            self._go_on(member, last_number, now_ns)

    def _note_others(self, member: Member, purpose: int, last_number: int, now_ns: int) -> None:
        """Another door has taken the session, or yielded it: perhaps before the market answers this one."""
        if purpose == TAKES and member.opened_sequence:
            self._give_up(member, now_ns)
        elif purpose == YIELDS and member.awaited:
            member.awaited = 0
            if member.opened_sequence:
                self._go_on(member, last_number, now_ns)

    def _go_on(self, member: Member, last_number: int, now_ns: int) -> None:
        """The session is this door's: go on behind the last of its numbers."""
        member.is_open = True
        if member.store is None:
            folder = session_folder(self._folder, member.session_id)
            member.store = Store(folder, last_number, self.tape.position)
        member.store.leave_out(last_number)
        member.offered = last_number
        if member.has_pending:
            LOG.info("fix: %d commands of session %d are offered again", member.store.last - last_number,
                     member.session_id)  # fmt: skip
        self.offer(member)
        if member.logon is not None:
            self._log_on(member, now_ns)
        if member.link is not None:
            self.hold(member.link)
        self._close_if_done(member)

    def _give_up(self, member: Member, now_ns: int) -> None:
        """Leave a session to the other door that has taken it: it is not ours to close any more."""
        member.is_leaving, member.is_yielding = False, True
        link, session = member.link, member.session
        if link is not None and session is not None and member.logon is not None:
            self.refuse(link, session.begin_string, TAKEN_OVER, member.logon)
        elif session is not None:
            session.end(TAKEN_OVER, now_ns)
            member.flush(now_ns)
            self._finish(link)
        self._yield_if_done(member)

    def _yield_if_done(self, member: Member) -> None:
        """Say that the other door may go on, behind all commands that have been written down."""
        if not member.is_yielding or (member.has_pending and not member.awaited):
            return
        self._let_go(member)
        self._holdings.give_back(member.session_id)
        self._intake.open_session(member.credential, self._nonces.next(YIELDS))

    def _let_go(self, member: Member) -> None:
        member.is_open = member.is_leaving = member.is_yielding = False
        member.nonce = member.opened_sequence = member.awaited = 0

    def _note_closed(self, member: Member) -> None:
        if member.closes:
            member.closes -= 1
        elif member.awaited:  # the other door closed it, and is done with it
            member.awaited = 0
            if member.opened_sequence:
                self._open_at_market(member, TAKES)
        elif member.is_open and member.session is not None:
            LOG.warning("fix: session %d was closed by somebody else; it is opened again", member.session_id)
            self._open_at_market(member, ASKS)

    def _close_if_done(self, member: Member) -> None:
        """Close a session that nobody is logged on to, behind its commands."""
        if not member.is_leaving or not member.is_open or member.session is not None or member.has_pending:
            return
        if not self._holdings.give_back(member.session_id):
            member.is_leaving, member.is_yielding = False, True
            self._yield_if_done(member)
            return
        self._let_go(member)
        member.closes += 1
        self._intake.close_session(member.session_id)

    def _restart(self) -> None:
        """The node was restarted: ask it what it knows of each session that is open."""
        self._is_durable_on_disk = bool(self.tape.page.get("durability"))
        for member in self.members.values():
            is_ours = member.opened_sequence > 0 and not member.awaited
            member.closes = member.awaited = 0  # what was on its way is gone
            if member.nonce:
                self._open_at_market(member, ASKS if is_ours else TAKES)

    def offer(self, member: Member) -> bool:
        """Put commands that are written down into the ring; False if some still wait."""
        store = member.store
        if store is None or not member.is_open:
            return not member.has_pending
        while member.offered < store.last:
            end = min(store.last, member.offered + BATCH_EVENTS)
            words = store.commands(member.offered + 1, end + 1)
            taken = self._intake.offer(words.reshape(-1).view(self.schema.header))
            member.offered += taken
            if member.offered < end:
                return False
        return True

    def offer_fresh(self, member: Member, command_words: Any) -> None:
        """Put commands that were just written down into the ring, as far as it has room."""
        if self._is_durable_on_disk and member.store is not None:
            self._syncer.want(member.store)
        if member.is_open and member.store is not None:
            if member.offered + command_words.shape[0] == member.store.last:
                member.offered += self._intake.offer(command_words.reshape(-1).view(self.schema.header))
            else:
                self.offer(member)

    @property
    def is_refused(self) -> bool:
        """Whether the market takes nothing for want of room on its disk."""
        return self._intake.is_refused

    # Logging on.

    def _first_message(self, link: Link, data: Any) -> int:
        raw = data.tobytes()
        end = whole_end(raw, 0)
        if end == 0:
            return 0
        message = parse(raw[:end]) if end > 0 else None
        if message is None or message.begin_string not in d.BEGIN_STRINGS or message.type != d.LOGON:
            LOG.info("fix: a connection that does not begin with a Logon is closed")
            link.end()
            return len(raw)
        refusal = self._logon_refusal(message)
        if refusal:
            self.refuse(link, message.begin_string, refusal, message)
            return len(raw)
        credential, reason = self._find(link, message)
        if credential is None or reason:
            self.refuse(link, message.begin_string, REASON_NAMES[reason], message)
            return len(raw)
        try:
            rights = self._admission.rights(credential)
        except RingmainError as error:
            LOG.error("%s", error)
            self.refuse(link, message.begin_string, REASON_NAMES[UNKNOWN_TOKEN], message)
            return len(raw)
        self._admit(link, credential, rights, message)
        return end

    def _logon_refusal(self, logon: Message) -> str:
        client_id = logon.get(49) or b""
        if logon.get(56) != self.own_id or not client_id:
            return "CompID problem"
        if len(client_id) > 64:
            return "SenderCompID is longer than 64 characters"
        if self.limits.schedule.period(time.time()) is None:
            return "The session is closed at this hour"
        if not logon.get(554):
            return "UNKNOWN_TOKEN: Password (554) has to be the credential's token"
        return ""

    def _find(self, link: Link, logon: Message) -> tuple[Credential | None, int]:
        """Return the credential whose token is the Password, and why it is not to log on, or 0.

        A Username has to be its name.
        """
        credential, reason = self._admission.admit(link, logon.values[554])
        if credential is not None and logon.get(553) not in (None, credential.name.encode()):
            return None, UNKNOWN_TOKEN
        return credential, reason

    def _admit(self, link: Link, credential: Credential, rights: Rights, logon: Message) -> None:
        """Begin a session; its Logon is answered once the market has it open."""
        member = self.members.get(credential.session_id)
        if member is not None and (member.session is not None or member.is_yielding):
            text = "Logged on already, over another connection"
            self.refuse(link, logon.begin_string, text if member.session else TAKEN_OVER, logon)
            return
        if member is None:
            member = self.members[credential.session_id] = Member(credential, None, self.own_id)
        member.credential, member.rights = credential, rights
        identity = Identity(logon.begin_string.decode("latin-1"), (logon.get(49) or b"").decode("latin-1"))
        is_other = member.store is not None and member.store.identity not in (None, identity)
        if is_other and not logon.flag(141) and not self._is_new_period(member):
            self.refuse(
                link,
                logon.begin_string,
                "The numbers are another BeginString's or SenderCompID's; send ResetSeqNumFlag",
                logon,
            )
            return
        client_id = logon.get(49) or b""
        session = Session(logon.begin_string, self.own_id, client_id, 1, 1, self.limits)
        member.attach(link, session)
        member.logon, member.is_leaving = logon, False
        self._open_at_market(member, TAKES)

    def _is_new_period(self, member: Member) -> bool:
        period = self.limits.schedule.period(time.time())
        return member.store is not None and period is not None and period != member.store.period

    def _log_on(self, member: Member, now_ns: int) -> None:
        """Answer the Logon."""
        logon, session, store, link = member.logon, member.session, member.store, member.link
        assert logon is not None and session is not None and store is not None
        member.logon = None
        session.next_in, session.next_out = store.next_in, store.next_out
        is_new = self._is_new_period(member) and store.identity is not None
        self.obey(member, session.log_on(logon, now_ns, is_new), now_ns)
        if session.phase == LIVE:
            store.identity = Identity(session.begin_string.decode(), session.client_id.decode("latin-1"))
            store.period = self.limits.schedule.period(now_ns / 1e9) or 0
        member.note_numbers()
        member.flush(now_ns)
        self._finish(link)

    def obey(self, member: Member, events: list[Any], now_ns: int) -> None:
        """Do what the session layer has decided."""
        for event in events:
            if isinstance(event, Application):
                self.desk.handle(member, event.message, now_ns)
            elif isinstance(event, Resend):
                member.flush(now_ns)
                member.begin_resend(event.begin, event.end)
            elif isinstance(event, Reset) and member.store is not None:
                member.store.begin_again()
                member.begin_again()

    def _finish(self, link: Link | None) -> None:
        """Close the connection of a session that has ended."""
        if link is None or link.member is None or link.member.session is None:
            return
        if link.member.session.phase == ENDED:
            LOG.info("fix: session %d has ended: %s", link.member.session_id,
                     link.member.session.ended_because)  # fmt: skip
            self.leave(link)
            link.end()

    def check_opening(self, link: Link) -> bool:
        """Tell whether the connection waits for the market to open its session."""
        return link.member is not None and link.member.logon is not None

    def compile(self) -> None:
        """Call each kernel on nothing, so that no session waits for a compiler."""
        self.orders.fold(self.schema.empty(0))
        self._receiver.compile()
        Rights(()).may_trade(1)
        reports, text = bare(records(np.zeros(0, REPORT))), np.frombuffer(b"8=", np.uint8)
        name_reports(reports, 1, NO_ENTRIES, 1, 0)
        write_reports(reports, 0, 1, ALL_ACCOUNTS, 0, 1, text, text, text, False, self._out)
        repeat(text[:0], 2, 1, 1, 1, text, self._out)
