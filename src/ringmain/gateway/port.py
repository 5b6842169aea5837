"""One market's port: its sessions, between the ring and the tape. It opens no socket and tells no time."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.records import FIRST_CORE_KIND, Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway import holding, messages
from ringmain.gateway.admission import Admission
from ringmain.gateway.copies import DropCopies
from ringmain.gateway.credentials import Credential, Credentials
from ringmain.gateway.entitlements import UNLIMITED, Entitlements, ProductScreen, Rights
from ringmain.gateway.fanout import BATCH_EVENTS, Fanout
from ringmain.gateway.feed import feed_of
from ringmain.gateway.holding import Holdings, Nonces
from ringmain.gateway.intake import Intake
from ringmain.gateway.kernels import screen
from ringmain.gateway.limits import Limits
from ringmain.gateway.messages import session_record
from ringmain.gateway.session import LIVE, OPENING, Opening, Ping, Session, frame_fault, takings

LOG = logging.getLogger("ringmain.gateway")
FIRST_ANSWER_EVENTS = 4_096  # as far as one command's events are looked for


class Link(Protocol):
    """A connection, as the port sees it."""

    session: Session | None

    @property
    def is_writable(self) -> bool:
        """Whether the client has read most of what was sent."""

    @property
    def certificate_sha256(self) -> str:
        """Digest of the certificate that the client showed, in hex; asked where a credential wants one."""

    def write(self, data: bytes) -> None:
        """Send bytes; they may wait in memory."""

    def take_held(self) -> None:
        """Hand over again the frames that :meth:`Port.receive` did not take."""

    def end(self) -> None:
        """Close, behind what was written."""


class Port:
    """The sessions of one market.

    Connections hand it whole frames and write what it gives them. Somebody calls :meth:`pump` while
    it returns True and whenever the tape has more, and :meth:`retry` now and then.

    Parameters
    ----------
    folder : Path
        The market's folder; its node has to run.
    schema : Schema
        The market's; its name is the market's.
    credentials : Credentials
    limits : Limits
    entitlements : Entitlements, optional
        Those of the credentials' folder if not given.
    """

    def __init__(
        self, folder: Path, schema: Schema, credentials: Credentials, limits: Limits,
        entitlements: Entitlements | None = None,
    ) -> None:  # fmt: skip
        self.schema, self.limits = schema, limits
        self.tape = TapeReader(folder, schema)
        self.tape.position = self.tape.readable()
        self._history = TapeReader(folder, schema)
        self._intake = Intake(folder, schema)
        self._holdings, self._nonces = Holdings(folder), Nonces()
        self._fanout = Fanout(schema)
        self._feed = feed_of(folder, schema, limits.delay_s)
        self._credentials = credentials
        self._admission = Admission(schema.name, credentials, entitlements)
        self._copies = DropCopies(self._fanout, credentials)
        self._products = ProductScreen(schema)
        self._layout = messages.layout_word(schema)
        self._links: dict[int, Link] = {}  # by session id
        self._behind: set[int] = set()  # sessions that have a cursor of their own
        self._pinging: set[int] = set()  # sessions with Pings that wait
        self._holding: dict[Link, None] = {}  # links with frames that the ring had no room for
        self._none_allowed, self._allowed = np.zeros(0x10000, np.uint8), np.zeros(0x10000, np.uint8)
        self._allowed[[kind for kind in schema.commands if kind < FIRST_CORE_KIND]] = 1
        self._requests: dict[int, Callable[[Link, Session, Any], None]] = {
            messages.LOGIN: self._log_in_twice,
            messages.LOGOUT: self._log_out,
            messages.HEARTBEAT: lambda link, session, frame: None,
            messages.PING: self._ping,
            messages.RESEND_REQUEST: self._resend,
            messages.RESUME: self._resume,
            messages.SUBSCRIBE: self._subscribe,
            messages.UNSUBSCRIBE: self._unsubscribe,
        }
        self._compile()
        self._close_absent()

    def _compile(self) -> None:
        """Call each kernel on nothing, so that no session waits for a compiler."""
        nothing = self.schema.empty(0)
        screen(nothing, self._allowed, self.schema.slots, self.schema.version, 1)
        self._intake.offer(nothing)
        self._fanout.select(nothing, 1)
        list(self._fanout.sort(nothing))

    @property
    def has_more(self) -> bool:
        """Whether there is something for :meth:`pump` to send."""
        has_data = self._feed is not None and self._feed.has_more(self.tape.position)
        return bool(self._behind) or has_data or self.tape.readable() > self.tape.position

    # What connections call.

    def receive(self, link: Link, frames: Any) -> int:
        """Take frames of shape (n,) in order; return how many.

        Those it does not take, because the ring is full or the session is not open yet, are to be
        held; ``link.take_held`` is called when it is time to hand them over again.
        """
        done = 0
        while done < frames.size:
            session = link.session
            if session is None:
                used = self._first_frame(link, frames[done : done + 1])
            else:
                used = self._frames(link, session, frames[done:]) if session.phase == LIVE else 0
            if used == 0:
                break
            done += used
        return done

    def hold(self, link: Link) -> None:
        """Note that the link holds frames."""
        self._holding[link] = None

    def leave(self, link: Link) -> None:
        """Forget a connection; its session, if it has one, is closed at the market."""
        self._holding.pop(link, None)
        session = link.session
        if session is not None:
            self._forget(link, session)
            if self._holdings.give_back(session.session_id, session.awaited):
                self._intake.close_session(session.session_id)
            else:
                self._yield(session)

    def dismiss(self, link: Link, reason: int) -> None:
        """Tell a client why its connection ends, and end it."""
        link.write(self._record("LoggedOut", reason=reason))
        self.leave(link)
        link.end()

    def refuse_opening(self, link: Link) -> None:
        """Give up a log-in that the market has not answered."""
        link.write(self._record("LoginRefused", layout=self._layout, reason=messages.MARKET_AWAY))
        self.leave(link)
        link.end()

    def fall_behind(self, link: Link) -> None:
        """Write no more of the session's events until the link is writable; then from the tape."""
        session = link.session
        if session is not None and session.phase == LIVE and session.cursor is None:
            session.cursor = self.tape.position
            self._set_behind(session, True)

    def heartbeat(self, link: Link) -> None:
        """Show that the gateway is there, and how late it is at the market."""
        link.write(self._timed("Heartbeat"))

    # What the process calls.

    def pump(self) -> bool:
        """Send one batch of the tape, and as much to each session that is behind; True if there is more."""
        try:
            batch = self.tape.read(BATCH_EVENTS)
        except RingmainError as error:
            self._lose_track(error)
            return False
        for session_id, own, has_core_event in self._fanout.sort(batch):
            self._deliver(self._links[session_id], own, has_core_event, is_resent=False)
        for credential in self._copies.live() if batch.size else ():
            own = self._copies.select(credential, batch)
            if own.size:
                self._deliver(self._links[credential.session_id], own, True, is_resent=False)
        has_more = self.tape.readable() > self.tape.position
        if self._behind:
            self._look_for_takers(batch)
        for session_id in list(self._behind):
            has_more = self._catch_up(session_id) or has_more
        for session_id in list(self._pinging):
            self._answer_pings(self._links[session_id])
        if self._feed is not None:
            self._feed.advance(self.tape.position)  # not beyond what the orders' owners were told
            has_more = self._feed.has_more(self.tape.position) or has_more
        return has_more

    def retry(self) -> bool:
        """Do what the ring had no room for; True if something still waits.

        Also finds out that the node was restarted: what was on its way into the market is gone
        then, and the sessions are told what to send again.
        """
        try:
            if self._intake.renew():
                self._restart()
        except RingmainError:
            return True  # the node has not made its ring yet
        self._intake.flush()
        holding, self._holding = self._holding, {}
        for link in holding:
            link.take_held()
        return bool(self._holding)

    def review(self) -> None:
        """Log out whose credential has ended; take away what is no longer allowed to be seen."""
        for link in list(self._links.values()):
            session = link.session
            assert session is not None, "links are those of sessions"
            try:
                ending, rights = self._admission.review(link, session.credential)
            except RingmainError as error:
                LOG.error("%s", error)  # as it was, until somebody has corrected the file
                return
            if ending:
                self.dismiss(link, ending)
            elif rights is not session.rights:
                session.rights = rights
                self._withdraw(link, rights)
        self._copies.review()

    def _withdraw(self, link: Link, rights: Rights) -> None:
        """End the subscriptions that an account has no right to."""
        if self._feed is None:
            return
        for feed, product_id in sorted(self._feed.subjects(link)):
            if not rights.may_see(feed, product_id):
                self._feed.unsubscribe(link, (feed, product_id))
                fields = {"feed": feed, "product_id": product_id, "reason": messages.NOT_ENTITLED}
                link.write(self._record("SubscriptionEnded", **fields))

    def close(self) -> None:
        """Log every session out; the market is told."""
        for link in list(self._links.values()):
            self.dismiss(link, messages.STOPPING)
        self._intake.flush()
        self._intake.close()

    def _lose_track(self, error: RingmainError) -> None:
        """Begin anew where the tape now is; the sessions come back and see what they have missed."""
        LOG.error("%s", error)
        for link in list(self._links.values()):
            self.dismiss(link, messages.TOO_OLD)
        self.tape.position = self.tape.readable()

    # Log-in and end.

    def _first_frame(self, link: Link, frame: Any) -> int:
        """Log in; 0 if the connection has ended."""
        header = frame[0]
        is_login = header["kind"] == messages.LOGIN
        version = messages.GATEWAY_VERSION if is_login else self.schema.version
        if header["slots"] != self.schema.slots or header["version"] not in (
            version,
            messages.GATEWAY_VERSION,
        ):
            self.dismiss(link, messages.BAD_FRAME)
            return 0
        if header["kind"] != messages.LOGIN:
            self.dismiss(link, messages.LOGIN_EXPECTED)
            return 0
        login = frame.view(session_record(self.schema.slots, "Login").dtype)[0]
        credential, reason = self._admission.admit(link, bytes(login["token"]))
        if login["layout"] != self._layout and reason != messages.UNKNOWN_TOKEN:
            reason = messages.OTHER_LAYOUT
        if credential is None or reason:
            link.write(self._record("LoginRefused", layout=self._layout, reason=reason))
            link.end()
            return 0
        self._log_in(link, credential, int(login["heartbeat_ms"]))
        return 1

    def _log_in(self, link: Link, credential: Credential, heartbeat_ms: int) -> None:
        """Open the session at the market; a connection that has it gives it up."""
        former, awaited = self._links.get(credential.session_id), 0
        if former is not None and former.session is not None:
            former.write(self._record("LoggedOut", reason=messages.TAKEN_OVER))
            awaited = former.session.awaited
            self._forget(former, former.session)
            former.end()
        limits = self.limits
        heartbeat_ms = min(max(heartbeat_ms, limits.heartbeat_ms_min), limits.heartbeat_ms_max)
        link.session = Session(credential, self.schema, heartbeat_ms, self._nonces.next(holding.TAKES))
        link.session.awaited = self._holdings.take(credential.session_id, awaited)
        link.session.rights = self._admission.rights(credential)
        self._links[credential.session_id] = link
        self._copies.note(credential)
        self._listen(link.session, True)
        self._intake.open_session(credential, link.session.nonce)

    def _go_live(self, link: Link, session: Session, opening: Opening) -> None:
        session.phase, session.awaited = LIVE, 0
        account_id, heartbeat_ms = session.credential.account_id, session.heartbeat_ms
        record = session_record(self.schema.slots, "LoginAccepted")(
            session.session_id,
            last_number=opening.last_number, last_sequence=opening.sequence, account_id=account_id,
            layout=self._layout, heartbeat_ms=heartbeat_ms,
        )  # fmt: skip
        link.write(record.tobytes())
        self.hold(link)  # what came behind the Login is taken with the next retry

    def _forget(self, link: Link, session: Session) -> None:
        link.session = None
        self._holding.pop(link, None)
        self._links.pop(session.session_id)
        self._behind.discard(session.session_id)
        self._pinging.discard(session.session_id)
        self._listen(session, False)
        if self._feed is not None:
            self._feed.forget(link)

    def _listen(self, session: Session, is_listening: bool) -> None:
        """Have a session sent each batch of the tape at once, or not."""
        if session.credential.role == "drop_copy":
            self._copies.listen(session.credential, is_listening)
        else:
            self._fanout.listen(session.session_id, is_listening)

    def _close_absent(self) -> None:
        """Close what a gateway that died, or a market that lost our word, has left open."""
        for credential in self._credentials.last_known():
            session_id = credential.session_id
            is_absent = credential.market == self.schema.name and session_id not in self._links
            if is_absent and not self._holdings.other_has(session_id):
                self._intake.close_session(session_id)

    def _restart(self) -> None:
        """Ask a restarted node what it knows of each session."""
        self._close_absent()
        self._pinging.clear()
        for link in self._links.values():
            assert link.session is not None, "links are those of sessions"
            if link.session.phase == OPENING:
                self._take_again(link.session)
                continue
            link.session.restart(self._nonces.next(holding.ASKS))
            self._intake.open_session(link.session.credential, link.session.nonce)

    # Doors.

    def _follow(self, link: Link, session: Session, opening: Opening) -> None:
        """Note where the session stands at the market, and at which door."""
        step = session.follow(opening, self._nonces.is_own(opening.nonce))
        if step == holding.ENTER:
            self._go_live(link, session, opening)
        elif step == holding.RESEND:
            link.write(self._record("ResendCommands", last_number=opening.last_number))
        elif step == holding.TAKE_AGAIN:
            self._take_again(session)
        elif step == holding.LEAVE:
            self._give_up(link, session)

    def _take_again(self, session: Session) -> None:
        """Open a session that nobody else can have commands for on their way."""
        session.awaited = session.opened_sequence = 0
        session.restart(self._nonces.next(holding.TAKES))
        self._intake.open_session(session.credential, session.nonce)

    def _give_up(self, link: Link, session: Session) -> None:
        """Leave a session to the other door that has taken it, and say when that has all its commands."""
        link.write(self._record("LoggedOut", reason=messages.TAKEN_OVER))
        self._forget(link, session)
        self._yield(session)
        link.end()

    def _yield(self, session: Session) -> None:
        self._intake.open_session(session.credential, self._nonces.next(holding.YIELDS))

    def _look_for_takers(self, batch: Any) -> None:
        """See whether another door has taken a session that has not been sent the tape so far."""
        for session_id, opening in takings(batch):
            link = self._links.get(session_id)
            if link is not None and link.session is not None and link.session.cursor is not None:
                self._follow(link, link.session, opening)

    # Frames of a live session.

    def _frames(self, link: Link, session: Session, frames: Any) -> int:
        """Take a run of commands, or one other frame; return how many frames were taken."""
        is_read_only = session.credential.is_read_only
        allowed = self._none_allowed if is_read_only else self._allowed
        count = screen(frames, allowed, self.schema.slots, self.schema.version, session.session_id)
        if count == 0:
            self._other_frame(link, session, frames[:1], is_read_only)
            return 1
        if session.is_discarding:
            return int(count)
        if session.rights is not UNLIMITED:
            count = self._entitled(session, frames[:count])
            if count == 0:
                self._refuse(link, session, frames[:1], messages.NOT_ENTITLED)
                return 1
        taken = self._intake.offer(frames[:count])
        session.has_sent = session.has_sent or taken > 0
        if taken < count and self._intake.is_refused:
            self._refuse(link, session, frames[taken : taken + 1], messages.NOT_ACCEPTING)
            return taken + 1
        return taken

    def _entitled(self, session: Session, frames: Any) -> int:
        """Return how many commands come before the first for a product that the account may not trade."""
        rights, count = session.rights, self._products.allowed(frames, session.rights)
        for row in np.flatnonzero(self._products.names_none[frames["kind"][:count]]).tolist():
            product_id = self._product_of(session, frames[row : row + 1])
            if not (rights.may_trade(product_id) if product_id else rights.trades_something):
                return row
        return count

    def _product_of(self, session: Session, frame: Any) -> int:
        """Return the product of the order that a command names; 0 if the public book does not show it."""
        named = frame.view(self.schema.commands[int(frame["kind"][0])].dtype)
        if self._feed is None or "order_number" not in (named.dtype.names or ()):
            return 0
        return self._feed.product_of(session.session_id, int(named["order_number"][0]))

    def _other_frame(self, link: Link, session: Session, frame: Any, is_read_only: bool) -> None:
        fault = frame_fault(self.schema, frame[0], is_read_only)
        if fault == messages.BAD_FRAME:
            self.dismiss(link, fault)
        elif fault and not session.is_discarding:
            self._refuse(link, session, frame, fault)
        elif not fault:
            self._requests[int(frame["kind"][0])](link, session, frame)

    def _refuse(self, link: Link, session: Session, frame: Any, reason: int) -> None:
        """Say which frame went no further; of commands, those behind it are dropped until Resume."""
        kind, number = int(frame["kind"][0]), int(frame["session_number"][0])
        record = session_record(self.schema.slots, "Refused")
        link.write(record(session.session_id, number, refused_kind=kind, reason=reason).tobytes())
        if not messages.FIRST_SESSION_KIND <= kind <= messages.LAST_SESSION_KIND:
            session.is_discarding = True

    def _log_in_twice(self, link: Link, session: Session, frame: Any) -> None:
        self.dismiss(link, messages.NOT_PERMITTED)

    def _log_out(self, link: Link, session: Session, frame: Any) -> None:
        self.dismiss(link, messages.GOODBYE)

    def _resume(self, link: Link, session: Session, frame: Any) -> None:
        session.is_discarding = session.is_restarting

    def _ping(self, link: Link, session: Session, frame: Any) -> None:
        """Answer behind everything the session has sent and everything it has to be sent."""
        if session.is_discarding:
            return
        if len(session.pings) >= self.limits.pings:
            self._refuse(link, session, frame, messages.TOO_MANY_PINGS)
            return
        value = int(frame.view(session_record(self.schema.slots, "Ping").dtype)["value"][0])
        if session.has_sent:
            session.has_sent = False
            session.nonce = self._nonces.next(holding.ASKS)
            self._intake.open_session(session.credential, session.nonce)
        session.pings.append(Ping(value, session.nonce, self.tape.readable()))
        self._pinging.add(session.session_id)
        self._answer_pings(link)

    def _answer_pings(self, link: Link) -> None:
        session = link.session
        assert session is not None, "only sessions ping"
        position = self.tape.position if session.cursor is None else session.cursor
        for value in session.ready_pings(position):
            link.write(self._timed("Pong", value=value))
        if not session.pings:
            self._pinging.discard(session.session_id)

    def _resend(self, link: Link, session: Session, frame: Any) -> None:
        """Go back on the tape, and come on from there."""
        asked = frame.view(session_record(self.schema.slots, "ResendRequest").dtype)[0]
        after, skip = max(0, int(asked["after_sequence"])), int(asked["skip_events"])
        position = self._history.seek_sequence(after)
        if position == self._history.first() > 0 and not self._begins_by(after):
            self._refuse(link, session, frame, messages.TOO_OLD)
            return
        link.write(self._record("ResendBegun", after_sequence=after, skip_events=skip))
        session.begin_resend(min(position, self.tape.position), after, skip)
        self._set_behind(session, True)

    def _begins_by(self, sequence: int) -> bool:
        """Tell whether the oldest event that is kept answers `sequence` or an earlier command."""
        oldest = self._history.read(1)
        return bool(oldest.size and oldest["sequence"][0] <= sequence)

    def _subscribe(self, link: Link, session: Session, frame: Any) -> None:
        asked = frame.view(session_record(self.schema.slots, "Subscribe").dtype)[0]
        subject = int(asked["feed"]), int(asked["product_id"])
        if self._feed is not None and self._feed.count(link) >= self.limits.subscriptions:
            self._refuse(link, session, frame, messages.TOO_MANY_SUBSCRIPTIONS)
        elif subject[0] in messages.FEEDS.values() and not session.rights.may_see(*subject):
            self._refuse(link, session, frame, messages.NOT_ENTITLED)
        elif self._feed is None or not self._feed.subscribe(link, subject):
            self._refuse(link, session, frame, messages.NO_SUCH_FEED)

    def _unsubscribe(self, link: Link, session: Session, frame: Any) -> None:
        asked = frame.view(session_record(self.schema.slots, "Unsubscribe").dtype)[0]
        if self._feed is not None:
            self._feed.unsubscribe(link, (int(asked["feed"]), int(asked["product_id"])))

    # Events to a session.

    def _select(self, session: Session, batch: Any) -> Any:
        """Return what a session is to be sent of a batch; valid until the next call."""
        if session.credential.role == "drop_copy":
            return self._copies.select(session.credential, batch)
        return self._fanout.select(batch, session.session_id)

    def _deliver(self, link: Link, own: Any, has_core_event: bool, is_resent: bool) -> None:
        """Send a session its events; what the core says in them is acted on."""
        session = link.session
        assert session is not None, "only sessions have events"
        first_sequences: list[int] = []
        if has_core_event:
            core = session.core_events(own)
            first_sequences = core.first_sequences
            for opening in core.openings:
                self._follow(link, session, opening)
        if session.phase == OPENING or link.session is None:
            return
        link.write(own.tobytes())
        if not is_resent:
            for sequence in first_sequences:
                self._send_first_answer(link, session, sequence)

    def _send_first_answer(self, link: Link, session: Session, sequence: int) -> None:
        """Answer a repeated command as it was answered first."""
        self._history.seek_sequence(sequence)
        own = self._fanout.select(self._history.read(FIRST_ANSWER_EVENTS), session.session_id)
        answer = own[: int((own["sequence"] == sequence).sum())]
        if answer.size:
            link.write(answer.tobytes())

    def _catch_up(self, session_id: int) -> bool:
        """Send a session that is behind its events out of the next batch; True if there is more."""
        link = self._links[session_id]
        session = link.session
        assert session is not None, "links are those of sessions"
        assert session.cursor is not None, "it is behind"
        if not link.is_writable:
            return False
        self._history.position = session.cursor
        try:
            batch = self._history.read(min(BATCH_EVENTS, self.tape.position - session.cursor))
        except RingmainError:
            self.dismiss(link, messages.TOO_OLD)
            return False
        session.cursor = self._history.position
        own = session.unskipped(self._select(session, batch))
        if own.size:
            self._deliver(link, own, True, session.is_resending)
        if session.cursor < self.tape.position:
            return link.is_writable
        if link.is_writable and link.session is session:
            session.cursor = None
            self._set_behind(session, False)
        return False

    def _set_behind(self, session: Session, is_behind: bool) -> None:
        self._listen(session, not is_behind)
        if is_behind:
            self._behind.add(session.session_id)
        else:
            self._behind.discard(session.session_id)
            session.is_resending = False

    def _timed(self, name: str, **values: int) -> bytes:
        """Return a record that bears the logical time up to which the node has lived."""
        record, page = session_record(self.schema.slots, name)(**values), self.tape.page
        record["time_ns"] = max(page.get("time_ns"), page.get("settled_ns"))
        return record.tobytes()

    def _record(self, name: str, **values: int) -> bytes:
        return session_record(self.schema.slots, name)(**values).tobytes()
